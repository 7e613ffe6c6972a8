from __future__ import annotations

from realtime.bridge import ENDS, Resume, Start, receive_start
from tests.bridge.doubles import Page

PCM = bytes(1920)


async def start_of(*frames, seconds=0.5):
    page = Page()
    for frame in frames:
        page.incoming.put_nowait(frame)
    return await receive_start(page, seconds), page


async def test_a_start_frame_starts():
    start, page = await start_of('{"type":"nextvoice.start"}')
    assert start == Start()
    assert page.frames == []


async def test_what_comes_before_the_start_is_answered():
    frames = [PCM, "{", '{"type":"response.create"}', '{"type":"nextvoice.start"}']
    start, page = await start_of(*frames)
    assert start == Start()
    assert [f["error"]["code"] for f in page.frames] == [
        "not_started",
        "invalid_json",
        "not_started",
    ]


async def test_without_a_start_the_call_ends():
    end, _ = await start_of(seconds=0.01)
    assert end is ENDS["no_start"]


async def test_a_page_that_leaves_before_the_start():
    page = Page()
    page.leave()
    assert await receive_start(page) is ENDS["browser_gone"]


async def test_a_page_that_says_everything_but_start():
    end, _ = await start_of(*["{"] * 200)
    assert end is ENDS["flood"]


RESUME = '{"type":"nextvoice.resume","call_id":"c","token":"secret","received":7}'


async def test_a_resume_frame_asks_for_a_call_that_runs():
    resume, page = await start_of(RESUME)
    assert resume == Resume("c", "secret", 7)
    assert "secret" not in repr(resume)
    assert page.frames == []


async def test_a_resume_frame_that_says_too_little_or_nonsense_is_answered():
    bad = [
        '{"type":"nextvoice.resume"}',
        RESUME.replace('"c"', "3"),
        RESUME.replace('"secret"', f'"{"x" * 300}"'),
        RESUME.replace("7", "-1"),
        RESUME.replace("7", "true"),
    ]
    end, page = await start_of(*bad, seconds=0.02)
    assert end is ENDS["no_start"]
    assert [f["error"]["param"] for f in page.frames] == [
        "call_id",
        "call_id",
        "token",
        "received",
        "received",
    ]
