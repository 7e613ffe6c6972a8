"""The turns of a person in one call, until what their transcription used is in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from realtime.bridge.audio import bytes_to_ms
from realtime.models import Usage
from realtime.money.estimate import Context, Turn
from realtime.money.ledger import Entry

Event = Mapping[str, Any]
LONGEST_TURN_MS = 3_600_000
"""A provider that reports a longer turn counts from somewhere else."""
REMEMBERED = 512


class Turns:
    """Follows the events of one call. `session`: the GA session that it begins with.

    `context` is told how long each turn was. `entry(key, kind, **fields)` makes a ledger entry,
    `put(entry, item_id=...)` puts it into the ledger, and `keep_owing()` is called when `owing`
    has changed.
    """

    def __init__(
        self,
        session: Event,
        context: Context,
        entry: Callable[..., Entry],
        put: Callable[..., None],
        keep_owing: Callable[[], None],
    ) -> None:
        self.unclaimed = 0
        """Bytes of microphone audio since the last turn."""
        self._context = context
        self._new_entry = entry
        self._put = put
        self._keep_owing = keep_owing
        self._transcriber = _transcriber(session)
        self._turns: dict[str, Turn] = {}  # to be transcribed
        self._transcribed: dict[str, None] = {}

    @property
    def owed(self) -> dict[str, Turn]:
        """Committed turns that are being transcribed."""
        if self._transcriber is None:
            return {}
        turns = self._turns.items()
        return {item_id: turn for item_id, turn in turns if turn.committed and turn.ms}

    def owing(self) -> list[dict[str, Any]]:
        """The ledger entries of `owed` as plain values, estimated."""
        return [self._incomplete(item_id, turn).fields() for item_id, turn in self.owed.items()]

    def give_up(self) -> None:
        """Estimate the turns whose transcripts will never come. A turn that was not committed yet
        costs nothing: the next session is given its audio again."""
        for item_id, turn in self.owed.items():
            self._put(self._incomplete(item_id, turn))
        self._turns.clear()

    def follow(self, session: Event) -> None:
        """Take the transcription model of a session that the provider told of."""
        self._transcriber = _transcriber(session) or self._transcriber

    def on_client_event(self, event: Event) -> None:
        if event["type"] == "input_audio_buffer.clear":
            self.unclaimed = 0
        elif event["type"] == "session.update" and _stops_transcription(event["session"]):
            # Only the client's word counts: a session without the field may still transcribe.
            self._transcriber = None

    def on_event(self, event: Event) -> None:
        handler = self._handlers.get(event["type"])
        if handler is not None:
            handler(self, event)

    def _on_session_updated(self, event: Event) -> None:
        self.follow(event["session"])

    def _on_speech_started(self, event: Event) -> None:
        self._turns[event["item_id"]] = Turn(started_ms=int(event["audio_start_ms"]))

    def _on_speech_stopped(self, event: Event) -> None:
        turn = self._turns.get(event["item_id"])
        if turn is not None and turn.started_ms is not None:
            ms = int(event["audio_end_ms"]) - turn.started_ms
            turn.ms = max(0, min(ms, LONGEST_TURN_MS))

    def _on_timeout(self, event: Event) -> None:
        """What is committed under this id is silence, which is not transcribed."""
        self._remember(event["item_id"])

    def _on_committed(self, event: Event) -> None:
        item_id = event["item_id"]
        turn = self._turns.setdefault(item_id, Turn())
        turn.committed = True
        turn.ms = turn.ms or bytes_to_ms(self.unclaimed)
        self.unclaimed = 0
        self._context.hears(turn.ms)
        if self._transcriber is None or item_id in self._transcribed:
            self._turns.pop(item_id)
        else:
            self._keep_owing()

    def _on_transcribed(self, event: Event) -> None:
        item_id = event["item_id"]
        turn = self._turns.pop(item_id, Turn())
        raw = _usage(event)
        known = item_id in self._transcribed
        self._remember(item_id)
        if raw or (self._transcriber is not None and not known):
            words = str(event.get("transcript") or "")
            self._put(self._entry(item_id, turn, words, raw=raw), item_id=item_id)

    def _on_failed(self, event: Event) -> None:
        """Not billed when the provider says that it failed; unknown when the line broke."""
        item_id = event["item_id"]
        turn = self._turns.pop(item_id, None)
        lost = event["error"].get("code") == "connection_lost"
        raw = _usage(event)
        if raw or (lost and turn is not None and turn.ms and self._transcriber):
            entry = self._entry(item_id, turn or Turn(), raw=raw, status=Usage.Status.FAILED)
            self._put(entry, item_id=item_id)
        else:
            self._keep_owing()

    def _remember(self, item_id: str) -> None:
        self._transcribed[item_id] = None
        forget_old(self._transcribed)

    def _incomplete(self, item_id: str, turn: Turn) -> Entry:
        return self._entry(item_id, turn, status=Usage.Status.INCOMPLETE)

    def _entry(self, item_id: str, turn: Turn, words: str = "", **fields: Any) -> Entry:
        if self._transcriber:
            fields["model"] = self._transcriber
        counts = turn.counts(words)
        return self._new_entry(item_id, Usage.Kind.TRANSCRIPTION, counts=counts, **fields)

    _handlers: dict[str, Callable[[Turns, Event], None]] = {
        "session.updated": _on_session_updated,
        "input_audio_buffer.speech_started": _on_speech_started,
        "input_audio_buffer.speech_stopped": _on_speech_stopped,
        "input_audio_buffer.timeout_triggered": _on_timeout,
        "input_audio_buffer.committed": _on_committed,
        "conversation.item.input_audio_transcription.completed": _on_transcribed,
        "conversation.item.input_audio_transcription.failed": _on_failed,
    }


def forget_old(known: dict[str, Any]) -> None:
    """Keep a dict of ids small; the oldest go."""
    while len(known) > REMEMBERED:
        del known[next(iter(known))]


def _transcriber(session: Event) -> str | None:
    """The transcription model of a GA session."""
    transcription = _input(session).get("transcription")
    model = transcription.get("model") if isinstance(transcription, Mapping) else None
    return model if isinstance(model, str) and model else None


def _stops_transcription(session: Event) -> bool:
    """Whether a `session.update` switches transcription off."""
    audio_in = _input(session)
    return "transcription" in audio_in and audio_in["transcription"] is None


def _input(session: Event) -> Event:
    audio = session.get("audio")
    audio_in = audio.get("input") if isinstance(audio, Mapping) else None
    return audio_in if isinstance(audio_in, Mapping) else {}


def _usage(event: Event) -> Any:
    """What the provider said a transcription used; None where its `usage` was only filled in."""
    return event["raw_usage"] if "raw_usage" in event else event.get("usage")
