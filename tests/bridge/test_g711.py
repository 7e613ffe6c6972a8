from __future__ import annotations

import numpy
import pytest

from realtime.bridge import g711
from realtime.local import audio


@pytest.mark.parametrize("law", g711.LAWS)
def test_every_code_is_what_the_embedded_provider_makes_of_it(law):
    codes = bytes(range(256))
    assert g711.decode(codes, law) == audio.g711_decode(codes, law)


@pytest.mark.parametrize("law", g711.LAWS)
def test_a_sample_gets_the_nearest_of_all_codes(law):
    samples = numpy.random.default_rng(1).integers(-32768, 32767, 2_000).astype("<i2")
    values = numpy.frombuffer(g711.decode(bytes(range(256)), law), "<i2").astype(int)
    back = numpy.frombuffer(g711.decode(g711.encode(samples.tobytes(), law), law), "<i2")
    nearest = numpy.abs(values[None, :] - samples.astype(int)[:, None]).min(axis=1)
    assert (numpy.abs(back.astype(int) - samples) == nearest).all()


@pytest.mark.parametrize("law", g711.LAWS)
def test_what_came_from_a_code_goes_back_into_one_of_the_same_value(law):
    pcm = g711.decode(bytes(range(256)), law)
    assert g711.decode(g711.encode(pcm, law), law) == pcm
