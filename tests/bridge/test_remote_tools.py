"""MCP tools that the provider calls itself: shown as tool calls, and approved by the person."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from realtime.bridge.remote_tools import LISTING, MOST, NOT_LISTED
from tests.bridge.test_approvals import approvals, say, waiting
from tests.bridge.test_tools import OPENING, SLOW, Box, Scene, scene
from tests.scripted import (
    Die,
    Expect,
    Send,
    Step,
    Until,
    audio_delta,
    response_created,
    response_done,
    session_created,
)

pytestmark = pytest.mark.outside

PLACE = {"response_id": "resp_1", "output_index": 0}
ASKING = {"id": "mcpr_1", "type": "mcp_approval_request", "server_label": "Wiki", "name": "edit"}
ASKING |= {"arguments": '{"page": "Home"}'}
CALLING = {"id": "mcp_1", "type": "mcp_call", "server_label": "Wiki", "name": "edit"}
CALLING |= {"arguments": ""}


def requested(**fields: Any) -> Send:
    item = ASKING | fields
    return Send(
        response_created(),
        {"type": "conversation.item.added", "previous_item_id": None, "item": item},
        {"type": "response.output_item.added", **PLACE, "item": item},
        {"type": "response.output_item.done", **PLACE, "item": item},
        {"type": "conversation.item.done", "previous_item_id": None, "item": item},
        response_done(output=[item]),
    )


def called(outcome: str = "completed", /, **fields: Any) -> list[dict[str, Any]]:
    """The events of one MCP call that the provider makes."""
    place = PLACE | {"item_id": "mcp_1"}
    kind = "response.mcp_call"
    item = CALLING | {"approval_request_id": fields.pop("approval_request_id", None)}
    whole = item | {"arguments": '{"page": "Home"}'} | fields
    return [
        {"type": "conversation.item.added", "previous_item_id": None, "item": item},
        {"type": "response.output_item.added", **PLACE, "item": item},
        {"type": f"{kind}_arguments.delta", **place, "delta": '{"page"'},
        {"type": f"{kind}_arguments.delta", **place, "delta": ': "Home"}'},
        {"type": f"{kind}_arguments.done", **place, "arguments": '{"page": "Home"}'},
        {"type": f"{kind}.in_progress", "item_id": "mcp_1", "output_index": 0},
        {"type": f"{kind}.{outcome}", "item_id": "mcp_1", "output_index": 0},
        {"type": "response.output_item.done", **PLACE, "item": whole},
        {"type": "conversation.item.done", "previous_item_id": None, "item": whole},
    ]


def told(on: Scene) -> list[dict[str, Any]]:
    return [event for event in on.tap.events if event["type"] == "nextvoice.tool"]


def answers(on: Scene) -> list[tuple[str, bool]]:
    items = [event["item"] for event in on.visit.of_type("conversation.item.create")]
    assert {item["type"] for item in items} <= {"mcp_approval_response"}
    return [(item["approval_request_id"], item["approve"]) for item in items]


async def until(on: Scene, found: Any) -> None:
    async with asyncio.timeout(5):
        while not found():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def after(*events: dict[str, Any], box: Box | None = None) -> Scene:
    """A call in which the provider has sent these events, and all of them have been handled."""
    script: list[Step] = [*OPENING, Send(*events, response_done())]
    async with scene(script, box=box) as on:
        await on.page.until("response.done")
        await asyncio.sleep(0)
    return on


async def test_a_call_is_one_card_from_its_first_event_to_its_result() -> None:
    on = await after(response_created(), *called(output="Saved."))
    assert {event["item_id"] for event in told(on)} == {"mcp_1"}
    first, last = told(on)[0], told(on)[-1]
    assert (first["state"], first["server"], first["label"]) == ("in_progress", "Wiki", "edit")
    assert (last["state"], last["arguments"], last["output"]) == (
        "completed",
        '{"page": "Home"}',
        "Saved.",
    )
    assert on.visit.types() == ["session.update"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"type": "protocol_error", "code": 32601, "message": "No such tool"}, "No such tool"),
        ({"type": "tool_execution_error", "message": "The page is locked"}, "The page is locked"),
        ({"type": "http_error", "code": 502, "message": "Bad gateway"}, "Bad gateway"),
        ("in words", "in words"),
        ({"type": "http_error"}, "The call failed."),
        ([1], "The call failed."),
    ],
)
async def test_a_call_that_failed_says_why(error: object, words: str) -> None:
    on = await after(response_created(), *called("failed", error=error))
    assert (told(on)[-1]["state"], told(on)[-1]["output"]) == ("failed", words)


async def test_a_result_that_comes_before_the_end_is_kept() -> None:
    *events, last, _ = called(output="Saved.")
    on = await after(response_created(), last, *events)
    assert [event["state"] for event in told(on)] == ["in_progress", "completed"]
    assert told(on)[-1]["output"] == "Saved."


async def test_a_request_is_answered_once_the_person_allowed_it_and_its_call_is_the_same_card() -> (
    None
):
    running = Send(response_created("resp_2"), *called(approval_request_id="mcpr_1", output="OK"))
    async with scene([*OPENING, requested(), Expect("conversation.item.create"), running]) as on:
        await waiting(on)
        assert on.visit.types() == ["session.update"]
        say(on, True, "mcpr_1")
        say(on, True, "mcpr_1")
        await until(on, lambda: told(on)[-1]["state"] == "completed")
    assert answers(on) == [("mcpr_1", True)]
    assert {(event["item_id"], event["call_id"]) for event in told(on)} == {("mcpr_1", "mcpr_1")}
    assert approvals(on)[:2] == [("awaiting_approval", None), ("in_progress", "approved")]
    assert told(on)[-1]["output"] == "OK"
    # The provider goes on by itself.
    assert on.visit.of_type("response.create") == []


@pytest.mark.parametrize(("silent", "word"), [(False, "declined"), (True, "unanswered")])
async def test_a_request_that_is_not_allowed_is_answered_so(silent: bool, word: str) -> None:
    seconds = SLOW if silent else 5.0
    async with scene([*OPENING, requested()], tool_ask_seconds=seconds) as on:
        await waiting(on)
        if not silent:
            say(on, False, "mcpr_1")
        await until(on, lambda: answers(on))
    assert answers(on) == [("mcpr_1", False)]
    assert approvals(on)[-1] == ("declined", word)


async def test_who_wishes_so_is_not_asked_again_about_the_same_tool() -> None:
    again, other = requested(id="mcpr_2"), requested(id="mcpr_3", server_label="Other")
    script = [*OPENING, requested(), Expect("conversation.item.create"), again]
    script += [Expect("conversation.item.create"), other]
    async with scene(script) as on:
        await waiting(on)
        say(on, True, "mcpr_1", remember=True)
        await until(on, lambda: told(on)[-1]["item_id"] == "mcpr_3")
    assert answers(on) == [("mcpr_1", True), ("mcpr_2", True)]


async def test_breaking_in_on_the_answer_that_asked_is_no_approval() -> None:
    go = asyncio.Event()
    added = {"type": "response.output_item.added", **PLACE, "item": ASKING}
    asks = Send(response_created(), audio_delta(bytes(960)), added)
    script = [*OPENING, asks, Until(go), Send(response_done(status="cancelled"))]
    async with scene(script) as on:
        await waiting(on)
        go.set()
        await until(on, lambda: answers(on))
        say(on, True, "mcpr_1")
        await on.page.until("error")
    assert answers(on) == [("mcpr_1", False)]
    assert told(on)[-1]["state"] == "interrupted"


async def test_a_request_of_a_session_that_is_gone_is_stopped() -> None:
    go = asyncio.Event()
    second = [Send(session_created("sess_2")), Expect("session.update")]
    async with scene(
        [*OPENING, requested(), Until(go), Die()], second, reconnect_waits=(0.0,)
    ) as on:
        await waiting(on)
        go.set()
        await on.page.until("nextvoice.reconnected")
        say(on, True, "mcpr_1")
        await on.page.until("error")
    assert told(on)[-1]["state"] == "interrupted"
    assert on.visit.types() == ["session.update"]


async def test_hanging_up_stops_a_request_and_a_call() -> None:
    async with scene([*OPENING, requested(), Send(*called()[:6])]) as on:
        await until(on, lambda: len({event["item_id"] for event in told(on)}) == 2)
        on.page.say({"type": "nextvoice.hang_up"})
        await on.page.until("nextvoice.ended")
    last = {event["item_id"]: event["state"] for event in told(on)}
    assert last == {"mcpr_1": "interrupted", "mcp_1": "interrupted"}
    assert answers(on) == []


async def test_an_output_that_is_too_long_is_cut_and_all_of_it_is_a_file() -> None:
    async with scene(
        [*OPENING, Send(response_created(), *called(output="€" * 60_000), response_done())]
    ) as on:
        await until(on, lambda: told(on) and told(on)[-1]["attachments"])
    assert len(told(on)[-1]["output"].encode()) <= 64_000
    (whole,) = on.box.kept
    assert whole.data.decode() == "€" * 60_000


async def test_servers_that_list_their_tools_make_no_card_and_those_that_do_not_make_one() -> None:
    def listing(item_id: str, server: str) -> dict[str, Any]:
        item = {"id": item_id, "type": "mcp_list_tools", "server_label": server, "tools": []}
        return {"type": "conversation.item.added", "previous_item_id": None, "item": item}

    on = await after(
        listing("mcpl_1", "Wiki"),
        {"type": "mcp_list_tools.in_progress", "item_id": "mcpl_1"},
        {"type": "mcp_list_tools.completed", "item_id": "mcpl_1"},
        listing("mcpl_2", "Other"),
        {"type": "mcp_list_tools.failed", "item_id": "mcpl_2"},
        {"type": "mcp_list_tools.failed", "item_id": "mcpl_2"},
    )
    cards = [(event["item_id"], event["label"], event["server"]) for event in told(on)]
    assert cards == [("mcpl_2", LISTING, "Other")]
    assert (told(on)[0]["state"], told(on)[0]["output"]) == ("failed", NOT_LISTED)


ODD: list[Any] = [None, 7, [], {}, "", True]


@pytest.mark.parametrize("value", ODD, ids=json.dumps)
@pytest.mark.parametrize(
    "field", ["name", "server_label", "arguments", "output", "error", "approval_request_id"]
)
@pytest.mark.parametrize("kind", ["mcp_call", "mcp_approval_request", "mcp_list_tools"])
async def test_items_of_other_shapes_end_no_call(kind: str, field: str, value: Any) -> None:
    item = CALLING | {"type": kind, field: value}
    added = {"type": "response.output_item.added", **PLACE, "item": item}
    strange = {"type": "response.mcp_call.started_over", "item_id": "mcp_1", "output_index": 0}
    on = await after(response_created(), added, {**added, "item": [item]}, strange)
    assert {event["item_id"] for event in told(on)} <= {"mcp_1"}


async def test_in_a_long_call_the_newest_tools_are_followed() -> None:
    names = [f"mcp_{number}" for number in range(MOST + 50)]
    items = [CALLING | {"id": name, "output": "Saved."} for name in names]
    done = [{"type": "response.output_item.done", **PLACE, "item": item} for item in items]
    on = await after(response_created(), *done)
    assert [event["item_id"] for event in told(on) if event["state"] == "completed"] == names


async def test_a_provider_that_asks_without_end_is_followed_so_far() -> None:
    items = [ASKING | {"id": f"mcpr_{n}"} for n in range(MOST + 50)]
    events = [{"type": "response.output_item.added", **PLACE, "item": item} for item in items]
    on = await after(response_created(), *events)
    assert len({event["item_id"] for event in told(on)}) == MOST
