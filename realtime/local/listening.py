"""The input side of a session: audio in, turns and user items out."""

from collections.abc import Callable
from typing import Any

from realtime.hearing.turns import Started, detector_for
from realtime.hearing.vad import VadPool
from realtime.local.audio import BYTES_PER_MS, Decoder
from realtime.local.config import Config
from realtime.local.conversation import Conversation, Item, Part
from realtime.local.ears import Utterance
from realtime.local.errors import Refused
from realtime.local.events import Send, event, new_id
from realtime.local.mic import Mic
from realtime.local.responding import Responding
from realtime.local.transcripts import END_QUIET, Transcripts

LEAST_COMMIT_MS = 100
# One step of a long append: bounds how long other sessions wait for this one.
STEP_BYTES = 1000 * BYTES_PER_MS


class Listening:
    def __init__(
        self,
        conversation: Conversation,
        transcripts: Transcripts,
        responding: Responding,
        vads: VadPool,
        send: Send,
        config: Callable[[], Config],
    ) -> None:
        self._conversation, self._transcripts = conversation, transcripts
        self._responding, self._send, self._config = responding, send, config
        self.mic = Mic(vads)
        self._turn_id: str | None = None
        self._turn_ms = 0
        self._utterance: Utterance | None = None
        self._format: dict[str, Any] | None = None
        self.decoder = Decoder(self._input["format"])
        self.configure()

    @property
    def _input(self) -> Config:
        found: Config = self._config()["audio"]["input"]
        return found

    def configure(self) -> None:
        """Take over changed session settings."""
        if self._input["format"] != self._format:
            self._format = self._input["format"]
            self.decoder = Decoder(self._input["format"])
        detection = self._input["turn_detection"]
        if (detection is None) != (self.mic.detector is None):
            self._drop_turn()
        if detection is None:
            self.mic.detect(None)
            return
        self.mic.detect(detector_for(detection))

    def close(self) -> None:
        self._drop_turn()
        self.mic.close()

    def decode(self, audio: Any) -> list[bytes]:
        """Base64 of the input format -> steps of PCM16 at 24 kHz; raises Refused."""
        pcm = self.decoder.decode(audio)
        self.mic.check_room(len(pcm))
        return [pcm[start : start + STEP_BYTES] for start in range(0, len(pcm), STEP_BYTES)]

    def hear(self, pcm: bytes) -> None:
        for found in self.mic.feed(pcm):
            if isinstance(found, bytes):
                self._listen(found)
            elif isinstance(found, Started):
                self._started(found.at_ms)
            else:
                self._stopped(found.at_ms)

    def _listen(self, frame: bytes) -> None:
        if self._utterance is None:
            self._utterance = self._transcripts.open(self._input["transcription"])
        self._utterance.feed(frame)

    def _started(self, at_ms: int) -> None:
        self._turn_id, self._turn_ms = new_id("item"), at_ms
        self._responding.busy()
        self._send(
            event("input_audio_buffer.speech_started", audio_start_ms=at_ms, item_id=self._turn_id)
        )
        detection = self._input["turn_detection"]
        if detection and detection["interrupt_response"]:
            self._responding.interrupt()

    def _stopped(self, at_ms: int) -> None:
        assert self._turn_id is not None
        self._send(
            event("input_audio_buffer.speech_stopped", audio_end_ms=at_ms, item_id=self._turn_id)
        )
        self._commit(self.mic.take(self._turn_ms, at_ms))
        detection = self._input["turn_detection"]
        if detection and detection["create_response"]:
            self._responding.automatic()

    def commit(self) -> None:
        """The client's commit; raises Refused when there is next to nothing to commit."""
        if self.mic.buffered_ms < LEAST_COMMIT_MS:
            raise Refused(
                "Error committing input audio buffer: buffer too small. Expected at least"
                f" {LEAST_COMMIT_MS}ms of audio, but buffer only has"
                f" {self.mic.buffered_ms:.2f}ms of audio.",
                code="input_audio_buffer_commit_empty",
            )
        if self._utterance is not None:
            self._utterance.feed(self.mic.tail() + END_QUIET)
        start_ms = self._turn_ms if self._turn_id else None
        pcm = self.mic.take(start_ms)
        self.mic.clear()
        self._commit(pcm)

    def commit_silence(self, idle_ms: int) -> None:
        """Nobody spoke for `idle_ms`: say so and commit the quiet audio."""
        end_ms = self.mic.end_ms
        self._turn_id = new_id("item")
        self._send(
            event(
                "input_audio_buffer.timeout_triggered",
                audio_start_ms=max(0, end_ms - idle_ms),
                audio_end_ms=end_ms,
                item_id=self._turn_id,
            )
        )
        self._commit(self.mic.take(), recognise=False)
        self.mic.clear()

    def clear(self) -> None:
        self._drop_turn()
        self.mic.clear()
        self._send(event("input_audio_buffer.cleared"))

    def _drop_turn(self) -> None:
        if self._utterance is not None:
            self._utterance.cancel()
        self._utterance = self._turn_id = None

    def _commit(self, pcm: bytes, *, recognise: bool = True) -> None:
        part = Part("input_audio", None, pcm, len(pcm) / BYTES_PER_MS)
        item = Item("message", id=self._turn_id or new_id("item"), role="user", parts=[part])
        utterance, self._utterance, self._turn_id = self._utterance, None, None
        previous = self._conversation.add(item)
        self._send(
            event("input_audio_buffer.committed", previous_item_id=previous, item_id=item.id)
        )
        for kind in ("conversation.item.added", "conversation.item.done"):
            self._send(event(kind, previous_item_id=previous, item=item.wire()))
        if not recognise:
            return
        wanted = self._input["transcription"]
        utterance = utterance or self._transcripts.whole(pcm, wanted)
        self._transcripts.finish(utterance, item, tell=wanted is not None)
