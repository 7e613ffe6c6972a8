"""Call options, before and during a call; and push-to-talk with the space bar."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocket, expect

from tests.e2e.conftest import Open, wording

ANSWER_MS = 30_000
PHONE = {"width": 390, "height": 844}


class Wire:
    """The JSON events between page and site, both ways, in order."""

    def __init__(self, page: Page) -> None:
        self.sent: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []
        page.on("websocket", self._listen)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: self._take(self.sent, frame))
        socket.on("framereceived", lambda frame: self._take(self.received, frame))

    def _take(self, events: list[dict[str, Any]], frame: str | bytes) -> None:
        if isinstance(frame, str):
            events.append(json.loads(frame))

    def of(self, events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
        return [event for event in events if event["type"] == kind]


def talk(page: Page) -> Any:
    """Begin a call in the conversation on the page; returns its panel."""
    page.get_by_test_id("start-call").click()
    panel = page.get_by_test_id("call-panel")
    expect(panel).to_have_attribute(
        "data-state", re.compile("listening|hearing|thinking|speaking"), timeout=ANSWER_MS
    )
    return panel


def new_conversation(page: Page) -> None:
    page.goto("/".join([*page.url.split("/")[:3], ""]))
    page.get_by_test_id("start-typing").click()
    expect(page.get_by_test_id("start-call")).to_be_visible()


def until(page: Page, found: Any) -> Any:
    """Let the page go on until `found()` is something."""
    for _ in range(300):
        if seen := found():
            return seen
        page.wait_for_timeout(50)
    raise AssertionError("it never came")


def test_what_is_chosen_before_a_call_starts_it_and_is_kept(visit: Open) -> None:
    with visit("sum.wav") as page:
        wire = Wire(page)
        new_conversation(page)
        page.get_by_test_id("open-options").click()
        drawer = page.get_by_test_id("options")
        expect(drawer).to_be_visible()
        page.get_by_test_id("option-voice").select_option("cedar")
        page.get_by_test_id("option-speed").fill("1.25")
        page.get_by_test_id("option-instructions").fill("Be brief.")
        page.get_by_test_id("option-length").select_option("600")
        # What the demo model lacks is not offered.
        expect(page.locator("[data-field=noise]")).to_be_hidden()
        with page.expect_response(lambda answer: "call-settings" in answer.url) as kept:
            page.get_by_test_id("as-default").check()
        assert kept.value.status == 204
        # What is told of it is not told under the drawer, and does not go with it.
        told = "New conversations will start with these options."
        expect(drawer.get_by_role("status").filter(has_text=told)).to_have_count(1)
        page.get_by_test_id("options-done").click()
        expect(drawer).to_be_hidden()
        expect(page.get_by_role("status").filter(has_text=told)).to_have_count(1)
        talk(page)
        session = wire.of(wire.received, "nextvoice.ready")[0]["session"]
        assert session["audio"]["output"]["voice"] == "cedar"
        assert session["audio"]["output"]["speed"] == 1.25
        page.get_by_test_id("hang-up").click()
        new_conversation(page)
        page.get_by_test_id("open-options").click()
        expect(page.get_by_test_id("option-voice")).to_have_value("cedar")
        expect(page.get_by_test_id("option-instructions")).to_have_value("Be brief.")
        # The keyboard stays in the drawer, and Escape leaves it.
        for _ in range(40):
            page.keyboard.press("Tab")
            inside = "document.activeElement === document.body || "
            inside += "document.querySelector('#options').contains(document.activeElement)"
            assert page.evaluate(inside)
        page.keyboard.press("Escape")
        expect(drawer).to_be_hidden()


def test_in_a_call_speed_changes_at_once_and_a_voice_by_a_new_connection(visit: Open) -> None:
    with visit("sum.wav") as page:
        wire = Wire(page)
        new_conversation(page)
        panel = talk(page)
        messages = page.get_by_test_id("message")
        expect(wording(messages.nth(1))).to_contain_text("5", timeout=ANSWER_MS)
        expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
        page.get_by_test_id("call-options").click()
        page.get_by_test_id("option-speed").fill("0.9")
        until(page, lambda: wire.of(wire.received, "session.updated"))
        updates = [event["session"] for event in wire.of(wire.sent, "session.update")]
        assert updates == [{"type": "realtime", "audio": {"output": {"speed": 0.9}}}]
        expect(page.get_by_test_id("pending")).to_be_hidden()
        page.get_by_test_id("options-done").click()
        expect(page.get_by_test_id("options")).to_be_hidden()
        page.get_by_test_id("call-options").click()
        page.get_by_test_id("option-voice").select_option("marin")
        expect(page.get_by_test_id("pending")).to_contain_text("voice cannot change")
        page.get_by_test_id("apply-reconnect").click()
        until(page, lambda: len(wire.of(wire.received, "nextvoice.ready")) == 2)
        expect(panel).to_have_attribute(
            "data-state", re.compile("listening|hearing"), timeout=ANSWER_MS
        )
        second = wire.of(wire.received, "nextvoice.ready")[1]
        assert second["session"]["audio"]["output"]["voice"] == "marin"
        assert [event["reason"] for event in wire.of(wire.received, "nextvoice.ended")] == [
            "hang_up"
        ]
        expect(messages).to_have_count(2)
        page.get_by_test_id("call-type").fill("What time is it?")
        page.keyboard.press("Enter")
        expect(panel).to_have_attribute("data-state", "speaking", timeout=ANSWER_MS)
        assert wire.of(wire.received, "error") == []


def test_what_is_written_is_followed_by_talk_that_is_answered_in_writing(visit: Open) -> None:
    with visit("sum.wav") as page:
        wire = Wire(page)
        new_conversation(page)
        page.get_by_test_id("composer-text").fill("What is 4 plus 4?")
        page.keyboard.press("Enter")
        messages = page.get_by_test_id("message")
        expect(wording(messages.nth(1))).to_contain_text("8", timeout=ANSWER_MS)
        page.get_by_test_id("open-options").click()
        expect(page.get_by_test_id("memory")).to_contain_text("all 2 messages")
        page.get_by_test_id("option-reply").select_option("text")
        page.get_by_test_id("options-done").click()
        panel = talk(page)
        expect(wording(messages.nth(3))).to_contain_text("5", timeout=ANSWER_MS)
        expect(panel).to_be_visible()
        expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
        assert wire.of(wire.received, "nextvoice.audio") == []


def test_the_space_bar_is_held_to_talk(visit: Open) -> None:
    with visit("sum.wav") as page:
        wire = Wire(page)
        new_conversation(page)
        page.get_by_test_id("open-options").click()
        page.get_by_test_id("turns-none").check()
        page.get_by_test_id("options-done").click()
        panel = talk(page)
        panel.focus()
        page.keyboard.down(" ")
        expect(panel).to_have_attribute("data-state", "hearing")
        page.wait_for_timeout(3000)
        page.keyboard.up(" ")
        messages = page.get_by_test_id("message")
        expect(messages.nth(0)).to_contain_text("two plus three", timeout=ANSWER_MS)
        expect(wording(messages.nth(1))).to_contain_text("5", timeout=ANSWER_MS)
        kinds = [event["type"] for event in wire.sent]
        assert [k for k in kinds if k in ("input_audio_buffer.commit", "response.create")] == [
            "input_audio_buffer.commit",
            "response.create",
        ]


def test_a_button_that_was_clicked_leaves_the_space_bar_to_talking(visit: Open) -> None:
    with visit("sum.wav") as page:
        new_conversation(page)
        panel = talk(page)
        turns, mute = page.get_by_test_id("turns"), page.get_by_test_id("mute")
        for way in ("hold", "tap"):
            turns.click()
            for _ in range(2):
                page.keyboard.down(" ")
                expect(panel).to_have_attribute("data-state", "hearing")
                page.keyboard.up(" ")
                if way == "tap":
                    page.keyboard.press(" ")
                expect(panel).not_to_have_attribute("data-state", "hearing")
                expect(panel).to_have_attribute("data-turns", way)
                mute.click()
                mute.click()
        # One that the keyboard came to is pressed by it, as everywhere.
        turns.click()
        turns.click()
        page.keyboard.press("Shift+Tab")
        expect(mute).to_be_focused()
        page.keyboard.press(" ")
        expect(panel).to_have_attribute("data-state", "muted")
        page.keyboard.press("Tab")
        page.keyboard.press(" ")
        expect(panel).to_have_attribute("data-turns", "tap")


def test_muting_in_the_middle_of_a_word_ends_the_turn(visit: Open) -> None:
    with visit("sum.wav") as page:
        wire = Wire(page)
        new_conversation(page)
        panel = talk(page)
        expect(panel).to_have_attribute("data-state", "hearing", timeout=ANSWER_MS)
        page.get_by_test_id("mute").click()
        until(page, lambda: wire.of(wire.received, "input_audio_buffer.speech_stopped"))
        expect(page.get_by_test_id("message").nth(1)).to_contain_text(
            re.compile(r"\w"), timeout=ANSWER_MS
        )


def test_the_answer_is_read_along_and_what_was_not_heard_stays_grey(visit: Open) -> None:
    with visit("story_then_interrupt.wav") as page:
        new_conversation(page)
        talk(page)
        answer = page.get_by_test_id("message").nth(1)
        now, ahead = answer.locator(".words__now"), answer.locator(".words__ahead")
        expect(now).to_have_text(re.compile(r"\w"), timeout=ANSWER_MS)
        first = now.inner_text()
        expect(now).not_to_have_text(first, timeout=ANSWER_MS)
        assert ahead.inner_text() != ""
        unheard = answer.get_by_test_id("unheard")
        expect(unheard).to_be_visible(timeout=ANSWER_MS)
        expect(now).to_have_count(0)
        page.get_by_test_id("hang-up").click()
        expect(page.get_by_test_id("start-call")).to_be_visible()
        page.reload()
        expect(unheard).to_contain_text(re.compile(r"\w+ \w+"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_the_options_fit_and_can_be_touched(visit: Open, scheme: str) -> None:
    with visit(
        "sum.wav", viewport=PHONE, is_mobile=True, has_touch=True, color_scheme=scheme
    ) as page:
        new_conversation(page)
        page.get_by_test_id("open-options").tap()
        expect(page.get_by_test_id("options")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        small = """() => [...document.querySelectorAll(
            "#options :is(button, select, summary, input)")]
          .filter((one) => one.checkVisibility())
          .map((one) => (one.closest("label") ?? one).getBoundingClientRect().height)
          .filter((height) => height < 44)"""
        assert page.evaluate(small) == []
        page.get_by_test_id("check-microphone").tap()
        expect(page.locator("[data-device-note]")).to_contain_text("bar should move")
        until(page, lambda: page.get_by_test_id("level").evaluate("(meter) => meter.value > 0.05"))


def test_in_a_window_enlarged_four_times_the_options_are_more_than_their_buttons(
    visit: Open,
) -> None:
    with visit(None, viewport={"width": 320, "height": 256}) as page:
        new_conversation(page)
        page.get_by_test_id("open-options").click()
        expect(page.get_by_test_id("options")).to_be_visible()
        read = """() => {
          const dialog = document.querySelector("#options");
          const part = dialog.querySelector(".options__body").getBoundingClientRect();
          return Math.min(part.bottom, innerHeight) - part.top;
        }"""
        assert page.evaluate(read) > 120
        page.get_by_test_id("options-done").click()
        expect(page.get_by_test_id("options")).to_be_hidden()


def test_a_call_in_telephone_sound_is_heard_and_answered(visit: Open) -> None:
    with visit("sum.wav") as page:
        wire = Wire(page)
        new_conversation(page)
        page.get_by_test_id("open-options").click()
        page.get_by_test_id("option-format").select_option("audio/pcmu")
        page.get_by_test_id("options-done").click()
        talk(page)
        # What it understands is its own affair: its recogniser was not made for the telephone.
        answer = page.get_by_test_id("message").nth(1)
        expect(answer.get_by_test_id("player")).to_be_visible(timeout=ANSWER_MS)
        audio = wire.of(wire.received, "nextvoice.ready")[0]["session"]["audio"]
        assert audio["input"]["format"] == audio["output"]["format"] == {"type": "audio/pcmu"}
