"""Every error of the sample and every close code, sent by a provider during a call."""

from __future__ import annotations

import json

import pytest

from realtime.bridge.errors import CLOSE_CODES
from tests.bridge.test_reconnect import SOON
from tests.bridge.test_run import HANG_UP, PCM, Running
from tests.scripted import (
    WIRE,
    Close,
    Die,
    Expect,
    ScriptedProvider,
    Send,
    response_created,
    session_created,
)

pytestmark = pytest.mark.outside

SAMPLES = json.loads((WIRE / "errors.json").read_text())["errors"]
FATAL = {
    "beta_api_shape_disabled": "provider_wrong_dialect",
    "invalid_api_key": "provider_refused_key",
    "insufficient_quota": "provider_quota",
}
MENDED = "mended"
# What becomes of a call whose provider closes with this code and no word.
CLOSES = {
    1000: "provider_gone",
    1001: MENDED,
    1006: MENDED,
    1007: "provider_error",
    1008: "provider_error",
    1011: MENDED,
    1012: MENDED,
    1013: MENDED,
    1014: MENDED,
    3000: "provider_error",
    4000: "provider_error",
    4001: "provider_refused_key",
    4004: "provider_unknown_model",
    4401: "provider_refused_key",
    4403: "provider_refused_key",
    4404: "provider_unknown_model",
    4429: "provider_quota",
    4999: "provider_error",
}
NEVER_SENT = (1005, 1015)  # how a lost connection is called by the one that lost it
ASK = {"type": "response.create"}


def code_of(sample):
    event = sample["event"]
    return (event.get("error") or event["response"]["status_details"]["error"])["code"]


def session(*steps):
    return [Send(session_created()), Expect("session.update"), *steps]


def of_class(*names):
    samples = [sample for sample in SAMPLES if sample["class"] in names]
    return pytest.mark.parametrize("sample", samples, ids=code_of)


async def call_to_its_end(*scripts):
    """A call that only the provider ends: its record, its page, and how many sessions it had."""
    async with ScriptedProvider(*scripts) as provider:
        running = Running(provider, limits=SOON)
        record = await running.record()
    return record, running.page, len(provider.visits)


async def call_that_goes_on(*scripts, sign):
    """A call that lasts until the person hangs up: after a `sign` event has come, a request is
    still answered. Returns its page and how many sessions it had."""
    async with ScriptedProvider(*scripts) as provider:
        running = Running(provider, limits=SOON)
        await running.page.until(sign)
        running.page.say(PCM)
        running.page.say(ASK)
        await running.page.until("response.created")
        running.page.say(HANG_UP)
        record = await running.record()
    assert record.reason == "hang_up"
    return running.page, len(provider.visits)


ANSWERS = (Expect("response.create"), Send(response_created()))


def said_in(sample):
    """Script steps: send the sample's event, then close the connection if the sample says so."""
    close = [Close(sample["close_code"])] if sample["close_code"] else []
    return [Send(sample["event"]), *close]


@of_class("fatal")
async def test_a_fatal_error_ends_the_call_for_its_reason(sample):
    if code_of(sample) == "session_expired":
        scripts = (session(*said_in(sample)), session(*ANSWERS))
        _, opened = await call_that_goes_on(*scripts, sign="nextvoice.reconnected")
        assert opened == 2
        return
    record, page, opened = await call_to_its_end(session(*said_in(sample)))
    assert (record.reason, opened) == (FATAL[code_of(sample)], 1)
    assert page.frames[-1]["reason"] == record.reason
    assert "" not in (page.frames[-1]["message"], page.frames[-1]["remedy"])


@of_class("benign", "client_bug", "turn_failed")
async def test_any_other_error_ends_no_call(sample):
    told = {
        "benign": [],
        "client_bug": ["error"],
        "turn_failed": ["response.done", "nextvoice.notice"],
    }[sample["class"]]
    sign = told[-1] if told else "session.created"
    script = session(*said_in(sample), *ANSWERS)
    page, opened = await call_that_goes_on(script, sign=sign)
    assert opened == 1
    before = page.types()[: page.types().index("response.created")]
    assert [kind for kind in before if kind not in ("nextvoice.ready", "session.created")] == told


@pytest.mark.parametrize("code", [code for code in CLOSES if CLOSES[code] != MENDED])
async def test_a_close_for_good_ends_the_call_for_its_reason(code):
    record, page, opened = await call_to_its_end(session(Close(code)), session())
    assert (record.reason, opened) == (CLOSES[code], 1)
    assert page.frames[-1]["reason"] == record.reason
    assert "" not in (page.frames[-1]["message"], page.frames[-1]["remedy"])


@pytest.mark.parametrize("code", [code for code in CLOSES if CLOSES[code] == MENDED])
async def test_a_close_that_can_be_mended_is(code):
    broken = Die() if code == 1006 else Close(code)
    scripts = (session(broken), session(*ANSWERS))
    _, opened = await call_that_goes_on(*scripts, sign="nextvoice.reconnected")
    assert opened == 2


def test_no_error_and_no_close_code_is_left_out():
    assert {sample["class"] for sample in SAMPLES} == {
        "fatal",
        "benign",
        "client_bug",
        "turn_failed",
    }
    assert {code_of(s) for s in SAMPLES if s["class"] == "fatal"} == {*FATAL, "session_expired"}
    assert set(CLOSE_CODES) <= {*CLOSES, *NEVER_SENT}
