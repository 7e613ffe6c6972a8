"""Audio that has another format or sample rate on the wire than in the call."""

from __future__ import annotations

import math

import numpy
import orjson
import pytest

from realtime.bridge import g711
from realtime.bridge.audio import decode_base64
from realtime.bridge.dialects import DIALECTS
from realtime.bridge.dialects.openai_ga import OpenAIGA
from tests.bridge.dialects.streams import decode, told
from tests.scripted import audio_delta, response_created, response_done, session_created

PCMU = {"type": "audio/pcmu"}


def tone(rate, seconds=0.5, hertz=440):
    at = numpy.arange(round(rate * seconds)) / rate
    return (numpy.sin(2 * math.pi * hertz * at) * 9000).astype("<i2").tobytes()


def asking(form, event_id="c1"):
    audio = {"input": {"format": form}, "output": {"format": form}}
    session = {"type": "realtime", "audio": audio}
    return {"type": "session.update", "event_id": event_id, "session": session}


def accepted(form):
    audio = {"input": {"format": form}, "output": {"format": form}}
    return session_created(audio=audio) | {"type": "session.updated", "event_id": "up"}


def heard(frames):
    return b"".join(decode_base64(orjson.loads(frame)["audio"]) for frame in frames)


def spoken(events):
    return b"".join(e["delta"] for e in events if e["type"] == "response.output_audio.delta")


def alike(pcm, wanted):
    """Correlation of two pieces of PCM16 of about the same length; 1 if they are the same."""
    one, other = (numpy.frombuffer(each, "<i2").astype(float) for each in (pcm, wanted))
    size = min(len(one), len(other)) - 600
    return float(numpy.corrcoef(one[300:size], other[300:size])[0, 1])


def test_the_microphone_goes_out_as_asked_and_answers_come_back_as_ours():
    dialect = OpenAIGA()
    decode(dialect, session_created())
    assert told(dialect, asking(PCMU))[0]["session"]["audio"]["input"]["format"] == PCMU
    wire = heard(dialect.audio(tone(24_000)))
    wire += heard(list(dialect.encode({"type": "input_audio_buffer.commit"}))[:-1])
    assert len(wire) == 4_000
    assert alike(g711.decode(wire, "audio/pcmu"), tone(8_000)) > 0.99
    told_events = decode(dialect, accepted(PCMU), response_created())
    assert told_events[0]["session"]["audio"]["input"]["format"] == PCMU
    answer = g711.encode(tone(8_000), "audio/pcmu")
    pieces = [audio_delta(answer[n : n + 160]) for n in range(0, 4_000, 160)]
    pcm = spoken(decode(dialect, *pieces, {"type": "response.output_audio.done"}))
    assert len(pcm) == 24_000
    assert alike(pcm, tone(24_000)) > 0.99


def test_a_format_that_was_refused_is_given_up():
    dialect = OpenAIGA()
    decode(dialect, session_created())
    told(dialect, asking(PCMU, "c7"))
    assert len(heard(dialect.audio(bytes(9_600)))) < 2_000
    error = {"type": "invalid_request_error", "code": "invalid_value", "message": "No."}
    decode(dialect, {"type": "error", "error": error | {"event_id": "c7"}})
    assert heard(dialect.audio(bytes(960))) == bytes(960)
    decode(dialect, response_created())
    assert spoken(decode(dialect, audio_delta(b"\1\2\3\4"))) == b"\1\2\3\4"


def test_an_answer_sounds_as_it_says_itself():
    dialect = OpenAIGA()
    decode(dialect, session_created())
    begun = response_created()
    begun["response"]["audio"] = {"output": {"format": PCMU}}
    law = g711.encode(tone(8_000), "audio/pcmu")
    ended = {"type": "response.output_audio.done"}
    assert len(spoken(decode(dialect, begun, audio_delta(law), ended))) == 24_000
    decode(dialect, response_done(), response_created("resp_2"))
    plain = audio_delta(bytes(480), item_id="b", response_id="resp_2")
    assert spoken(decode(dialect, plain)) == bytes(480)


def test_answers_cut_off_lose_nothing_of_what_came():
    dialect = OpenAIGA()
    decode(dialect, accepted(PCMU), response_created())
    events = decode(dialect, audio_delta(bytes(80)), audio_delta(bytes(80), item_id="other"))
    events += decode(dialect, response_done(status="cancelled"))
    assert len(spoken(events)) == 2 * 480
    places = [e["item_id"] for e in events if e["type"] == "response.output_audio.delta"]
    assert sorted(set(places)) == ["item_a", "other"]


def test_a_server_may_say_its_own_rate():
    dialect = DIALECTS["openai_beta"]()
    form = {"type": "audio/pcm", "rate": 16_000}
    (created,) = decode(dialect, session_created(audio={"input": {"format": form}}))
    ours = {"type": "audio/pcm", "rate": 24_000}
    assert created["session"]["audio"]["input"]["format"] == ours
    frames = [*dialect.audio(tone(24_000)), *dialect.encode({"type": "input_audio_buffer.clear"})]
    assert len(heard(frames[:-1])) == 16_000


@pytest.mark.parametrize("name", ["qwen", "glm"])
def test_speech_reaches_16_khz_ears_in_their_time(name):
    dialect = DIALECTS[name]()
    pcm = tone(24_000, 1.0)
    frames = [f for n in range(0, len(pcm), 960) for f in dialect.audio(pcm[n : n + 960])]
    commit = dialect.encode({"type": "input_audio_buffer.commit"})
    wire = heard([f for f in (*frames, *commit) if "append" in f])
    assert len(wire) == 32_000
    assert alike(wire, tone(16_000, 1.0)) > 0.999
    assert dialect.heard_ms == 1_000


def test_formats_a_dialect_lacks_are_not_asked_for():
    dialect = DIALECTS["qwen"]()
    (update,) = told(dialect, asking(PCMU))
    assert update["session"]["input_audio_format"] == "pcm16"
    assert len(heard(dialect.audio(bytes(4_800)))) > 2_000
