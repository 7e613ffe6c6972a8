"""The fast path for an answer's audio (`more_audio`) has the same effect as decoding each frame."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from realtime.bridge import Call
from realtime.bridge.dialects.alike import Alike
from realtime.bridge.dialects.openai_ga import OpenAIGA
from tests.bridge.doubles import SESSION, Clock, RecordingLeg, RecordingTap
from tests.examples import examples
from tests.scripted import audio_delta, item_added, response_created, response_done, session_created


class Usual(OpenAIGA):
    """Decodes every frame."""

    def more_audio(self, frame: str | bytes) -> None:
        return None


class Quick(OpenAIGA):
    """Counts the frames that take the fast path."""

    quick = 0

    def more_audio(self, frame: str | bytes) -> Any:
        more = super().more_audio(frame)
        self.quick += more is not None
        return more


class Heard:
    """A call over one dialect, and everything that came of its frames."""

    def __init__(self, dialect: OpenAIGA) -> None:
        self.browser, self.tap, self.dialect = RecordingLeg(), RecordingTap(), dialect
        self.call = Call(self.browser, SESSION, clock=Clock(), taps=[self.tap])
        first = dialect.decode(orjson.dumps(session_created("sess_1")))
        self.call.attach(RecordingLeg(), dialect, first, ())

    def take(self, frame: str) -> None:
        self.call.from_upstream(frame)

    @property
    def told(self) -> tuple[Any, ...]:
        """All of it, except for event ids, some of which are random."""
        self.call.taps.catch_up()
        return (
            [_without_id(frame) for frame in self.browser.frames],
            self.tap.assistant_audio,
            [_without_id(event) for event in self.tap.events],
            self.call.received,
            self.call.playing_until,
            {item: self.call.items.touch(item).received for item in ("item_a", "item_b")},
            self.dialect.skipped,
        )


def _without_id(event: Any) -> Any:
    if not isinstance(event, dict):
        return event
    return {name: value for name, value in event.items() if name != "event_id"}


def caption(text: str) -> dict[str, Any]:
    place = {name: value for name, value in audio_delta(b"").items() if name != "delta"}
    return {**place, "type": "response.output_audio_transcript.delta", "delta": text}


audio = st.builds(
    audio_delta,
    st.binary(max_size=9),
    st.sampled_from(["item_a"] * 9 + ["item_b"]),
    st.sampled_from(["resp_1"] * 9 + ["resp_2"]),
)
broken = st.sampled_from(["", "A", "====", "AA\\", 'AA"', "ÄÄÄÄ", None, 7]).map(
    lambda delta: audio_delta(b"") | {"delta": delta}
)
others = st.sampled_from(
    [
        caption("so"),
        response_created(),
        response_created("resp_2"),
        response_done(),
        item_added("item_a", None, role="assistant"),
        {"type": "conversation.item.deleted", "item_id": "item_a"},
        {"type": "conversation.item.truncated", "item_id": "item_a"},
        {"type": "unheard.of"},
    ]
)
written = st.sampled_from([orjson.dumps, lambda event: json.dumps(event).encode()])
ids = st.sampled_from([True] * 6 + ["e1", 'e"3', "é", "", None])  # True: one of its own


def frame(event: dict[str, Any], event_id: object, write: Any, first: bool = True) -> str:
    """An event as a provider sends it, with its id as the first field but one or as the last."""
    named = {"type": event["type"], "event_id": event_id} | event
    if not first:
        named["event_id"] = named.pop("event_id")
    text: str = write(named).decode()
    return text


steps = st.tuples(st.one_of(audio, audio, audio, broken, others), ids, st.integers(0, 9))


@given(st.lists(steps, max_size=40), written, st.integers(0, 9), st.integers(0, 25))
@settings(max_examples=examples(600), deadline=None)
def test_both_ways_tell_the_same(stream: list[Any], write: Any, style: int, end: int) -> None:
    usual, quick = Heard(Usual()), Heard(Quick())
    for number, (event, own, again) in enumerate(stream):
        sent = frame(event, f"own_{number}" if own is True else own, write, style > 0)
        for heard in (usual, quick):
            if number == end:
                heard.call.end("hang_up")
            for _ in range(2 if again == 9 else 1):
                heard.take(sent)
    assert quick.told == usual.told


def test_audio_that_goes_on_is_not_read() -> None:
    dialect = Quick()
    heard = Heard(dialect)
    for number in range(10):
        pcm = bytes([number, 0])
        heard.take(frame(audio_delta(pcm), f"event_{number}", orjson.dumps))
        heard.take(frame(caption("so"), f"caption_{number}", orjson.dumps))
    assert dialect.quick == 9
    sound = [pcm for pcm in heard.browser.frames if isinstance(pcm, bytes)]
    assert sound == [bytes([number, 0]) for number in range(10)]


SAMPLE = '{"type":"t","event_id":"e1","item_id":"i","delta":"AAAA"}'


@pytest.mark.parametrize(
    ("other", "delta"),
    [
        (SAMPLE, "AAAA"),
        (SAMPLE.replace("e1", "another").replace("AAAA", "AA=="), "AA=="),
        (SAMPLE.replace("AAAA", ""), ""),
        (SAMPLE.replace('"i"', '"j"'), None),
        (SAMPLE.replace("e1", '\\"'), None),
        (SAMPLE.replace('"delta":"AAAA"', '"delta":"'), None),
        (SAMPLE.replace('"AAAA"', "null"), None),
        (SAMPLE[:-1], None),
        ("", None),
    ],
)
def test_a_frame_is_alike_or_not(other: str, delta: str | None) -> None:
    alike = Alike.of(SAMPLE, "e1", "AAAA")
    assert alike is not None
    assert (alike.delta(other) or None) == (delta or None)


@pytest.mark.parametrize(
    ("sample", "event_id", "delta"),
    [
        (SAMPLE, "made up", "AAAA"),
        (SAMPLE, "e1", None),
        ('{"delta":"AAAA","event_id":"e1"}', "e1", "AAAA"),
        ('{"event_id":"AAAA","item_id":"AAAA","delta":"e1"}', "AAAA", "AAAA"),
        (SAMPLE.encode(), "e1", "AAAA"),
    ],
)
def test_what_stands_elsewhere_is_read(sample: str | bytes, event_id: str, delta: object) -> None:
    assert Alike.of(sample, event_id, delta) is None


@given(st.text('{}":,\\ etdlav_iAB=0', max_size=40), st.integers(0, 60), st.integers(0, 60))
@example('"', 22, 23)
@settings(max_examples=examples(2000), deadline=None)
def test_what_is_alike_is_the_same_json(piece: str, start: int, end: int) -> None:
    alike = Alike.of(SAMPLE, "e1", "AAAA")
    assert alike is not None
    other = SAMPLE[:start] + piece + SAMPLE[max(start, end) :]
    delta = alike.delta(other)
    if delta and '"' not in delta and "\\" not in delta:
        # An id that JSON refuses is nobody's concern.
        read = orjson.loads(other.replace("\\", ""))
        assert read | {"event_id": "e1"} == orjson.loads(SAMPLE) | {"delta": delta}
