from __future__ import annotations

from realtime.bridge.ends import ENDS
from realtime.bridge.errors import CLOSE_CODES, FATAL_CODES, FATAL_WORDS, OPENING_CODES

CONTRACT = {
    "hang_up": 1000,
    "browser_gone": 1000,
    "idle": 4408,
    "signed_out": 4401,
    "not_found": 4404,
    "taken_over": 4409,
    "slow_reader": 4408,
    "flood": 4429,
    "bad_frame": 4400,
    "no_start": 4408,
    "not_resumable": 4410,
    "moved": 4410,
    "admin_ended": 4403,
    "provider_unreachable": 4502,
    "provider_refused_key": 4502,
    "provider_unknown_model": 4502,
    "provider_wrong_dialect": 4502,
    "provider_quota": 4502,
    "provider_error": 4502,
    "provider_gone": 4502,
    "provider_timeout": 4504,
    "session_limit": 1000,
    "quota_used_up": 4402,
    "too_many_calls": 4402,
    "call_too_long": 4408,
    "server_stopping": 1012,
    "server_busy": 1013,
    "internal_error": 1011,
}


def test_reasons_and_close_codes_are_those_the_page_knows():
    assert {reason: end.close_code for reason, end in ENDS.items()} == CONTRACT


def test_every_end_says_what_happened():
    assert [end.reason for end in ENDS.values() if not end.message] == []


def test_every_end_but_hanging_up_says_what_to_do():
    assert [end.reason for end in ENDS.values() if not end.remedy] == ["hang_up"]


def test_nothing_is_cancelled_at_a_provider_that_failed():
    cancelling = [end.reason for end in ENDS.values() if end.cancels]
    assert [reason for reason in cancelling if reason.startswith("provider_")] == []


def test_every_judgement_names_an_end():
    named = {
        *FATAL_CODES.values(),
        *OPENING_CODES.values(),
        *CLOSE_CODES.values(),
        *(reason for _, reason in FATAL_WORDS),
    }
    assert named - set(ENDS) == set()
