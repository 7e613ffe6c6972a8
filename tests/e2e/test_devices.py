"""A microphone that is unplugged during a call, and audio that the device interrupts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Open
from tests.e2e.test_options import ANSWER_MS, new_conversation, talk, until

# Lets a test pull the plug: the track ends, and there is no other microphone until it is back.
PLUG = """
(() => {
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  const tracks = [];
  let plugged = true;
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    if (!plugged) throw new DOMException("", "NotFoundError");
    const stream = await open(wanted);
    tracks.push(...stream.getAudioTracks());
    return stream;
  };
  window.unplug = () => {
    plugged = false;
    for (const track of tracks.splice(0)) {
      track.stop();
      track.dispatchEvent(new Event("ended"));
    }
  };
  window.plugIn = () => {
    plugged = true;
    navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
  };
  window.live = () => tracks.filter((track) => track.readyState === "live").length;
  window.take = (held) => {
    for (const track of tracks) track.dispatchEvent(new Event(held ? "mute" : "unmute"));
  };
})();
"""
WITHIN_MS = 1000


def test_an_unplugged_microphone_is_said_at_once_and_plugged_in_again_it_goes_on(
    visit: Open,
) -> None:
    with visit("sum.wav", script=PLUG) as page:
        new_conversation(page)
        panel = talk(page)
        page.evaluate("window.unplug()")
        expect(panel).to_have_attribute("data-state", "paused", timeout=WITHIN_MS)
        paused = page.get_by_test_id("call-paused")
        expect(paused).to_contain_text("Plug it in again, or choose another one")
        # Typing still works meanwhile.
        page.get_by_test_id("call-type").fill("What is 4 plus 4?")
        page.keyboard.press("Enter")
        messages = page.get_by_test_id("message")
        expect(messages.filter(has_text="8").last).to_be_visible(timeout=ANSWER_MS)
        expect(panel).to_have_attribute("data-state", "paused")
        page.evaluate("window.plugIn()")
        expect(panel).to_have_attribute(
            "data-state", re.compile("speaking|listening|hearing|thinking"), timeout=5000
        )
        expect(paused).to_be_hidden()
        expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)


def test_a_microphone_that_is_announced_several_times_is_opened_once(visit: Open) -> None:
    with visit("sum.wav", script=PLUG) as page:
        new_conversation(page)
        panel = talk(page)
        page.evaluate("window.unplug()")
        expect(panel).to_have_attribute("data-state", "paused", timeout=WITHIN_MS)
        # As browsers tell of what has a microphone and a speaker.
        page.evaluate("for (let times = 0; times < 3; times += 1) window.plugIn()")
        expect(panel).not_to_have_attribute("data-state", "paused")
        until(page, lambda: page.evaluate("window.live()") == 1)
        # Twice the sound in the same time would be too much for the server, which ends such calls.
        before = page.evaluate("window.__nextvoice.framesSent")
        page.wait_for_timeout(2000)
        assert page.evaluate("window.__nextvoice.framesSent") - before < 2 * 30
        page.get_by_test_id("hang-up").click()
        expect(panel).to_be_hidden()
        assert page.evaluate("window.live()") == 0


# The person is asked, and answers when a test calls `allow`.
ASKED = """
(() => {
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  const allowed = new Promise((resolve) => (window.allow = resolve));
  const tracks = [];
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    await allowed;
    const stream = await open(wanted);
    tracks.push(...stream.getAudioTracks());
    return stream;
  };
  window.opened = () => tracks.length;
  window.live = () => tracks.filter((track) => track.readyState === "live").length;
})();
"""


@pytest.mark.parametrize("asked", ["check", "call"])
def test_a_microphone_that_is_allowed_too_late_is_not_kept_open(visit: Open, asked: str) -> None:
    with visit("sum.wav", script=ASKED) as page:
        new_conversation(page)
        if asked == "check":
            page.get_by_test_id("open-options").click()
            page.get_by_test_id("check-microphone").click()
            page.get_by_test_id("options-done").click()
        else:
            page.get_by_test_id("start-call").click()
            page.get_by_test_id("hang-up").click()
        page.evaluate("window.allow()")
        until(page, lambda: page.evaluate("window.opened()") == 1)
        until(page, lambda: page.evaluate("window.live()") == 0)


def test_a_phone_call_pauses_the_answer_and_it_goes_on_where_it_was(visit: Open) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    with visit("sum.wav", script=PLUG, **phone) as page:
        new_conversation(page)
        panel = talk(page)
        expect(panel).to_have_attribute("data-state", "speaking", timeout=ANSWER_MS)
        page.evaluate("window.take(true)")
        expect(panel).to_have_attribute("data-state", "paused", timeout=WITHIN_MS)
        expect(page.get_by_test_id("call-paused")).to_contain_text("phone call")
        page.wait_for_timeout(200)
        rendered = page.evaluate("window.__nextvoice.samplesRendered")
        page.wait_for_timeout(500)
        assert page.evaluate("window.__nextvoice.samplesRendered") == rendered
        page.evaluate("window.take(false)")
        expect(panel).to_have_attribute("data-state", "speaking", timeout=WITHIN_MS)
        expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
        assert page.evaluate("window.__nextvoice.samplesRendered") > rendered
        assert page.get_by_test_id("message").nth(1).get_attribute("data-status") == "completed"


def test_a_context_that_the_device_suspends_is_resumed_by_a_tap(visit: Open) -> None:
    keep = """
    window.AudioContext = class extends AudioContext {
      constructor(...given) {
        super(...given);
        (window.contexts ??= []).push(this);
      }
      resume() {
        if (window.locked) return Promise.reject(new DOMException("", "NotAllowedError"));
        return super.resume();
      }
    };
    """
    with visit("sum.wav", script=keep) as page:
        new_conversation(page)
        panel = talk(page)
        page.evaluate("window.locked = true; window.contexts[0].suspend()")
        expect(panel).to_have_attribute("data-state", "paused", timeout=WITHIN_MS)
        page.evaluate("window.locked = false")
        page.get_by_test_id("wake").click()
        expect(panel).not_to_have_attribute("data-state", "paused", timeout=WITHIN_MS)
        # It rests between calls, and the next one wakes it.
        page.get_by_test_id("hang-up").click()
        page.wait_for_function("window.contexts[0].state === 'suspended'")
        talk(page)
        assert page.evaluate("window.contexts[0].state") == "running"
        # One context for all of it, as phones allow.
        assert page.evaluate("window.contexts.length") == 1
