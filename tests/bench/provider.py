"""A provider that answers at once and for ever. Own process; prints its port first.

While it speaks, it hears: turns of the person are found, written down and billed, so that a relay
has captions, recordings and usage to deal with. Audio comes paced and stamped.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import random
import re
import resource
import socket
from typing import Any

import orjson

from tests.bench.peers import NUMBER, TEXT, Loop, Peer, Stamped, age_of_base64, framed, percentiles

ANSWER = 200  # frames, which is eight seconds
WORDS = 5  # frames to a piece of the transcript
APPEND = b'"input_audio_buffer.append"'
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
USAGE = {
    "total_tokens": 360,
    "input_tokens": 200,
    "output_tokens": 160,
    "input_token_details": {"text_tokens": 40, "audio_tokens": 160, "cached_tokens": 0},
    "output_token_details": {"text_tokens": 30, "audio_tokens": 130},
}
TURNS = {"threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}
"""As OpenAI has it by itself: see `tests/wire/ga_call.json`."""
HEARD = {"type": "duration", "seconds": 8}

delays: list[float] = []
numbers = itertools.count()


class Session(Peer):
    """One session: what it hears is timed, and it talks."""

    masked = True

    def handshake(self, head: bytes) -> None:
        key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
        if key is None:
            raise ConnectionError("no WebSocket")
        accept = base64.b64encode(hashlib.sha1(key[1] + GUID).digest()).decode()
        self.sock.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        # Calls that were opened together are not in step for ever: the first answer is cut short.
        self.talks = True
        self.at, self.answers = random.randrange(ANSWER), 0
        self.say("session.created", session={"type": "realtime", "id": "sess_1"})
        loop.start(self, random.random())

    def frame(self, opcode: int, payload: bytes) -> None:
        if APPEND in payload[:60]:
            at = payload.index(b'"audio":') + 8
            delays.append(age_of_base64(payload[payload.index(b'"', at) + 1 :][:12]))
        elif b'"session.update"' in payload[:80]:
            self._update(orjson.loads(payload)["session"])
        elif b'"response.cancel"' in payload[:80] and self.talks:
            self.talks = False
            self._end("cancelled")

    def _update(self, session: dict[str, Any]) -> None:
        """Say what it has, which is more than was asked for."""
        hears = session.get("audio", {}).get("input", {})
        if hears.get("turn_detection"):
            hears["turn_detection"] = TURNS | hears["turn_detection"]
        self.say("session.updated", session=session)

    def say(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, "event_id": f"event_{next(numbers)}", **fields}
        self.send(framed(TEXT, orjson.dumps(event), False))

    def tick(self) -> None:
        if not self.talks:
            return
        place = self.at % ANSWER
        self.at += 1
        if place == 0 or not self.answers:
            self._next_answer()
        if place % WORDS == 0:
            self.say("response.output_audio_transcript.delta", delta="so many words ", **self.place)
        self.send(self.audio.now())

    def _next_answer(self) -> None:
        if self.answers:
            self._end()
        self.answers += 1
        number = self.answers
        self.item = f"item_{number}"
        self.place = {
            "response_id": f"resp_{number}",
            "item_id": self.item,
            "output_index": 0,
            "content_index": 0,
        }
        event_id = f"event_{number}_{NUMBER.decode()}"
        start = orjson.dumps(
            {"type": "response.output_audio.delta", "event_id": event_id, **self.place}
        )
        self.audio = Stamped(False, start[:-1] + b',"delta":"', b'"}')
        self._turn(f"turn_{number}")
        response: dict[str, Any] = {"id": f"resp_{number}", "status": "in_progress", "output": []}
        self.say("response.created", response=response)
        self.message: dict[str, Any] = {
            "id": self.item,
            "type": "message",
            "role": "assistant",
            "content": [],
        }
        self.say(
            "response.output_item.added",
            response_id=f"resp_{number}",
            output_index=0,
            item=self.message,
        )
        self.say("conversation.item.added", previous_item_id=f"turn_{number}", item=self.message)

    def _turn(self, turn: str) -> None:
        """The person's turn ends, is written down, and the next one begins."""
        item = {"id": turn, "type": "message", "role": "user", "content": [{"type": "input_audio"}]}
        if self.answers > 1:
            self.say("input_audio_buffer.speech_stopped", item_id=turn, audio_end_ms=self.at * 40)
        self.say("input_audio_buffer.committed", item_id=turn, previous_item_id=None)
        self.say("conversation.item.added", previous_item_id=None, item=item)
        self.say(
            "conversation.item.input_audio_transcription.completed",
            item_id=turn,
            content_index=0,
            transcript="what somebody said",
            usage=HEARD,
        )
        self.say(
            "input_audio_buffer.speech_started",
            item_id=f"turn_{self.answers + 1}",
            audio_start_ms=self.at * 40,
        )

    def _end(self, status: str = "completed") -> None:
        text = "so many words " * (ANSWER // WORDS)
        self.say("response.output_audio_transcript.done", transcript=text, **self.place)
        self.say("response.output_audio.done", **self.place)
        content = [{"type": "output_audio", "transcript": text}]
        finished = "completed" if status == "completed" else "incomplete"
        item = self.message | {"status": finished, "content": content}
        self.say("response.output_item.done", item=item, **self.place)
        self.say(
            "response.done",
            response={
                "id": self.place["response_id"],
                "status": status,
                "output": [item],
                "usage": USAGE,
            },
        )


def report() -> dict[str, Any]:
    """The delays since the last report, the processor time so far, how many sessions there are."""
    taken, delays[:] = list(delays), []
    times = resource.getrusage(resource.RUSAGE_SELF)
    return percentiles(taken) | {"cpu": times.ru_utime + times.ru_stime, "open": loop.peers}


loop = Loop({"report": report})


def main() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
        loop.listen(server, lambda: loop.add(Session(server.accept()[0])))
        print(server.getsockname()[1], flush=True)
        loop.run(lambda: False)


if __name__ == "__main__":
    main()
