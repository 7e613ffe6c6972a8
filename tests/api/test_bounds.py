"""What a program may not do: send or leave unread more than a session can carry."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from chats.models import User
from realtime.api import socket
from realtime.bridge import Limits
from realtime.bridge.sdk import MAX_FRAME
from realtime.calls.pace import BEHIND_SECONDS, pace
from tests.api.help import opened, provider_of, session_of, token_of
from tests.api.test_session import the_call
from tests.scripted import Expect, Hear, Raw, Send, audio_delta, response_created

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = 60 * 48_000


def append(pcm: bytes) -> str:
    audio = base64.b64encode(pcm).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio})


async def test_minutes_of_audio_in_one_frame_arrive_whole(here: str, ann: User) -> None:
    pcm = bytes(range(256)) * (3 * MINUTE // 256)
    async with provider_of(opened(Hear(len(pcm), seconds=20))) as provider:
        async with session_of(here, await token_of(ann)) as session:
            await session.connection.send_raw(append(pcm))
            visit = await provider.visit()
            async with asyncio.timeout(20):
                await visit.hear(len(pcm))
    assert visit.audio == pcm
    assert session.of("error") == []


async def test_a_frame_too_large_is_answered_and_the_session_goes_on(here: str, ann: User) -> None:
    async with provider_of(opened(Expect("response.create"), Send(response_created()))):
        async with session_of(here, await token_of(ann)) as session:
            await session.connection.send_raw(" " * (MAX_FRAME + 1))
            assert (await session.event("error")).error.code == "frame_too_large"
            await session.connection.response.create()
            await session.event("response.created")


async def test_a_frame_beyond_all_bounds_ends_the_connection(here: str, ann: User) -> None:
    async with provider_of(opened()):
        async with session_of(here, await token_of(ann)) as session:
            await session.event("session.created")
            with suppress(ConnectionClosed):
                await session.connection.send_raw(" " * (MAX_FRAME + 2 * 1024 * 1024))
            failure = await session.ended()
    assert failure.rcvd.code == 1009


async def test_a_flood_of_events_ends_the_session_with_a_reason(here: str, ann: User) -> None:
    frame = json.dumps({"type": "input_audio_buffer.clear"})
    async with provider_of(opened()):
        async with session_of(here, await token_of(ann)) as session:
            await session.event("session.created")
            with suppress(ConnectionClosed):
                for _ in range(40_000):
                    await session.connection.send_raw(frame)
            failure = await session.ended()
    record = await the_call()
    assert (session.of("error")[-1].error.code, failure.rcvd.code, record.end_reason) == (
        "rate_limit_exceeded",
        1008,
        "flood",
    )


async def test_a_flood_of_audio_ends_the_session(here: str, ann: User) -> None:
    async with provider_of(opened()):
        async with session_of(here, await token_of(ann)) as session:
            await session.event("session.created")
            frame = append(bytes(MINUTE))
            with suppress(ConnectionClosed):
                for _ in range(8):
                    await session.connection.send_raw(frame)
            await session.ended()
    assert (await the_call()).end_reason == "flood"


async def test_binary_frames_are_refused_by_name(here: str, ann: User) -> None:
    async with provider_of(opened()):
        async with session_of(here, await token_of(ann)) as session:
            await session.connection.send_raw(bytes(480))
            assert (await session.event("error")).error.code == "invalid_frame"


async def test_a_program_that_reads_nothing_holds_the_provider_back_and_is_let_go(
    here: str, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "SDK_LIMITS", Limits(stuck_seconds=0.5))
    delta = Raw(json.dumps(audio_delta(bytes(48_000))))
    script = opened(Expect("response.create"), Send(response_created()), *[delta] * 400)
    async with provider_of(script) as provider:
        url = here.replace("http", "ws", 1) + "/v1/realtime"
        headers = {"Authorization": f"Bearer {await token_of(ann)}"}
        async with connect(
            url, additional_headers=headers, max_queue=1, compression=None, proxy=None
        ) as reader:
            reader.transport.pause_reading()
            await reader.send(json.dumps({"type": "response.create"}))
            record = await the_call()
            visit = await provider.visit()
            await visit.over.wait()
            reader.transport.abort()
    # It never got rid of all it had to say.
    assert (record.end_reason, record.answered_ms < 400_000) == ("slow_reader", True)


async def test_a_process_that_falls_behind_tells_programs_to_come_again(
    here: str, ann: User
) -> None:
    pace.note(0.0, 2 * BEHIND_SECONDS, 0.0, 0.0)
    try:
        async with session_of(here, await token_of(ann)) as session:
            failure = await session.ended()
    finally:
        pace.rest()
    assert (session.of("error")[-1].error.code, failure.rcvd.code) == ("server_busy", 1013)
