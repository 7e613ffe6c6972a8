"""The person's turns, of which Gemini reports little but the transcript.

Where a turn began and ended is found here in the audio, simply by its loudness.
"""

from __future__ import annotations

from collections.abc import Iterator

from ....hearing.turns import Started, Stopped, detector_for
from ....hearing.vad import FRAME_BYTES, FRAME_MS, EnergyVad
from ...audio import bytes_to_ms
from ...events import Event
from ...ids import new_id
from .answer import event
from .usage import NO_TRANSCRIPTION

WITHOUT_WORDS_MS = 4_000
"""If no words come for so long after an interruption, it was a noise."""
LONGEST_PAUSE_MS = 2_000
LATE_MS = 3_000
"""How long after a turn's end more of its words may come."""
LOUD = {"threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 600}
TRANSCRIPTION = "conversation.item.input_audio_transcription"


class Person:
    """The turn under way, if any. Times are ms of audio sent in this session."""

    def __init__(self) -> None:
        self.sent_ms = 0
        self.item_id: str | None = None
        self._words = ""
        self._began_ms = 0
        self._committed: str | None = None  # a turn whose transcription is not complete
        self._committed_ms = 0
        self._vad, self._loud = EnergyVad(), detector_for(LOUD)
        self._rest, self._heard_ms, self._sent = b"", 0.0, 0
        self._onset_ms: int | None = None
        self._end_ms: int | None = None

    @property
    def has_words(self) -> bool:
        """Whether any words of the turn under way have come."""
        return bool(self._words)

    @property
    def is_late(self) -> bool:
        """Whether words that come now belong to the previous turn, which is still transcribed."""
        return self._committed is not None and self.sent_ms - self._committed_ms < LATE_MS

    @property
    def hears_from(self) -> int | None:
        """Where somebody seems to have begun to speak of whom nothing has come, if that was not
        long ago: then it was a noise."""
        over = self._end_ms is not None and self.sent_ms - self._end_ms > LATE_MS
        return None if over or self.item_id is not None else self._onset_ms

    def hear(self, pcm: bytes, wire: bytes) -> Iterator[Event]:
        """Take audio that was sent: `pcm` at 24 kHz, and the same as `wire` at 16 kHz."""
        self._sent += len(pcm)
        self.sent_ms = bytes_to_ms(self._sent)
        self._rest += wire
        while len(self._rest) >= FRAME_BYTES:
            frame, self._rest = self._rest[:FRAME_BYTES], self._rest[FRAME_BYTES:]
            self._heard_ms += FRAME_MS
            found = self._loud.feed(self._vad.probability(frame), self._heard_ms, FRAME_MS)
            if isinstance(found, Started):
                self._note_onset(found.at_ms)
            elif isinstance(found, Stopped):
                self._end_ms = found.at_ms
        if self.item_id and not self._words and self.sent_ms - self._began_ms > WITHOUT_WORDS_MS:
            yield from self._stopped()

    def _note_onset(self, at_ms: int) -> None:
        # What was loud before a longer pause is not part of this turn.
        paused = self._end_ms is not None and at_ms - self._end_ms > LONGEST_PAUSE_MS
        if self._onset_ms is None or paused:
            self._onset_ms = at_ms
        self._end_ms = None

    def started(self) -> Iterator[Event]:
        """Somebody has been found to speak."""
        if self.item_id is not None:
            return
        yield from self.transcribed()
        self._words = ""
        self.item_id = new_id("item")
        self._began_ms = self.sent_ms
        at_ms = self.sent_ms if self._onset_ms is None else self._onset_ms
        kind = "input_audio_buffer.speech_started"
        yield event(kind, item_id=self.item_id, audio_start_ms=at_ms)

    def said(self, text: str) -> Iterator[Event]:
        """More of the turn's words, which may come after its end."""
        self._words += text
        item_id = self.item_id or self._committed
        if item_id and text:
            yield event(f"{TRANSCRIPTION}.delta", item_id=item_id, content_index=0, delta=text)

    def ended(self, after: str | None) -> Iterator[Event]:
        """The turn under way is over, whether or not it is answered."""
        item_id = self.item_id
        if item_id is None:
            return
        yield from self._stopped()
        yield from self.committed(item_id, after)

    def committed(self, item_id: str, after: str | None) -> Iterator[Event]:
        """A turn becomes an item, which follows the item `after`."""
        self._committed, self._committed_ms = item_id, self.sent_ms
        self._onset_ms = None
        item = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        yield event("input_audio_buffer.committed", item_id=item_id, previous_item_id=after)
        yield event("conversation.item.added", previous_item_id=after, item=item)
        yield event("conversation.item.done", previous_item_id=after, item=item)

    def transcribed(self) -> Iterator[Event]:
        """The transcript of the last committed turn is complete."""
        item_id, self._committed = self._committed, None
        if item_id is None:
            return
        words, self._words = self._words, ""
        yield event(
            f"{TRANSCRIPTION}.completed",
            item_id=item_id,
            content_index=0,
            transcript=words.strip(),
            usage=NO_TRANSCRIPTION,
            raw_usage=None,
        )

    def _stopped(self) -> Iterator[Event]:
        at_ms = self.sent_ms if self._end_ms is None else self._end_ms
        item_id, self.item_id = self.item_id, None
        yield event("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=at_ms)
