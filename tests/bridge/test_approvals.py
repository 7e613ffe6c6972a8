"""Functions that need the person's approval: nothing is done without it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from realtime.bridge.events import Problem, parse
from realtime.bridge.tool_loop import (
    NEEDS_APPROVAL,
    NO_WORD,
    REFUSED,
    STILL_WORKING,
    STOPPED,
    WAITS_ALREADY,
)
from tests.bridge.test_tools import OPENING, SLOW, Box, Scene, asking, scene, wanted
from tests.scripted import (
    Die,
    Expect,
    Send,
    Until,
    audio_delta,
    response_created,
    response_done,
    session_created,
)

pytestmark = pytest.mark.outside

ASKED = [("call_1", "awaiting_approval")]
TO = '{"to": "Ben"}'


async def waiting(on: Scene, count: int = 1) -> None:
    """Wait until so many calls wait for approval."""
    async with asyncio.timeout(5):
        while [state for _, state in on.states()].count("awaiting_approval") < count:  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def output(on: Scene, count: int = 1) -> list[tuple[str, str]]:
    """The outputs that the model was sent, once there are so many."""
    async with asyncio.timeout(5):
        while len(on.outputs()) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
    return on.outputs()


def say(on: Scene, approve: object, call: str = "call_1", **fields: Any) -> None:
    on.page.say({"type": "nextvoice.approve", "call_id": call, "approve": approve, **fields})


def approvals(on: Scene) -> list[tuple[str, str | None]]:
    told = [event for event in on.tap.events if event["type"] == "nextvoice.tool"]
    return [(event["state"], event["approval"]) for event in told]


async def test_what_is_allowed_runs_once_and_the_model_waits_till_then() -> None:
    async with scene([*OPENING, asking(wanted("send", TO))]) as on:
        await waiting(on)
        assert (on.box.asked, on.outputs(), on.visit.types()) == ([], [], ["session.update"])
        (shown,) = [frame for frame in on.page.frames if frame["type"] == "nextvoice.tool"]
        assert (shown["label"], shown["about"], shown["arguments"]) == ("Send", "Does send.", TO)
        say(on, True)
        await on.asked()
    assert on.box.asked == [("send", {"to": "Ben"})]
    assert on.outputs() == [("call_1", TO)]
    assert approvals(on) == [
        ("awaiting_approval", None),
        ("in_progress", "approved"),
        ("completed", "approved"),
    ]


async def test_what_is_declined_is_not_done_and_the_model_is_told() -> None:
    async with scene([*OPENING, asking(wanted("send", TO))]) as on:
        await waiting(on)
        say(on, False)
        ((_, told),) = await output(on)
        await on.asked()
    assert json.loads(told) == {"error": REFUSED}
    assert on.box.asked == []
    assert approvals(on) == [("awaiting_approval", None), ("declined", "declined")]


async def test_silence_is_no_approval() -> None:
    async with scene([*OPENING, asking(wanted("send"))], tool_ask_seconds=SLOW) as on:
        ((_, told),) = await output(on)
        say(on, True)
        await on.page.until("error")
    assert json.loads(told) == {"error": NO_WORD}
    assert on.box.asked == []
    assert approvals(on)[-1] == ("declined", "unanswered")


async def test_the_time_for_the_function_begins_with_the_approval() -> None:
    limits = {"tool_seconds": 0.2, "tool_ask_seconds": 5.0}
    async with scene([*OPENING, asking(wanted("send"))], **limits) as on:
        await waiting(on)
        await asyncio.sleep(0.3)
        say(on, True)
        await on.asked()
    assert on.states()[-1] == ("call_1", "completed")


@pytest.mark.parametrize("second", [True, False])
async def test_a_call_is_decided_once(second: bool) -> None:
    async with scene([*OPENING, asking(wanted("send"))]) as on:
        await waiting(on)
        say(on, True)
        say(on, second)
        await on.page.until("error")
        await on.asked()
    (refusal,) = [frame["error"] for frame in on.page.frames if frame["type"] == "error"]
    assert (refusal["code"], refusal["param"]) == ("not_waiting", "call_id")
    assert on.box.asked == [("send", {})]


async def test_nobody_approves_what_waits_for_nobody() -> None:
    async with scene([*OPENING, asking(wanted("wait"))]) as on:
        await on.box.begun.wait()
        say(on, True)
        say(on, True, "call_unknown")
        await on.page.until("error", 2)
    assert on.states()[0] == ("call_1", "in_progress")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"approve": True}, "call_id"),
        ({"call_id": "call_1"}, "approve"),
        ({"call_id": "call_1", "approve": "yes"}, "approve"),
        ({"call_id": "call_1", "approve": 1}, "approve"),
        ({"call_id": 7, "approve": True}, "call_id"),
        ({"call_id": "x" * 300, "approve": True}, "call_id"),
        ({"call_id": "call_1", "approve": True, "remember": "always"}, "remember"),
    ],
)
def test_a_decision_is_checked(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Problem) as refused:
        parse(json.dumps({"type": "nextvoice.approve", **fields}))
    assert refused.value.param == param


async def test_who_wishes_so_is_not_asked_again_in_this_call() -> None:
    second = asking(wanted("send", call="call_2", response="resp_2"), response="resp_2")
    script = [*OPENING, asking(wanted("send")), Expect("response.create"), second]
    async with scene(script) as on:
        await waiting(on)
        say(on, True, remember=True)
        await on.asked(2)
    assert approvals(on)[3:] == [("in_progress", None), ("completed", None)]
    assert len(on.box.asked) == 2


async def test_a_refusal_is_not_remembered() -> None:
    second = asking(wanted("send", call="call_2", response="resp_2"), response="resp_2")
    script = [*OPENING, asking(wanted("send")), Expect("response.create"), second]
    async with scene(script) as on:
        await waiting(on)
        say(on, False, remember=True)
        await waiting(on, 2)
    assert on.box.asked == []


async def test_what_waits_already_is_not_asked_about_twice() -> None:
    twice = asking(wanted("send", TO), wanted("send", TO, call="call_2"), wanted(call="call_3"))
    async with scene([*OPENING, twice]) as on:
        await waiting(on)
        await on.page.until("nextvoice.tool", 5)
        say(on, True)
        told = dict(await output(on, 3))
    assert json.loads(told["call_2"]) == {"error": WAITS_ALREADY}
    assert on.box.asked == [("echo", {}), ("send", {"to": "Ben"})]


@pytest.mark.parametrize("arguments", ["{", "[]"])
async def test_nobody_is_asked_about_a_call_that_cannot_be_made(arguments: str) -> None:
    async with scene([*OPENING, asking(wanted("send", arguments))]) as on:
        await on.asked()
    assert [state for _, state in on.states()] == ["in_progress", "failed"]


async def test_a_word_is_for_the_call_it_was_shown_for_though_another_has_its_id() -> None:
    other = asking(wanted("send", '{"to": "Eve"}', response="resp_2"), response="resp_2")
    async with scene([*OPENING, asking(wanted("send", TO)), other]) as on:
        await waiting(on, 2)
        (first, _), (second, _) = on.states()
        assert first == "call_1" != second
        say(on, True)
        await output(on)
        assert on.box.asked == [("send", {"to": "Ben"})]
        say(on, True, second)
        told = await output(on, 2)
    assert on.box.asked[1:] == [("send", {"to": "Eve"})]
    # The provider's own id for both.
    assert [call for call, _ in told] == ["call_1", "call_1"]
    assert on.states()[-1] == (second, "completed")


async def test_an_earlier_call_that_nobody_decided_takes_no_word_from_one_of_its_id() -> None:
    go = asyncio.Event()
    other = asking(wanted("send", '{"to": "Eve"}', response="resp_2"), response="resp_2")
    script = [*OPENING, asking(wanted("send", TO)), Expect("response.create"), Until(go), other]
    async with scene(script, tool_ask_seconds=SLOW) as on:
        await on.asked()
        go.set()
        await waiting(on, 2)
        say(on, True)
        await on.page.until("error")
    assert on.box.asked == []


async def test_breaking_in_on_the_answer_that_asked_is_no_approval() -> None:
    go = asyncio.Event()
    asks = Send(response_created(), audio_delta(bytes(960)), *wanted("send"))
    script = [*OPENING, asks, Until(go), Send(response_done(status="cancelled"))]
    async with scene(script) as on:
        await waiting(on)
        go.set()
        ((_, told),) = await output(on)
        say(on, True)
        await on.page.until("error")
    assert json.loads(told) == {"error": STOPPED}
    assert (on.box.asked, on.states()[-1]) == ([], ("call_1", "interrupted"))


async def test_talking_about_it_decides_nothing_and_the_card_stays() -> None:
    """The person talks over a later answer, perhaps to ask what the call is about."""
    go = asyncio.Event()
    spoken = [
        Until(go),
        Send(response_created("resp_2"), audio_delta(bytes(960), response_id="resp_2")),
        Send(response_done("resp_2", status="cancelled")),
    ]
    async with scene([*OPENING, asking(wanted("send")), *spoken]) as on:
        await waiting(on)
        go.set()
        await on.page.until("response.done", 2)
        assert (on.states(), on.outputs()) == (ASKED, [])
        say(on, True)
        await on.asked()
    assert on.box.asked == [("send", {})]


async def test_hanging_up_is_no_approval() -> None:
    async with scene([*OPENING, asking(wanted("send"))]) as on:
        await waiting(on)
        on.page.say({"type": "nextvoice.hang_up"})
        await on.page.until("nextvoice.ended")
    assert (on.box.asked, on.states()[-1]) == ([], ("call_1", "interrupted"))


async def test_the_assistant_says_that_it_waits_and_then_that_it_works() -> None:
    class Slow(Box):
        async def run(self, name: str, arguments: dict[str, Any]) -> Any:
            await self.gate.wait()
            return await super().run(name, arguments)

    said = Send(response_created("resp_2"), response_done("resp_2"))
    again = Send(response_created("resp_3"), response_done("resp_3"))
    script = [*OPENING, asking(wanted("send")), Expect("response.create"), said]
    script += [Expect("response.create"), again]
    box = Slow()
    async with scene(script, box=box, tool_slow_seconds=SLOW) as on:
        (first,) = await on.asked()
        say(on, True)
        _, second = await on.asked(2)
        box.gate.set()
        *_, third = await on.asked(3)
    assert (first["instructions"], first["tool_choice"]) == (NEEDS_APPROVAL, "none")
    assert second["instructions"] == STILL_WORKING
    assert "instructions" not in third


async def test_the_word_counts_when_another_session_has_taken_over_meanwhile() -> None:
    go = asyncio.Event()
    first = [*OPENING, asking(wanted("send", TO)), Until(go), Die()]
    second = [Send(session_created("sess_2")), Expect("session.update")]
    waits = {"reconnect_waits": (0.0,), "tool_slow_seconds": 60.0}
    async with scene(first, second, **waits) as on:
        await waiting(on)
        go.set()
        await on.page.until("nextvoice.reconnected")
        assert (on.states(), on.box.asked) == (ASKED, [])
        say(on, True)
        await on.asked()
    (item,) = [event["item"] for event in on.visit.of_type("conversation.item.create")]
    text = f"You called send with {TO}. The result: {TO}"
    assert item["content"] == [{"type": "input_text", "text": text}]
    assert on.box.asked == [("send", {"to": "Ben"})]


async def test_the_word_is_taken_while_there_is_no_provider() -> None:
    go = asyncio.Event()
    first = [*OPENING, asking(wanted("send", TO)), Until(go), Die()]
    second = [Send(session_created("sess_2")), Expect("session.update")]
    async with scene(first, second, reconnect_waits=(0.5,)) as on:
        await waiting(on)
        go.set()
        await on.page.until("nextvoice.reconnecting")
        say(on, True)
        async with asyncio.timeout(0.4):
            while not on.box.asked:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        assert len(on.provider.visits) == 1
        await on.page.until("nextvoice.reconnected")
        await on.asked()
