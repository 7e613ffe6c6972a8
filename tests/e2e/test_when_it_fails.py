"""Calls that cannot start or that break: the page shows what failed and what to do next."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Launch, Open, sign_in, wording
from tests.e2e.test_errors_speak import SILENT
from tests.e2e.test_options import ANSWER_MS, new_conversation, until
from tests.servers import free_port
from tests.site import Site


@pytest.fixture(scope="module")
def site(own_site: Site) -> Site:
    return own_site


def wait_for_rows(page: Page, site: Site, words: str) -> None:
    """Wait until a message with these words is in the database."""
    count = (
        "from chats.models import Message\n"
        f"tell(Message.objects.filter(text__contains={words!r}).count())"
    )
    until(page, lambda: site.run(count))


def failure(page: Page) -> str:
    error = page.get_by_test_id("call-error")
    expect(error).to_be_visible(timeout=15_000)
    return error.inner_text()


def test_a_blocked_microphone_is_named_with_the_way_to_unblock_it(visit: Open) -> None:
    with visit(None, "--use-fake-device-for-media-stream") as page:
        page.get_by_test_id("start-talking").click()
        said = failure(page)
        assert "microphone is blocked" in said
        assert "allow the microphone" in said
        expect(page.get_by_test_id("retry")).to_be_visible()


def test_a_page_without_https_says_so(site: Site, launch: Launch) -> None:
    host = "nextvoice.test"
    url = site.url.replace("127.0.0.1", host)
    browser = launch("sum.wav", f"--host-resolver-rules=MAP {host} 127.0.0.1")
    with browser.new_context() as tab:
        page = tab.new_page()
        sign_in(page, url)
        page.get_by_test_id("start-talking").click()
        assert "https" in failure(page)


def test_an_unreachable_provider_is_named_with_a_way_to_try_again(visit: Open, site: Site) -> None:
    site.provider(f"ws://127.0.0.1:{free_port()}/v1/realtime")
    try:
        with visit("sum.wav") as page:
            page.get_by_test_id("start-talking").click()
            assert "cannot be reached" in failure(page)
            expect(page.get_by_test_id("retry")).to_be_visible()
            page.get_by_test_id("call-dismiss").click()
            expect(page.get_by_test_id("call-panel")).to_be_hidden()
            expect(page.get_by_test_id("start-call")).to_be_visible()
    finally:
        site.run(
            "from realtime.models import Provider; Provider.objects.get(name='Scripted').delete()"
        )


def test_a_lost_server_is_said_and_the_call_goes_on_when_it_is_back(
    visit: Open, site: Site
) -> None:
    with visit("sum.wav", expected=("WebSocket", "ERR_")) as page:
        page.get_by_test_id("start-talking").click()
        messages = page.get_by_test_id("message")
        expect(wording(messages.nth(1))).to_contain_text("5", timeout=30_000)
        # The last moment may be lost with a killed process; what is stored may not.
        wait_for_rows(page, site, "two plus three")
        site.kill()
        panel = page.get_by_test_id("call-panel")
        expect(panel).to_have_attribute("data-state", "reconnecting")
        site.start()
        # The call goes on by itself, in the same thread.
        expect(panel).to_have_attribute("data-state", "listening", timeout=30_000)
        page.reload()
        expect(messages.nth(0)).to_contain_text("two plus three")


def test_a_call_tried_again_is_shown_as_any_other(visit: Open) -> None:
    with visit(None, script=SILENT, expected=("WebSocket", "ERR_")) as page:
        new_conversation(page)
        page.context.set_offline(True)
        page.get_by_test_id("start-call").click()
        failure(page)
        page.context.set_offline(False)
        page.get_by_test_id("retry").click()
        panel = page.get_by_test_id("call-panel")
        expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
        expect(page.get_by_test_id("call-error")).to_be_hidden()
        expect(page.get_by_test_id("call-timer")).to_have_text("0:01")
        page.get_by_test_id("hang-up").click()
        expect(panel).to_be_hidden()


@pytest.mark.parametrize("by", ["retry", "composer"])
def test_of_a_written_message_that_failed_no_call_is_shown_once_it_is_sent(
    visit: Open, by: str
) -> None:
    with visit(None, expected=("WebSocket", "ERR_")) as page:
        new_conversation(page)
        page.context.set_offline(True)
        page.get_by_test_id("composer-text").fill("What is 4 plus 4?")
        page.keyboard.press("Enter")
        failure(page)
        page.context.set_offline(False)
        if by == "retry":
            page.get_by_test_id("retry").click()
            expect(page.get_by_test_id("composer-text")).to_be_focused()
        else:
            page.get_by_test_id("composer-text").fill("And what is 4 plus 4?")
            page.keyboard.press("Enter")
        answer = page.locator(".message[data-role=assistant]")
        expect(wording(answer)).to_contain_text("8", timeout=ANSWER_MS)
        expect(page.get_by_test_id("call-panel")).to_be_hidden()


def delete(page: Page) -> None:
    """Delete the conversation that the page shows."""
    page.get_by_label("Conversation menu").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()


def is_led_away(page: Page) -> None:
    assert "This conversation is gone." in failure(page)
    page.get_by_role("link", name="To your conversations").click()
    expect(page.get_by_test_id("start-typing")).to_be_visible()


def test_from_a_conversation_that_was_deleted_elsewhere_leads_a_way(visit: Open) -> None:
    with visit(None) as page:
        new_conversation(page)
        other = page.context.new_page()
        other.goto(page.url)
        delete(other)
        page.get_by_test_id("composer-text").fill("Are you there?")
        page.keyboard.press("Enter")
        is_led_away(page)


def test_a_tab_that_only_shows_a_conversation_says_that_it_was_deleted_elsewhere(
    visit: Open,
) -> None:
    with visit(None) as page:
        new_conversation(page)
        other = page.context.new_page()
        other.goto(page.url)
        delete(page)
        expect(page.get_by_test_id("call-error")).to_be_hidden()
        is_led_away(other)


def test_a_conversation_that_is_brought_back_is_shown_again_in_all_tabs(visit: Open) -> None:
    with visit(None) as page:
        new_conversation(page)
        other = page.context.new_page()
        other.goto(page.url)
        delete(page)
        failure(other)
        page.get_by_role("button", name="Undo").click()
        expect(other.get_by_test_id("call-panel")).to_be_hidden()
        other.get_by_test_id("composer-text").fill("What is 4 plus 4?")
        other.keyboard.press("Enter")
        expect(wording(other.get_by_test_id("message").last)).to_contain_text("8")


def test_what_cannot_be_sent_stands_in_the_box_again_and_outlives_a_reload(visit: Open) -> None:
    with visit(None, expected=("WebSocket", "ERR_")) as page:
        page.get_by_test_id("start-typing").click()
        box = page.get_by_test_id("composer-text")
        expect(box).to_be_focused()
        box.fill("a long thought")
        page.context.set_offline(True)
        try:
            box.press("Enter")
            assert "offline" in failure(page)
            expect(box).to_have_value("a long thought")
            # What is typed meanwhile follows it.
            page.keyboard.press("End")
            page.keyboard.type(" and more")
        finally:
            page.context.set_offline(False)
        page.reload()
        expect(box).to_have_value("a long thought and more")
        box.press("Enter")
        expect(page.get_by_test_id("message").first).to_contain_text("a long thought and more")
        page.reload()
        expect(box).to_have_value("")
        # The next person at this browser finds none of it.
        box.fill("a secret")
        page.goto(page.url.partition("/c/")[0])
        page.locator(".account-menu summary").click()
        page.get_by_role("button", name="Sign out").click()
        expect(page.locator("input[name=password]")).to_be_visible()
        assert page.evaluate("Object.keys(sessionStorage)") == []
