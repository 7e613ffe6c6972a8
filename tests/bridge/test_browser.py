from __future__ import annotations

from realtime.bridge import ENDS, Start, receive_start
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
