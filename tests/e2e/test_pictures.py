"""A picture of every state of a call: desktop and phone, light and dark.

    NEXTVOICE_SCREENSHOTS=folder pytest tests/e2e/test_pictures.py

The server's side of the call is played here, event by event, so that each state stands still.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.e2e.conftest import Open, picture
from tests.e2e.test_options import new_conversation

pytestmark = pytest.mark.skipif(
    not os.environ.get("NEXTVOICE_SCREENSHOTS"), reason="NEXTVOICE_SCREENSHOTS names no folder"
)
FORMS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
}
ENDS = (
    "hang_up",
    "provider_refused_key",
    "provider_unknown_model",
    "provider_unreachable",
    "provider_quota",
    "provider_gone",
    "provider_timeout",
    "session_limit",
    "taken_over",
    "signed_out",
    "idle",
    "slow_reader",
    "server_stopping",
    "internal_error",
)
WORDS = "Certainly. Light travels at about three hundred thousand kilometres a second."
FRAMES = """() => new Promise((done) =>
  setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 200))"""
MICROPHONE = """
(() => {
  const open = () => new AudioContext().createMediaStreamDestination().stream;
  window.microphone = open;
  window.streams = [];
  navigator.mediaDevices.getUserMedia = async () => {
    const stream = await window.microphone();
    window.streams.push(stream);
    return stream;
  };
})();
"""


class Server:
    """The call's other end."""

    def __init__(self, page: Page) -> None:
        self.routes: list[WebSocketRoute] = []
        self.hangs = False
        page.route_web_socket("**/ws/call/**", self._open)

    def _open(self, route: WebSocketRoute) -> None:
        self.routes.append(route)
        route.on_message(self._take)

    def _take(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes) or self.hangs:
            return
        if json.loads(frame)["type"] == "nextvoice.start":
            self.ready()

    def ready(self) -> None:
        self.say(
            "nextvoice.ready",
            call_id="11111111-1111-4111-8111-111111111111",
            model={"name": "Demo voice"},
            provider={"name": "NextVoice demo"},
            session={"audio": {"input": {"transcription": {"model": "t"}}}},
            resume={"token": "t", "seconds": 15},
        )

    def say(self, kind: str, **fields: Any) -> None:
        self.routes[-1].send(json.dumps({"type": kind, **fields}))

    def hear(self) -> None:
        self.say("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)

    def understand(self) -> None:
        self.say("input_audio_buffer.speech_stopped", item_id="u1", audio_end_ms=900)
        self.say("input_audio_buffer.committed", item_id="u1", previous_item_id=None)
        self.say(
            "conversation.item.input_audio_transcription.completed",
            item_id="u1",
            transcript="How fast is light?",
        )
        self.say("response.created", response={"id": "r1"})

    def speak(self, seconds: int = 20) -> None:
        place = {"item_id": "a1", "response_id": "r1", "output_index": 0, "content_index": 0}
        self.say("response.output_audio_transcript.delta", delta=WORDS, **place)
        self.say("nextvoice.audio", **place)
        for _ in range(seconds):
            self.routes[-1].send(bytes(48_000))


@pytest.mark.parametrize("form", FORMS)
def test_every_state_has_its_picture(visit: Open, form: str) -> None:
    with visit("sum.wav", script=MICROPHONE, expected=("",), **FORMS[form]) as page:
        server = Server(page)

        def take(name: str) -> None:
            page.wait_for_timeout(350)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
                # Colours change with the next frames, not with the call.
                page.evaluate(FRAMES)
                picture(page, f"{form}_{scheme}_{name}")

        panel = page.get_by_test_id("call-panel")

        def begin(state: str = "listening") -> None:
            page.get_by_test_id("start-call").click()
            expect(panel).to_have_attribute("data-state", state)

        new_conversation(page)
        take("01_idle")
        page.evaluate("void (window.real = window.microphone)")
        page.evaluate("void (window.microphone = () => new Promise(() => {}))")
        begin("checking")
        take("02_checking")
        page.get_by_test_id("hang-up").click()
        page.evaluate("void (window.microphone = window.real)")
        server.hangs = True
        begin("connecting")
        take("03_connecting")
        page.get_by_test_id("hang-up").click()
        server.hangs = False
        begin()
        take("04_listening")
        server.hear()
        take("05_hearing")
        server.understand()
        take("06_thinking")
        server.speak()
        expect(panel).to_have_attribute("data-state", "speaking")
        page.wait_for_timeout(1200)
        take("07_speaking")
        page.get_by_test_id("call-resize").click()
        take("08_speaking_other_form")
        page.get_by_test_id("call-resize").click()
        page.get_by_test_id("stop-speaking").click()
        page.get_by_test_id("mute").click()
        take("09_muted")
        page.get_by_test_id("mute").click()
        page.evaluate("streams.at(-1).getAudioTracks()[0].dispatchEvent(new Event('mute'))")
        take("10_paused")
        page.evaluate("streams.at(-1).getAudioTracks()[0].dispatchEvent(new Event('unmute'))")
        server.say("nextvoice.reconnecting", attempt=1)
        take("11_reconnecting")
        server.say("nextvoice.reconnected", session={})
        page.get_by_test_id("turns").click()
        take("12_hold_to_talk")
        page.get_by_test_id("turns").click()
        take("13_tap_to_talk")
        page.get_by_test_id("hold-to-talk").click()
        take("14_tap_to_send")
        page.get_by_test_id("discard").click()
        page.get_by_test_id("turns").click()
        page.get_by_test_id("call-options").click()
        take("15_options")
        page.locator("[data-fine] summary").click()
        page.locator("[data-fine]").scroll_into_view_if_needed()
        page.get_by_test_id("option-pauseMs").scroll_into_view_if_needed()
        take("16_options_fine")
        page.get_by_test_id("options-done").click()
        page.get_by_test_id("hang-up").click()
        for reason in ENDS:
            begin()
            server.say("nextvoice.ended", reason=reason, message="", remedy="", duration_ms=1000)
            take(f"20_ended_{reason}")
            if panel.is_visible():
                page.get_by_test_id("call-dismiss").click()
        for name in ("NotAllowedError", "NotFoundError", "NotReadableError"):
            page.evaluate(
                "(name) => void (microphone = async () => { throw new DOMException('', name) })",
                name,
            )
            page.get_by_test_id("start-call").click()
            take(f"21_{name}")
            page.get_by_test_id("call-dismiss").click()
