"""Function calls in the thread, with the embedded provider."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from realtime.tools.registry import MAX_TEXT
from tests.e2e.conftest import Open, picture
from tests.e2e.provider import demo_can, opened, scripted
from tests.e2e.test_options import ANSWER_MS, PHONE, new_conversation, talk
from tests.scripted import Expect, Send, audio_delta, response_created
from tests.site import Site
from tests.xss import CORPUS


@pytest.fixture(autouse=True)
def able(site: Site) -> Iterator[None]:
    """The embedded model may call functions."""
    with demo_can(site, tools=True):
        yield


def write(page: Page, text: str) -> None:
    page.get_by_test_id("composer-text").fill(text)
    page.keyboard.press("Enter")


def test_the_time_is_looked_up_and_how_can_be_seen_by_keyboard(visit: Open) -> None:
    with visit(None) as page:
        new_conversation(page)
        write(page, "What time is it in Tokyo?")
        card = page.get_by_test_id("tool")
        expect(card).to_have_attribute("data-state", "completed", timeout=ANSWER_MS)
        expect(card).to_have_js_property("open", False)
        expect(page.get_by_test_id("tool-result")).to_contain_text("(Asia/Tokyo)")
        kinds = "(all) => all.map((each) => `${each.dataset.role} ${each.dataset.kind}`)"
        spoken = page.locator(".message[data-role=assistant][data-kind=typed]")
        expect(spoken).to_contain_text("the current time tool says", timeout=ANSWER_MS)
        order = ["user typed", "assistant tool", "assistant typed"]
        assert page.locator(".message").evaluate_all(kinds) == order
        card.locator("summary").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("tool-arguments")).to_be_visible()
        asked = json.loads(page.get_by_test_id("tool-arguments").inner_text())
        assert asked == {"timezone": "Tokyo"}
        picture(page, "tool_card")
        page.emulate_media(color_scheme="dark")
        picture(page, "tool_card_dark")
        card_html = card.locator("summary").inner_html()
        page.reload()
        assert page.get_by_test_id("tool").locator("summary").inner_html() == card_html
        assert page.locator(".message").evaluate_all(kinds) == order
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(PHONE)
        page.get_by_test_id("tool").locator("summary").click()
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        picture(page, "phone_tool_card")


def test_what_the_assistant_may_use_is_chosen_in_the_options(visit: Open) -> None:
    with visit(None) as page:
        new_conversation(page)
        page.get_by_test_id("open-options").first.click()
        tools = page.get_by_test_id("option-tools")
        expect(tools.get_by_role("checkbox")).to_have_count(4)
        tools.get_by_role("checkbox", name="Clock").uncheck()
        picture(page, "tool_options")
        with page.expect_response(lambda answer: answer.request.method == "POST") as kept:
            page.get_by_test_id("options-done").click()
        assert kept.value.status == 204
        write(page, "What time is it?")
        expect(page.locator(".message[data-role=assistant]")).to_contain_text(
            "It is", timeout=ANSWER_MS
        )
        expect(page.get_by_test_id("tool")).to_have_count(0)
        page.reload()
        page.get_by_test_id("open-options").first.click()
        expect(tools.get_by_role("checkbox", name="Clock")).not_to_be_checked()
        expect(tools.get_by_role("checkbox", name="Note")).to_be_checked()


def asks_for_a_note(text: str) -> list[dict[str, Any]]:
    """A provider that says something and asks for a note in one answer."""
    item = {"id": "item_f", "type": "function_call", "name": "note", "call_id": "call_1"}
    item |= {"status": "completed", "arguments": json.dumps({"text": text})}
    place = {"response_id": "resp_1", "output_index": 1}
    return [
        {"type": "conversation.item.added", "previous_item_id": None, "item": item},
        {"type": "response.output_item.added", **place, "item": item},
        {"type": "response.output_item.done", **place, "item": item},
    ]


def test_a_card_appears_while_the_answer_is_spoken_and_no_attack_in_it_works(
    visit: Open, site: Site
) -> None:
    evil = "\n".join(CORPUS)[:MAX_TEXT]  # all of it: test_stored_attacks
    script = opened(
        Send(
            response_created(),
            audio_delta(bytes(96_000)),
            *asks_for_a_note(evil),
        ),
        Expect("session.update", seconds=60),
    )
    with scripted(site, script), visit("sum.wav") as page:
        able_again = "from realtime.models import VoiceModel\n"
        able_again += "VoiceModel.objects.filter(name='scripted-1').update("
        site.run(able_again + "features={'tools': True, 'turn_detection': ['server_vad']})")
        new_conversation(page)
        panel = talk(page)
        card = page.get_by_test_id("tool")
        expect(card).to_have_attribute("data-state", "completed", timeout=ANSWER_MS)
        expect(panel).to_have_attribute("data-state", "speaking")
        found = page.locator(".message__card :is(script, img, iframe, style, form, object, base)")
        expect(found).to_have_count(0)
        assert page.evaluate("window.hit") is None
        page.get_by_test_id("hang-up").first.click()
        page.reload()
        expect(page.get_by_test_id("tool-result")).to_contain_text("<script")
        expect(found).to_have_count(0)
        assert page.evaluate("window.hit") is None
