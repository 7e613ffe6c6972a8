"""Tool results and approvals on a call's page: docked, full, on a phone and in text calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open, picture
from tests.e2e.provider import opened, scripted
from tests.e2e.test_moving_about import SILENT
from tests.e2e.test_options import ANSWER_MS, PHONE, new_conversation, talk
from tests.scripted import Expect, Send, Step, audio_delta, response_created, response_done
from tests.site import Site
from tests.xss import CORPUS

GUARD_MS = 600
LETTER = {"to": "Ben", "text": "See you at eight.\n" + CORPUS[0]}
STAY = Expect("session.update", seconds=120)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with functions of its own, in the real registry."""
    settings = {"DJANGO_SETTINGS_MODULE": "tests.e2e.drawing.settings"}
    with Site(tmp_path_factory.mktemp("site"), people=("ann",), **settings) as site:
        yield site


def asks(name: str, arguments: dict[str, Any], response: str = "resp_1") -> list[dict[str, Any]]:
    """A provider that asks for a function."""
    item = {"id": f"item_{response}", "type": "function_call", "name": name}
    item |= {"call_id": f"call_{response}", "arguments": json.dumps(arguments)}
    place = {"response_id": response, "output_index": 1}
    return [
        {"type": "conversation.item.added", "previous_item_id": None, "item": item},
        {"type": "response.output_item.added", **place, "item": item},
        {"type": "response.output_item.done", **place, "item": item | {"status": "completed"}},
    ]


def with_tools(site: Site) -> None:
    """The scripted model may call functions."""
    features = "{'tools': True, 'text': True, 'turn_detection': ['server_vad']}"
    site.run(
        "from realtime.models import VoiceModel\n"
        f"VoiceModel.objects.filter(name='scripted-1').update(features={features})"
    )


def letter(*steps: Step) -> list[Step]:
    """A provider that wants to send a letter, and what follows."""
    asked = Send(response_created(), *asks("send_letter", LETTER), response_done())
    return [asked, *steps, STAY]


def test_a_picture_appears_while_the_answer_is_spoken_in_the_docked_call(
    visit: Open, site: Site
) -> None:
    spoken = audio_delta(bytes(48_000 * 20))
    script = opened(Send(response_created(), spoken, *asks("draw_chart", {"title": "Sales"})), STAY)
    with scripted(site, script), visit(None, script=SILENT) as page:
        with_tools(site)
        new_conversation(page)
        panel = talk(page)
        shown = page.get_by_test_id("attachment")
        expect(shown).to_be_visible(timeout=ANSWER_MS)
        expect(panel).to_have_attribute("data-state", "speaking")
        expect(panel).to_have_attribute("data-form", "docked")
        small = shown.locator("img")
        loaded = "(image) => image.complete && image.naturalWidth > 0"
        page.wait_for_function(loaded, arg=small.element_handle())
        assert small.evaluate("(image) => image.naturalWidth / image.naturalHeight") == 1.6
        picture(page, "tool_picture")
        small.click()
        expect(page.get_by_test_id("lightbox")).to_be_visible()
        page.get_by_test_id("lightbox-close").click()
        page.get_by_test_id("hang-up").click()
        page.reload()
        expect(shown.locator("img")).to_have_attribute("alt", "Sales.png")
        shown.hover()
        shown.locator("[data-attachment-delete]").click()
        page.get_by_test_id("delete-for-good").click()
        expect(shown).to_have_count(0)
        page.reload()
        expect(page.get_by_test_id("tool")).to_be_visible()
        expect(shown).to_have_count(0)


def test_what_is_asked_first_is_allowed_by_keyboard(visit: Open, site: Site) -> None:
    with (
        scripted(site, opened(*letter())) as provider,
        visit(None, script=SILENT) as page,
    ):
        with_tools(site)
        new_conversation(page)
        talk(page)
        asked = page.get_by_test_id("approval")
        expect(asked).to_be_focused(timeout=ANSWER_MS)
        expect(asked).to_have_accessible_name("Allow “Letter”?")
        values = page.get_by_test_id("approval-arguments").locator("dd")
        assert values.all_inner_texts() == [LETTER["to"], LETTER["text"]]
        assert page.evaluate("window.hit") is None
        card = page.get_by_test_id("tool")
        expect(card).to_have_attribute("data-state", "awaiting_approval")
        picture(page, "approval")
        page.emulate_media(color_scheme="dark")
        picture(page, "approval_dark")
        # What was meant for something else decides nothing, nor does a key that only speaks.
        page.keyboard.press("Enter")
        page.keyboard.press("Space")
        expect(asked).to_be_visible()
        assert provider.visits[0].of_type("conversation.item.create") == []
        page.wait_for_timeout(GUARD_MS)
        for _ in range(4):
            page.keyboard.press("Tab")
        expect(page.get_by_test_id("approve")).to_be_focused()
        page.keyboard.press("Enter")
        expect(asked).to_be_hidden()
        expect(card).to_have_attribute("data-state", "completed", timeout=ANSWER_MS)
        expect(page.get_by_test_id("tool-result")).to_have_text("Sent to Ben.")
        (told,) = provider.visits[0].of_type("conversation.item.create")
        assert told["item"]["output"] == '{"sent": true}'
        page.get_by_test_id("hang-up").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_asked_first_is_allowed_by_touch_in_a_call_that_fills_a_phone(
    visit: Open, site: Site, scheme: str
) -> None:
    second = Send(
        response_created("resp_2"), *asks("send_letter", LETTER, "resp_2"), response_done("resp_2")
    )
    phone = {"viewport": PHONE, "is_mobile": True, "has_touch": True, "color_scheme": scheme}
    # The assistant may ask to say that it waits; only what was done comes as an item.
    script = opened(*letter(Expect("conversation.item.create", seconds=60), second))
    with scripted(site, script) as provider, visit(None, script=SILENT, **phone) as page:
        with_tools(site)
        new_conversation(page)
        page.get_by_test_id("start-call").tap()
        asked = page.get_by_test_id("approval")
        expect(asked).to_be_visible(timeout=ANSWER_MS)
        expect(page.get_by_test_id("call-panel")).to_have_attribute("data-form", "full")
        for name in ("approve", "decline", "hang-up", "mute"):
            expect(page.get_by_test_id(name)).to_be_in_viewport(ratio=1)
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        picture(page, f"phone_approval_{scheme}")
        page.wait_for_timeout(GUARD_MS)
        page.get_by_test_id("approval-remember").tap()
        page.get_by_test_id("approve").tap()
        expect(asked).to_be_hidden()
        # The second letter goes out unasked, as was wished for this call.
        sent = provider.visits[0]
        for _ in range(100):
            if len(sent.of_type("conversation.item.create")) == 2:
                break
            page.wait_for_timeout(100)
        outputs = [each["item"]["output"] for each in sent.of_type("conversation.item.create")]
        assert outputs == ['{"sent": true}'] * 2
        page.get_by_test_id("hang-up").tap()


def test_what_is_asked_first_is_declined_in_writing(visit: Open, site: Site) -> None:
    script = opened(Expect("response.create", seconds=60), *letter())
    with scripted(site, script) as provider, visit(None) as page:
        with_tools(site)
        new_conversation(page)
        page.get_by_test_id("composer-text").fill("Write to Ben.")
        page.keyboard.press("Enter")
        asked = page.get_by_test_id("approval")
        expect(asked).to_be_visible(timeout=ANSWER_MS)
        # Who writes goes on writing, and is told.
        expect(page.get_by_test_id("composer-text")).to_be_focused()
        expect(page.get_by_role("alert").first).to_contain_text("Allow “Letter”?")
        picture(page, "approval_written")
        page.wait_for_timeout(GUARD_MS)
        page.get_by_test_id("decline").focus()
        page.keyboard.press("Escape")
        expect(asked).to_be_hidden()
        card = page.get_by_test_id("tool")
        expect(card).to_have_attribute("data-state", "declined", timeout=ANSWER_MS)
        visit_ = provider.visits[0]
        outputs = [
            each["item"].get("output") for each in visit_.of_type("conversation.item.create")
        ]
        assert "declined" in json.loads(outputs[-1])["error"]
        page.reload()
        expect(card).to_have_attribute("data-state", "declined")


EVERY_STATE = """
import json
from chats.models import Conversation, User
ann = User.objects.get(username="ann")
talk = Conversation.objects.create(owner=ann, account=ann.own_account, title="Every state")
rows = [[f"Town {n}", n * 1000, "a longer cell that needs some room", n / 7] for n in range(60)]
states = [
    ("completed", "", {"table": {"columns": ["Town", "People", "Remark", "Share"], "rows": rows}}),
    ("completed", "", {"text": "16", "links": [{"url": "/", "title": "Home", "text": "Said"}]}),
    ("failed", "", {"notes": ["“plan.zip” could not be saved. The file is larger than 20 MB."]}),
    ("in_progress", "in_progress", {}),
    ("in_progress", "awaiting_approval", {}),
    ("interrupted", "interrupted", {}),
    ("interrupted", "declined", {}),
]
for place, (status, state, shown) in enumerate(states):
    tool = {"name": "look_up", "label": "Look up", "about": "Looks things up.", "server": ""}
    tool |= {"state": state or status, "arguments": '{"what": "towns"}', "output": ""}
    tool["shown"] = shown
    tool["duration_ms"] = None if status == "in_progress" else 2600
    tool["server"] = "wiki.example" if place == 2 else ""
    talk.messages.create(
        position=place, role="assistant", kind="tool", status=status, item_id=f"i{place}", tool=tool
    )
tell(talk.get_absolute_url())
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_state_of_a_card_is_told_in_words_and_fits(
    visit: Open, site: Site, scheme: str
) -> None:
    address = site.run(EVERY_STATE)
    with visit(None, color_scheme=scheme) as page:
        page.goto(site.url + address)
        words = page.get_by_test_id("tool-state").all_inner_texts()
        assert words == [
            "Done",
            "Done",
            "Failed",
            "Running…",
            "Waiting for you",
            "Stopped",
            "Not allowed",
        ]
        times = page.get_by_test_id("tool-time")
        assert times.nth(0).inner_text() == "3 s"
        # What runs for long shows for how long.
        expect(times.nth(3)).to_have_text("3 s", timeout=10_000)
        region = page.get_by_role("region", name="Table")
        assert region.evaluate("(one) => one.scrollHeight > one.clientHeight + 100")
        shots(page, f"cards_{scheme}")
        page.set_viewport_size(PHONE)
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        shots(page, f"phone_cards_{scheme}")


def shots(page: Page, name: str) -> None:
    """The thread from its beginning and from its end."""
    for place, where in (("0", "top"), ("1e6", "end")):
        page.evaluate(f"document.querySelector('[data-thread]').scrollTop = {place}")
        picture(page, f"{name}_{where}")
