"""What is sent twice, because somebody was not sure, is there once."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.faults.rig import WITHIN, Rig
from tests.site import Caller, Shell, Site

pytestmark = pytest.mark.postgres

TIMES = 10


def typed(text: str) -> dict[str, Any]:
    part = {"type": "input_text", "text": text}
    item = {"id": "typed_1", "type": "message", "role": "user", "content": [part]}
    return {"type": "conversation.item.create", "item": item}


async def test_a_message_that_is_sent_again_is_one_message(site: Site, shell: Shell) -> None:
    async with Rig.around(site, shell, people=1) as rig:
        (each,) = rig.people
        async with Caller.dial(site.url, each.thread, each.cookie) as call:
            each.calls.append(call)
            await call.start()
            await call.send(typed("Hello there."))
            await call.event("nextvoice.saved", WITHIN, item_id="typed_1")
            await asyncio.gather(*(call.send(typed("Hello there.")) for _ in range(TIMES)))
            assert call.of("error") == []
            await call.send(typed("Something else."))
            refused = (await call.event("error", WITHIN))["error"]
            assert refused["code"] == "item_create_duplicate_item_id"
            assert len(call.of("error")) == 1
            await call.send({"type": "nextvoice.hang_up"})
            await call.ended(WITHIN)
        kept = await rig.truth()
        assert rig.talker.typed == ["typed_1"]
        assert [row["text"] for row in kept["messages"].values()] == ["Hello there."]


async def test_a_button_that_is_pressed_many_times_at_once_does_its_work_once(
    site: Site, shell: Shell
) -> None:
    async with Rig.around(site, shell, people=1) as rig:
        (each,) = rig.people
        pages = [each.browser() for _ in range(TIMES)]
        press = asyncio.get_running_loop().run_in_executor
        with ThreadPoolExecutor(TIMES) as threads:
            path = f"/c/{each.thread}/delete/"
            answers = await asyncio.gather(*(press(threads, page.post, path) for page in pages))
            # Whoever comes late finds it gone, or goes the same way.
            statuses = Counter(answer.status for answer in answers)
            assert set(statuses) <= {302, 404} and statuses[302] >= 1
            gone = await press(threads, pages[0].get, f"/c/{each.thread}/")
            assert gone.status == 404
            back = await press(threads, pages[0].post, f"/c/{each.thread}/restore/")
            assert back.status == 302
            assert (await press(threads, pages[0].get, f"/c/{each.thread}/")).status == 200
