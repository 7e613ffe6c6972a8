"""A provider that answers at once and for ever: paced, stamped audio deltas. Own process.

Prints its port, then for each line of its input the delays of the frames received meanwhile.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import sys

import orjson
from websockets.asyncio.server import ServerConnection, serve

from tests.bench.stamps import FRAME_SECONDS, age_ms, stamped

delays: list[float] = []
numbers = itertools.count()


async def visit(socket: ServerConnection) -> None:
    await socket.send(_event("session.created", session={"type": "realtime", "id": "sess_1"}))
    talker = asyncio.create_task(_talk(socket))
    try:
        async for frame in socket:
            event = orjson.loads(frame)
            if event["type"] == "input_audio_buffer.append":
                delays.append(age_ms(base64.b64decode(event["audio"])))
            elif event["type"] == "session.update":
                await socket.send(_event("session.updated", session=event["session"]))
    finally:
        talker.cancel()


async def _talk(socket: ServerConnection) -> None:
    place = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
    item = {"id": "item_1", "type": "message", "role": "assistant", "content": []}
    await socket.send(
        _event("response.created", response={"id": "resp_1", "status": "in_progress"})
    )
    await socket.send(_event("conversation.item.added", previous_item_id=None, item=item))
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        delta = base64.b64encode(stamped()).decode()
        await socket.send(_event("response.output_audio.delta", delta=delta, **place))
        due += FRAME_SECONDS
        await asyncio.sleep(max(0.0, due - loop.time()))


def _event(type_: str, **fields: object) -> str:
    return orjson.dumps({"type": type_, "event_id": f"event_{next(numbers)}", **fields}).decode()


async def main() -> None:
    async with serve(visit, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
        )
        # Each line asks for the delays since the last one.
        while await lines.readline():
            taken, delays[:] = list(delays), []
            print(orjson.dumps(taken).decode(), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
