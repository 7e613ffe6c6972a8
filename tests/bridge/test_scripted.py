from __future__ import annotations

import asyncio

import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.scripted import (
    Close,
    Closing,
    Die,
    Expect,
    Hear,
    Raw,
    Refuse,
    ScriptedProvider,
    Send,
    audio_delta,
    play,
    session_created,
)

pytestmark = pytest.mark.outside

APPEND = '{"type":"input_audio_buffer.append","audio":"AAAA"}'


async def test_it_plays_a_script_and_records_the_client():
    script = [
        Send(session_created()),
        Expect("session.update"),
        Hear(6),
        Raw("junk"),
        Expect("response.create"),
        Send(audio_delta(b"\1\2")),
    ]
    async with ScriptedProvider(script) as provider:
        async with connect(provider.url + "?model=x") as client:
            assert orjson.loads(await client.recv())["type"] == "session.created"
            await client.send('{"type":"session.update"}')
            await client.send(APPEND)
            await client.send(APPEND)
            assert await client.recv() == "junk"
            await client.send('{"type":"response.create"}')
            await client.recv()
        visit = provider.visits[0]
        await visit.over.wait()
    assert visit.path == "/v1/realtime?model=x"
    assert visit.types() == ["session.update", "response.create"]
    assert visit.audio == bytes(6)
    assert visit.closed == Closing("client", 1000, "")
    assert visit.problem is None


async def test_it_closes_dies_and_refuses():
    scripts = [
        [Close(1001, "bye")],
        [Die()],
        [Refuse(429, b"{}", {"Retry-After": "7"})],
    ]
    async with ScriptedProvider(*scripts) as provider:
        async with connect(provider.url) as client:
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "bye")
        async with connect(provider.url) as client:
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
        assert closed.value.rcvd is None
        with pytest.raises(InvalidStatus) as refused:
            await connect(provider.url)
        assert refused.value.response.status_code == 429
        assert refused.value.response.headers["Retry-After"] == "7"
        assert [visit.closed for visit in provider.visits] == [
            Closing("server", 1001, "bye"),
            Closing("nobody", 1006, ""),
        ]


async def test_a_step_that_is_not_met_is_told():
    async with ScriptedProvider([Expect("response.create", seconds=0.01)]) as provider:
        async with connect(provider.url):
            visit = await provider.visit()
            await visit.over.wait()
    assert visit.problem == "no response.create came"


async def test_a_client_that_leaves_early_is_told():
    async with ScriptedProvider([Expect("response.create")]) as provider:
        async with connect(provider.url):
            pass
        visit = provider.visits[0]
        async with asyncio.timeout(1):
            await visit.over.wait()
    assert visit.problem is not None
    assert visit.problem.startswith("the client left at")


def test_a_wire_sample_becomes_steps():
    steps = play("ga_call.json")
    assert isinstance(steps[0], Send)
    assert isinstance(steps[1], Expect)
    assert [type(step) for step in steps if isinstance(step, Hear)] == [Hear]
    assert [step for step in play("ga_call.json", expect=False) if not isinstance(step, Send)] == []
