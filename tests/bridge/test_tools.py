"""Functions of our own in a call: the scripted provider calls them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.bridge import EndRecord, Limits, Tap, run_call
from realtime.bridge.tool_loop import STILL_WORKING, STOPPED, TOO_MANY
from realtime.bridge.tools import (
    Kept,
    Policy,
    Produced,
    Result,
    ToolFailed,
    fitted,
    with_tools,
)
from tests.bridge.doubles import SESSION, Page, RecordingTap
from tests.examples import examples
from tests.scripted import (
    Die,
    Expect,
    ScriptedProvider,
    Send,
    Step,
    Until,
    Visit,
    audio_delta,
    item_added,
    response_created,
    response_done,
    session_created,
)

pytestmark = pytest.mark.outside

OPENING = [Send(session_created()), Expect("session.update")]
SLOW = 0.05


class Box:
    """A toolbox for tests: it records its calls, and has a gate for its slow function."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.kept: list[Produced] = []
        self.full = False
        self.gate = asyncio.Event()
        self.begun = asyncio.Event()
        self.cancelled = False

    @property
    def offered(self) -> Sequence[dict[str, Any]]:
        names = ("echo", "wait", "huge", "fail", "break", "stuck", "draw", "send")
        return [{"type": "function", "name": name, "parameters": {}} for name in names]

    def policy(self, name: str) -> Policy:
        return "ask" if name == "send" else "free"

    def seconds(self, name: str) -> float | None:
        return None

    def describe(self, name: str) -> tuple[str, str]:
        return name.title(), f"Does {name}."

    async def keep(self, files: Sequence[Produced]) -> Kept:
        self.kept += files
        if self.full:
            raise OSError("no space left")
        names = [file.name for file in files if file.name]
        shown = tuple({"id": name, "name": name} for name in names)
        return Kept(shown, ("One has no name.",) * (len(files) - len(names)))

    async def run(self, name: str, arguments: dict[str, Any]) -> Result:
        self.asked.append((name, arguments))
        if name == "wait":
            self.begun.set()
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        if name == "stuck":
            await asyncio.Event().wait()
        if name == "huge":
            return Result("€" * 60_000, {"text": "€" * 60_000})
        if name == "draw":
            files = (Produced("a.png", "image/png", b"png"), Produced("", "text/csv", b"csv"))
            return Result("drawn", files=files * 5)
        if name == "fail":
            raise ToolFailed("There is no such place.")
        if name == "break":
            raise RuntimeError("sk-secret in a traceback")
        return Result(json.dumps(arguments), {"text": "shown"})


def wanted(
    name: str = "echo",
    arguments: str = "{}",
    call: str = "call_1",
    response: str = "resp_1",
    pieces: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """The events with which a provider calls one function."""
    place = {"response_id": response, "item_id": f"item_{call}", "output_index": 0}
    item = {"id": f"item_{call}", "type": "function_call", "name": name, "call_id": call}
    item |= {"status": "in_progress", "arguments": ""}
    whole = item | {"status": "completed", "arguments": arguments}
    kind = "response.function_call_arguments"
    said = [arguments] if pieces is None else pieces
    return [
        {"type": "response.output_item.added", **place, "item": item},
        {"type": "conversation.item.added", "previous_item_id": None, "item": item},
        *({"type": f"{kind}.delta", **place, "call_id": call, "delta": each} for each in said),
        {"type": f"{kind}.done", **place, "call_id": call, "arguments": arguments},
        {"type": "conversation.item.done", "previous_item_id": None, "item": whole},
        {"type": "response.output_item.done", **place, "item": whole},
    ]


def asking(*calls: list[dict[str, Any]], response: str = "resp_1", **done: Any) -> Send:
    """A whole response that calls functions."""
    events = [event for call in calls for event in call]
    return Send(response_created(response), *events, response_done(response, **done))


class Scene:
    def __init__(self, page: Page, provider: ScriptedProvider, box: Box, tap: RecordingTap) -> None:
        self.page, self.provider, self.box, self.tap = page, provider, box, tap

    @property
    def visit(self) -> Visit:
        return self.provider.visits[-1]

    def outputs(self) -> list[tuple[str, str]]:
        items = [event["item"] for event in self.visit.of_type("conversation.item.create")]
        outputs = [item for item in items if item["type"] == "function_call_output"]
        return [(item["call_id"], item["output"]) for item in outputs]

    def states(self) -> list[tuple[str, str]]:
        return [(event["call_id"], event["state"]) for event in self.told()]

    def told(self) -> list[dict[str, Any]]:
        """The `nextvoice.tool` events so far."""
        return [event for event in self.tap.events if event["type"] == "nextvoice.tool"]

    async def asked(self, count: int = 1) -> list[dict[str, Any]]:
        """Wait for so many requests for an answer, and return them."""
        async with asyncio.timeout(5):
            while len(self.visit.of_type("response.create")) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        return [each.get("response", {}) for each in self.visit.of_type("response.create")]


@asynccontextmanager
async def scene(
    *scripts: Sequence[Step], box: Box | None = None, **limits: Any
) -> AsyncIterator[Scene]:
    box, page, tap = box or Box(), Page(), RecordingTap()
    async with ScriptedProvider(*scripts) as provider:
        call = asyncio.create_task(
            run_call(
                page,
                provider.target(),
                with_tools(SESSION, box),
                taps=[tap],
                toolbox=box,
                limits=Limits(**limits),
            )
        )
        try:
            await page.until("nextvoice.ready")
            yield Scene(page, provider, box, tap)
        finally:
            page.leave()
            record: EndRecord = await call
            assert record.tap_errors == 0


async def one(*calls: list[dict[str, Any]], **limits: Any) -> Scene:
    """A call in which one response makes these function calls, up to the request for an answer."""
    async with scene([*OPENING, asking(*calls)], **limits) as on:
        await on.asked()
    return on


async def test_what_a_toolbox_offers_is_part_of_the_session() -> None:
    async with scene(OPENING) as on:
        await on.page.until("session.created")
    (update,) = on.visit.of_type("session.update")
    assert [tool["name"] for tool in update["session"]["tools"]] == [
        tool["name"] for tool in Box().offered
    ]
    assert update["session"]["tool_choice"] == "auto"
    shown = [frame["session"] for frame in on.page.frames if "session" in frame]
    assert [each for each in shown if "tools" in each] == []


async def test_a_dialect_without_tools_is_offered_none() -> None:
    box, page = Box(), Page()
    script = [Send(session_created()), Expect("session.update")]
    async with ScriptedProvider(script) as provider:
        target = provider.target(dialect="qwen")
        call = asyncio.create_task(run_call(page, target, with_tools(SESSION, box), toolbox=box))
        await page.until("nextvoice.ready")
        page.leave()
        await call
    (update,) = provider.visits[0].of_type("session.update")
    assert "tools" not in update["session"]


async def test_a_function_is_run_and_answered_with_one_request_for_an_answer() -> None:
    on = await one(wanted(arguments='{"city": "Rome"}'))
    assert on.box.asked == [("echo", {"city": "Rome"})]
    assert on.outputs() == [("call_1", '{"city": "Rome"}')]
    assert on.states() == [("call_1", "in_progress"), ("call_1", "completed")]
    assert on.visit.types()[1:] == ["conversation.item.create", "response.create"]
    last = on.told()[-1]
    assert (last["name"], last["arguments"], last["shown"]) == (
        "echo",
        '{"city": "Rome"}',
        {"text": "shown"},
    )
    assert [f["state"] for f in on.page.frames if f["type"] == "nextvoice.tool"] == [
        "in_progress",
        "completed",
    ]


@settings(max_examples=examples(15), deadline=None)
@given(st.lists(st.integers(0, 40), max_size=8))
def test_arguments_may_be_split_anywhere(cuts: list[int]) -> None:
    text = '{"what": "a \\"quoted\\" wörd 🎈", "n": [1, 2]}'
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(places)]
    events = wanted(arguments=text, pieces=pieces)
    # Providers that say the arguments only in pieces: neither the end nor the item has them.
    events = [e for e in events if not e["type"].endswith(("arguments.done", "item.done"))]
    done = wanted(arguments="")[-1]
    on = asyncio.run(one([*events, done]))
    assert on.box.asked == [("echo", json.loads(text))]


async def test_an_answer_that_is_told_twice_runs_nothing_again() -> None:
    *_, told = wanted(arguments='{"pay": 1}')
    again = Send(told, response_done(output=[told["item"]]))
    other = wanted(arguments='{"pay": 2}', call="call_2", response="resp_2")
    second = asking(other, response="resp_2")
    script = [*OPENING, asking(wanted(arguments='{"pay": 1}')), Expect("response.create")]
    async with scene([*script, again, second]) as on:
        await on.asked(2)
    assert on.box.asked == [("echo", {"pay": 1}), ("echo", {"pay": 2})]
    assert [call for call, _output in on.outputs()] == ["call_1", "call_2"]


@pytest.mark.parametrize("calls", [[], wanted("wait", call="call_0")])
async def test_what_is_asked_for_after_its_answer_was_cancelled_is_not_done(
    calls: list[dict[str, Any]],
) -> None:
    cancelled = Send(response_created(), *calls, response_done(status="cancelled"), *wanted())
    once_more = asking(wanted(call="call_2"))
    async with scene([*OPENING, cancelled, once_more]) as on:
        await on.asked()
    assert on.box.asked == [("echo", {})]
    assert [call for call, _output in on.outputs()][-1] == "call_2"


async def test_an_answer_under_the_id_of_another_may_ask_for_the_same() -> None:
    same = asking(wanted())
    async with scene([*OPENING, same, Expect("response.create"), same]) as on:
        await on.asked(2)
    assert on.box.asked == [("echo", {})] * 2
    # Each has a card of its own, which is kept as it was.
    cards = [each["item_id"] for each in on.told()]
    assert cards[:2] == ["item_call_1"] * 2
    assert cards[2] == cards[3] != cards[0]


async def test_several_calls_of_a_turn_run_side_by_side_and_are_answered_together() -> None:
    box = Box()
    calls = [
        wanted("wait", call="call_1"),
        wanted("echo", call="call_2"),
        wanted("fail", call="c3"),
    ]
    async with scene([*OPENING, asking(*calls)], box=box) as on:
        await on.page.until("nextvoice.tool", 5)  # three began, two are done
        assert on.visit.types() == ["session.update"]
        box.gate.set()
        await on.asked()
    assert [call for call, _output in on.outputs()] == ["call_1", "call_2", "c3"]
    assert on.visit.types().count("response.create") == 1


@pytest.mark.parametrize(
    ("name", "arguments", "output"),
    [
        ("nothing", "{}", "There is no function 'nothing'."),
        ("x" * 500, "{}", f"There is no function '{'x' * 64}'."),
        ("echo", '{"city": ', "The arguments are not valid JSON. Call it again with JSON."),
        ("echo", "[1]", "The arguments are not a JSON object. Call it again with one."),
        ("fail", "{}", "There is no such place."),
        ("break", "{}", "It failed for a reason of its own. Trying again may not help."),
        ("stuck", "{}", "It took longer than 0.05 seconds and was stopped."),
    ],
)
async def test_what_goes_wrong_is_told_to_the_model(name: str, arguments: str, output: str) -> None:
    on = await one(wanted(name, arguments), tool_seconds=SLOW)
    assert on.outputs() == [("call_1", json.dumps({"error": output}, separators=(",", ":")))]
    assert on.states()[-1] == ("call_1", "failed")
    assert len(await on.asked()) == 1


async def test_a_huge_output_is_cut_and_says_so_and_all_of_it_is_a_file() -> None:
    on = await one(wanted("huge"))
    ((_, output),) = on.outputs()
    assert len(output.encode()) <= 64_000
    _, cut, note = output.rsplit("\n", 2)
    assert note == "[The person sees the file Whole result.txt.]"
    assert cut == f"[Cut here: the first {64_000 - len(note) - 1} of 180000 bytes.]"
    (whole,) = on.box.kept
    assert (whole.name, whole.content_type) == ("Whole result.txt", "text/plain")
    assert whole.data.decode() == "€" * 60_000
    last = on.told()[-1]
    assert last["attachments"] == [{"id": whole.name, "name": whole.name}]
    assert last["shown"]["text"].endswith("\n[Cut here: the first 16000 of 180000 bytes.]")


async def test_files_are_kept_and_the_model_knows_which_the_person_sees() -> None:
    on = await one(wanted("draw"))
    assert [file.data for file in on.box.kept] == [b"png", b"csv"] * 4
    ((_, output),) = on.outputs()
    seen, refused = "\n[The person sees the file a.png.]", "\n[One has no name.]"
    assert output == "drawn" + seen * 4 + refused * 4
    last = on.told()[-1]
    assert last["attachments"] == [{"id": "a.png", "name": "a.png"}] * 4
    assert last["shown"] == {"notes": ["One has no name."] * 4}


async def test_files_that_cannot_be_kept_fail_no_call() -> None:
    box = Box()
    box.full = True
    async with scene([*OPENING, asking(wanted("draw"))], box=box) as on:
        await on.asked()
    assert on.outputs() == [("call_1", "drawn\n[Its files could not be kept.]")]
    assert on.states()[-1] == ("call_1", "completed")


@given(st.text(max_size=300), st.integers(60, 400))
def test_a_text_is_cut_between_letters(text: str, most: int) -> None:
    cut = fitted(text, most)
    assert len(cut.encode()) <= most
    assert cut == text or cut.startswith(text[:1])


async def test_a_malicious_output_stays_a_string_of_the_item() -> None:
    evil = '"}}]}\n{"type":"session.update"} <script>window.hit=1</script> \x00'
    on = await one(wanted(arguments=json.dumps({"x": evil})))
    ((_, output),) = on.outputs()
    assert json.loads(output) == {"x": evil}
    assert on.visit.types() == ["session.update", "conversation.item.create", "response.create"]


async def test_an_eleventh_call_of_a_turn_is_refused_and_no_more_are_offered() -> None:
    on = await one(*(wanted(call=f"call_{n}") for n in range(11)))
    assert len(on.box.asked) == 10
    assert json.loads(on.outputs()[-1][1]) == {"error": TOO_MANY}
    (request,) = await on.asked()
    assert request["tool_choice"] == "none"


async def test_a_model_that_only_calls_is_left_alone_in_the_end() -> None:
    steps: list[Step] = []
    for n in range(7):
        calls = [wanted(call=f"call_{n}_{k}", response=f"resp_{n}") for k in range(3)]
        steps += [asking(*calls, response=f"resp_{n}")]
        steps += [Expect("response.create")] if n < 6 else []
    async with scene([*OPENING, *steps, Expect("conversation.item.create")]) as on:
        async with asyncio.timeout(5):
            while len(on.outputs()) < 21:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
    assert len(on.box.asked) == 10
    assert len(on.visit.of_type("response.create")) == 6


async def test_a_slow_function_lets_the_assistant_say_so_and_answers_later() -> None:
    box = Box()
    script = [
        *OPENING,
        asking(wanted("wait")),
        Expect("response.create"),
        Send(response_created("resp_2"), audio_delta(bytes(960), response_id="resp_2")),
        Expect("conversation.item.create"),
        Send(response_done("resp_2")),
    ]
    async with scene(script, box=box, tool_slow_seconds=SLOW) as on:
        await on.page.until("nextvoice.audio")
        assert on.outputs() == []
        box.gate.set()
        first, second = await on.asked(2)
    assert (first["instructions"], first["tool_choice"]) == (STILL_WORKING, "none")
    assert "instructions" not in second
    # Not while the other answer was being made.
    assert on.visit.types()[1:] == [
        "response.create",
        "conversation.item.create",
        "response.create",
    ]


async def test_an_answer_that_was_interrupted_stops_its_functions_without_another() -> None:
    box = Box()
    interrupted = Send(
        response_created(), audio_delta(bytes(960)), *wanted("wait"), item_added("item_x", None)
    )
    go = asyncio.Event()
    script = [*OPENING, interrupted, Until(go), Send(response_done(status="cancelled"))]
    async with scene([*script, Expect("conversation.item.create")], box=box) as on:
        await box.begun.wait()
        go.set()
        await on.page.until("nextvoice.tool", 2)
        async with asyncio.timeout(5):
            while not on.outputs():  # noqa: ASYNC110
                await asyncio.sleep(0.002)
    assert box.cancelled
    assert on.states() == [("call_1", "in_progress"), ("call_1", "interrupted")]
    assert json.loads(on.outputs()[0][1]) == {"error": STOPPED}
    assert on.visit.of_type("response.create") == []


async def test_hanging_up_stops_what_runs_and_tells_taps_before_the_end() -> None:
    class Order(Tap):
        def __init__(self) -> None:
            self.seen: list[str] = []

        def on_event(self, event: Any) -> None:
            if event["type"] == "nextvoice.tool":
                self.seen.append(event["state"])

        def on_end(self, record: EndRecord) -> None:
            self.seen.append("end")

    box, page, order = Box(), Page(), Order()
    async with ScriptedProvider([*OPENING, asking(wanted("wait"))]) as provider:
        session = with_tools(SESSION, box)
        call = asyncio.create_task(
            run_call(page, provider.target(), session, taps=[order], toolbox=box)
        )
        await box.begun.wait()
        page.say({"type": "nextvoice.hang_up"})
        await call
    assert box.cancelled
    assert order.seen == ["in_progress", "interrupted", "end"]
    assert provider.visits[0].of_type("conversation.item.create") == []


async def test_a_result_that_comes_after_a_break_is_told_to_the_next_session_in_words() -> None:
    box, go = Box(), asyncio.Event()
    first = [*OPENING, asking(wanted("wait", '{"a": 1}')), Until(go), Die()]
    second = [Send(session_created("sess_2")), Expect("session.update")]
    waits = {"reconnect_waits": (0.0,), "tool_slow_seconds": 60.0}
    async with scene(first, second, box=box, **waits) as on:
        await box.begun.wait()
        go.set()
        await on.page.until("nextvoice.reconnected")
        box.gate.set()
        await on.asked()
    (item,) = [event["item"] for event in on.visit.of_type("conversation.item.create")]
    text = 'You called wait with {"a": 1}. The result: {"a": 1}'
    assert (item["role"], item["content"]) == ("system", [{"type": "input_text", "text": text}])


@pytest.mark.parametrize("spoken", [True, False])
async def test_a_result_that_was_not_answered_before_a_break_is_told_again_and_once(
    spoken: bool,
) -> None:
    said = {"type": "conversation.item.input_audio_transcription.completed", "item_id": "u1"}
    turn = [item_added("u1", None), {**said, "transcript": "Do it."}] if spoken else []
    first = [*OPENING, Send(*turn), asking(wanted("echo", '{"a": 1}')), Expect("response.create")]
    begun = Send(response_created("resp_2"))
    second = [Send(session_created("sess_2")), Expect("session.update", "response.create")]
    heard = Send(response_created(), audio_delta(bytes(960)), response_done())
    third = [Send(session_created("sess_3")), Expect("session.update")]
    scripts = [[*first, begun, Die()], [*second, heard, Die()], third]
    async with scene(*scripts, reconnect_waits=(0.0, 0.0)) as on:
        await on.page.until("nextvoice.reconnected", 2)
    told = [event for event in on.provider.visits[1].events if event["type"] in ASKED_OR_TOLD]
    text = 'You called echo with {"a": 1}. The result: {"a": 1}'
    assert [event["type"] for event in told[-2:]] == list(ASKED_OR_TOLD)
    assert told[-2]["item"]["content"] == [{"type": "input_text", "text": text}]
    assert len(told) == 2 + spoken
    # What was answered is not told once more.
    assert [event["type"] for event in on.visit.events if event["type"] in ASKED_OR_TOLD] == (
        ["conversation.item.create"] if spoken else []
    )
    assert on.box.asked == [("echo", {"a": 1})]


ASKED_OR_TOLD = ("conversation.item.create", "response.create")


async def test_what_the_next_session_asks_for_under_the_same_ids_is_another_turn() -> None:
    box, go = Box(), asyncio.Event()
    first = [*OPENING, asking(wanted("wait")), Until(go), Die()]
    second = [Send(session_created("sess_2")), Expect("session.update"), asking(wanted("echo"))]
    waits = {"reconnect_waits": (0.0,), "tool_slow_seconds": 60.0}
    async with scene(first, second, box=box, **waits) as on:
        await box.begun.wait()
        go.set()
        await on.asked()
        assert on.outputs() == [("call_1", "{}")]
        box.gate.set()
        await on.asked(2)
    told = [event["item"] for event in on.visit.of_type("conversation.item.create")]
    assert [item["type"] for item in told] == ["function_call_output", "message"]


async def test_arguments_and_results_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "realtime")
    on = await one(wanted(arguments='{"secret": "swordfish"}'))
    assert on.states()[-1] == ("call_1", "completed")
    assert "tool echo: completed" in caplog.text
    assert "swordfish" not in caplog.text
