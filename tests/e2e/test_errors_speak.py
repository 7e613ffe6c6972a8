"""Whatever a provider does, the page says what is wrong and what to do, and never hangs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Launch, signed_in
from tests.e2e.provider import opened, scripted
from tests.e2e.test_options import Wire, new_conversation, until
from tests.scripted import Close, Die, Expect, Refuse, Send, Step
from tests.site import Site

ERRORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "wire" / "errors.json").read_text()
)["errors"]
WITHIN_MS = 10_000
# What ends the call, and the first words of what is said then.
FATAL = {
    "beta_api_shape_disabled": "provider_wrong_dialect",
    "invalid_api_key": "provider_refused_key",
    "insufficient_quota": "provider_quota",
}
# Closes of a session that was up. Others than these are mended: see test_reconnect.py.
CLOSES = {
    1008: "provider_error",
    3000: "provider_error",
    4000: "provider_error",
    4001: "provider_refused_key",
    4004: "provider_unknown_model",
    4429: "provider_quota",
}
MENDED = (1001, 1006, 1011, 1012, 1013)
STATUSES = {
    401: "provider_refused_key",
    403: "provider_refused_key",
    404: "provider_unknown_model",
    429: "provider_quota",
    503: "provider_unreachable",
}
STAY = Expect("response.create", seconds=30)


# A microphone in a silent room.
SILENT = """
navigator.mediaDevices.getUserMedia = async () =>
  new AudioContext().createMediaStreamDestination().stream;
"""


@pytest.fixture(scope="module")
def page(site: Site, launch: Launch) -> Iterator[Page]:
    """One page for all calls: each begins in a conversation of its own."""
    with signed_in(launch(None), site, "errors_speak", script=SILENT) as page:
        yield page


def code_of(entry: dict[str, Any]) -> str:
    event = entry["event"]
    error = event.get("error") or event["response"]["status_details"]["error"]
    return str(error["code"])


def after(entry: dict[str, Any]) -> list[Step]:
    """What the provider does once the session is up."""
    close = [Close(entry["close_code"])] if entry["close_code"] else [STAY]
    return opened(Send(entry["event"]), *close)


def call(page: Page) -> Wire:
    wire = Wire(page)
    new_conversation(page)
    page.get_by_test_id("start-call").click()
    return wire


def ended(page: Page, wire: Wire) -> str:
    """The reason the call ended for, once the page says so and what to do."""
    error = page.get_by_test_id("call-error")
    expect(error).to_be_visible(timeout=WITHIN_MS)
    for part in ("title", "remedy"):
        expect(page.locator(f"[data-call-error-{part}]")).not_to_be_empty()
    expect(page.get_by_test_id("call-dismiss")).to_be_visible()
    reasons = [event["reason"] for event in wire.of(wire.received, "nextvoice.ended")]
    assert len(reasons) == 1
    return str(reasons[0])


def check_ends(page: Page, site: Site, script: Sequence[Step], reason: str) -> None:
    with scripted(site, script):
        assert ended(page, call(page)) == reason


def check_lives(page: Page) -> None:
    panel = page.get_by_test_id("call-panel")
    expect(panel).to_have_attribute("data-state", "listening", timeout=WITHIN_MS)
    expect(page.get_by_test_id("call-error")).to_be_hidden()
    page.get_by_test_id("hang-up").click()
    expect(panel).to_be_hidden(timeout=WITHIN_MS)


@pytest.mark.parametrize(
    "entry", [e for e in ERRORS if e["class"] == "fatal" and code_of(e) in FATAL], ids=code_of
)
def test_a_fatal_error_is_named(page: Page, site: Site, entry: dict[str, Any]) -> None:
    check_ends(page, site, after(entry), FATAL[code_of(entry)])


@pytest.mark.parametrize(
    "entry", [e for e in ERRORS if e["class"] in ("benign", "client_bug")], ids=code_of
)
def test_an_error_that_is_not_fatal_ends_no_call(
    page: Page, site: Site, entry: dict[str, Any]
) -> None:
    with scripted(site, after(entry)):
        wire = call(page)
        until(page, lambda: wire.of(wire.received, "nextvoice.ready"))
        if entry["class"] == "client_bug":
            expect(page.locator("[data-call-notice]")).to_be_visible()
        check_lives(page)


@pytest.mark.parametrize("entry", [e for e in ERRORS if e["class"] == "turn_failed"], ids=code_of)
def test_an_answer_that_failed_is_said(page: Page, site: Site, entry: dict[str, Any]) -> None:
    with scripted(site, after(entry)):
        call(page)
        expect(page.locator("[data-call-notice]")).to_contain_text("Ask again in a moment")
        check_lives(page)


def test_an_expired_session_is_followed_by_another_one(page: Page, site: Site) -> None:
    (entry,) = [e for e in ERRORS if code_of(e) == "session_expired"]
    with scripted(site, after(entry), opened(STAY)) as provider:
        wire = call(page)
        until(page, lambda: wire.of(wire.received, "nextvoice.ready"))
        until(page, lambda: len(provider.visits) == 2)
        check_lives(page)


def test_every_error_of_the_sample_is_tested() -> None:
    classes = {entry["class"] for entry in ERRORS}
    assert classes == {"fatal", "benign", "client_bug", "turn_failed"}
    fatal = {code_of(entry) for entry in ERRORS if entry["class"] == "fatal"}
    assert fatal == {*FATAL, "session_expired"}


@pytest.mark.parametrize(("close", "reason"), CLOSES.items())
def test_a_provider_that_hangs_up_for_good_is_named(
    page: Page, site: Site, close: int, reason: str
) -> None:
    check_ends(page, site, opened(Close(close)), reason)


@pytest.mark.parametrize("close", MENDED)
def test_a_line_that_broke_is_mended_and_the_call_goes_on(
    page: Page, site: Site, close: int
) -> None:
    broken = Die() if close == 1006 else Close(close)
    scripts = (opened(broken), opened(STAY))
    with scripted(site, *scripts) as provider:
        wire = call(page)
        until(page, lambda: wire.of(wire.received, "nextvoice.reconnected"))
        assert len(provider.visits) == 2
        check_lives(page)


@pytest.mark.parametrize(("status", "reason"), STATUSES.items())
def test_a_refused_handshake_names_the_step(
    page: Page, site: Site, status: int, reason: str
) -> None:
    check_ends(page, site, [Refuse(status)], reason)
