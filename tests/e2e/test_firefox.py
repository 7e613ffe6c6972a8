"""The second browser: calls in Firefox ESR are heard, read along, interrupted and kept."""

from __future__ import annotations

import base64
import io
import os
import re
import wave
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.conftest import signed_in
from tests.e2e.test_first_conversation import LISTEN, kept, speaker, start_talking
from tests.e2e.test_options import ANSWER_MS, new_conversation, until
from tests.servers import Loudspeaker, require
from tests.site import AUDIO, Site

MICROPHONE = (Path(__file__).parent / "microphone.js").read_text()
# Whoever asks Firefox for its latency may wait for ever, so the page must not.
NEVER_ASKED = """
Object.defineProperty(AudioContext.prototype, "outputLatency", {
  get() { throw new Error("outputLatency was asked for"); },
});
"""

Open = Callable[..., AbstractContextManager[Page]]


@pytest.fixture(scope="module")
def firefox() -> Iterator[Browser]:
    require("firefox-esr", "pulseaudio")
    with Loudspeaker() as sound, sync_playwright() as driver:
        browser = driver.firefox.launch(
            # Debian's own, over WebDriver BiDi, rather than one of Playwright's making.
            channel="moz-firefox",
            executable_path="/usr/bin/firefox-esr",
            env={**os.environ, "PULSE_SERVER": sound.url},
            firefox_user_prefs={
                "media.navigator.streams.fake": True,
                "media.navigator.permission.disabled": True,
            },
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(site: Site, firefox: Browser, request: pytest.FixtureRequest) -> Open:
    def opened(script: str = MICROPHONE, **context: object) -> AbstractContextManager[Page]:
        script += NEVER_ASKED
        return signed_in(firefox, site.url, request.node.name, script=script, **context)

    return opened


def phrase(recording: str, begin: float, end: float) -> str:
    """The seconds of a recording in which something is said, as `microphone.js` wants it."""
    with wave.open(str(AUDIO / recording), "rb") as source, io.BytesIO() as file:
        source.setpos(int(begin * source.getframerate()))
        frames = source.readframes(int((end - begin) * source.getframerate()))
        with wave.open(file, "wb") as made:
            made.setparams(source.getparams())
            made.writeframes(frames)
        return base64.b64encode(file.getvalue()).decode()


SUM = phrase("sum.wav", 1.3, 3.4)
STORY = phrase("story_then_interrupt.wav", 1.3, 3.4)
STOP = phrase("story_then_interrupt.wav", 8.5, 10.8)


def say(page: Page, words: str) -> None:
    page.evaluate("(wav) => window.say(wav)", words)


def in_state(page: Page, state: str) -> None:
    panel = page.get_by_test_id("call-panel")
    expect(panel).to_have_attribute("data-state", state, timeout=ANSWER_MS)


def hang_up(page: Page) -> None:
    page.get_by_test_id("hang-up").click()
    expect(page.get_by_test_id("call-panel")).to_be_hidden()


def test_a_spoken_question_is_answered_aloud_and_kept(visit: Open, site: Site) -> None:
    with visit() as page:
        start_talking(page)
        say(page, SUM)
        in_state(page, "speaking")
        messages = page.get_by_test_id("message")
        expect(messages.nth(0)).to_contain_text("two plus three", timeout=ANSWER_MS)
        expect(messages.nth(1)).to_contain_text("5", timeout=ANSWER_MS)
        in_state(page, "listening")
        sound = speaker(page)
        assert (sound["itemsHeard"], sound["samplesRendered"] > 24_000) == (1, True)
        assert sound["peakRendered"] > 0.1
        hang_up(page)
        page.reload()
        expect(messages).to_have_count(2)
        stored = [message["recorded_ms"] for message in kept(page, site)]
        for (length, moved, end), ms in zip(page.evaluate(LISTEN), stored, strict=True):
            # To within two frames of the codec.
            assert (abs(length * 1000 - ms) < 50, moved, abs(end - length) < 0.1) == (True,) * 3


def test_talking_over_the_answer_cuts_it_where_it_was_heard(visit: Open, site: Site) -> None:
    with visit() as page:
        start_talking(page)
        say(page, STORY)
        in_state(page, "speaking")
        page.locator(".words__now").filter(has_text=re.compile(r"\w")).wait_for()
        say(page, STOP)
        messages = page.get_by_test_id("message")
        expect(messages.nth(1).get_by_text("Interrupted here")).to_be_visible(timeout=ANSWER_MS)
        expect(messages.nth(3)).to_contain_text(re.compile(r"\d:\d\d"), timeout=ANSWER_MS)
        in_state(page, "listening")
        hang_up(page)
        story, answer = kept(page, site)[1::2]
        assert (story["status"], story["recorded_ms"]) == ("interrupted", story["heard_ms"])
        assert (story["text"] != "", story["unheard"] != "") == (True, True)
        assert answer["status"] == "completed"


def test_one_tap_begins_a_turn_and_the_next_one_sends_it(visit: Open) -> None:
    with visit() as page:
        start_talking(page)
        turns = page.get_by_test_id("turns")
        panel = page.get_by_test_id("call-panel")
        for mode in ("hold", "tap"):
            turns.click()
            expect(panel).to_have_attribute("data-turns", mode)
        button = page.get_by_test_id("hold-to-talk")
        button.click()
        in_state(page, "hearing")
        say(page, SUM)
        page.wait_for_timeout(2500)
        expect(button).to_have_text("Tap to send")
        button.click()
        messages = page.get_by_test_id("message")
        expect(messages.nth(0)).to_contain_text("two plus three", timeout=ANSWER_MS)
        expect(messages.nth(1)).to_contain_text("5", timeout=ANSWER_MS)
        in_state(page, "listening")
        hang_up(page)


def test_typed_words_are_answered_in_a_call_that_is_docked_and_without_one(visit: Open) -> None:
    # The browser's own microphone, as it hands it to a page; what it hears is a tone.
    with visit("") as page:
        start_talking(page)
        panel = page.get_by_test_id("call-panel")
        until(page, lambda: page.evaluate("window.__nextvoice.framesSent") > 25)
        page.get_by_test_id("call-type").fill("What is 4 plus 4?")
        page.keyboard.press("Enter")
        messages = page.get_by_test_id("message")
        expect(messages.nth(1)).to_contain_text("8", timeout=ANSWER_MS)
        in_state(page, "listening")
        hang_up(page)
        new_conversation(page)
        page.get_by_test_id("composer-text").fill("What is 3 plus 4?")
        page.keyboard.press("Enter")
        expect(messages.nth(1)).to_contain_text("7", timeout=ANSWER_MS)
