from __future__ import annotations

import pytest

from realtime.bridge import audio


def test_a_second_is_48000_bytes_and_24000_samples():
    assert audio.bytes_to_ms(48_000) == 1000
    assert audio.ms_to_bytes(1000) == 48_000
    assert audio.bytes_to_samples(48_000) == 24_000
    assert audio.samples_to_ms(24_000) == 1000


def test_parts_of_a_millisecond_are_dropped():
    assert audio.bytes_to_ms(95) == 1
    assert audio.samples_to_ms(23) == 0


def test_base64_returns_what_was_encoded():
    assert audio.decode_base64(audio.encode_base64(b"\x00\xff\x10")) == b"\x00\xff\x10"


@pytest.mark.parametrize("text", ["abcd!!", ":::", "YQ", "=", "YQ==YQ==", "YWI=\n", "é", "\ud800"])
def test_loose_base64_is_refused(text):
    with pytest.raises(ValueError):
        audio.decode_base64(text)
