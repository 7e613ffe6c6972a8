"""A page loads its files in as few round trips as possible."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.conftest import Open, wording
from tests.e2e.test_errors_speak import SILENT
from tests.e2e.test_options import ANSWER_MS, new_conversation, until

# What comes later is asked for again where it is imported, and is in the browser's cache by then.
ASKED = """() => ({
  loaded: [...new Set(performance.getEntriesByType("resource").map((each) => each.name))]
    .filter((name) => name.endsWith(".js")).sort(),
  named: [...document.querySelectorAll("script[src], link[rel=modulepreload], link[as=fetch]")]
    .map((each) => each.src ?? each.href).sort(),
  fetched: performance.getEntriesByType("resource")
    .filter((each) => each.name.endsWith(".js") && each.transferSize > 0).length,
})"""

FETCHED_FIRST = """
  document.querySelectorAll("script[src], [rel=modulepreload]:not([fetchpriority])").length
"""


def test_every_module_is_named_in_the_page_and_nothing_else_is(visit: Open) -> None:
    with visit(None) as page:
        page.wait_for_load_state("networkidle")
        asked = page.evaluate(ASKED)
    assert asked["named"] == asked["loaded"]
    assert len(asked["named"]) > 50
    assert asked["fetched"] <= len(asked["named"])


def test_what_one_reads_and_writes_with_is_fetched_first_and_is_little(visit: Open) -> None:
    with visit(None) as page:
        new_conversation(page)
        assert page.evaluate(FETCHED_FIRST) <= 33


def test_a_page_to_sign_in_needs_next_to_nothing_and_has_the_next_page_fetched(
    visit: Open,
) -> None:
    with visit(None) as page:
        page.context.clear_cookies()
        page.reload()
        expect(page).to_have_url(re.compile("/login/"))
        page.wait_for_load_state("networkidle")
        asked = page.evaluate(ASKED)
        assert page.evaluate(FETCHED_FIRST) <= 4
    assert asked["named"] == asked["loaded"]
    assert len(asked["named"]) > 50


def test_a_page_to_sign_in_that_the_browser_kept_is_loaded_anew(visit: Open) -> None:
    with visit(None) as page:
        page.context.clear_cookies()
        page.reload()
        expect(page).to_have_url(re.compile("/login/"))
        page.wait_for_load_state("networkidle")
        with page.expect_response(page.url):
            page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
        page.wait_for_load_state("networkidle")


def test_all_that_a_page_looks_like_is_one_file(visit: Open) -> None:
    with visit(None) as page:
        sheets = page.evaluate("[...document.styleSheets].map((sheet) => sheet.href)")
        rules = page.evaluate("document.styleSheets[0].cssRules.length")
    assert len(sheets) == 1
    assert rules > 500


def test_a_page_that_lacks_a_script_says_so(visit: Open) -> None:
    with visit(None, expected=("ERR_FAILED",)) as page:
        told = page.get_by_role("alert").filter(has_text="A part of this page did not load.")
        expect(told).to_be_hidden()
        page.route("**/js/panels/frame*.js", lambda route: route.abort())
        page.reload()
        expect(told).to_be_visible()
        page.unroute("**/js/panels/frame*.js")
        told.get_by_role("link").click()
        expect(told).to_be_hidden()


def test_a_part_that_comes_later_and_does_not_arrive_is_told_and_asked_for_again(
    visit: Open,
) -> None:
    with visit(None, script=SILENT, expected=("ERR_FAILED",)) as page:
        new_conversation(page)
        told = page.get_by_role("alert").filter(has_text="A part of this page did not load.")
        talk, panel = page.get_by_test_id("start-call"), page.get_by_test_id("call-panel")
        for name in ("call/sound", "panels/options-drawer"):
            page.route(f"**/js/{name}*.js", lambda route: route.abort())
        page.reload()
        expect(told).to_be_visible()
        page.get_by_test_id("composer-text").fill("hello there")
        page.keyboard.press("Enter")
        expect(wording(page.get_by_test_id("message").first)).to_have_text("hello there")
        page.get_by_test_id("open-options").click()
        talk.click()
        expect(talk).not_to_have_attribute("aria-busy", "true")
        expect(panel).to_be_hidden()
        page.unroute_all()
        page.get_by_test_id("open-options").click()
        expect(page.locator("[data-options]")).to_be_visible()
        page.keyboard.press("Escape")
        talk.click()
        expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
        expect(told).to_be_hidden()
        page.get_by_test_id("hang-up").click()


def test_a_tap_on_talk_before_what_a_call_needs_is_there_begins_one_call(visit: Open) -> None:
    with visit(None, script=SILENT) as page:
        new_conversation(page)
        asked: list[Route] = []
        page.route("**/js/call/sound*.js", lambda route: asked.append(route))
        page.reload()
        talk, panel = page.get_by_test_id("start-call"), page.get_by_test_id("call-panel")
        # Meanwhile its line is opened.
        with page.expect_websocket(lambda socket: "/ws/call/" in socket.url):
            talk.click()
        expect(talk).to_have_attribute("aria-busy", "true")
        talk.click()
        until(page, lambda: asked)
        page.route("**/js/call/sound*.js", lambda route: route.continue_())
        for route in asked:
            route.continue_()
        expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
        expect(talk).not_to_have_attribute("aria-busy", "true")
        page.get_by_test_id("hang-up").click()
        expect(panel).to_be_hidden()


# The browser asks the person, who answers when the test does.
ASKING = """
  const devices = navigator.mediaDevices;
  const open = devices.getUserMedia.bind(devices);
  const answer = new Promise((resolve) => { window.allow = resolve; });
  devices.getUserMedia = async (wish) => (await answer, open(wish));
"""


def test_the_line_is_there_when_the_person_has_allowed_the_microphone(visit: Open) -> None:
    with visit(None, script=SILENT + ASKING) as page:
        new_conversation(page)
        panel = page.get_by_test_id("call-panel")
        with page.expect_websocket(lambda socket: "/ws/call/" in socket.url) as opened:
            page.get_by_test_id("start-call").click()
        expect(panel).to_have_attribute("data-state", "checking")
        with opened.value.expect_event("framereceived", timeout=ANSWER_MS):
            page.evaluate("allow()")
        expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
        page.get_by_test_id("hang-up").click()
        expect(panel).to_be_hidden()


@contextmanager
def before_scripts(page: Page) -> Iterator[None]:
    """The page is loaded again, and its scripts come only afterwards."""
    asked: list[Route] = []
    page.route("**/js/app*.js", lambda route: asked.append(route))
    page.reload(wait_until="commit")
    yield
    until(page, lambda: asked)[0].continue_()
    page.unroute("**/js/app*.js")


@pytest.mark.parametrize("key", [True, False])
def test_what_is_sent_before_the_scripts_are_there_is_sent_when_they_are(
    visit: Open, key: bool
) -> None:
    with visit(None) as page:
        new_conversation(page)
        send = page.get_by_test_id("composer-send")
        with before_scripts(page):
            page.get_by_test_id("composer-text").fill("hello there")
            if key:
                page.keyboard.press("Enter")
            else:
                send.click()
            expect(send).to_have_attribute("aria-busy", "true")
        expect(wording(page.get_by_test_id("message").first)).to_have_text("hello there")
        assert send.get_attribute("aria-busy") is None
        expect(page.get_by_test_id("composer-text")).to_have_value("")


@pytest.mark.parametrize("key", [True, False])
def test_what_is_typed_after_sending_before_the_scripts_are_there_stays(
    visit: Open, key: bool
) -> None:
    with visit(None) as page:
        new_conversation(page)
        send, box = page.get_by_test_id("composer-send"), page.get_by_test_id("composer-text")
        with before_scripts(page):
            box.fill("hello there")
            if key:
                page.keyboard.press("Enter")
            else:
                send.click()
            box.press("End")
            box.press_sequentially(" and more")
        expect(wording(page.get_by_test_id("message").first)).to_have_text("hello there")
        expect(box).to_have_value("and more")
        page.reload()
        expect(box).to_have_value("and more")


def test_what_is_put_right_after_sending_before_the_scripts_are_there_is_sent(visit: Open) -> None:
    with visit(None) as page:
        new_conversation(page)
        box, messages = page.get_by_test_id("composer-text"), page.get_by_test_id("message")
        with before_scripts(page):
            box.fill("helo there")
            page.keyboard.press("Enter")
            for key in ("Home", "ArrowRight", "ArrowRight", "l"):
                box.press(key)
        expect(wording(messages.first)).to_have_text("hello there")
        expect(box).to_have_value("")
        # Another message is one of its own, however it begins.
        with before_scripts(page):
            box.fill("What is 2 plus 3?")
            page.keyboard.press("Enter")
            box.press("ControlOrMeta+a")
            box.press_sequentially("What is 4 plus 4?")
        expect(wording(messages.nth(2))).to_have_text("What is 2 plus 3?", timeout=ANSWER_MS)
        expect(box).to_have_value("What is 4 plus 4?")


def test_a_tap_on_talk_before_the_scripts_are_there_begins_a_call(visit: Open) -> None:
    with visit() as page:
        new_conversation(page)
        with before_scripts(page):
            page.get_by_test_id("start-call").click()
        expect(page.locator("[data-call-panel]")).to_have_attribute("data-state", "listening")


def test_all_taps_before_the_scripts_are_there_count(visit: Open) -> None:
    with visit(None, script=SILENT) as page:
        new_conversation(page)
        send, talk = page.get_by_test_id("composer-send"), page.get_by_test_id("start-call")
        with before_scripts(page):
            page.get_by_test_id("composer-text").fill("What is 4 plus 4?")
            for button in (send, talk, send):
                button.click()
            expect(send).to_have_attribute("aria-busy", "true")
            expect(talk).to_have_attribute("aria-busy", "true")
        panel = page.get_by_test_id("call-panel")
        messages = page.get_by_test_id("message")
        expect(wording(messages.last)).to_contain_text("8", timeout=ANSWER_MS)
        expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
        expect(messages).to_have_count(2)
        page.get_by_test_id("hang-up").click()
        expect(page.get_by_test_id("composer-text")).to_have_value("")
        expect(page.locator("[aria-busy]")).to_have_count(0)


# Once, before the page's own scripts run.
OLD = """if (sessionStorage.getItem("old")) {
  sessionStorage.removeItem("old");
  document.addEventListener("readystatechange", () => {
    document.body.dataset.captureWorklet = "/static/js/audio/capture-worklet.old.js";
  }, { once: true });
}"""


def age(page: Page) -> None:
    """Have the page as it was when the part of it that records had another name."""
    page.add_init_script(OLD)
    page.evaluate("sessionStorage.setItem('old', 'yes')")
    page.reload()


def test_a_page_left_open_over_an_upgrade_is_loaded_again_to_talk(visit: Open) -> None:
    with visit(None, script=SILENT, expected=("404",)) as page:
        new_conversation(page)
        address = page.url
        age(page)
        page.get_by_test_id("start-call").click()
        expect(page.get_by_text("Press Talk")).to_be_visible()
        assert page.url == address
        expect(page.get_by_test_id("start-call")).to_be_focused()
        page.keyboard.press("Enter")
        panel = page.get_by_test_id("call-panel")
        expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
        page.get_by_test_id("hang-up").click()
        expect(panel).to_be_hidden()


def test_a_page_left_open_over_an_upgrade_stays_where_something_is_typed(visit: Open) -> None:
    with visit(None, script=SILENT, expected=("404",)) as page:
        new_conversation(page)
        age(page)
        page.get_by_test_id("composer-text").fill("hello there")
        with page.expect_response(page.url):
            page.get_by_test_id("start-call").click()
        page.wait_for_load_state("networkidle")
        expect(page.get_by_test_id("call-error")).to_contain_text("Reload the page")
        page.get_by_test_id("call-dismiss").click()
        expect(page.get_by_test_id("composer-text")).to_have_value("hello there")


def test_what_was_typed_stays_where_a_script_does_not_arrive(visit: Open) -> None:
    with visit(None, expected=("ERR_FAILED",)) as page:
        new_conversation(page)
        page.route("**/js/panels/frame*.js", lambda route: route.abort())
        page.reload()
        page.get_by_test_id("composer-text").fill("hello there")
        page.get_by_test_id("composer-send").click()
        expect(page.get_by_test_id("composer-text")).to_have_value("hello there")
        page.unroute("**/js/panels/frame*.js")


def test_icons_come_with_the_page(visit: Open) -> None:
    with visit(None) as page:
        new_conversation(page)
        wanted = page.eval_on_selector_all(
            "use", "all => all.map((one) => one.getAttribute('href'))"
        )
        assert len(wanted) > 10
        assert [name for name in set(wanted) if page.locator(f"symbol{name}").count() != 1] == []
