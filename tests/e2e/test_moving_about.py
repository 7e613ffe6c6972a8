"""A call while the person navigates within the site, and after a reload of its page."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open, sign_in, wording
from tests.e2e.provider import opened, scripted
from tests.e2e.test_errors_speak import SILENT, STAY
from tests.e2e.test_first_conversation import kept, rename_to
from tests.e2e.test_options import ANSWER_MS, Wire, new_conversation, talk, until
from tests.e2e.test_turns import story
from tests.scripted import Send, item_added
from tests.site import Site

# How much of the window the panel and the thread have, and whether nothing lies over the panel.
LOW = """() => {
  const panel = document.querySelector("#call");
  const { left, right, top, bottom, height } = panel.getBoundingClientRect();
  const at = [[left + 20, top + 2], [right - 20, top + 2], [right - 20, bottom - 2]];
  const thread = document.querySelector("[data-thread]").getBoundingClientRect();
  return {
    panel: height,
    thread: Math.min(thread.bottom, top) - Math.max(thread.top, 0),
    within: at.every(([x, y]) => panel.contains(document.elementFromPoint(x, y))),
  };
}"""


def recorded(page: Page, site: Site) -> list[dict[str, Any]]:
    """The messages of the conversation, once the last one's recording is made."""
    found = kept(page, site)
    return found if found[-1]["recorded_ms"] else []


def conversation_of(page: Page) -> str:
    found = re.search(r"/c/([0-9a-f-]{36})/", page.url)
    assert found is not None
    return found[1]


def rendered(page: Page) -> int:
    return int(page.evaluate("window.__nextvoice.samplesRendered"))


def test_a_call_goes_on_while_other_pages_are_opened_and_a_bar_leads_back(
    visit: Open, site: Site
) -> None:
    first = opened(Send(*spoken("item_q", "Tell me a story.")), story(), STAY)
    with visit(None, script=SILENT) as page:
        new_conversation(page)
        elsewhere = conversation_of(page)
        page.get_by_test_id("composer-text").fill("What is 4 plus 4?")
        page.keyboard.press("Enter")
        messages = page.get_by_test_id("message")
        expect(wording(messages.nth(1))).to_contain_text("8", timeout=ANSWER_MS)
        with scripted(site, first):
            new_conversation(page)
            wire = Wire(page)
            here = conversation_of(page)
            panel = talk(page)
            expect(panel).to_have_attribute("data-here", "")
            page.evaluate("void (window.mark = true)")
            expect(panel).to_have_attribute("data-state", "speaking", timeout=ANSWER_MS)
            # Another conversation, the start page, and back in the browser's own way.
            before = rendered(page)
            page.locator(f'#page a[href*="{elsewhere}"]').first.click()
            expect(messages.nth(0)).to_contain_text("4 plus 4")
            expect(panel).to_be_visible()
            assert panel.get_attribute("data-here") is None
            until(page, lambda: rendered(page) > before)
            page.locator('#page a[href="/"]').first.click()
            expect(page.get_by_test_id("start-typing")).to_be_visible()
            expect(panel).to_have_attribute("data-state", "speaking")
            before = rendered(page)
            page.go_back()
            expect(messages.nth(0)).to_contain_text("4 plus 4")
            until(page, lambda: rendered(page) > before)
            # The bar names the conversation and leads back to it, where the thread goes on.
            page.locator("[data-call-title]").click()
            expect(panel).to_have_attribute("data-here", "")
            assert conversation_of(page) == here
            expect(messages.nth(0)).to_contain_text("Tell me a story.")
            expect(panel).to_have_attribute("data-state", "listening", timeout=2 * ANSWER_MS)
            assert page.evaluate("window.mark")
            rate = page.evaluate("new AudioContext().sampleRate")
            heard = rendered(page)
            page.get_by_test_id("hang-up").click()
            expect(panel).to_be_hidden()
            # Recordings are made when the call is over.
            question, answer = until(page, lambda: recorded(page, site))
            assert (question["text"], answer["status"]) == ("Tell me a story.", "completed")
            # Nothing of it was left out or said twice.
            assert abs(heard / rate - answer["recorded_ms"] / 1000) < 0.1
            assert len(wire.of(wire.received, "nextvoice.ready")) == 1


def test_a_page_that_would_end_the_call_opens_beside_it(visit: Open, site: Site) -> None:
    with visit(None, script=SILENT) as page:
        with scripted(site, opened(STAY)):
            new_conversation(page)
            panel = talk(page)
            page.locator(".account-menu summary").click()
            with page.context.expect_page() as beside:
                page.get_by_role("link", name="Change password").click()
            expect(beside.value.get_by_role("heading", name="Change Password")).to_be_visible()
            expect(panel).to_have_attribute("data-state", "listening")
            expect(page.locator(".account-menu summary")).to_be_focused()
            expect(page.get_by_role("link", name="Change password")).to_be_hidden()
            page.get_by_test_id("hang-up").click()


def test_who_goes_back_from_a_call_in_full_sees_where_they_are(visit: Open, site: Site) -> None:
    with visit(None, viewport={"width": 360, "height": 640}, script=SILENT) as page:
        with scripted(site, opened(STAY)):
            page.get_by_test_id("start-talking").click()
            panel = page.get_by_test_id("call-panel")
            expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
            expect(panel).to_have_attribute("data-form", "full")
            page.go_back()
            page.locator(".account-menu summary").click()
            expect(panel).to_have_attribute("data-form", "docked")
            page.go_forward()
            expect(panel).to_have_attribute("data-here", "")
            # Under one in full nothing can be reached, whichever page it is.
            page.get_by_test_id("call-resize").click()
            page.evaluate("void document.querySelector('[data-call-title]').click()")
            until(page, lambda: page.evaluate("document.querySelector('#main').inert"))
            page.get_by_test_id("hang-up").click()


def test_a_docked_call_leaves_most_of_a_low_window_to_the_page(visit: Open, site: Site) -> None:
    """1280 by 1024 at 400 %."""
    with visit(None, viewport={"width": 320, "height": 256}, script=SILENT) as page:
        with scripted(site, opened(STAY)):
            new_conversation(page)
            panel = talk(page)
            page.get_by_test_id("call-resize").click()
            expect(panel).to_have_attribute("data-form", "docked")
            found = page.evaluate(LOW)
            assert found["panel"] < 80
            assert found["thread"] > 60
            assert found["within"]
            for kept_in_reach in ("mute", "hang-up", "call-resize", "call-timer"):
                expect(page.get_by_test_id(kept_in_reach)).to_be_in_viewport(ratio=1)
            expect(page.get_by_test_id("call-type")).to_be_hidden()
            page.get_by_test_id("call-resize").click()
            expect(page.get_by_test_id("turns")).to_be_visible()
            page.get_by_test_id("hang-up").click()


def spoken(item_id: str, words: str) -> list[dict[str, Any]]:
    """A turn of the person, as the provider tells of it."""
    buffer, about = "input_audio_buffer", {"item_id": item_id}
    completed = "conversation.item.input_audio_transcription.completed"
    return [
        {"type": f"{buffer}.speech_started", **about, "audio_start_ms": 0},
        {"type": f"{buffer}.speech_stopped", **about, "audio_end_ms": 900},
        {"type": f"{buffer}.committed", **about, "previous_item_id": None},
        item_added(item_id, None),
        {"type": completed, **about, "content_index": 0, "transcript": words},
    ]


def test_a_link_within_the_page_leaves_the_page_as_it_is(visit: Open) -> None:
    with visit(None) as page:
        new_conversation(page)
        page.evaluate("void (document.querySelector('#page').dataset.mark = '')")
        page.get_by_role("link", name="Skip to content").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()
        page.go_back()
        page.wait_for_load_state("networkidle")
        expect(page.locator("#page[data-mark]")).to_have_count(1)


def test_a_call_that_takes_the_place_of_one_elsewhere_has_the_panel(visit: Open) -> None:
    with visit(None, script=SILENT) as page:
        new_conversation(page)
        first = conversation_of(page)
        panel = talk(page)
        page.get_by_role("button", name="New conversation").click()
        expect(page.get_by_test_id("start-call")).to_be_visible()
        expect(panel).not_to_have_attribute("data-here", "")
        talk(page)
        assert conversation_of(page) != first
        expect(panel).to_have_attribute("data-here", "")
        expect(page.get_by_test_id("call-timer")).to_have_text("0:01")
        expect(page.get_by_test_id("composer-text")).to_be_hidden()
        # So it does when it is begun on the start page.
        page.locator('#page a[href="/"]').first.click()
        page.get_by_test_id("start-talking").click()
        expect(panel).to_have_attribute("data-here", "")
        expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
        page.get_by_test_id("hang-up").click()
        expect(panel).to_be_hidden()


def test_the_title_of_a_call_s_conversation_is_that_of_its_bar_and_of_the_list_everywhere(
    visit: Open,
) -> None:
    with visit(None, script=SILENT) as page:
        new_conversation(page)
        entry = page.locator(f'[data-conversation="{conversation_of(page)}"]')
        talk(page)
        page.locator('#page a[href="/"]').first.click()
        expect(entry).to_contain_text("New conversation")
        page.get_by_test_id("call-type").fill("What is 4 plus 4?")
        page.keyboard.press("Enter")
        expect(entry).to_contain_text("What is 4 plus 4?", timeout=ANSWER_MS)
        page.locator("[data-call-title]").click()
        rename_to(page, "Sums")
        page.locator('#page a[href="/"]').first.click()
        expect(entry).to_contain_text("Sums")
        expect(page.locator("[data-call-title]")).to_have_text("Sums")
        page.get_by_test_id("hang-up").click()
        expect(page.get_by_test_id("call-panel")).to_be_hidden()


def test_the_keyboard_goes_along_to_another_page(visit: Open) -> None:
    with visit(None, script=SILENT) as page:
        new_conversation(page)
        talk(page)
        # The last that is told before: the call's state comes a moment after it has changed.
        told = page.get_by_role("status")
        expect(told.filter(has_text="Listening")).to_have_count(1)
        page.locator('#page a[href="/"]').first.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("start-typing")).to_be_visible()
        expect(page.locator("#main")).to_be_focused()
        expect(told.filter(has_text=page.title())).to_have_count(1)
        page.keyboard.press("Tab")
        expect(page.get_by_test_id("start-talking")).to_be_focused()
        # What is outside the page keeps it.
        page.get_by_test_id("mute").focus()
        page.go_back()
        expect(page.get_by_test_id("start-typing")).to_be_hidden()
        expect(page.get_by_test_id("mute")).to_be_focused()
        page.get_by_test_id("hang-up").click()
        expect(page.get_by_test_id("call-panel")).to_be_hidden()


def test_a_call_goes_on_where_another_page_cannot_be_had(visit: Open) -> None:
    with visit(None, script=SILENT, expected=("ERR_INTERNET_DISCONNECTED",)) as page:
        new_conversation(page)
        panel = talk(page)
        here = page.url
        page.context.set_offline(True)
        page.locator('#page a[href="/"]').first.click()
        told = page.get_by_text("That did not work.")
        expect(told).to_be_visible()
        page.get_by_role("button", name="Dismiss").click()
        # So it is when the browser's own way leads to the other page.
        page.context.set_offline(False)
        page.locator('#page a[href="/"]').first.click()
        expect(page.get_by_test_id("start-typing")).to_be_visible()
        page.context.set_offline(True)
        page.evaluate("history.back()")
        expect(told).to_be_visible()
        expect(page.get_by_test_id("start-typing")).to_be_visible()
        assert page.url != here
        page.context.set_offline(False)
        expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
        page.get_by_test_id("hang-up").click()
        expect(panel).to_be_hidden()


def test_who_goes_back_after_a_sign_out_sees_nothing_of_what_was_there(
    visit: Open, site: Site
) -> None:
    with visit(None) as page:
        page.context.clear_cookies()
        sign_in(page, site.url)
        new_conversation(page)
        other = page.context.new_page()
        other.goto(page.url)
        other.locator(".account-menu summary").click()
        other.get_by_role("button", name="Sign out").click()
        expect(other.get_by_label("Password")).to_be_visible()
        # The browser has kept the page as it was left.
        page.evaluate(
            "void dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
        )
        expect(page.get_by_label("Password")).to_be_visible()


def test_a_page_loaded_again_ends_its_call_and_the_next_one_knows_what_was_said(
    visit: Open, site: Site
) -> None:
    first = opened(Send(*spoken("item_q", "Tell me a story.")), story(), STAY)
    with scripted(site, first, opened(STAY)) as provider, visit(None, script=SILENT) as page:
        new_conversation(page)
        panel = talk(page)
        expect(panel).to_have_attribute("data-state", "speaking", timeout=ANSWER_MS)
        until(page, lambda: rendered(page) > 48_000)
        page.reload()
        messages = page.get_by_test_id("message")
        expect(messages.nth(0)).to_contain_text("Tell me a story.")
        expect(panel).to_be_hidden()
        until(page, lambda: [m["status"] for m in kept(page, site)] == ["completed", "interrupted"])
        _, answer = kept(page, site)
        assert "Once upon a time".startswith(answer["text"].strip())
        assert 0 < answer["heard_ms"] < 10_000
        calls = (
            "from realtime.models import CallRecord\n"
            f"calls = CallRecord.objects.filter(conversation='{conversation_of(page)}')\n"
            "tell([call.end_reason for call in calls])"
        )
        until(page, lambda: site.run(calls) in (["hang_up"], ["browser_gone"]))
        # Nobody goes on telling the story, and the next call has been told of it.
        wire = Wire(page)
        talk(page)
        until(page, lambda: wire.of(wire.received, "nextvoice.ready"))
        assert len(provider.visits) == 2
        items = [e["item"] for e in provider.visits[1].of_type("conversation.item.create")]
        told = [(item["role"], item["content"][0]["text"]) for item in items]
        assert told[0] == ("user", "Tell me a story.")
        assert [role for role, _ in told] == ["user", "assistant"]
        assert answer["text"] != "" and told[1][1].startswith(answer["text"])
        page.get_by_test_id("hang-up").click()
        expect(panel).to_be_hidden()
