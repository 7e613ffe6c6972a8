"""What all dialects have in common."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.bridge.dialects import DIALECTS
from tests.bridge.dialects.streams import SAMPLES, decode, decoded, sent
from tests.bridge.dialects.strict import problems, whole
from tests.examples import examples
from tests.scripted import audio_delta, response_created, response_done

README = Path(__file__).parents[3] / "README.md"
OURS = [name for name in DIALECTS if name != "gemini"]


def test_each_dialect_has_a_sample():
    assert sorted({name for name, _ in SAMPLES}) == sorted(OURS)


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_everything_decoded_satisfies_strict_clients(name, sample):
    events = decoded(name, sample)
    assert [problem for event in events for problem in problems(event)] == []


CALLS = [(name, sample) for name, sample in SAMPLES if "call" in sample]


@pytest.mark.parametrize(("name", "sample"), CALLS)
def test_every_answer_comes_whole(name, sample):
    events = decoded(name, sample)
    assert [e["response"]["status"] for e in events if e["type"] == "response.done"] != []
    assert whole(events) == []


def without_ids(event):
    response = {k: v for k, v in event.get("response", {}).items() if k != "id"}
    plain = {k: v for k, v in event.items() if k != "response_id"}
    return plain | ({"response": response} if response else {})


@pytest.mark.parametrize("change", [dict, without_ids], ids=["one id", "no ids"])
@pytest.mark.parametrize("name", OURS)
def test_answers_that_share_their_id_or_have_none_are_told_all(name, change):
    dialect, kinds, ids = DIALECTS[name](), [], set()
    if dialect.complete and change is without_ids:
        return  # what OpenAI leaves out is not made up
    for n in range(3):
        events = [response_created("r"), audio_delta(bytes(960), f"i{n}", "r"), response_done("r")]
        for found in decode(dialect, *map(change, events)):
            kinds.append(found["type"])
            ids.add(found["response"]["id"] if "response" in found else found.get("response_id"))
    told = [kinds.count(each["type"]) for each in events]
    assert (told, len(ids - {None})) == ([3, 3, 3], 3 if change is without_ids else 1)


@pytest.mark.parametrize("name", list(DIALECTS))
def test_the_readme_says_what_the_traits_say(name):
    traits = DIALECTS[name].traits
    turns = ", ".join(traits.turn_detection) or "ours"
    rates = f"{traits.input_rate // 1000} / {traits.output_rate // 1000} kHz"
    tools, images = ("yes" if each else "no" for each in (traits.tools, traits.images))
    row = f"| `{name}` | {traits.label} | {turns} | {rates} | {tools} | {images} |"
    assert row in README.read_text()


@pytest.mark.parametrize("name", list(DIALECTS))
def test_people_see_a_name_and_an_address(name):
    traits = DIALECTS[name].traits
    assert traits.label != name
    assert traits.url_hint.startswith("wss://")


def final(events):
    """The items of a stream as they are at its end, in order of their appearance."""
    items = {}
    for event in events:
        if event["type"] == "conversation.item.done":
            items[event["item"]["id"]] = event["item"]
    # If a provider gives no ids, random ones are made.
    return [{**item, "id": "", "call_id": ""} for item in items.values()]


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
@settings(max_examples=examples(4), deadline=None)
@given(data=st.data())
def test_repeated_events_change_nothing(name, sample, data):
    events = [{"event_id": f"e{n}", **event} for n, event in enumerate(sent(sample))]
    copies = data.draw(st.lists(st.integers(1, 3), min_size=len(events), max_size=len(events)))
    twice = [event for event, count in zip(events, copies, strict=True) for _ in range(count)]
    once, again = decode(DIALECTS[name](), *events), decode(DIALECTS[name](), *twice)
    assert [each["type"] for each in again] == [each["type"] for each in once]
    assert final(again) == final(once)


GARBAGE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "type", "role", "content", "item", "usage", "name", "status"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
@settings(max_examples=examples(10), deadline=None)
@given(data=st.data())
def test_disorder_and_garbage_never_raise_and_stay_strict(name, sample, data):
    events = data.draw(st.permutations(sent(sample)))
    number = data.draw(st.integers(0, len(events) - 1))
    broken = dict(events[number])
    broken[data.draw(st.sampled_from(sorted(broken)))] = data.draw(GARBAGE)
    events[number] = broken
    events.insert(number, {"type": data.draw(st.text(max_size=20)), "x": data.draw(GARBAGE)})
    dialect = DIALECTS[name]()
    found = decode(dialect, *events)
    if dialect.complete:
        return  # what OpenAI leaves out is not made up
    assert [p for each in found for p in problems(each) if "validation error" not in p] == []


@pytest.mark.parametrize("name", OURS)
@settings(max_examples=examples(10), deadline=None)
@given(data=st.data())
def test_broken_fields_never_raise(name, data):
    mine = [sample for each, sample in SAMPLES if each == name]
    event = dict(data.draw(st.sampled_from(sent(data.draw(st.sampled_from(mine))))))
    for field in data.draw(st.lists(st.sampled_from(sorted(event)), unique=True, max_size=3)):
        event[field] = data.draw(GARBAGE)
    inner = [each for each in event.values() if isinstance(each, dict) and each]
    for each in inner:
        each[data.draw(st.sampled_from(sorted(each)))] = data.draw(GARBAGE)
    decode(DIALECTS[name](), event)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("frame", ["", "{", "[]", "null", '{"type":7}', b"\xff\xfe", "[" * 9999])
def test_a_frame_that_is_no_event_is_counted(name, frame):
    dialect = DIALECTS[name]()
    assert list(dialect.decode(frame)) == []
    assert dialect.skipped == 1


@pytest.mark.parametrize("name", OURS)
def test_a_stream_cut_anywhere_sounds_the_same(name):
    dialect, whole_stream = DIALECTS[name](), DIALECTS[name]()
    sample = next(sample for each, sample in CALLS if each == name)
    events = sent(sample)
    pieces = []
    for event in events:
        if event["type"].endswith("audio.delta"):
            half = len(event["delta"]) // 8 * 4
            cut = [
                event | {"delta": event["delta"][:half]},
                event | {"delta": event["delta"][half:]},
            ]
            pieces += [each | {"event_id": f"cut_{len(pieces)}_{n}"} for n, each in enumerate(cut)]
        else:
            pieces.append(event)
    assert sound(decode(dialect, *pieces)) == sound(decode(whole_stream, *events)) > 0


def sound(events):
    return sum(len(each["delta"]) for each in events if each["type"].endswith("audio.delta"))


@pytest.mark.parametrize("name", OURS)
def test_a_second_of_speech_is_a_second_on_the_wire(name):
    dialect = DIALECTS[name]()
    frames = [frame for _ in range(50) for frame in dialect.audio(bytes(960))]
    frames += dialect.encode({"type": "input_audio_buffer.commit"})
    audio = [orjson.loads(f)["audio"] for f in frames if "audio_buffer.append" in f]
    size = sum(len(text) * 3 // 4 - text.count("=") for text in audio)
    assert size == dialect.traits.input_rate * 2
    assert orjson.loads(frames[-1])["type"] == "input_audio_buffer.commit"
