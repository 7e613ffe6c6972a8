"""Firefox ESR: calls have audio, live captions, interruptions and recordings there, too."""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
import wave
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from tests.e2e.conftest import signed_in, wording
from tests.e2e.provider import opened, scripted
from tests.e2e.saying import MICROPHONE, STOP, SUM, say
from tests.e2e.test_errors_speak import STAY
from tests.e2e.test_first_conversation import LISTEN, kept, speaker, start_talking
from tests.e2e.test_moving_about import spoken
from tests.e2e.test_options import ANSWER_MS, new_conversation, until
from tests.e2e.test_turns import story
from tests.scripted import Expect, Send
from tests.servers import Loudspeaker, require
from tests.site import Site

# Firefox that is asked for its latency may never answer, so the page must not ask.
UNASKED = """
Object.defineProperty(AudioContext.prototype, "outputLatency", {
  get() { console.error("outputLatency was asked for"); },
});
"""

Open = Callable[..., AbstractContextManager[Page]]


@pytest.fixture(scope="module")
def firefox(playwright: Playwright) -> Iterator[Browser]:
    require("firefox-esr", "pulseaudio")
    with Loudspeaker() as sound:
        browser = playwright.firefox.launch(
            # Debian's own, by WebDriver BiDi; without the channel it must be one of Playwright's.
            channel="moz-firefox",
            executable_path=shutil.which("firefox-esr"),
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
    """Open the site as Ann in Firefox, with `microphone` put into the page as its microphone."""

    def opened(microphone: str = MICROPHONE, **context: Any) -> AbstractContextManager[Page]:
        script = microphone + UNASKED
        return signed_in(firefox, site, request.node.name, script=script, **context)

    return opened


def likeness(heard: bytes, words: str) -> float:
    """How much the place of `heard` that fits best is like what was said: 1 is the same."""
    with wave.open(io.BytesIO(base64.b64decode(words))) as file:
        said = np.frombuffer(file.readframes(file.getnframes()), "<i2")[::2].astype(float)
    pcm = np.frombuffer(heard, "<i2").astype(float)
    size = 1 << (len(pcm) + len(said)).bit_length()
    fits = np.fft.irfft(np.fft.rfft(pcm, size) * np.conj(np.fft.rfft(said, size)))
    place = pcm[int(fits.argmax()) :][: len(said)]
    return float(np.corrcoef(place, said[: len(place)])[0, 1])


def in_state(page: Page, state: str) -> None:
    panel = page.get_by_test_id("call-panel")
    expect(panel).to_have_attribute("data-state", state, timeout=ANSWER_MS)


def hang_up(page: Page) -> None:
    page.get_by_test_id("hang-up").click()
    expect(page.get_by_test_id("call-panel")).to_be_hidden()


def test_a_question_sent_by_a_tap_is_heard_as_it_was_said_answered_aloud_and_kept(
    visit: Open, site: Site
) -> None:
    words = "What is two plus three?"
    turn = [
        Expect("input_audio_buffer.commit", seconds=60),
        Send(*spoken("item_q", words)),
        Expect("response.create"),
        story(2),
    ]
    with scripted(site, opened(*turn, STAY)) as provider, visit() as page:
        start_talking(page)
        panel = page.get_by_test_id("call-panel")
        for mode in ("hold", "tap"):
            page.get_by_test_id("turns").click()
            expect(panel).to_have_attribute("data-turns", mode)
        button = page.get_by_test_id("hold-to-talk")
        button.click()
        in_state(page, "hearing")
        say(page, SUM)
        expect(button).to_have_text("Tap to send")
        button.click()
        in_state(page, "speaking")
        messages = page.get_by_test_id("message")
        expect(messages.nth(0)).to_contain_text(words)
        expect(messages.nth(1)).to_contain_text("Once upon a time")
        in_state(page, "listening")
        sound = speaker(page)
        rate = page.evaluate("new AudioContext().sampleRate")
        assert (sound["itemsHeard"], round(sound["samplesRendered"] / rate, 1)) == (1, 2.0)
        assert sound["peakRendered"] > 0.1
        hang_up(page)
        assert likeness(bytes(provider.visits[0].audio), SUM) > 0.95
        page.reload()
        expect(messages).to_have_count(2)
        stored = [message["recorded_ms"] for message in kept(page, site)]
        for (length, moved, end), ms in zip(page.evaluate(LISTEN), stored, strict=True):
            # To within two frames of the codec.
            assert (abs(length * 1000 - ms) < 50, moved, abs(end - length) < 0.1) == (True,) * 3


def test_talking_over_the_answer_cuts_it_where_it_was_heard(visit: Open, site: Site) -> None:
    with visit() as page:
        start_talking(page)
        page.get_by_test_id("call-type").fill("Tell me a story.")
        page.keyboard.press("Enter")
        messages = page.get_by_test_id("message")
        expect(messages.nth(1).locator(".words__said")).to_have_text(re.compile(r"\w \w"))
        say(page, STOP)
        expect(messages.nth(1).get_by_text("Interrupted here")).to_be_visible()
        # Those words are a turn, which is answered.
        expect(messages).to_have_count(4, timeout=ANSWER_MS)
        in_state(page, "speaking")
        page.get_by_test_id("stop-speaking").click()
        in_state(page, "listening")
        hang_up(page)
        told = kept(page, site)[1]
        assert (told["status"], told["recorded_ms"]) == ("interrupted", told["heard_ms"])
        assert (told["text"] != "", told["unheard"] != "") == (True, True)


def test_typed_words_are_answered_in_a_call_of_either_size_and_without_one(visit: Open) -> None:
    # The microphone as Firefox itself hands it out; it hears a tone.
    with visit(microphone="") as page:
        start_talking(page)
        panel = page.get_by_test_id("call-panel")
        until(page, lambda: page.evaluate("window.__nextvoice.framesSent") > 25)
        messages = page.get_by_test_id("message")
        for place, form in enumerate(("docked", "full")):
            expect(panel).to_have_attribute("data-form", form)
            if form == "full":
                page.get_by_test_id("call-type-toggle").click()
            page.get_by_test_id("call-type").fill(f"What is {place} plus 4?")
            page.keyboard.press("Enter")
            answer = messages.nth(2 * place + 1)
            expect(wording(answer)).to_contain_text(str(place + 4), timeout=ANSWER_MS)
            in_state(page, "listening")
            page.get_by_test_id("call-resize").click()
        expect(panel).to_have_attribute("data-form", "docked")
        hang_up(page)
        new_conversation(page)
        page.get_by_test_id("composer-text").fill("What is 3 plus 4?")
        page.keyboard.press("Enter")
        expect(wording(messages.nth(1))).to_contain_text("7", timeout=ANSWER_MS)


def test_what_did_not_arrive_once_is_there_when_it_is_asked_for_again(visit: Open) -> None:
    with visit(expected=("ERR_FAILED", "NetworkError", "NS_ERROR")) as page:
        new_conversation(page)
        for name in ("options-drawer", "device-check"):
            page.route(f"**/js/panels/{name}*.js", lambda route: route.abort())
        page.reload()
        page.get_by_test_id("open-options").click()
        told = page.get_by_role("alert").filter(has_text="A part of this page did not load.")
        expect(told).to_be_visible()
        page.unroute_all()
        page.get_by_test_id("open-options").click()
        expect(page.locator("[data-options]")).to_be_visible()
        expect(told).to_be_hidden()
