"""The program itself, with recognition and speech elsewhere so that it starts quickly."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from realtime.local.__main__ import write_port

pytestmark = pytest.mark.outside

ENVIRONMENT = {
    **os.environ,
    "NEXTVOICE_ASR_URL": "http://127.0.0.1:9/v1",
    "NEXTVOICE_TTS_URL": "http://127.0.0.1:9/v1",
    "NEXTVOICE_VAD": "energy",
}
PROGRAM = (sys.executable, "-m", "realtime.local")


async def started(*arguments: str, stdin: int | None = None) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, *arguments, stdin=stdin, stdout=asyncio.subprocess.PIPE, env=ENVIRONMENT
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 30)
    assert line.startswith(b"NextVoice provider listening on ws://127.0.0.1:")
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_tells_its_port_and_ends_cleanly(tmp_path: Path, number: int) -> None:
    file = tmp_path / "port"
    process = await started("--port-file", str(file))
    port = int(file.read_text())
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    process.send_signal(number)
    assert await asyncio.wait_for(process.wait(), 10) == 0
    writer.close()


async def test_it_ends_when_its_standard_input_closes() -> None:
    process = await started("--until-stdin-closes", stdin=asyncio.subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_it_does_not_tell_its_address_to_who_chose_it(tmp_path: Path) -> None:
    """Standard output is the site's there, whose log machines may read."""
    file = tmp_path / "port"
    with socket.create_server(("127.0.0.1", 0)) as sock:
        process = await asyncio.create_subprocess_exec(
            *(*PROGRAM, "--fd", str(sock.fileno()), "--port-file", str(file)),
            pass_fds=[sock.fileno()],
            stdout=asyncio.subprocess.PIPE,
            env=ENVIRONMENT,
        )
    async with asyncio.timeout(30):
        while not file.exists():  # noqa: ASYNC110 (a test may poll)
            await asyncio.sleep(0.02)
        process.terminate()
        assert await process.communicate() == (b"", None)


async def test_it_ends_with_the_process_it_was_told_to_watch() -> None:
    parent = await asyncio.create_subprocess_exec("sleep", "60")
    process = await started("--parent", str(parent.pid))
    parent.kill()
    await parent.wait()
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_a_port_in_use_is_said_in_one_line() -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, "--port", str(port), stderr=asyncio.subprocess.PIPE, env=ENVIRONMENT
    )
    assert process.stderr is not None
    said = await asyncio.wait_for(process.stderr.read(), 30)
    assert await process.wait() == 1
    assert said.startswith(f"Cannot listen on 127.0.0.1:{port}: ".encode())
    assert said.count(b"\n") == 1
    server.close()


def test_the_port_file_appears_whole(tmp_path: Path) -> None:
    write_port(tmp_path / "port", 1234)
    assert [path.name for path in tmp_path.iterdir()] == ["port"]
    assert (tmp_path / "port").read_text() == "1234\n"
