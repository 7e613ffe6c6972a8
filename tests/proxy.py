"""A TCP proxy on loopback that can drop its connections like a failing network.

with Proxy(site.port) as proxy:
    ...                     # talk to 127.0.0.1:proxy.port
    proxy.cut()             # resets every connection; new ones are accepted
"""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self

CHUNK = 64 * 1024


class Proxy:
    """Forwards connections to `port`, in a thread."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self.port = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._run, name="proxy", daemon=True).start()
        assert self._listening.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)

    def cut(self) -> None:
        """Reset every connection, on both sides."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(self._cut, done)
        assert done.wait(10)

    def _cut(self, done: threading.Event) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        done.set()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, upstream[1]}
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pass_on(reader, upstream[1]))
            group.create_task(self._pass_on(upstream[0], writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(CHUNK):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
            self._writers.discard(writer)
