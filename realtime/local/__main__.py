"""`python -m realtime.local`: run the embedded provider until it is told to stop."""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path

from realtime.local.server import Provider, serve
from realtime.local.session import SESSION_S

WARM_UP_S = 15.0
PARENT_CHECK_S = 0.5


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m realtime.local", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--port-file", type=Path, help="the port is written here when ready")
    parser.add_argument("--fd", type=int, help="a listening socket that was inherited")
    parser.add_argument("--parent", type=int, help="end when this process is gone")
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end when standard input closes"
    )
    parser.add_argument("--session-seconds", type=float, default=SESSION_S)
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args(given)


async def run(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    watchers = []
    if options.parent:
        watchers.append(asyncio.create_task(_watch_parent(options.parent, stop)))
    if options.until_stdin_closes:
        watchers.append(asyncio.create_task(_watch_stdin(stop)))
    sock = socket.socket(fileno=options.fd) if options.fd is not None else None
    try:
        async with serve(
            options.host, options.port, session_s=options.session_seconds, sock=sock
        ) as provider:
            await _warm_up(provider, stop)
            if not stop.is_set():
                if options.port_file:
                    write_port(options.port_file, provider.port)
                if sock is None:  # who gave us one knows
                    print(f"NextVoice provider listening on {provider.url}", flush=True)
            await stop.wait()
    finally:
        for watcher in watchers:
            watcher.cancel()


async def _warm_up(provider: Provider, stop: asyncio.Event) -> None:
    """Be ready before saying so, but do not wait for ever for a part that is broken."""
    until = asyncio.get_running_loop().time() + WARM_UP_S
    while not provider.engine.ready and asyncio.get_running_loop().time() < until:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.02):
                await stop.wait()
                return


def write_port(path: Path, port: int) -> None:
    """Readers see the whole number or no file."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w") as stream:
        stream.write(f"{port}\n")
    os.replace(name, path)


async def _watch_parent(pid: int, stop: asyncio.Event) -> None:
    child = os.getppid() == pid
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        except PermissionError:
            pass
        # A parent that is dead but not collected still has its number; its child knows.
        if child and os.getppid() != pid:
            break
        await asyncio.sleep(PARENT_CHECK_S)
    stop.set()


async def _watch_stdin(stop: asyncio.Event) -> None:
    """A thread reads, because a pipe's end may come on any platform's kind of pipe."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        with contextlib.suppress(OSError, ValueError):
            while os.read(0, 4096):
                pass
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=read, daemon=True).start()


def main() -> None:
    options = arguments()
    # Beside the site these become lines of its log, which have their time.
    when = "" if options.until_stdin_closes else "%(asctime)s "
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.WARNING,
        stream=sys.stderr,
        format=f"{when}%(name)s %(levelname)s %(message)s",
    )
    logging.getLogger("websockets").setLevel(logging.ERROR)
    with contextlib.suppress(KeyboardInterrupt):
        try:
            asyncio.run(run(options))
        except (OSError, OverflowError) as problem:
            sys.exit(f"Cannot listen on {options.host}:{options.port}: {problem}")


if __name__ == "__main__":
    main()
