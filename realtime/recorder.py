"""The recorder: a tap that turns what happens in a call into messages and recordings.

Every method is called on the event loop and only appends: rows go to the `store`, audio to
`tracks`. A row appears when an item appears, grows with its transcript, and is finished when the
item is; the assistant's ends at what was heard of it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse
from django.utils import timezone

from chats.models import Message, Recording
from chats.models.conversation import title_from
from realtime.bridge.audio import ms_to_bytes
from realtime.bridge.taps import EndRecord, Tap
from realtime.store import Store
from realtime.tracks import Encoded, Track

# How much microphone audio is remembered before speech starts; providers announce the start
# late and dated back by their prefix padding.
PRE_ROLL_MS = 5000
# Playback reports lag a little; an answer heard up to here was heard whole.
HEARD_WHOLE_MS = 150

Event = Mapping[str, Any]
Notify = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class Item:
    """One message while the call lives."""

    item_id: str
    role: str
    kind: str
    position: float
    message_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = Message.Status.IN_PROGRESS
    # The transcript as far as it came.
    text: str = ""
    unheard: str = ""
    # Playback position the browser reported last, in ms; None before the first report.
    played_ms: int | None = None
    # Where the answer was cut, in ms; None when it was not.
    cut_ms: int | None = None
    # The provider will send no more audio or text for it.
    complete: bool = False
    # Its audio was handed to the encoder.
    recorded: bool = False
    track: Track | None = None
    recording: dict[str, Any] | None = None


class Recorder(Tap):
    """Watches one call (`realtime.bridge.taps.Tap`) and keeps it."""

    def __init__(
        self,
        *,
        store: Store,
        conversation_id: str,
        call_id: str,
        last_position: float,
        titled: bool,
        notify: Notify,
    ) -> None:
        self._store = store
        self._conversation_id = conversation_id
        self._call_id = call_id
        self._titled = titled
        # Tells the browser something; safe to call from any thread.
        self._notify = notify
        self._items: dict[str, Item] = {}
        # Item ids in the order of the conversation.
        self._order: list[str] = []
        self._last_position = last_position
        # The newest microphone audio and the byte its first byte is of all that was sent.
        self._heard = bytearray()
        self._heard_from = 0
        # The item the person is speaking, when speech has started.
        self._speaking: Item | None = None
        # With turn detection off, a turn is everything since the last commit or clear.
        self._manual = False
        self._manual_track: Track | None = None

    # --- audio --------------------------------------------------------------------------------

    def on_user_audio(self, pcm: bytes, start_sample: int) -> None:
        if start_sample * 2 != self._heard_from + len(self._heard):
            # A new upstream session counts from zero again.
            self._heard.clear()
            self._heard_from = start_sample * 2
        self._heard += pcm
        if self._manual:
            if self._manual_track is None:
                self._manual_track = self._new_track()
            self._manual_track.append(pcm)
        elif self._speaking and self._speaking.track:
            self._speaking.track.append(pcm)
        spare = len(self._heard) - ms_to_bytes(PRE_ROLL_MS)
        if spare > 0:
            del self._heard[:spare]
            self._heard_from += spare

    def on_assistant_audio(self, item_id: str, content_index: int, pcm: bytes) -> None:
        item = self._item(item_id, Message.Role.ASSISTANT, Message.Kind.SPOKEN)
        if item.recorded:
            return
        if item.track is None:
            item.track = self._new_track()
            item.kind = Message.Kind.SPOKEN
            self._save_live_recording(item)
        item.track.append(pcm)

    def on_played(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        item = self._items.get(item_id)
        if item is None or item.role != Message.Role.ASSISTANT:
            return
        item.played_ms = max(item.played_ms or 0, audio_end_ms)
        self._record_when_heard(item)

    # --- events -------------------------------------------------------------------------------

    def on_client_event(self, event: Event) -> None:
        if event["type"] == "input_audio_buffer.clear" and self._manual_track:
            self._manual_track.discard()
            self._manual_track = None

    def on_event(self, event: Event) -> None:
        handler = self._handlers.get(event["type"])
        if handler:
            handler(self, event)

    def _session(self, event: Event) -> None:
        audio_in = (event["session"].get("audio") or {}).get("input") or {}
        manual = "turn_detection" in audio_in and audio_in["turn_detection"] is None
        if manual and not self._manual:
            self._manual_track = None
        self._manual = manual

    def _speech_started(self, event: Event) -> None:
        item = self._item(event["item_id"], Message.Role.USER, Message.Kind.SPOKEN)
        if item.track is None and not item.recorded:
            item.track = self._new_track()
            skip = ms_to_bytes(int(event.get("audio_start_ms") or 0)) - self._heard_from
            item.track.append(memoryview(bytes(self._heard))[max(0, skip) :])
            self._save_live_recording(item)
        self._speaking = item

    def _speech_stopped(self, event: Event) -> None:
        item = self._items.get(event["item_id"])
        if item is not None and item is self._speaking:
            self._speaking = None

    def _committed(self, event: Event) -> None:
        item = self._item(
            event["item_id"],
            Message.Role.USER,
            Message.Kind.SPOKEN,
            after=event.get("previous_item_id"),
        )
        if self._manual and item.track is None and self._manual_track is not None:
            item.track, self._manual_track = self._manual_track, None
            self._save_live_recording(item)
        if self._speaking is item:
            self._speaking = None
        item.complete = True
        self._record(item, None)

    def _item_added(self, event: Event) -> None:
        added = event["item"]
        if added.get("type") != "message" or added.get("role") not in ("user", "assistant"):
            return
        spoken = added["role"] == "assistant" or any(
            part.get("type") == "input_audio" for part in added.get("content") or []
        )
        known = added["id"] in self._items
        item = self._item(
            added["id"],
            added["role"],
            Message.Kind.SPOKEN if spoken else Message.Kind.TYPED,
            after=event.get("previous_item_id"),
        )
        words = [part.get("text") or "" for part in added.get("content") or []]
        if not known and not spoken:
            item.text = "\n".join(filter(None, words))
            item.complete = True
            item.status = Message.Status.COMPLETED
            self._save(item)

    def _transcribed_delta(self, event: Event) -> None:
        item = self._items.get(event["item_id"])
        if item and item.status == Message.Status.IN_PROGRESS:
            item.text += event.get("delta") or ""
            self._save(item)

    def _transcribed(self, event: Event) -> None:
        item = self._item(event["item_id"], Message.Role.USER, Message.Kind.SPOKEN)
        item.text = (event.get("transcript") or "").strip()
        item.status = Message.Status.COMPLETED
        self._save(item)

    def _transcription_failed(self, event: Event) -> None:
        item = self._item(event["item_id"], Message.Role.USER, Message.Kind.SPOKEN)
        item.status = Message.Status.COMPLETED
        self._save(item)

    def _said_delta(self, event: Event) -> None:
        item = self._item(event["item_id"], Message.Role.ASSISTANT, Message.Kind.SPOKEN)
        if item.cut_ms is None:
            item.text += event.get("delta") or ""
            self._save(item)

    def _wrote_delta(self, event: Event) -> None:
        item = self._item(event["item_id"], Message.Role.ASSISTANT, Message.Kind.TYPED)
        if item.track is None:
            item.kind = Message.Kind.TYPED
        item.text += event.get("delta") or ""
        self._save(item)

    def _truncated(self, event: Event) -> None:
        item = self._items.get(event["item_id"])
        if item is not None and item.role == Message.Role.ASSISTANT:
            self._cut(item, int(event.get("audio_end_ms") or 0))

    def _response_done(self, event: Event) -> None:
        status = event["response"].get("status")
        for output in event["response"].get("output") or []:
            item = self._items.get(output.get("id"))
            if item is None:
                continue
            item.complete = True
            if status == "failed":
                item.status = Message.Status.FAILED
            elif status in ("cancelled", "incomplete"):
                item.status = Message.Status.INTERRUPTED
            elif item.cut_ms is None:
                item.status = Message.Status.COMPLETED
            self._save(item)
            self._record_when_heard(item)

    _handlers: dict[str, Callable[[Recorder, Event], None]] = {
        "session.created": _session,
        "session.updated": _session,
        "input_audio_buffer.speech_started": _speech_started,
        "input_audio_buffer.speech_stopped": _speech_stopped,
        "input_audio_buffer.committed": _committed,
        "conversation.item.added": _item_added,
        "conversation.item.input_audio_transcription.delta": _transcribed_delta,
        "conversation.item.input_audio_transcription.completed": _transcribed,
        "conversation.item.input_audio_transcription.failed": _transcription_failed,
        "response.output_audio_transcript.delta": _said_delta,
        "response.output_text.delta": _wrote_delta,
        "conversation.item.truncated": _truncated,
        "response.done": _response_done,
    }

    def on_end(self, record: EndRecord) -> None:
        """Finish whatever is still open: the call is over, so nothing more will be heard."""
        for item in self._items.values():
            if item.role == Message.Role.ASSISTANT and not item.recorded:
                self._end_answer(item)
            elif item.role == Message.Role.USER and not item.recorded:
                self._record(item, None)
            if item.status == Message.Status.IN_PROGRESS:
                # A turn that was committed is whole even when its transcript never came.
                whole = item.role == Message.Role.USER and item.complete
                item.status = Message.Status.COMPLETED if whole else Message.Status.INTERRUPTED
                self._save(item)
        if self._manual_track is not None:
            self._manual_track.discard()

    # --- items --------------------------------------------------------------------------------

    def _item(self, item_id: str, role: str, kind: str, after: str | None = None) -> Item:
        """Return the item, making its row at once; a known one moves to its place after `after`."""
        item = self._items.get(item_id)
        if item is None:
            item = Item(item_id, str(role), str(kind), self._place(item_id, after))
            self._items[item_id] = item
            self._save(item)
        elif after is not None and after in self._items and after != self._before(item_id):
            self._order.remove(item_id)
            item.position = self._place(item_id, after)
            self._save(item)
        return item

    def _place(self, item_id: str, after: str | None) -> float:
        """Put the id into the order, at the end unless `after` is known; return its position."""
        if after in self._items and after != self._order[-1]:
            index = self._order.index(after) + 1
            low = self._items[after].position
            high = self._items[self._order[index]].position
            self._order.insert(index, item_id)
            return (low + high) / 2
        self._order.append(item_id)
        self._last_position += 1.0
        return self._last_position

    def _before(self, item_id: str) -> str | None:
        index = self._order.index(item_id)
        return self._order[index - 1] if index else None

    def _cut(self, item: Item, heard_ms: int) -> None:
        """The person heard the answer only up to `heard_ms`."""
        if item.recorded or item.cut_ms is not None:
            return
        total = item.track.duration_ms if item.track else 0
        item.cut_ms = min(heard_ms, total)
        heard, item.unheard = split_heard(item.text, item.cut_ms, total)
        item.text = heard
        item.status = Message.Status.INTERRUPTED
        self._save(item)
        self._record(item, item.cut_ms)

    def _end_answer(self, item: Item) -> None:
        """Close an answer whose playback was still going on when the call ended."""
        total = item.track.duration_ms if item.track else 0
        heard = item.played_ms
        if heard is not None and heard < total - HEARD_WHOLE_MS:
            self._cut(item, heard)
        else:
            self._record(item, None)

    # --- recordings ---------------------------------------------------------------------------

    def _new_track(self) -> Track:
        return Track(self._call_id, str(uuid.uuid4()))

    def _record_when_heard(self, item: Item) -> None:
        """Encode an answer once it is complete and its playback has reached the end."""
        if (
            item.complete
            and item.track
            and (item.played_ms or 0) >= (item.track.duration_ms - HEARD_WHOLE_MS)
        ):
            self._record(item, None)

    def _record(self, item: Item, keep_ms: int | None) -> None:
        if item.recorded:
            return
        item.recorded = True
        if item.track is not None:
            item.track.finish(keep_ms, lambda encoded: self._recorded(item, encoded))

    def _recorded(self, item: Item, encoded: Encoded | None) -> None:
        """In the encoder's thread: write the finished recording and tell the browser."""
        if item.track is None:
            return
        recording_id = item.track.recording_id
        if encoded is None:
            fields: dict[str, Any] = {"state": Recording.State.FAILED}
        else:
            fields = {
                "state": Recording.State.READY,
                "file": encoded.name,
                "duration_ms": encoded.duration_ms,
                "size": encoded.size,
            }
            item.recording = {
                "url": reverse("recording", args=[recording_id]),
                "duration_ms": encoded.duration_ms,
            }
        self._store.put(
            "chats.Recording",
            recording_id,
            {"message_id": item.message_id, **fields},
            lambda: self._notify(self.saved(item)),
        )

    def _save_live_recording(self, item: Item) -> None:
        if item.track is not None:
            self._store.put(
                "chats.Recording",
                item.track.recording_id,
                {"message_id": item.message_id, "state": Recording.State.LIVE},
            )

    # --- rows ---------------------------------------------------------------------------------

    def _save(self, item: Item) -> None:
        self._store.put(
            "chats.Message",
            item.message_id,
            {
                "conversation_id": self._conversation_id,
                "call_id": self._call_id,
                "item_id": item.item_id,
                "position": item.position,
                "role": item.role,
                "kind": item.kind,
                "status": item.status,
                "text": item.text,
                "unheard": item.unheard,
                "heard_ms": item.cut_ms,
            },
            None
            if item.status == Message.Status.IN_PROGRESS
            else lambda: self._notify(self.saved(item)),
        )
        self._save_conversation(item)

    def _save_conversation(self, item: Item) -> None:
        fields: dict[str, Any] = {"updated": timezone.now()}
        if not self._titled and item.text and item.status == Message.Status.COMPLETED:
            self._titled = True
            fields["title"] = title_from(item.text)
            self._notify({"type": "nextvoice.title", "title": fields["title"]})
        self._store.put("chats.Conversation", self._conversation_id, fields)

    @staticmethod
    def saved(item: Item) -> dict[str, Any]:
        """The `nextvoice.saved` event of an item."""
        return {
            "type": "nextvoice.saved",
            "item_id": item.item_id,
            "message_id": item.message_id,
            "role": item.role,
            "kind": item.kind,
            "status": item.status,
            "text": item.text,
            "unheard": item.unheard,
            "heard_ms": item.cut_ms,
            "recording": item.recording,
        }


def split_heard(text: str, heard_ms: int, total_ms: int) -> tuple[str, str]:
    """Split a transcript where the playback stopped, at the end of the last word begun.

    Providers say nothing of when each word sounds, so speech is taken to be even.
    """
    if total_ms <= 0 or heard_ms >= total_ms:
        return text, ""
    at = round(len(text) * max(0, heard_ms) / total_ms)
    while 0 < at < len(text) and not text[at].isspace():
        at += 1
    return text[:at].rstrip(), text[at:].lstrip()
