import base64
from array import array

import pytest

from realtime.local.audio import (
    RATE,
    Decoder,
    Encoder,
    LinearResampler,
    g711_decode,
    g711_encode,
    resampler,
)
from realtime.local.errors import Refused


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
def test_every_g711_code_survives_a_round_trip(kind: str) -> None:
    values = [array("h", g711_decode(bytes([code]), kind))[0] for code in range(256)]
    again = g711_encode(array("h", values).tobytes(), kind)
    assert [array("h", g711_decode(bytes([c]), kind))[0] for c in again] == values


# Reference values of ITU-T G.711.
@pytest.mark.parametrize(
    ("kind", "code", "value"),
    [
        ("audio/pcmu", 0x00, -32124),
        ("audio/pcmu", 0x80, 32124),
        ("audio/pcmu", 0xFF, 0),
        ("audio/pcma", 0x55, -8),
        ("audio/pcma", 0xD5, 8),
        ("audio/pcma", 0x2A, -32256),
        ("audio/pcma", 0xAA, 32256),
    ],
)
def test_g711_decodes_as_the_standard_says(kind: str, code: int, value: int) -> None:
    assert array("h", g711_decode(bytes([code]), kind))[0] == value


def test_pcm_passes_unchanged_both_ways() -> None:
    audio_format = {"type": "audio/pcm", "rate": 24000}
    pcm = bytes(range(200))
    encoded = Encoder(audio_format).encode(pcm)
    assert Decoder(audio_format).decode(encoded) == pcm


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
def test_g711_output_is_one_byte_per_eighth_of_a_millisecond(kind: str) -> None:
    encoder = Encoder({"type": kind})
    data = base64.b64decode(encoder.encode(bytes(48 * 1000)) + "")
    rest = base64.b64decode(encoder.flush())
    assert len(data) + len(rest) == 8000


def test_g711_input_comes_out_at_the_inner_rate() -> None:
    decoder = Decoder({"type": "audio/pcmu"})
    pcm = decoder.decode(base64.b64encode(b"\xff" * 8000).decode()) + decoder.flush()
    assert len(pcm) == RATE * 2


@pytest.mark.parametrize(("source", "target"), [(24000, 16000), (8000, 24000), (22050, 24000)])
def test_linear_resampling_keeps_the_length_in_any_slicing(source: int, target: int) -> None:
    pcm = array("h", range(-500, 500)).tobytes()
    whole = LinearResampler(source, target)
    expected = whole.feed(pcm) + whole.flush()
    sliced = LinearResampler(source, target)
    pieces = [sliced.feed(pcm[start : start + 34]) for start in range(0, len(pcm), 34)]
    assert b"".join(pieces) + sliced.flush() == expected
    assert abs(len(expected) // 2 - 1000 * target // source) <= 2


def test_resampling_to_the_same_rate_changes_nothing() -> None:
    same = resampler(24000, 24000)
    assert same.feed(b"abcd") + same.flush() == b"abcd"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("###", "invalid_value"),
        ("AAA", "invalid_value"),
        (12, "invalid_type"),
        (base64.b64encode(b"abc").decode(), "invalid_value"),
    ],
)
def test_bad_audio_is_refused_by_name(value: object, code: str) -> None:
    with pytest.raises(Refused) as refused:
        Decoder({"type": "audio/pcm", "rate": 24000}).decode(value)
    assert (refused.value.code, refused.value.param) == (code, "audio")
