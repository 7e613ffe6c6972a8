"""The shell: sockets, pages and limits."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from realtime.local.outbox import HIGH_WATER, LIMIT, Outbox
from realtime.local.server import Provider, serve
from tests.local.room import b64, official, quick_engine, quiet, tone

pytestmark = pytest.mark.outside


@contextlib.asynccontextmanager
async def calling(provider: Provider, **options: Any) -> AsyncIterator[ClientConnection]:
    async with connect(
        provider.url + "?model=m", compression=None, max_size=None, **options
    ) as socket:
        assert (await receive(socket))["type"] == "session.created"
        yield socket


async def receive(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(10):
        return official(json.loads(await socket.recv()))


async def until(socket: ClientConnection, kind: str) -> dict[str, Any]:
    while (event := await receive(socket))["type"] != kind:
        pass
    return event


async def send(socket: ClientConnection, kind: str, **fields: Any) -> None:
    await socket.send(json.dumps({"type": kind, **fields}))


async def page(provider: Provider, path: str, *headers: str) -> tuple[str, Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", provider.port)
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    writer.write("\r\n".join(lines).encode())
    head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    return head.split(b"\r\n")[0].decode(), json.loads(body)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with serve(engine=quick_engine()) as running:
        yield running


async def test_the_health_page_tells_what_is_in_use(provider: Provider) -> None:
    status, health = await page(provider, "/healthz")
    assert status == "HTTP/1.1 200 OK"
    assert health == {
        "status": "ok",
        "ready": True,
        "sessions": 0,
        "recogniser": {"name": "none", "ready": True},
        "synthesiser": {"name": "tones", "ready": True},
        "talker": {"name": "built-in talker", "model": None, "ready": True},
        "vad": {"name": "energy", "ready": True},
    }


async def test_the_models_page_lists_the_demo_model(provider: Provider) -> None:
    _, models = await page(provider, "/v1/models")
    assert [model["id"] for model in models["data"]] == ["nextvoice-demo"]


async def test_other_paths_and_plain_http_are_told_off(provider: Provider) -> None:
    assert (await page(provider, "/nothing"))[0] == "HTTP/1.1 404 Not Found"
    assert (await page(provider, "/v1/realtime"))[0] == "HTTP/1.1 426 Upgrade Required"


async def test_a_whole_conversation_over_the_socket(provider: Provider) -> None:
    async with calling(provider, additional_headers={"Authorization": "Bearer any"}) as socket:
        await send(
            socket, "input_audio_buffer.append", audio=b64(quiet(500) + tone(500) + quiet(700))
        )
        done = await until(socket, "response.done")
        assert done["response"]["status"] == "completed"
        assert provider.sessions == 1


async def test_the_browser_subprotocol_is_echoed(provider: Provider) -> None:
    offered = ["realtime", "openai-insecure-api-key.x"]
    async with calling(provider, subprotocols=offered) as socket:
        assert socket.subprotocol == "realtime"
    async with calling(provider) as socket:
        assert socket.subprotocol is None


@pytest.mark.parametrize(
    ("origin", "let_in"),
    [("http://localhost:8000", True), ("http://127.0.0.1", True), ("https://evil.example", False)],
)
async def test_pages_of_other_sites_cannot_call(
    provider: Provider, origin: str, let_in: bool
) -> None:
    if let_in:
        async with calling(provider, origin=origin):
            return
    with pytest.raises(InvalidStatus) as refused:
        async with calling(provider, origin=origin):
            pass
    assert refused.value.response.status_code == 403


async def test_bad_frames_are_answered_and_the_call_goes_on(provider: Provider) -> None:
    async with calling(provider) as socket:
        for frame in ("{", b"\x00", "x" * (15 * 1024 * 1024 + 1)):
            await socket.send(frame)
            assert (await receive(socket))["type"] == "error"
        await send(socket, "session.update", session={"type": "realtime"})
        assert (await receive(socket))["type"] == "session.updated"


async def test_a_session_ends_at_its_limit_with_an_error_first() -> None:
    async with serve(engine=quick_engine(), session_s=0.2) as running:
        async with calling(running) as socket:
            error = await until(socket, "error")
            assert error["error"]["code"] == "session_expired"
            assert error["error"]["message"] == (
                "Your session hit the maximum duration of 0.2 seconds."
            )
            with pytest.raises(ConnectionClosed) as closed:
                await receive(socket)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001


async def test_a_stopping_server_says_so() -> None:
    stack = contextlib.AsyncExitStack()
    running = await stack.enter_async_context(serve(engine=quick_engine()))
    async with calling(running) as socket:
        await stack.aclose()
        with pytest.raises(ConnectionClosed) as closed:
            await receive(socket)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


async def test_a_client_that_vanishes_leaves_nothing_behind(provider: Provider) -> None:
    async with calling(provider) as socket:
        await send(socket, "input_audio_buffer.append", audio=b64(quiet(500) + tone(500)))
        await until(socket, "input_audio_buffer.speech_started")
        socket.transport.abort()
    async with asyncio.timeout(10):
        while (await page(provider, "/healthz"))[1]["sessions"]:
            pass


def frame(size: int) -> dict[str, Any]:
    return {"type": "x" * size}


async def test_the_outbox_holds_answers_back_until_the_client_has_read() -> None:
    outbox = Outbox(lambda event: str(event["type"]), lambda: None)
    await asyncio.wait_for(outbox.room(), 1)
    for _ in range(3):
        outbox.put(frame(HIGH_WATER // 2))
    waiting = asyncio.create_task(outbox.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await outbox.next()
    await asyncio.sleep(0)
    assert not waiting.done()
    await outbox.next()
    await asyncio.wait_for(waiting, 1)


async def test_a_client_that_never_reads_is_given_up() -> None:
    given_up: list[bool] = []
    outbox = Outbox(lambda event: str(event["type"]), lambda: given_up.append(True))
    for _ in range(LIMIT // HIGH_WATER + 3):
        outbox.put(frame(HIGH_WATER))
    assert given_up == [True]
