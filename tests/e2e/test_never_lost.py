"""A call whose network connection is lost and comes back."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.e2e.conftest import Open
from tests.e2e.test_options import until
from tests.proxy import Proxy
from tests.site import Site


def test_a_call_goes_on_over_a_new_connection(visit: Open, site: Site) -> None:
    with Proxy(site.port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        with visit("story_then_interrupt.wav", url=url, expected=("WebSocket", "ERR_")) as page:
            page.get_by_test_id("start-talking").click()
            panel = page.get_by_test_id("call-panel")
            expect(panel).to_have_attribute("data-state", "speaking", timeout=30_000)
            proxy.cut()
            # The question asked after the cut is heard and answered in the same call.
            answer = page.get_by_test_id("message").nth(3)
            expect(answer).to_contain_text(re.compile(r"\d:\d\d"), timeout=30_000)
            page.get_by_test_id("hang-up").click()
            expect(panel).to_be_hidden()
            found = re.search(r"/c/([0-9a-f-]{36})/", page.url)
            assert found is not None
            ends = (
                "from realtime.models import CallRecord\n"
                f"calls = CallRecord.objects.filter(conversation='{found[1]}')\n"
                "tell([call.end_reason for call in calls])"
            )
            # The panel closes at once, the call when all of it is stored.
            until(page, lambda: site.run(ends) == ["hang_up"])
