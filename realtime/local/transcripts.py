"""Runs recognition in the background and tells the client its results."""

import asyncio
from typing import Any

from realtime.hearing import vad
from realtime.local.audio import RATE, resampler
from realtime.local.conversation import Item, Part
from realtime.local.ears import Ears, EarsFailed, Utterance
from realtime.local.events import Send, event

DELTA_WORDS = 4
# 16 kHz; the recogniser finishes its last word in the quiet that a client's commit cuts off.
END_QUIET = bytes(32 * 150)


class Transcripts:
    """One task per spoken user item; none outlives the session."""

    def __init__(self, ears: Ears, send: Send) -> None:
        self._ears, self._send = ears, send
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.problems: dict[str, str] = {}

    def open(self, wanted: dict[str, Any] | None) -> Utterance:
        return self._ears.open((wanted or {}).get("language"))

    def whole(self, pcm: bytes, wanted: dict[str, Any] | None) -> Utterance:
        """An utterance that already holds all its audio (24 kHz)."""
        utterance = self.open(wanted)
        down = resampler(RATE, vad.RATE)
        utterance.feed(down.feed(pcm) + down.flush() + END_QUIET)
        return utterance

    def finish(self, utterance: Utterance, item: Item, *, tell: bool) -> None:
        """The turn is over; `tell` = the client asked for transcription events."""
        utterance.finish()
        task = asyncio.create_task(self._wait(utterance, item, item.parts[0], tell))
        self._tasks[item.id] = task
        task.add_done_callback(lambda done: self._tasks.pop(item.id, None))

    async def settled(self, items: list[Item], limit_s: float) -> None:
        """Wait, at most `limit_s`, until the words of these items are known."""
        tasks = [self._tasks[item.id] for item in items if item.id in self._tasks]
        if tasks:
            await asyncio.wait(tasks, timeout=limit_s)

    def close(self) -> None:
        for task in list(self._tasks.values()):
            task.cancel()

    async def _wait(self, utterance: Utterance, item: Item, part: Part, tell: bool) -> None:
        kind = "conversation.item.input_audio_transcription"
        place = {"item_id": item.id, "content_index": 0}
        try:
            heard = await utterance.result
        except EarsFailed as problem:
            self.problems[item.id] = problem.code
            if tell:
                error = {
                    "type": "transcription_error",
                    "code": problem.code,
                    "message": str(problem),
                    "param": None,
                }
                self._send(event(f"{kind}.failed", **place, error=error))
            return
        finally:
            utterance.cancel()
        part.text = heard.text
        if not tell:
            return
        for delta in _deltas(heard.text):
            self._send(event(f"{kind}.delta", **place, delta=delta))
        usage = {"type": "duration", "seconds": round(part.ms / 1000, 3)}
        self._send(event(f"{kind}.completed", **place, transcript=heard.text, usage=usage))


def _deltas(text: str) -> list[str]:
    """A few words at a time; joined they give the text."""
    words = text.split(" ") if text else []
    groups = [words[start : start + DELTA_WORDS] for start in range(0, len(words), DELTA_WORDS)]
    return [(" " if index else "") + " ".join(group) for index, group in enumerate(groups)]
