from __future__ import annotations

import json

import pytest

from realtime.bridge.errors import (
    Verdict,
    judge,
    judge_close,
    judge_opening,
    judge_status,
)
from tests.bridge.doubles import Rig
from tests.scripted import WIRE

SAMPLES = json.loads((WIRE / "errors.json").read_text())["errors"]
ERRORS = [sample for sample in SAMPLES if sample["event"]["type"] == "error"]
KINDS = {"fatal": "fatal", "benign": "benign", "client_bug": "recoverable"}
REASONS = {
    "beta_api_shape_disabled": "provider_wrong_dialect",
    "session_expired": "session_limit",
    "invalid_api_key": "provider_refused_key",
    "insufficient_quota": "provider_quota",
}


@pytest.mark.parametrize("sample", ERRORS, ids=lambda s: s["event"]["error"]["code"])
def test_each_sampled_error_is_judged_as_its_class_says(sample):
    error = sample["event"]["error"]
    assert judge(error) == Verdict(KINDS[sample["class"]], REASONS.get(error["code"]))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s["class"])
def test_each_sampled_error_does_to_a_call_what_its_class_says(sample):
    rig = Rig()
    rig.provider(sample["event"])
    told = {
        "benign": [],
        "client_bug": ["error"],
        "fatal": [],
        "turn_failed": ["response.done", "nextvoice.notice"],
    }
    assert rig.browser.types() == told[sample["class"]]
    # Of a session at its end the next one takes over.
    fatal = rig.call.ended is not None or rig.call.expired
    assert fatal == (sample["class"] == "fatal")
    assert len(rig.tap.events) == 2  # session.created and this one


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        ("Cancellation failed: no active response found", Verdict("benign")),
        ("Incorrect API key provided: xai-***", Verdict("fatal", "provider_refused_key")),
        ("You exceeded your current quota", Verdict("fatal", "provider_quota")),
        ("Your session hit the maximum duration of 60 minutes.", Verdict("fatal", "session_limit")),
        ("Something odd", Verdict("recoverable")),
    ],
)
def test_errors_without_a_code_are_judged_by_their_words(message, verdict):
    assert judge({"type": "error", "code": None, "message": message}) == verdict


def test_a_code_we_do_not_know_is_no_end_whatever_its_words():
    assert judge({"code": "tool_failed", "message": "unauthorized"}) == Verdict("recoverable")


@pytest.mark.parametrize("junk", [{}, {"code": 7, "message": []}, {"code": {"a": 1}}])
def test_an_error_of_odd_types_is_recoverable(junk):
    assert judge(junk) == Verdict("recoverable")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"code": "model_not_found"}, "provider_unknown_model"),
        ({"code": "invalid_model"}, "provider_unknown_model"),
        ({"message": "The model `x` does not exist"}, "provider_unknown_model"),
        ({"code": "invalid_api_key"}, "provider_refused_key"),
        ({"type": "insufficient_quota"}, "provider_quota"),
        ({"code": "anything"}, "provider_error"),
    ],
)
def test_an_error_instead_of_a_session_is_always_an_end(error, reason):
    assert judge_opening(error) == reason


@pytest.mark.parametrize(
    ("code", "text", "reason"),
    [
        (1000, "", "provider_gone"),
        (1001, "Your session hit the maximum duration of 60 minutes.", "session_limit"),
        (1001, "going away", "provider_gone"),
        (1006, "", "provider_gone"),
        (1008, "", "provider_error"),
        (1008, "API key not valid. Please pass a valid API key.", "provider_refused_key"),
        (1011, "", "provider_gone"),
        (1012, "", "provider_gone"),
        (3000, "invalid_request_error.invalid_api_key", "provider_refused_key"),
        (4000, "invalid_request_error.beta_api_shape_disabled", "provider_wrong_dialect"),
        (4404, "", "provider_unknown_model"),
        (4429, "", "provider_quota"),
        (4999, "", "provider_error"),
        (1014, "", "provider_gone"),
    ],
)
def test_a_close_is_judged_by_its_words_then_its_code(code, text, reason):
    assert judge_close(code, text) == reason


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (401, {}, "provider_refused_key"),
        (403, {}, "provider_refused_key"),
        (404, {}, "provider_unknown_model"),
        (429, {}, "provider_quota"),
        (402, {}, "provider_quota"),
        (500, {}, "provider_unreachable"),
        (503, {"message": "overloaded"}, "provider_unreachable"),
        (400, {}, "provider_error"),
        (302, {}, "provider_error"),
        (400, {"code": "model_not_found"}, "provider_unknown_model"),
    ],
)
def test_a_refused_upgrade_is_judged_by_its_body_then_its_status(status, error, reason):
    assert judge_status(status, error) == reason
