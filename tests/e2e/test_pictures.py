"""Screenshots of every state of a call: desktop and phone, light and dark.

    NEXTVOICE_SCREENSHOTS=folder pytest tests/e2e/test_pictures.py

The test plays the server's side of the call, event by event, so that each state is stable.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
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
    "quota_used_up",
    "too_many_calls",
    "call_too_long",
    "provider_gone",
    "provider_timeout",
    "session_limit",
    "taken_over",
    "admin_ended",
    "signed_out",
    "idle",
    "slow_reader",
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
        self.refuses: str | None = None
        page.route_web_socket("**/ws/call/**", self._open)

    def _open(self, route: WebSocketRoute) -> None:
        self.routes.append(route)
        route.on_message(self._take)

    def _take(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes) or self.hangs:
            return
        if json.loads(frame)["type"] != "nextvoice.start":
            return
        if self.refuses is None:
            self.ready()
        else:
            words = {"message": "", "remedy": "", "duration_ms": 0}
            self.say("nextvoice.ended", reason=self.refuses, **words)

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


class Session:
    """A page with its other end and a camera."""

    def __init__(self, page: Page, form: str) -> None:
        self.page = page
        self.server = Server(page)
        self.panel = page.get_by_test_id("call-panel")
        self._form = form

    def click(self, name: str) -> None:
        self.page.get_by_test_id(name).click()

    def begin(self, state: str = "listening") -> None:
        self.click("start-call")
        expect(self.panel).to_have_attribute("data-state", state)

    def take(self, name: str) -> None:
        for scheme in ("light", "dark"):
            settle(self.page, scheme)
            picture(self.page, f"{self._form}_{scheme}_{name}")


def settle(page: Page, scheme: str) -> None:
    """Show the page in light or dark colours, with nothing moving."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    # Colours change with the next frames, not with the call.
    page.evaluate(FRAMES)


@pytest.fixture(params=FORMS)
def session(visit: Open, request: pytest.FixtureRequest) -> Iterator[Session]:
    """A new conversation in each form."""
    form = request.param
    with visit("sum.wav", script=MICROPHONE, expected=("",), **FORMS[form]) as page:
        session = Session(page, form)
        new_conversation(page)
        yield session


def test_a_call_begins(session: Session) -> None:
    page = session.page
    session.take("01_idle")
    page.evaluate("void (window.real = window.microphone)")
    page.evaluate("void (window.microphone = () => new Promise(() => {}))")
    session.begin("checking")
    session.take("02_checking")
    session.click("hang-up")
    page.evaluate("void (window.microphone = window.real)")
    session.server.hangs = True
    session.begin("connecting")
    session.take("03_connecting")


def test_a_call_goes_on(session: Session) -> None:
    page, server = session.page, session.server
    session.begin()
    session.take("04_listening")
    server.hear()
    expect(session.panel).to_have_attribute("data-state", "hearing")
    session.take("05_hearing")
    server.understand()
    expect(session.panel).to_have_attribute("data-state", "thinking")
    session.take("06_thinking")
    server.speak()
    expect(session.panel).to_have_attribute("data-state", "speaking")
    expect(page.locator(".words__now").first).to_be_attached()
    session.take("07_speaking")
    session.click("call-resize")
    session.take("08_speaking_other_form")
    session.click("call-resize")
    session.click("stop-speaking")
    session.click("mute")
    session.take("09_muted")
    session.click("mute")
    page.evaluate("streams.at(-1).getAudioTracks()[0].dispatchEvent(new Event('mute'))")
    expect(session.panel).to_have_attribute("data-state", "paused")
    session.take("10_paused")
    page.evaluate("streams.at(-1).getAudioTracks()[0].dispatchEvent(new Event('unmute'))")
    server.say("nextvoice.reconnecting", attempt=1)
    expect(session.panel).to_have_attribute("data-state", "reconnecting")
    session.take("11_reconnecting")


def test_turns_and_options(session: Session) -> None:
    page = session.page
    session.begin()
    session.click("turns")
    session.take("12_hold_to_talk")
    session.click("turns")
    session.take("13_tap_to_talk")
    session.click("hold-to-talk")
    session.take("14_tap_to_send")
    session.click("discard")
    session.click("turns")
    session.click("call-options")
    session.take("15_options")
    page.locator("[data-fine] summary").click()
    page.get_by_test_id("option-pauseMs").scroll_into_view_if_needed()
    session.take("16_options_fine")


def test_a_call_ends(session: Session) -> None:
    for reason in ENDS:
        session.begin()
        session.server.say(
            "nextvoice.ended", reason=reason, message="", remedy="", duration_ms=1000
        )
        expect(session.panel).not_to_have_attribute("data-state", "listening")
        session.take(f"20_ended_{reason}")
        if session.panel.is_visible():
            session.click("call-dismiss")


def test_a_call_finds_no_room(session: Session) -> None:
    session.server.refuses = "server_busy"
    session.begin("ended")
    expect(session.page.get_by_test_id("call-error")).to_contain_text("The site is busy.")
    session.take("20_refused_server_busy")
    session.server.refuses = None
    session.click("retry")
    expect(session.panel).to_have_attribute("data-state", "listening")


def test_no_microphone(session: Session) -> None:
    for name in ("NotAllowedError", "NotFoundError", "NotReadableError"):
        session.page.evaluate(
            "(name) => void (microphone = async () => { throw new DOMException('', name) })",
            name,
        )
        session.click("start-call")
        expect(session.panel).to_have_attribute("data-state", "ended")
        session.take(f"21_{name}")
        session.click("call-dismiss")
