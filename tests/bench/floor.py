"""The floor: a relay that passes frames from socket to socket and looks at none. Own process."""

from __future__ import annotations

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve


async def main(provider: str) -> None:
    async def visit(browser: ServerConnection) -> None:
        async with connect(provider, compression=None, max_size=None) as upstream:

            async def down() -> None:
                async for frame in upstream:
                    await browser.send(frame)

            task = asyncio.create_task(down())
            try:
                async for frame in browser:
                    await upstream.send(frame)
            finally:
                task.cancel()

    async with serve(visit, "127.0.0.1", 0, compression=None, max_size=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
