"""A browser, or a program, that sends anything at all: every frame is answered by an `error`, or
does what it says; nothing breaks, and the call goes on."""

from __future__ import annotations

import base64
import json
from typing import Any

import orjson
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from realtime.bridge.browser import resume_of
from realtime.bridge.call import Call
from realtime.bridge.ends import ENDS
from realtime.bridge.events import CLIENT_EVENTS, Problem, parse
from realtime.bridge.sdk import SdkCall, Terms
from realtime.bridge.sdk.events import CHECKS
from realtime.bridge.start import parse_start
from tests.attack.mutants import Mutants
from tests.bridge.doubles import Rig
from tests.scripted import audio_delta, item_added, response_created, response_done

CASES = 10_000
STORM = 25
"""Frames of one call."""

AUDIO = base64.b64encode(bytes(960)).decode()
PLACE = {"item_id": "item_a", "content_index": 0, "audio_end_ms": 20}
TEXT = {"type": "input_text", "text": "Hello"}
PICTURE = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
MESSAGE = {"id": "item_m", "type": "message", "role": "user", "content": [TEXT]}
SETTINGS: dict[str, Any] = {
    "type": "realtime",
    "instructions": "Be brief.",
    "output_modalities": ["audio"],
    "max_output_tokens": 100,
    "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
    "tool_choice": "auto",
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "turn_detection": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500},
            "transcription": {"model": "gpt-transcribe", "language": "en"},
            "noise_reduction": {"type": "near_field"},
        },
        "output": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "voice": "marin",
            "speed": 1.0,
        },
    },
}
EVENTS: dict[str, dict[str, Any]] = {
    "session.update": {"session": SETTINGS},
    "input_audio_buffer.append": {"audio": AUDIO},
    "input_audio_buffer.commit": {},
    "input_audio_buffer.clear": {},
    "conversation.item.create": {"previous_item_id": "item_a", "item": MESSAGE},
    "conversation.item.retrieve": {"item_id": "item_a"},
    "conversation.item.truncate": PLACE,
    "conversation.item.delete": {"item_id": "item_a"},
    "response.create": {
        "response": {
            "output_modalities": ["text"],
            "instructions": "Shout.",
            "conversation": "none",
            "metadata": {"a": "b"},
            "input": [MESSAGE, {"type": "item_reference", "id": "item_a"}],
            "audio": {"output": {"voice": "marin", "format": {"type": "audio/pcm"}}},
        }
    },
    "response.cancel": {"response_id": "resp_1"},
    "nextvoice.start": {"model": "1", "session": SETTINGS},
    "nextvoice.resume": {"call_id": "c", "token": "t", "received": 1},
    "nextvoice.approve": {"call_id": "call_1", "approve": True, "remember": True},
    "nextvoice.played": PLACE,
    "nextvoice.received": {"received": 1},
    "nextvoice.hang_up": {},
}
MORE = {
    "conversation.item.create": [
        {"item": {**MESSAGE, "content": [TEXT, PICTURE]}},
        {"item": {"type": "function_call_output", "call_id": "c", "output": "{}"}},
        {"item": {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"}},
        {
            "item": {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_audio", "audio": AUDIO}],
            }
        },
    ]
}
G711: dict[str, Any] = {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}


def sample(kind: str) -> list[dict[str, Any]]:
    """Right events of a kind."""
    return [
        {"type": kind, "event_id": "event_1", **fields}
        for fields in [EVENTS[kind], *MORE.get(kind, [])]
    ]


RIGHT = [event for kind in CLIENT_EVENTS for event in sample(kind)]
RIGHT_OF_PROGRAMS = [event for kind in CHECKS for event in sample(kind)]


def test_every_event_that_may_be_sent_is_tried() -> None:
    assert set(EVENTS) == set(CLIENT_EVENTS) | set(CHECKS)


def in_an_answer(call_type: type[Call] | None = None) -> Rig:
    """A call whose assistant is just speaking."""
    rig = Rig()
    if call_type is not None:
        rig.call = SdkCall(
            rig.browser,
            {"type": "realtime", "output_modalities": ["audio"], "audio": {}},
            terms=Terms("m", ("gpt-transcribe",), ""),
            clock=rig.clock,
            taps=[rig.tap],
        )
        rig.attach()
    rig.provider(
        response_created(),
        item_added("item_a", None, "assistant"),
        audio_delta(bytes(4800)),
    )
    rig.browser.take()
    return rig


def storm(rig: Rig, mutants: Mutants, right: list[dict[str, Any]]) -> None:
    """A call's worth of frames, right and wrong ones mixed."""
    for _ in range(STORM):
        rig.clock.now += 0.05
        event = mutants.random.choice(right)
        frame = mutants.make(event) if mutants.random.random() < 0.9 else json.dumps(event)
        if isinstance(frame, bytes):
            rig.call.from_browser(frame)
        else:
            rig.call.from_browser(frame)
        for told in rig.browser.take():
            if isinstance(told, dict) and told["type"] == "error":
                assert isinstance(told["error"]["code"], str), frame
                assert told["error"]["message"], frame
        if rig.call.ended is not None:
            return


def test_whatever_a_page_sends_is_answered_and_the_call_lives() -> None:
    for seed in range(CASES // STORM):
        rig, mutants = in_an_answer(), Mutants(seed)
        storm(rig, mutants, RIGHT)
        reason = rig.call.ended.reason if rig.call.ended else None
        assert reason in (None, "hang_up"), seed
        assert [each for each in rig.upstream.frames if not isinstance(each, dict)] == []
        if reason is None:
            rig.browser.take()
            rig.clock.now += 60
            rig.page({"type": "nextvoice.played"})
            (told,) = rig.browser.take()
            assert told["error"]["code"] == "missing_required_parameter"


def test_whatever_a_program_sends_is_answered_and_the_call_lives() -> None:
    for seed in range(CASES // STORM):
        rig, mutants = in_an_answer(SdkCall), Mutants(seed)
        if seed % 2:
            rig.page({"type": "session.update", "session": {"type": "realtime", **G711}})
        storm(rig, mutants, RIGHT_OF_PROGRAMS)
        assert rig.call.ended is None, seed
        rig.browser.take()
        rig.clock.now += 60
        rig.page({"type": "conversation.item.retrieve"})
        (told,) = rig.browser.take()
        assert told["type"] == "error"


def test_whatever_comes_before_the_start_is_a_problem_or_a_start() -> None:
    for seed in range(CASES):
        mutants = Mutants(seed)
        kind = mutants.random.choice(("nextvoice.start", "nextvoice.resume"))
        frame = mutants.make({"type": kind, **EVENTS[kind]})
        if isinstance(frame, bytes):
            continue
        try:
            event = parse(frame)
            if event["type"] == "nextvoice.resume":
                resume_of(event)
            else:
                parse_start(frame)
        except Problem as problem:
            assert problem.code and problem.message


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ('{"type":"response.cancel","event_id":NaN}', "invalid_json"),
        ('{"type":"response.cancel","event_id":"\\ud800"}', "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        ('{"type":"response.cancel","x":' + "[" * 500 + "]" * 500 + "}", "invalid_json"),
        ('{"type":"response.cancel","event_id":"a\\u0000"}', "invalid_value"),
        ("x" * 300_000, "frame_too_large"),
        ('{"type":"input_audio_buffer.append","audio":"%%%="}', "invalid_audio"),
        ('{"type":"input_audio_buffer.append","audio":"AAA="}', None),
        ('{"type":"input_audio_buffer.append","audio":"AAAA"}', "invalid_audio"),
        ('{"type":"input_audio_buffer.append","audio":""}', "invalid_audio"),
        ('{"type":"no.such.event"}', "unknown_event"),
        ('{"type":"nextvoice.start"}', "already_started"),
    ],
)
def test_each_kind_of_bad_frame_has_its_own_answer(frame: str, code: str | None) -> None:
    rig = in_an_answer()
    rig.call.from_browser(frame)
    assert [told["error"]["code"] for told in rig.browser.take()] == ([code] if code else [])
    assert rig.call.ended is None


class AnyOrder(RuleBasedStateMachine):
    """Right events in any order, with a provider that comes, goes and answers in between."""

    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig()
        self.sessions = 1
        self.answers = 0
        self.lived = True

    @rule(event=st.sampled_from([e for e in RIGHT if e["type"] != "nextvoice.hang_up"]))
    def the_page_sends(self, event: dict[str, Any]) -> None:
        self.rig.call.from_browser(orjson.dumps(event).decode())

    @rule(pcm=st.sampled_from([b"", b"\0", bytes(960), bytes(70_000)]))
    def the_page_speaks(self, pcm: bytes) -> None:
        self.rig.call.from_browser(pcm)

    @rule()
    def the_provider_answers(self) -> None:
        self.answers += 1
        number = self.answers
        self.rig.provider(
            response_created(f"resp_{number}"),
            item_added("item_a", None, "assistant"),
            audio_delta(bytes(4800)),
        )

    @rule()
    def the_answer_ends(self) -> None:
        self.rig.provider(response_done())

    @rule()
    def the_provider_is_lost(self) -> None:
        if self.rig.call.upstream is not None:
            self.rig.call.detach()

    @rule()
    def the_provider_is_back(self) -> None:
        if self.rig.call.upstream is None:
            self.sessions += 1
            self.rig.attach(f"sess_{self.sessions}")

    @rule()
    def time_passes(self) -> None:
        self.rig.clock.now += 5

    @invariant()
    def everything_is_answered_in_words(self) -> None:
        for told in self.rig.browser.take():
            if isinstance(told, dict) and told["type"] == "error":
                assert isinstance(told["error"]["code"], str)

    @invariant()
    def nothing_but_too_much_ends_it(self) -> None:
        ended = self.rig.call.ended
        assert ended is None or ended == ENDS["flood"]


AnyOrder.TestCase.settings = settings(
    max_examples=100, stateful_step_count=60, deadline=None, derandomize=True
)
test_no_order_of_events_breaks_a_call = AnyOrder.TestCase
