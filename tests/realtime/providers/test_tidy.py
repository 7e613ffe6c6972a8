"""What people paste is made into what they meant, or refused with a reason."""

from __future__ import annotations

import pytest

from realtime.providers.tidy import (
    KEPT,
    RESERVED_HEADERS,
    Untidy,
    shown_pairs,
    tidied_address,
    tidied_key,
    tidied_pairs,
    tidied_word,
)

KEY = "sk-canary-0123456789abcdef"


@pytest.mark.parametrize(
    "pasted",
    [
        " gpt-realtime",
        "gpt-realtime\r\n",
        "\u200bgpt-\u200brealtime\ufeff",
        '"gpt-realtime"',
        "“gpt-realtime”",
        "\u00a0gpt-realtime\u3000",
        "ｇｐｔ－ｒｅａｌｔｉｍｅ",
        "' gpt-realtime '",
    ],
)
def test_a_name_loses_what_pasting_added(pasted: str) -> None:
    assert tidied_word(pasted) == "gpt-realtime"


@pytest.mark.parametrize("word", ["gpt realtime", "gpt\r\nX: y", "gpt\0", "modèle", "a\tb"])
def test_a_name_that_fits_no_header_is_refused(word: str) -> None:
    with pytest.raises(Untidy) as refused:
        tidied_word(word)
    assert (refused.value.code, word in str(refused.value)) == ("word", False)


@pytest.mark.parametrize(
    "pasted",
    [
        f"Bearer {KEY}",
        f"bearer  {KEY}\n",
        f"Authorization: Bearer {KEY}",
        f"api-key: {KEY}",
        f'export OPENAI_API_KEY="{KEY}"',
        f"OPENAI_API_KEY={KEY}",
        f"`{KEY}`",
        f"\u200b{KEY}",
    ],
)
def test_a_key_loses_what_stands_before_it(pasted: str) -> None:
    assert tidied_key(pasted) == KEY


@pytest.mark.parametrize(
    ("pasted", "code"),
    [
        ("sk-a b", "key"),
        ("sk-\r\nX-Evil: y", "key"),
        ("sk-é", "key"),
        ("sk-abc…wxyz", "masked"),
        ("sk-***wxyz", "masked"),
        ("••••••", "masked"),
    ],
)
def test_a_key_that_is_none_is_refused(pasted: str, code: str) -> None:
    with pytest.raises(Untidy) as refused:
        tidied_key(pasted)
    assert (refused.value.code, refused.value.what) == (code, "")


@pytest.mark.parametrize("key", ["QUJD==", "token-abc", "AIzaSyKEY=1", "sk-key:part"])
def test_a_key_that_looks_like_a_name_with_a_value_is_left_alone(key: str) -> None:
    assert tidied_key(key) == key


@pytest.mark.parametrize(
    ("pasted", "address", "parameters"),
    [
        (" https://api.openai.com/v1/ ", "wss://api.openai.com/v1", {}),
        ("wss://gate.example.org/eu/openai/v1", "wss://gate.example.org/eu/openai/v1", {}),
        ("HTTP://127.0.0.1:8000/v1", "ws://127.0.0.1:8000/v1", {}),
        (
            "wss://r.openai.azure.com/openai/realtime?api-version=2025-04-01-preview&deployment=d",
            "wss://r.openai.azure.com/openai/realtime",
            {"api-version": "2025-04-01-preview", "deployment": "d"},
        ),
        ("ｗｓｓ：／／api.example.org/v1", "wss://api.example.org/v1", {}),
        ("wss://bücher.example/v1", "wss://xn--bcher-kva.example/v1", {}),
        ("wss://[2001:db8::1]:8443/v1", "wss://[2001:db8::1]:8443/v1", {}),
    ],
)
def test_an_address_is_taken_apart(pasted: str, address: str, parameters: dict[str, str]) -> None:
    assert tidied_address(pasted) == (address, parameters)


@pytest.mark.parametrize(
    ("pasted", "code"),
    [
        ("api.openai.com/v1", "scheme"),
        ("localhost:8000/v1", "scheme"),
        ("ftp://example.org", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("wss://", "address"),
        ("wss://host:port/v1", "address"),
        ("wss://host:99999/v1", "address"),
        ("wss://[::1/v1", "address"),
        ("wss://user:secret@example.org/v1", "user"),
        ("wss://example.org/v1#top", "fragment"),
        ("wss://exa mple.org/v1", "spaces"),
        ("wss://example.org/v1\r\nX-Evil: y", "spaces"),
        ("wss://example.org/\0", "spaces"),
        ("wss://example.org/é", "address"),
    ],
)
def test_an_address_that_is_none_is_refused(pasted: str, code: str) -> None:
    with pytest.raises(Untidy) as refused:
        tidied_address(pasted)
    assert (refused.value.code, "secret" in str(refused.value)) == (code, False)


def pairs(text: str, kept: dict[str, str] | None = None) -> dict[str, str]:
    return tidied_pairs(text, kept or {}, reserved=RESERVED_HEADERS)


def test_lines_become_pairs() -> None:
    text = ' X-Team : blue \r\n\r\nX-Route：eu\n"X-Key: a:b=c"'
    assert pairs(text) == {"X-Team": "blue", "X-Route": "eu", "X-Key": "a:b=c"}
    assert tidied_pairs("a=1\nb: 2", {}, reserved=frozenset(), separators=":=") == {
        "a": "1",
        "b": "2",
    }


@pytest.mark.parametrize(
    ("text", "code", "what"),
    [
        ("X-Team", "pair", "1"),
        ("X-A: b\n: c", "pair", "2"),
        ("X Team: blue", "pair_name", "1"),
        ("X-Teäm: blue", "pair_name", "1"),
        ("X-Team:", "pair_value", "X-Team"),
        ("X-Team: blau\u2028X-Evil: y", "pair_value", "X-Team"),
        ("X-Team: a\rX-Evil: y", "pair_value", "X-Team"),
        ("X-Team: a\0b", "pair_value", "X-Team"),
        ("X-Team: " + "a" * 4097, "pair_value", "X-Team"),
        ("Host: example.org", "reserved", "Host"),
        ("AUTHORIZATION: Bearer x", "reserved", "AUTHORIZATION"),
        ("Upgrade: h2c", "reserved", "Upgrade"),
        ("Sec-WebSocket-Key: x", "reserved", "Sec-WebSocket-Key"),
        ("Proxy-Authorization: x", "reserved", "Proxy-Authorization"),
        ("X-A: 1\nx-a: 2", "twice", "x-a"),
        (f"X-A: {KEPT}", "dots", "X-A"),
        ("\n".join(f"X-{n}: 1" for n in range(21)), "many", ""),
    ],
)
def test_lines_that_are_no_headers_are_refused_by_name(text: str, code: str, what: str) -> None:
    with pytest.raises(Untidy) as refused:
        pairs(text)
    assert (refused.value.code, refused.value.what) == (code, what)


def test_dots_keep_a_value_and_a_line_left_out_drops_it() -> None:
    kept = {"X-A": "secret", "X-B": "other"}
    shown = shown_pairs(kept)
    assert shown == f"X-A: {KEPT}\nX-B: {KEPT}"
    assert pairs(shown, kept) == kept
    assert pairs(f"X-A: {KEPT}\nX-C: new", kept) == {"X-A": "secret", "X-C": "new"}
