"""What a provider's error means for the call: tables by code and by message.

Three classes: `benign` (from a harmless race; the person need not know),
`recoverable` (shown, the call goes on) and `fatal` (the call ends for `reason`).
Codes are OpenAI's; other providers word theirs differently, hence the messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["benign", "recoverable", "fatal"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is an end reason of `ends.ENDS`, set exactly when `kind` is fatal."""

    kind: Kind
    reason: str | None = None


BUSY_CODE = "conversation_already_has_active_response"
BUSY_WORDS = "already has an active response"
EMPTY_CODE = "input_audio_buffer_commit_empty"
EMPTY_WORDS = "buffer too small"
BENIGN_CODES = frozenset(
    {
        BUSY_CODE,
        "response_cancel_not_active",
        EMPTY_CODE,
        "item_create_duplicate_item_id",
        "item_retrieve_invalid_item_id",
        "item_truncate_invalid_item_id",
        "item_delete_invalid_item_id",
    }
)

FATAL_CODES: dict[str, str] = {
    "invalid_api_key": "provider_refused_key",
    "account_deactivated": "provider_refused_key",
    "insufficient_quota": "provider_quota",
    "credit_balance_exhausted": "provider_quota",
    "billing_hard_limit_reached": "provider_quota",
    "beta_api_shape_disabled": "provider_wrong_dialect",
    "session_expired": "session_limit",
}

OPENING_CODES: dict[str, str] = {
    "invalid_model": "provider_unknown_model",
    "model_not_found": "provider_unknown_model",
    "deployment_not_found": "provider_unknown_model",
    "deploymentnotfound": "provider_unknown_model",
    "rate_limit_exceeded": "provider_quota",
}
"""Fatal only before the session exists: nothing can go on without a model."""

BENIGN_WORDS = (
    "no active response",
    BUSY_WORDS,
    EMPTY_WORDS,
    "is already shorter than",
)

FATAL_WORDS: tuple[tuple[str, str], ...] = (
    ("beta_api_shape_disabled", "provider_wrong_dialect"),
    ("realtime beta api is no longer", "provider_wrong_dialect"),
    ("maximum duration", "session_limit"),
    ("session_expired", "session_limit"),
    ("session expired", "session_limit"),
    ("invalid_api_key", "provider_refused_key"),
    ("incorrect api key", "provider_refused_key"),
    ("invalid api key", "provider_refused_key"),
    ("api key not valid", "provider_refused_key"),
    ("unauthorized", "provider_refused_key"),
    ("authentication", "provider_refused_key"),
    ("insufficient_quota", "provider_quota"),
    ("exceeded your current quota", "provider_quota"),
    ("quota exceeded", "provider_quota"),
    ("credit balance", "provider_quota"),
    ("billing", "provider_quota"),
    ("api key expired", "provider_refused_key"),
    ("api_key_invalid", "provider_refused_key"),
    ("api key was reported as leaked", "provider_refused_key"),
    ("permission_denied", "provider_refused_key"),
    ("resource_exhausted", "provider_quota"),
    ("resource has been exhausted", "provider_quota"),
    ("is not found for api version", "provider_unknown_model"),
    ("not supported for bidigeneratecontent", "provider_unknown_model"),
    ("model_not_found", "provider_unknown_model"),
    ("invalid_model", "provider_unknown_model"),
)

CLOSE_CODES: dict[int, str] = {
    1000: "provider_gone",
    1001: "provider_gone",
    1005: "provider_gone",
    1006: "provider_gone",
    1011: "provider_gone",
    1012: "provider_gone",
    1013: "provider_gone",
    1015: "provider_gone",
    1007: "provider_error",
    1008: "provider_error",
    3000: "provider_error",
    4000: "provider_error",
    4001: "provider_refused_key",
    4004: "provider_unknown_model",
    4401: "provider_refused_key",
    4403: "provider_refused_key",
    4404: "provider_unknown_model",
    4429: "provider_quota",
}
"""End reasons by the provider's close code; a close reason that says more takes precedence."""


def is_busy(error: Mapping[str, Any]) -> bool:
    """Whether an error says that another answer is being made."""
    return _says(error, BUSY_CODE, BUSY_WORDS)


def is_no_commit(error: Mapping[str, Any]) -> bool:
    """Whether an error says that there was too little audio to commit."""
    return _says(error, EMPTY_CODE, EMPTY_WORDS)


def _says(error: Mapping[str, Any], code: str, words: str) -> bool:
    return _lower(error.get("code")) == code or words in _lower(error.get("message"))


def judge(error: Mapping[str, Any]) -> Verdict:
    """Class of an `error` object `{type, code, message}` that arrived during a session."""
    code = _lower(error.get("code"))
    if code in BENIGN_CODES:
        return Verdict("benign")
    if reason := FATAL_CODES.get(code) or FATAL_CODES.get(_lower(error.get("type"))):
        return Verdict("fatal", reason)
    message = _lower(error.get("message"))
    if any(words in message for words in BENIGN_WORDS):
        return Verdict("benign")
    # An unknown code is not fatal: the provider keeps the session open.
    if not code and (reason := _by_words(message)):
        return Verdict("fatal", reason)
    return Verdict("recoverable")


def judge_opening(error: Mapping[str, Any]) -> str:
    """End reason of an `error` that came instead of the session."""
    code, kind = _lower(error.get("code")), _lower(error.get("type"))
    for word in (code, kind):
        if reason := FATAL_CODES.get(word) or OPENING_CODES.get(word):
            return reason
    message = _lower(error.get("message"))
    if reason := _by_words(message):
        return reason
    if "model" in message and ("not exist" in message or "not found" in message):
        return "provider_unknown_model"
    return "provider_error"


def judge_close(code: int, reason: str) -> str:
    """End reason for a connection the provider closed with `code` and `reason`."""
    return _by_words(reason.lower()) or CLOSE_CODES.get(code, _unlisted(code))


def judge_status(status: int, error: Mapping[str, Any]) -> str:
    """End reason for an upgrade the provider answered with HTTP `status` and this error body."""
    if error and (reason := judge_opening(error)) != "provider_error":
        return reason
    if status in (401, 403):
        return "provider_refused_key"
    if status == 404:
        return "provider_unknown_model"
    if status in (402, 429):
        return "provider_quota"
    if status >= 500:
        return "provider_unreachable"
    return "provider_error"


def _by_words(message: str) -> str | None:
    return next((reason for words, reason in FATAL_WORDS if words in message), None)


def _unlisted(code: int) -> str:
    # An application's code means that the provider decided; any other, that the connection broke.
    return "provider_error" if 3000 <= code <= 4999 else "provider_gone"


def _lower(value: object) -> str:
    return value.lower() if isinstance(value, str) else ""
