from __future__ import annotations

import pytest

from realtime.bridge.dialects import DIALECTS, Target, dialect_for
from realtime.bridge.redact import hide, shown_message

CANARY = "sk-canary-0123456789abcdef"


def target(**fields):
    return Target(name="T", url="wss://host/v1", model="m", key=CANARY, **fields)


def test_a_target_never_shows_its_secrets():
    shown = repr(target(headers={"api-key": CANARY}, query={"key": CANARY}))
    assert CANARY not in shown


def test_secrets_are_the_key_and_what_is_named_like_one():
    secrets = target(
        headers={
            "api-key": "abcdef-1",
            "OpenAI-Beta": "realtime=v1",
            "Authorization": "Bearer zyxwvu",
        },
        query={"api-version": "2026-01-01", "token": "tok-123456", "key": "k"},
    ).secrets()
    assert secrets == (CANARY, "abcdef-1", "zyxwvu", "tok-123456")


@pytest.mark.parametrize("bad", ["a\r\nX: y", "a\nb", "a\0b", "clé", " a", "a "])
def test_a_key_that_does_not_fit_a_header_is_refused_without_being_shown(bad):
    with pytest.raises(ValueError) as caught:
        Target(name="T", url="wss://host/v1", model="m", key=bad)
    assert bad not in str(caught.value)


@pytest.mark.parametrize("headers", [{"a\nb": "c"}, {"": "c"}, {"a b": "c"}, {"a": "c\r\nd"}])
def test_a_header_that_is_none_is_refused(headers):
    with pytest.raises(ValueError):
        target(headers=headers)


@pytest.mark.parametrize("field", ["organization", "project", "model", "url"])
def test_other_fields_are_checked_too(field):
    with pytest.raises(ValueError):
        Target(**{"name": "T", "url": "wss://h", "model": "m", field: "a\r\nb"})


def test_every_session_gets_a_dialect_of_its_own():
    assert dialect_for(target()) is not dialect_for(target())


def test_a_dialect_nobody_knows_is_an_error():
    with pytest.raises(KeyError):
        dialect_for(target(dialect="morse"))


def test_dialects_are_registered_under_their_names():
    assert {name: cls.name for name, cls in DIALECTS.items()} == {name: name for name in DIALECTS}


def test_secrets_are_taken_out_of_text():
    assert hide(f"a {CANARY} b", [CANARY]) == "a [key] b"


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-abcdefghijkl.",
        "bad key xai-abcdefghijklmnop",
        "bad key AIzaSyA1234567890abcdefghijklmnop",
    ],
)
def test_what_looks_like_a_key_is_not_shown(text):
    assert shown_message(text, []).endswith(("[key]", "[key]."))


def test_a_shown_message_is_one_short_printable_line():
    assert shown_message("a\r\n\x1b[31mb\0 c", []) == "a [31mb c"
    assert len(shown_message("x" * 2000, [])) == 500
