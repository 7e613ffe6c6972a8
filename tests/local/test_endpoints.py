"""Recognition and speech over HTTP, and what stands in when nothing is installed."""

import io
import wave
from typing import Any

import pytest

from realtime.local.ears import EarsFailed, Heard, NoEars, tidy
from realtime.local.endpoints import EndpointEars, EndpointMouth
from realtime.local.http import Endpoint
from realtime.local.mouth import BinaryMouth, EspeakMouth, FallbackMouth, MouthFailed, ToneMouth
from realtime.local.settings import engine_from
from realtime.local.voices import voice
from realtime.local.workers import worker_environment
from tests.local.conftest import Rooms
from tests.local.fake_http import plain
from tests.local.room import quick_engine

pytestmark = pytest.mark.outside

VOICE = voice("marin", "en-us", 1.25)


async def test_transcription_sends_a_wav_and_reads_the_text(fake_http: Any) -> None:
    server = await fake_http()
    server.scripts = [plain(200, b'{"text": " Hello. "}')]
    utterance = EndpointEars(Endpoint(server.url, "k", "whisper-x")).open("de")
    utterance.feed(b"\x01\x00" * 1600)
    utterance.finish()
    assert await utterance.result == Heard("Hello.")
    asked = server.asked[0]
    assert asked.path == "/v1/audio/transcriptions"
    start = asked.body.index(b"RIFF")
    with wave.open(io.BytesIO(asked.body[start:])) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getnframes()) == (16000, 1, 1600)
    form = asked.body[:start].decode()
    for name, value in (("model", "whisper-x"), ("language", "de"), ("response_format", "json")):
        assert f'name="{name}"\r\n\r\n{value}\r\n' in form


@pytest.mark.parametrize("body", [b"[]", b"no", b'{"texts": 1}'])
async def test_a_strange_transcription_is_a_failure(fake_http: Any, body: bytes) -> None:
    server = await fake_http()
    server.scripts = [plain(200, body)]
    utterance = EndpointEars(Endpoint(server.url)).open(None)
    utterance.finish()
    with pytest.raises(EarsFailed) as failed:
        await utterance.result
    assert failed.value.code == "transcription_failed"


async def test_speech_is_asked_for_as_pcm_and_its_words_are_spread(fake_http: Any) -> None:
    server = await fake_http()
    server.scripts = [plain(200, bytes(48 * 800 + 1))]
    speech = await EndpointMouth(Endpoint(server.url, "k", "tts-x")).say(" Hi there", VOICE)
    assert server.asked[0].json == {
        "model": "tts-x",
        "voice": "marin",
        "input": "Hi there",
        "response_format": "pcm",
        "speed": 1.25,
    }
    assert speech.ms == 800
    assert [word.text for word in speech.words] == [" Hi", " there"]
    assert speech.words[-1].end_ms == 800


async def test_speech_that_fails_fails_the_response_with_words(
    rooms: Rooms, fake_http: Any
) -> None:
    server = await fake_http()
    server.scripts = [plain(503, b"busy")]
    mouth = EndpointMouth(Endpoint(server.url))
    response = await rooms(engine=quick_engine(mouth=mouth)).ask("hello")
    assert response["status"] == "failed"
    assert response["status_details"]["error"] == {
        "type": "server_error",
        "code": "synthesis_failed",
        "message": "The speech endpoint failed. The endpoint answered 503: busy",
    }


async def test_no_audio_at_all_is_a_failure(fake_http: Any) -> None:
    server = await fake_http()
    server.scripts = [plain(200, b"")]
    with pytest.raises(MouthFailed):
        await EndpointMouth(Endpoint(server.url)).say("hi", VOICE)


async def test_tones_last_as_long_as_their_words() -> None:
    speech = await ToneMouth().say("one two three", voice("marin", "en-us"))
    assert [(w.text, w.start_ms, w.end_ms) for w in speech.words] == [
        ("one", 0, 180),
        (" two", 180, 360),
        (" three", 360, 540),
    ]
    assert speech.ms == 540


async def test_a_synthesiser_that_cannot_start_is_replaced() -> None:
    first = EspeakMouth()
    both = FallbackMouth(first, ToneMouth())
    assert both.name == "espeak-ng"
    first._worker.starts = 2
    assert (both.name, both.ready) == ("tones", True)
    assert (await both.say("one", VOICE)).ms == 144


async def test_a_program_that_fails_is_said(tmp_path: Any) -> None:
    program = tmp_path / "espeak-ng"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(MouthFailed):
        await BinaryMouth(str(program)).say("hi", VOICE)


async def test_ears_that_cannot_hear_fail_at_once() -> None:
    utterance = NoEars().open(None)
    utterance.finish()
    with pytest.raises(EarsFailed) as failed:
        await utterance.result
    assert failed.value.code == "recogniser_unavailable"


async def test_the_environment_chooses_the_parts() -> None:
    engine = engine_from(
        {
            "NEXTVOICE_ASR_URL": "http://a/v1",
            "NEXTVOICE_TTS_URL": "http://t/v1",
            "NEXTVOICE_LLM_URL": "http://l/v1",
            "NEXTVOICE_LLM_MODEL": "llama",
            "NEXTVOICE_LLM_KEY": "secret",
            "NEXTVOICE_VAD": "energy",
        }
    )
    health = engine.health()
    assert [health[part]["name"] for part in ("recogniser", "synthesiser", "talker", "vad")] == [
        "transcription endpoint",
        "speech endpoint",
        "chat completions",
        "energy",
    ]
    assert health["talker"]["model"] == "llama"
    assert "secret" not in str(health)


def test_workers_get_none_of_our_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTVOICE_LLM_KEY", "secret")
    assert "secret" not in str(worker_environment())


@pytest.mark.parametrize(
    ("text", "sure", "tidied"),
    [
        ("hello what time is it", True, "Hello what time is it?"),
        ("my name is anna", True, "My name is Anna."),
        ("tell me a story", True, "Tell me a story."),
        ("i think i'm late", False, "I think I'm late"),
        ("", False, ""),
    ],
)
def test_recognised_words_look_written(text: str, sure: bool, tidied: str) -> None:
    assert tidy(text, sure=sure) == tidied
