"""A second tab: it shows the running call, and takes it over on a click."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open, picture, wording
from tests.e2e.test_options import ANSWER_MS, new_conversation, talk, until
from tests.site import Site

# How many recordings a conversation has, once its calls are over and all is encoded.
RECORDED = """
import time
from chats.models import Recording
from realtime.models import CallRecord
open_calls = CallRecord.objects.filter(conversation=THREAD).exclude(state="ended")
recordings = Recording.objects.filter(message__conversation=THREAD)
for _ in range(600):
    if not open_calls.exists() and not recordings.filter(state="live").exists():
        break
    time.sleep(0.05)
tell(recordings.filter(state="ready").count())
"""


def words(page: Page) -> list[Any]:
    """The thread as it is read: who said what, and whether it can be heard again."""
    found: list[Any] = page.evaluate(
        """() => [...document.querySelectorAll("[data-messages] > .message")].map((one) => [
            one.dataset.role, one.dataset.status,
            one.querySelector("[data-message-text]").innerText.trim(),
            one.querySelector("audio") !== null])"""
    )
    return found


def headings(page: Page) -> list[bool]:
    """What of the thread is the heading of a call."""
    found: list[bool] = page.evaluate(
        """() => [...document.querySelectorAll("[data-messages] > li")]
            .map((one) => one.matches(".call-divider"))"""
    )
    return found


def calls(page: Page) -> list[str]:
    """How long the calls of the thread took."""
    places = page.locator("[data-messages] [data-call-duration]")
    expect(places.filter(has_text=":")).to_have_count(places.count())
    return places.all_inner_texts()


def test_a_second_tab_reads_along_and_takes_over(visit: Open, site: Site) -> None:
    with visit("sum.wav") as page:
        new_conversation(page)
        other = page.context.new_page()
        other.goto(page.url)
        bar = other.get_by_test_id("elsewhere")
        expect(bar).to_be_hidden()
        page.bring_to_front()
        panel = talk(page)
        expect(bar).to_be_visible()
        messages = other.get_by_test_id("message")
        expect(messages.nth(0)).to_contain_text("two plus three", timeout=ANSWER_MS)
        expect(wording(messages.nth(1))).to_contain_text("5", timeout=ANSWER_MS)
        picture(other, "second_tab")
        # Reading along is all that can be done without taking over.
        other.get_by_test_id("composer-text").fill("Hello?")
        other.keyboard.press("Enter")
        expect(other.locator(".toast")).to_contain_text("another tab")
        expect(other.get_by_test_id("composer-text")).to_have_value("Hello?")
        expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
        other.get_by_test_id("take-over").click()
        here = other.get_by_test_id("call-panel")
        expect(here).to_have_attribute("data-state", re.compile("listening|hearing"), timeout=9000)
        expect(bar).to_be_hidden()
        # Now the first one reads along, and says once how the call comes back.
        expect(page.get_by_test_id("elsewhere")).to_be_visible()
        expect(page.locator(".toast")).to_contain_text("another tab")
        expect(panel).to_be_hidden()
        other.get_by_test_id("call-type").fill("What time is it?")
        other.keyboard.press("Enter")
        asked = page.get_by_test_id("message").filter(has_text="What time is it?")
        expect(asked).to_be_visible(timeout=ANSWER_MS)
        expect(here).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
        other.get_by_test_id("hang-up").click()
        expect(page.get_by_test_id("elsewhere")).to_be_hidden()
        # Without a reload the thread is as stored.
        thread = page.url.rstrip("/").rpartition("/")[2]
        recorded = site.run(f"THREAD = {thread!r}\n{RECORDED}")
        expect(page.locator(".message audio")).to_have_count(recorded, timeout=ANSWER_MS)
        # Each call has a heading, also the one that began with typed words.
        live = words(page), headings(page)
        first = calls(other)[0]
        page.reload()
        assert (words(page), len(calls(page)), headings(page)) == (live[0], 2, live[1])
        assert calls(page)[0] == first


def test_typing_in_one_tab_and_then_in_another_says_nothing_of_calls(visit: Open) -> None:
    with visit(None) as page:
        new_conversation(page)
        other = page.context.new_page()
        other.goto(page.url)
        for tab, question, answer in ((page, "4 plus 4", "8"), (other, "3 plus 3", "6")):
            tab.bring_to_front()
            tab.get_by_test_id("composer-text").fill(f"What is {question}?")
            tab.keyboard.press("Enter")
            expect(wording(tab.get_by_test_id("message").last)).to_contain_text(
                answer, timeout=ANSWER_MS
            )
        until(page, lambda: page.evaluate("window.__nextvoice.state") == "ended")
        expect(wording(page.get_by_test_id("message").last)).to_contain_text("6")
        expect(page.get_by_test_id("call-panel")).to_be_hidden()
        expect(page.get_by_test_id("elsewhere")).to_be_hidden()
        expect(page.locator(".toast")).to_have_count(0)


def test_a_tab_that_takes_over_shows_how_the_answer_of_the_other_ended(visit: Open) -> None:
    with visit("sum.wav") as page:
        new_conversation(page)
        other = page.context.new_page()
        other.goto(page.url)
        page.bring_to_front()
        talk(page)
        page.get_by_test_id("mute").click()
        page.get_by_test_id("call-type").fill("Tell me a story")
        page.keyboard.press("Enter")
        growing = other.locator(".message[data-role=assistant][data-status=in_progress]")
        expect(growing).to_have_count(1, timeout=ANSWER_MS)
        other.get_by_test_id("take-over").click()
        cut = other.locator(".message[data-role=assistant][data-status=interrupted] audio")
        expect(cut).to_have_count(1, timeout=ANSWER_MS)
        live = words(other)[:2]
        other.get_by_test_id("hang-up").click()
        other.reload()
        assert words(other)[:2] == live


def test_what_was_shown_before_it_had_a_place_comes_to_its_place(visit: Open) -> None:
    # A turn that had begun here, and was heard to its end after another tab's typed message.
    with visit(None) as page:
        new_conversation(page)
        order = page.evaluate("""async () => {
            // By the name it was loaded by, or it would be another copy of it.
            const loaded = performance.getEntriesByType("resource").map((one) => one.name);
            const source = loaded.find((name) => /panels\\/thread\\.\\w*\\.?js/.test(name));
            const thread = new (await import(source)).Thread(document);
            const shown = () => [...document.querySelectorAll("[data-messages] > .message")]
                .map((one) => one.dataset.itemId);
            const turn = { id: "turn", role: "user", kind: "spoken", status: "in_progress" };
            thread.beginCall("call", { spoken: true });
            thread.put(turn, [turn]);
            const of = (item, position) => ({ message_id: item, item_id: item, position,
                call_id: "call", role: "user", text: item, status: "completed" });
            thread.stored({ ...of("typed", 1), kind: "typed" });
            const before = shown();
            thread.stored({ ...of("turn", 2), kind: "spoken" });
            return [before, shown()];
        }""")
        assert order == [["turn", "typed"], ["typed", "turn"]]


def test_a_tab_that_slept_shows_when_each_message_was_written(visit: Open) -> None:
    with visit(None, timezone_id="UTC") as page:
        new_conversation(page)
        page.evaluate("""async () => {
            const loaded = performance.getEntriesByType("resource").map((one) => one.name);
            const source = loaded.find((name) => /panels\\/thread\\.\\w*\\.?js/.test(name));
            const thread = new (await import(source)).Thread(document);
            thread.stored({ message_id: "m", item_id: "i", position: 1, call_id: "call",
                role: "user", kind: "spoken", status: "completed", text: "Hello",
                created: "2020-01-02T03:04:05+00:00" });
        }""")
        expect(page.locator(".message time")).to_have_text("3:04 AM")
        expect(page.locator(".call-divider time")).to_contain_text("Jan 2, 2020")
