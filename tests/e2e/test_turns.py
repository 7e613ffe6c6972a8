"""Push-to-talk, changing the turn-taking mode, and the effect of a cough on an answer."""

from __future__ import annotations

import math
import re
from array import array
from typing import Any

from playwright.sync_api import expect

from tests.e2e.conftest import Open, wording
from tests.e2e.provider import Signal, opened, scripted
from tests.e2e.saying import MICROPHONE as SAYS
from tests.e2e.saying import SUM, say
from tests.e2e.test_errors_speak import SILENT, STAY
from tests.e2e.test_first_conversation import kept
from tests.e2e.test_options import ANSWER_MS, Wire, new_conversation, talk, until
from tests.scripted import (
    Die,
    Expect,
    Send,
    Until,
    audio_delta,
    item_added,
    response_created,
    response_done,
)
from tests.site import Site

TURNS = ("input_audio_buffer.commit", "response.create", "input_audio_buffer.clear")


def tone(ms: int) -> bytes:
    """A hum at 24 kHz."""
    samples = (int(9000 * math.sin(2 * math.pi * 300 * n / 24000)) for n in range(24 * ms))
    return array("h", samples).tobytes()


def said(wire: Wire) -> list[str]:
    return [event["type"] for event in wire.sent if event["type"] in TURNS]


def test_one_tap_begins_a_turn_and_the_next_one_sends_it(visit: Open) -> None:
    with visit(None, script=SAYS) as page:
        wire = Wire(page)
        new_conversation(page)
        page.get_by_test_id("open-options").click()
        page.get_by_test_id("turns-tap").check()
        page.get_by_test_id("options-done").click()
        panel = talk(page)
        button = page.get_by_test_id("hold-to-talk")
        expect(button).to_have_text("Tap to talk")
        button.click()
        expect(panel).to_have_attribute("data-state", "hearing")
        expect(button).to_have_text("Tap to send")
        say(page, SUM)
        panel.focus()
        page.keyboard.press(" ")
        messages = page.get_by_test_id("message")
        expect(messages.nth(0)).to_contain_text("two plus three", timeout=ANSWER_MS)
        expect(wording(messages.nth(1))).to_contain_text("5", timeout=ANSWER_MS)
        assert said(wire) == ["input_audio_buffer.commit", "response.create"]
        # It is still so after a reload.
        expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
        page.get_by_test_id("hang-up").click()
        page.reload()
        talk(page)
        expect(button).to_have_text("Tap to talk")
        # A turn that was a mistake is taken back.
        button.click()
        page.wait_for_timeout(400)
        page.get_by_test_id("discard").click()
        expect(panel).to_have_attribute("data-state", "listening")
        assert said(wire)[-1] == "input_audio_buffer.clear"


def test_the_way_of_taking_turns_changes_in_the_call(visit: Open) -> None:
    with visit("sum.wav") as page:
        wire = Wire(page)
        new_conversation(page)
        panel = talk(page)
        turns = page.get_by_test_id("turns")
        expect(panel).to_have_attribute("data-turns", "free")
        expect(wording(page.get_by_test_id("message").nth(1))).to_contain_text(
            "5", timeout=ANSWER_MS
        )
        for mode in ("hold", "tap", "free"):
            turns.click()
            expect(panel).to_have_attribute("data-turns", mode)
        # One at the opening, one for each change that the provider has to know of.
        until(page, lambda: len(wire.of(wire.received, "session.updated")) == 3)
        detections = [
            event["session"]["audio"]["input"]["turn_detection"]
            for event in wire.of(wire.sent, "session.update")
        ]
        assert detections[0] is None
        assert detections[-1]["type"] == "server_vad"
        # Hands-free again it is heard as before.
        page.get_by_test_id("call-type").fill("What time is it?")
        page.keyboard.press("Enter")
        expect(panel).to_have_attribute("data-state", "speaking", timeout=ANSWER_MS)
        assert wire.of(wire.received, "error") == []


# A microphone that hums for a while when a test says so.
MICROPHONE = """
navigator.mediaDevices.getUserMedia = async () => {
  const context = new AudioContext({ sampleRate: 48000 });
  const tone = new OscillatorNode(context, { frequency: 220 });
  const gain = new GainNode(context, { gain: 0 });
  const out = context.createMediaStreamDestination();
  tone.connect(gain).connect(out);
  tone.start();
  window.hum = (ms) => {
    gain.gain.setValueAtTime(0.5, context.currentTime);
    gain.gain.setValueAtTime(0, context.currentTime + ms / 1000);
  };
  return out.stream;
};
"""


def story(seconds: int = 10) -> Send:
    """A long answer that has arrived whole and is being heard."""
    words = {"response_id": "resp_1", "item_id": "item_a", "output_index": 0, "content_index": 0}
    delta = {"type": "response.output_audio_transcript.delta", **words, "delta": "Once upon a time"}
    item = {"id": "item_a", "type": "message", "role": "assistant", "status": "completed"}
    sound = [audio_delta(tone(500)) for _ in range(2 * seconds)]
    return Send(
        response_created(),
        item_added("item_a", None, "assistant"),
        delta,
        *sound,
        response_done(output=[item]),
    )


def started(item_id: str) -> dict[str, Any]:
    return {
        "type": "input_audio_buffer.speech_started",
        "item_id": item_id,
        "audio_start_ms": 0,
    }


def stopped(item_id: str) -> list[dict[str, Any]]:
    return [
        {"type": "input_audio_buffer.speech_stopped", "item_id": item_id, "audio_end_ms": 100},
        {
            "type": "input_audio_buffer.committed",
            "item_id": item_id,
            "previous_item_id": "item_a",
        },
        item_added(item_id, "item_a"),
        # The provider answers it by itself, as it does any turn.
        response_created("resp_2"),
    ]


def no_words(item_id: str) -> dict[str, Any]:
    return {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": item_id,
        "content_index": 0,
        "transcript": "",
    }


def test_a_cough_pauses_the_answer_and_leaves_no_trace(visit: Open, site: Site) -> None:
    steps = opened(
        Expect("response.create", seconds=20),
        story(),
        Expect("session.update", seconds=20),  # the test's sign that the person coughs
        Send(started("item_c")),
        Send(*stopped("item_c")),
        Expect("response.cancel", seconds=20),
        Send(response_done("resp_2", "cancelled"), no_words("item_c")),
        Expect("conversation.item.delete", seconds=20),
        Send({"type": "conversation.item.deleted", "item_id": "item_c"}),
        Expect("session.update", seconds=60),
    )
    with scripted(site, steps) as provider, visit("sum.wav", script=MICROPHONE) as page:
        wire = Wire(page)
        new_conversation(page)
        panel = talk(page)
        page.get_by_test_id("call-type").fill("Tell me a story.")
        page.keyboard.press("Enter")
        expect(panel).to_have_attribute("data-state", "speaking", timeout=ANSWER_MS)
        page.wait_for_timeout(500)
        # Any change of the options tells the script to go on.
        page.evaluate("window.hum(120)")
        page.get_by_test_id("call-options").click()
        page.get_by_test_id("option-instructions").fill("Cough.")
        page.get_by_test_id("options-done").click()
        until(page, lambda: wire.of(wire.received, "conversation.item.deleted"))
        expect(panel).to_have_attribute("data-state", "speaking")
        # The answer is heard to its end, and only it and the question are in the thread.
        expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
        assert wire.of(wire.sent, "conversation.item.truncate") == []
        rendered = page.evaluate("window.__nextvoice.samplesRendered")
        assert rendered >= 0.98 * 10 * page.evaluate("new AudioContext().sampleRate")
        expect(page.get_by_test_id("message")).to_have_count(2)
        page.get_by_test_id("hang-up").click()
        expect(panel).to_be_hidden()
        page.reload()
        # This provider does not say that it took the question; the answer alone is stored.
        expect(page.get_by_test_id("message")).to_have_count(1)
        assert re.search("interrupt_response", str(provider.visits[0].events)) is not None


def test_of_an_answer_stopped_before_its_sound_came_nothing_was_heard(
    visit: Open, site: Site
) -> None:
    words = {"response_id": "resp_1", "item_id": "item_a", "output_index": 0, "content_index": 0}
    delta = {"type": "response.output_audio_transcript.delta", **words, "delta": "Once upon a time"}
    item = {"id": "item_a", "type": "message", "role": "assistant", "status": "incomplete"}
    steps = opened(
        Expect("response.create", seconds=20),
        Send(response_created(), item_added("item_a", None, "assistant"), delta),
        Expect("response.cancel", seconds=20),
        # These were on their way.
        Send(audio_delta(tone(300)), audio_delta(tone(300))),
        Send(response_done(status="cancelled", output=[item])),
        STAY,
    )
    with scripted(site, steps), visit(None, script=SILENT) as page:
        wire = Wire(page)
        new_conversation(page)
        panel = talk(page)
        page.get_by_test_id("call-type").fill("Tell me a story.")
        page.keyboard.press("Enter")
        answer = page.locator(".message[data-role=assistant]")
        expect(answer).to_contain_text("Once upon a time", timeout=ANSWER_MS)
        page.get_by_test_id("stop-speaking").click()
        until(page, lambda: wire.of(wire.received, "response.done"))
        page.get_by_test_id("hang-up").click()
        expect(panel).to_be_hidden()
        unheard = answer.locator("[data-message-unheard]")
        for _ in range(2):
            expect(wording(answer)).to_have_text("")
            expect(unheard).to_have_text("Once upon a time")
            page.reload()
        found = kept(page, site)[-1]
        assert (found["text"], found["heard_ms"], found["recorded_ms"]) == ("", 0, 0)


def test_an_answer_that_is_whole_is_heard_to_its_end_while_the_line_is_mended(
    visit: Open, site: Site
) -> None:
    place = {"response_id": "resp_1", "item_id": "item_a", "output_index": 0, "content_index": 0}
    words = {"type": "response.output_audio_transcript.done", **place, "transcript": "Once."}
    item = {"id": "item_a", "type": "message", "role": "assistant", "status": "completed"}
    heard = Signal()
    steps = opened(
        Expect("response.create", seconds=20),
        Send(response_created(), item_added("item_a", None, "assistant"), words),
        Send(audio_delta(tone(5000)), response_done(output=[item])),
        Until(heard),
        Die(),
    )
    with scripted(site, steps, opened(STAY)), visit(None, script=SILENT) as page:
        wire = Wire(page)
        new_conversation(page)
        panel = talk(page)
        page.get_by_test_id("call-type").fill("Tell me a story.")
        page.keyboard.press("Enter")
        expect(panel).to_have_attribute("data-state", "speaking", timeout=ANSWER_MS)
        heard.set()
        until(page, lambda: wire.of(wire.received, "nextvoice.reconnected"))
        expect(panel).to_have_attribute("data-state", "speaking")
        expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
        page.get_by_test_id("hang-up").click()
        expect(panel).to_be_hidden()
        until(page, lambda: kept(page, site)[-1]["recorded_ms"])
        found = kept(page, site)[-1]
        assert (found["status"], found["heard_ms"], found["unheard"]) == ("completed", None, "")
        assert found["recorded_ms"] == 5000


def exchange(question: str, answer: str) -> Send:
    """A turn and its answer, under the ids that a provider gives them that counts in each call."""
    place = {"response_id": "r1", "item_id": "item_2", "output_index": 0, "content_index": 0}
    transcription = "conversation.item.input_audio_transcription.completed"
    said = {"type": transcription, "item_id": "item_1", "content_index": 0, "transcript": question}
    committed = {"type": "input_audio_buffer.committed", "item_id": "item_1"}
    spoken = {"type": "response.output_audio_transcript.done", **place, "transcript": answer}
    return Send(
        committed | {"previous_item_id": None},
        item_added("item_1", None),
        said,
        response_created("r1"),
        item_added("item_2", "item_1", "assistant"),
        spoken,
        audio_delta(tone(200), "item_2", "r1"),
        response_done("r1", output=[{"id": "item_2", "type": "message", "role": "assistant"}]),
    )


def test_another_call_under_the_same_ids_leaves_what_was_said_before(
    visit: Open, site: Site
) -> None:
    first, second = opened(exchange("One?", "Uno.")), opened(exchange("Two?", "Due."))
    words = ["One?", "Uno.", "Two?", "Due."]
    with scripted(site, first, second), visit("sum.wav") as page:
        new_conversation(page)
        shown = page.locator("[data-message-text]")
        for count in (2, 4):
            panel = talk(page)
            expect(shown).to_have_text(words[:count], timeout=ANSWER_MS)
            page.get_by_test_id("hang-up").click()
            expect(panel).to_be_hidden()
        page.reload()
        expect(shown).to_have_text(words)
