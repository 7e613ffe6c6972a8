"""A provider whose connection breaks, and the session that takes its place."""

from __future__ import annotations

import asyncio
import base64

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.bridge import Limits, Tap, line, pulse
from realtime.bridge.dialects import DIALECTS, Timeouts
from realtime.bridge.upstream import open_upstream
from tests.bridge.doubles import Rig
from tests.bridge.test_run import HANG_UP, PCM, Running
from tests.examples import examples
from tests.scripted import (
    Close,
    Die,
    Expect,
    HangHandshake,
    Hear,
    Raw,
    Refuse,
    ScriptedProvider,
    Send,
    StopReading,
    Until,
    audio_delta,
    item_added,
    response_created,
    response_done,
    session_created,
)

pytestmark = pytest.mark.outside

SOON = Limits(reconnect_waits=(0.0, 0.01, 0.02), reconnect_try=0.3, drain_seconds=0.05)


def said(item_id, text):
    return {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": item_id,
        "transcript": text,
    }


def committed(item_id, previous=None):
    kind = "input_audio_buffer.committed"
    return {"type": kind, "item_id": item_id, "previous_item_id": previous}


def spoke(item_id, text):
    return {"type": "response.output_audio_transcript.delta", "item_id": item_id, "delta": text}


def words(visit):
    """The conversation that a provider's session was told, as roles and text."""
    items = [event["item"] for event in visit.of_type("conversation.item.create")]
    return [(item["role"], item["content"][0]["text"]) for item in items]


async def mended(*scripts, during=None, **options):
    """A call whose first session breaks, and which is hung up once it has been reconnected. Returns
    it and the provider."""
    async with ScriptedProvider(*scripts) as provider:
        running = Running(provider, limits=SOON, **options)
        await running.page.until("nextvoice.reconnected")
        if during is not None:
            await during(running, provider)
        running.page.say(HANG_UP)
        record = await running.record()
        for visit in provider.visits:
            await visit.over.wait()
    assert record.reason == "hang_up"
    return running, provider


BREAKS = [
    Die(),
    Close(1001, "Your session hit the maximum duration of 60 minutes."),
    Close(1001),
    Close(1011),
    Close(1012),
    Close(1013),
]


@pytest.mark.parametrize("step", BREAKS, ids=["cut", "limit", "1001", "1011", "1012", "1013"])
async def test_a_break_is_mended_with_the_conversation_so_far(step):
    first = [
        Send(session_created()),
        Expect("conversation.item.create"),
        Send(
            committed("u1"),
            item_added("u1", None),
            said("u1", "Tell me a story."),
            response_created(),
            item_added("item_a", "u1", "assistant"),
            spoke("item_a", "Once upon"),
            audio_delta(PCM),
        ),
        step,
    ]
    history = [{"type": "message", "role": "user", "content": [{"text": "I am Ann."}]}]
    running, provider = await mended(first, [Send(session_created("sess_2"))], history=history)
    page = running.page
    assert words(provider.visits[1]) == [
        ("user", "I am Ann."),
        ("user", "Tell me a story."),
        ("assistant", "Once upon"),
    ]
    kinds = page.types()
    done, attempt, again = (
        kinds.index(kind)
        for kind in ("response.done", "nextvoice.reconnecting", "nextvoice.reconnected")
    )
    assert done < attempt < again
    assert page.frames[attempt] == {"type": "nextvoice.reconnecting", "attempt": 1}
    assert page.frames[again]["session"]["id"] == "sess_2"
    assert kinds.count("nextvoice.ready") == 1
    # Recorder and page end the answer as interrupted: its item is part of the response.
    response = page.frames[done]["response"]
    assert (response["status"], response["status_details"]["reason"]) == (
        "incomplete",
        "connection_lost",
    )
    assert [(i["id"], i["status"]) for i in response["output"]] == [("item_a", "incomplete")]
    assert running.tap.events[-2]["response"] == response
    # The answer broke off, so nobody is answered twice.
    assert provider.visits[1].of_type("response.create") == []


async def test_a_provider_that_falls_silent_in_an_answer_is_replaced():
    quick = Timeouts(ping_every=0.02, ping_wait=0.2, close=0.1)
    first = [
        Send(session_created(), response_created(), item_added("item_a", None, "assistant")),
        Send(spoke("item_a", "Once upon"), audio_delta(PCM)),
        StopReading(),
    ]
    async with ScriptedProvider(first, [Send(session_created("sess_2"))]) as provider:
        running = Running(provider, limits=SOON, target={"timeouts": quick})
        await running.page.until("nextvoice.reconnected")
        running.page.say(HANG_UP)
        assert (await running.record()).reason == "hang_up"
        await provider.visits[1].over.wait()
    assert words(provider.visits[1]) == [("assistant", "Once upon")]
    done = running.page.frames[running.page.types().index("response.done")]["response"]
    assert (done["status"], done["status_details"]["reason"]) == ("incomplete", "connection_lost")


def test_silence_is_noticed_soon_and_from_anybody_within_half_a_minute():
    usual = Timeouts()
    assert usual.ping_every + usual.ping_wait <= 12
    assert usual.ping_every + usual.ping_wait * pulse.IGNORANT <= 30


@pytest.mark.parametrize("kept", [True, False])
async def test_what_is_said_to_a_provider_that_has_gone_silent_reaches_the_next_whole(kept):
    quick = Timeouts(ping_every=0.02, ping_wait=0.4, close=0.1)
    gate = asyncio.Event()
    first = [Send(session_created()), Expect("session.update"), Hear(1920)]
    first += [Send({"type": "session.updated", "session": {}}), Until(gate), StopReading()]
    pieces = [bytes([1 + n]) * 1920 for n in range(80)]
    whole = b"".join(pieces)
    async with ScriptedProvider(first, [Send(session_created("sess_2"))]) as provider:
        running = Running(provider, limits=SOON, target={"timeouts": quick})
        await running.page.until("nextvoice.ready")
        if kept:
            # Somebody who keeps what was sent; see `Recorder.keep_for`.
            running.call.tail.recall = lambda start, count: whole[start : start + count]
        running.page.say(pieces[0])
        await running.page.until("session.updated")
        await _until(lambda: running.call.proven == 960)
        gate.set()
        for pcm in pieces[1:]:
            running.page.say(pcm)
        await running.page.until("nextvoice.reconnected")
        await provider.visits[1].hear(len(whole))
        running.page.say(HANG_UP)
        await running.record()
    # Nobody was said to speak, and it is more than the half second a word may take to be found.
    assert bytes(provider.visits[1].audio) == whole


async def test_what_is_said_meanwhile_reaches_the_next_session():
    gate = asyncio.Event()

    async with ScriptedProvider(
        [Send(session_created()), Hear(1920), Die()],
        [Until(gate), Send(session_created("sess_2"))],
    ) as provider:
        running = Running(provider, limits=Limits(onset_seconds=0))
        await running.page.until("nextvoice.ready")
        running.page.say(PCM)
        await running.page.until("nextvoice.reconnecting")
        await provider.visit(1)
        running.page.say(PCM)
        running.page.say({"type": "input_audio_buffer.commit"})
        gate.set()
        async with asyncio.timeout(3):
            await provider.visits[1].expect("input_audio_buffer.commit")
        assert bytes(provider.visits[1].audio) == PCM
        running.page.say(HANG_UP)
        await running.record()
    # One line of time for the whole call.
    assert [start for _, start in running.tap.user_audio] == [0, 960]


async def test_an_answer_that_was_owed_is_asked_for_again():
    turn = [committed("u1"), item_added("u1", None), said("u1", "What time is it?")]
    first = [Send(session_created()), Send(*turn, response_created()), Die()]
    second = [Send(session_created("sess_2")), Expect("response.create")]

    async def during(running, provider):
        await _until(lambda: provider.visits[1].of_type("response.create"))

    _, provider = await mended(first, second, during=during)
    assert words(provider.visits[1]) == [("user", "What time is it?")]
    assert provider.visits[1].problem is None


async def test_a_turn_that_was_lost_before_its_words_came_is_told():
    first = [Send(session_created()), Send(committed("u1"), item_added("u1", None)), Die()]
    running, _ = await mended(first, [Send(session_created("sess_2"))])
    notices = [f["code"] for f in running.page.frames if isinstance(f, dict) and "code" in f]
    assert notices == ["turn_lost"]
    assert "conversation.item.input_audio_transcription.failed" in running.page.types()


async def test_a_turn_at_which_the_provider_breaks_each_time_is_given_again_once():
    by_hand = {"audio": {"input": {"turn_detection": None}}}
    script = [Send(session_created()), Expect("input_audio_buffer.commit"), Send(committed("u1"))]
    async with ScriptedProvider([*script, Die()], [*script, Die()], script) as provider:
        running = Running(provider, limits=SOON)
        await running.page.until("nextvoice.ready")
        running.page.say({"type": "session.update", "session": by_hand})
        for _ in range(50):
            running.page.say(PCM)
        running.page.say({"type": "input_audio_buffer.commit"})
        running.page.say({"type": "response.create"})
        await running.page.until("nextvoice.notice")
        running.page.say(HANG_UP)
        assert (await running.record()).reason == "hang_up"
    assert [len(visit.audio) for visit in provider.visits] == [96_000, 96_000, 0]
    codes = [f["code"] for f in running.page.frames if isinstance(f, dict) and "code" in f]
    assert codes == ["turn_lost"]


async def test_a_turn_is_answered_that_was_written_down_as_far_as_anybody_knows():
    kind = "conversation.item.input_audio_transcription.delta"
    turn = [committed("u1"), item_added("u1", None)]
    turn += [{"type": kind, "item_id": "u1", "delta": each} for each in ("What time", " is it?")]
    second = [Send(session_created("sess_2")), Expect("response.create")]

    async def during(running, provider):
        await _until(lambda: provider.visits[1].of_type("response.create"))

    running, provider = await mended(
        [Send(session_created()), Send(*turn), Die()], second, during=during
    )
    assert words(provider.visits[1]) == [("user", "What time is it?")]
    kinds = running.page.types()
    assert [f["code"] for f in running.page.frames if isinstance(f, dict) and "code" in f] == []
    # Nobody waits for more of it.
    assert kinds.count("conversation.item.input_audio_transcription.failed") == 1


async def test_an_answer_whose_words_came_without_their_sound_is_asked_for_again():
    turn = [committed("u1"), item_added("u1", None), said("u1", "What time is it?")]
    answer = [response_created(), item_added("a1", "u1", "assistant"), spoke("a1", "It is")]
    place = {"response_id": "resp_1", "output_index": 0}
    message = {"id": "a1", "type": "message", "role": "assistant", "content": []}
    added = {"type": "response.output_item.added", "item": message, **place}
    answer.insert(1, added)
    second = [Send(session_created("sess_2")), Expect("response.create")]

    async def during(running, provider):
        await _until(lambda: provider.visits[1].of_type("response.create"))

    running, provider = await mended(
        [Send(session_created()), Send(*turn, *answer), Die()], second, during=during
    )
    assert words(provider.visits[1]) == [("user", "What time is it?")]
    assert [f["code"] for f in running.page.frames if isinstance(f, dict) and "code" in f] == []


async def test_no_turn_is_lost_where_the_provider_only_asked_who_is_there():
    silence = {"item_id": "u1", "audio_start_ms": 0, "audio_end_ms": 5000}
    asked = Send(
        {"type": "input_audio_buffer.timeout_triggered", **silence},
        committed("u1"),
        item_added("u1", None),
    )
    running, provider = await mended(
        [Send(session_created()), asked, Die()], [Send(session_created("sess_2"))]
    )
    assert [f["code"] for f in running.page.frames if isinstance(f, dict) and "code" in f] == []
    assert "conversation.item.input_audio_transcription.failed" not in running.page.types()
    assert provider.visits[1].of_type("response.create") == []


async def test_a_session_that_expires_with_an_error_alone_is_replaced():
    error = {"type": "invalid_request_error", "code": "session_expired", "message": "60 minutes."}
    gate = asyncio.Event()
    first = [Send(session_created()), Send({"type": "error", "error": error}), Until(gate)]
    running, _ = await mended(first, [Send(session_created("sess_2"))])
    assert "error" not in running.page.types()


async def test_a_try_that_fails_is_followed_by_another():
    scripts = [
        [Send(session_created()), Die()],
        [Refuse(503)],
        [HangHandshake()],
        [Send(session_created("sess_2"))],
    ]
    running, _ = await mended(*scripts)
    attempts = [f for f in running.page.frames if f["type"] == "nextvoice.reconnecting"]
    assert [f["attempt"] for f in attempts] == [1, 2, 3]


async def test_after_all_tries_the_call_ends_for_its_first_reason():
    async with ScriptedProvider([Send(session_created()), Close(1012)], [Refuse(503)]) as provider:
        running = Running(provider, limits=SOON)
        record = await running.record()
        assert len(provider.refused) == 3
    assert (record.reason, record.detail) == ("provider_gone", "closed with 1012")


async def test_a_provider_that_breaks_again_and_again_is_given_up():
    async with ScriptedProvider([Send(session_created()), Die()]) as provider:
        running = Running(provider, limits=SOON)
        assert (await running.record()).reason == "provider_gone"
        assert len(provider.visits) == 4


async def test_a_session_that_was_fine_for_a_while_gives_new_tries():
    limits = Limits(reconnect_waits=(0.0,), reconnect_settled=-1.0)
    dying = [Send(session_created()), Die()]
    last = [Send(session_created("last"))]
    async with ScriptedProvider(dying, dying, dying, last) as provider:
        running = Running(provider, limits=limits)
        await running.page.until("nextvoice.reconnected", 3)
        running.page.say(HANG_UP)
        assert (await running.record()).reason == "hang_up"


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (Close(1000), "provider_gone"),
        (Close(1008, "policy"), "provider_error"),
        (Close(4000), "provider_error"),
        (Close(4001), "provider_refused_key"),
        (Close(1011, "insufficient_quota"), "provider_quota"),
        (Raw("x" * 4_200_000), "provider_error"),
    ],
    ids=["1000", "1008", "4000", "key", "quota", "oversize"],
)
async def test_what_cannot_be_mended_is_not_tried_again(step, reason):
    async with ScriptedProvider([Send(session_created()), step]) as provider:
        running = Running(provider, limits=SOON)
        record = await running.record()
        assert len(provider.visits) == 1
    assert record.reason == reason
    assert "nextvoice.reconnecting" not in running.page.types()


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [(Refuse(401), "provider_refused_key"), (Refuse(404), "provider_unknown_model")],
    ids=["401", "404"],
)
async def test_a_refusal_meanwhile_ends_the_call_at_once(refusal, reason):
    async with ScriptedProvider([Send(session_created()), Die()], [refusal]) as provider:
        running = Running(provider, limits=SOON)
        record = await running.record()
        assert len(provider.refused) == 1
    assert record.reason == reason


async def test_the_first_connection_is_tried_once():
    async with ScriptedProvider([Refuse(503)]) as provider:
        running = Running(provider, limits=SOON)
        assert (await running.record()).reason == "provider_unreachable"
        assert len(provider.refused) == 1


async def test_hanging_up_while_reconnecting_ends_at_once():
    async with ScriptedProvider([Send(session_created()), Die()], [HangHandshake()]) as provider:
        running = Running(provider, limits=Limits())
        await running.page.until("nextvoice.reconnecting")
        running.page.say(HANG_UP)
        assert (await running.record()).reason == "hang_up"


class Owed(Tap):
    """A tap that waits for the usage of a turn whose session is gone."""

    lingers = awaits_usage = True


async def test_hanging_up_while_reconnecting_opens_no_session_for_what_is_still_owed():
    go = asyncio.Event()
    second = [Until(go), Send(session_created("sess_2"))]
    async with ScriptedProvider([Send(session_created()), Die()], second) as provider:
        running = Running(provider, limits=SOON, taps=[Owed()])
        visit = await provider.visit(1)
        running.page.say(HANG_UP)
        await running.page.until("nextvoice.ended")
        go.set()
        assert (await running.record()).reason == "hang_up"
        await visit.over.wait()
    assert visit.events == []


async def test_a_session_that_comes_as_the_call_ends_is_closed_unused(monkeypatch):
    async def ending(*args, **options):
        upstream = await open_upstream(*args, **options)
        if running.tap.events:
            running.call.end("idle")
        return upstream

    monkeypatch.setattr(line, "open_upstream", ending)
    first = [Send(session_created()), Expect("session.update"), Die()]
    async with ScriptedProvider(first, [Send(session_created("sess_2"))]) as provider:
        running = Running(provider, limits=SOON)
        assert (await running.record()).reason == "idle"
        await provider.visits[1].over.wait()
    assert provider.visits[1].events == []
    assert provider.visits[1].closed.code == 1000


# The core, without a connection


def truncate(ms):
    place = {"item_id": "item_a", "content_index": 0, "audio_end_ms": ms}
    return {"type": "conversation.item.truncate", **place}


def broken_answer():
    rig = Rig()
    rig.provider(
        response_created(),
        item_added("item_a", None, "assistant"),
        audio_delta(bytes(48_000)),
        spoke("item_a", "Once upon a time there was"),
    )
    rig.call.detach()
    rig.browser.take()
    rig.upstream.take()
    return rig


def test_an_answer_cut_while_nobody_is_there_is_told_to_page_and_taps_and_remembered():
    rig = broken_answer()
    rig.page(truncate(400))
    assert rig.browser.types() == ["conversation.item.truncated"]
    assert rig.tap.events[-1]["audio_end_ms"] == 400
    rig.attach("sess_2")
    [item] = [f["item"] for f in rig.upstream.frames if "item" in f]
    assert item["content"] == [{"type": "output_text", "text": "Once upon a"}]


@pytest.mark.parametrize("over", [True, False])
def test_an_answer_that_broke_off_is_remembered_as_far_as_it_was_heard_until_it_is_cut(over):
    rig = Rig()
    rig.provider(response_created(), item_added("item_a", None, "assistant"))
    place = {"item_id": "item_a", "content_index": 0}
    rig.provider(audio_delta(bytes(48_000)), spoke("item_a", "Once upon a time there was"))
    if over:
        # The page goes on with it.
        rig.provider(response_done())
    rig.page({"type": "nextvoice.played", "audio_end_ms": 400, **place})
    rig.call.detach()
    rig.upstream.take()
    rig.attach("sess_2")
    [item] = [f["item"] for f in rig.upstream.frames if "item" in f]
    assert item["content"][0]["text"] == "Once upon a" + (" time there was" if over else "")


def test_an_answer_of_the_last_session_is_not_cut_in_the_next():
    rig = broken_answer()
    rig.attach("sess_2")
    rig.upstream.take()
    rig.page(truncate(400))
    assert rig.upstream.frames == []
    assert rig.tap.events[-1]["type"] == "conversation.item.truncated"


def test_stopping_an_answer_that_is_gone_asks_for_none():
    rig = Rig()
    rig.provider(committed("u1"), item_added("u1", None), said("u1", "Hm?"), response_created("r1"))
    rig.call.detach()
    rig.page({"type": "response.cancel"})
    rig.upstream.take()
    rig.attach("sess_2")
    assert rig.upstream.types() == ["session.update", "conversation.item.create"]


def test_stopping_takes_back_what_was_asked_while_nobody_was_there():
    rig = Rig()
    rig.call.detach()
    item = {"id": "t1", "type": "message", "role": "user"}
    item["content"] = [{"type": "input_text", "text": "Hello"}]
    rig.page({"type": "conversation.item.create", "item": item}, {"type": "response.create"})
    rig.page({"type": "response.cancel"})
    rig.attach("sess_2")
    assert rig.upstream.types() == ["session.update", "conversation.item.create"]


def test_a_typed_message_whose_echo_never_came_is_told_again_and_shown_once():
    rig = Rig()
    item = {"id": "t1", "type": "message", "role": "user"}
    item["content"] = [{"type": "input_text", "text": "Hello"}]
    rig.page({"type": "conversation.item.create", "item": item}, {"type": "response.create"})
    rig.call.detach()
    rig.browser.take()
    rig.upstream.take()
    rig.attach("sess_2")
    assert rig.upstream.types() == ["session.update", "conversation.item.create", "response.create"]
    rig.provider(item_added("t1", None), item_added("t1", None))
    assert rig.browser.types() == ["session.created", "conversation.item.added"]


def test_somebody_who_was_speaking_is_no_longer_shown_speaking():
    rig = Rig()
    start = {"type": "input_audio_buffer.speech_started", "item_id": "u1", "audio_start_ms": 0}
    rig.provider(start)
    rig.browser.take()
    rig.call.detach()
    assert rig.browser.types() == ["input_audio_buffer.speech_stopped"]


def test_items_of_the_last_session_are_shown_once():
    rig = Rig()
    rig.provider(item_added("u1", None), said("u1", "Hi"), response_done())
    rig.call.detach()
    rig.attach("sess_2")
    rig.browser.take()
    rig.provider(item_added("u1", None), item_added("u2", "u1"))
    assert [f["item"]["id"] for f in rig.browser.frames] == ["u2"]
    assert rig.call.items.order() == ["u1", "u2"]


def exchange(question, answer):
    """A turn and its answer, from a provider that counts items from the beginning in each
    session."""
    place = {"response_id": "r1", "item_id": "item_2", "output_index": 0, "content_index": 0}
    item = {"id": "item_2", "type": "message", "role": "assistant", "content": []}
    output = {"type": "response.output_item.added", "response_id": "r1", "output_index": 0}
    start = {"type": "input_audio_buffer.speech_started", "item_id": "item_1", "audio_start_ms": 0}
    return (
        start,
        committed("item_1"),
        item_added("item_1", None),
        said("item_1", question),
        response_created("r1"),
        output | {"item": item},
        item_added("item_2", "item_1", "assistant"),
        spoke("item_2", answer) | place,
        audio_delta(PCM, "item_2") | place,
        response_done("r1", output=[item]),
    )


@pytest.mark.parametrize(
    ("name", "echoed"),
    [("openai_ga", True), ("openai_ga", False), ("openai_beta", False), ("qwen", False)],
)
def test_items_counted_from_the_beginning_again_are_other_items(name, echoed):
    rig = Rig(attached=False)
    rig.attach(dialect=DIALECTS[name]())
    rig.provider(*exchange("One?", "One."))
    for number in (2, 3):
        rig.call.detach()
        rig.attach(f"sess_{number}", dialect=DIALECTS[name]())
        rig.browser.take()
        told = [f["item"]["id"] for f in rig.upstream.take() if "item" in f]
        if echoed:
            rig.provider(item_added("item_1", None), item_added("item_2", "item_1", "assistant"))
            assert (told[:2], rig.browser.types()) == (["item_1", "item_2"], [])
        rig.provider(*exchange(f"Part {number}?", f"Part {number}."))
    memory = rig.call.memory
    words = ["One?", "One.", "Part 2?", "Part 2.", "Part 3?", "Part 3."]
    assert [memory.text(each) for each in memory.order()] == words
    # Everybody is told of the same names, and the provider of its own.
    frames = [f for f in rig.browser.frames if isinstance(f, dict)]
    added = [f["item"]["id"] for f in frames if f["type"] == "conversation.item.added"]
    assert memory.order()[4:] == added
    assert {each[0] for each in rig.tap.assistant_audio} == {*memory.order()[1::2]}
    rig.upstream.take()
    rig.page({"type": "conversation.item.delete", "item_id": memory.order()[4]})
    if name != "qwen":  # which cannot be told to
        assert rig.upstream.take()[0]["item_id"] == "item_1"
        rig.provider({"type": "conversation.item.deleted", "item_id": "item_1"})
    assert [memory.text(each) for each in memory.order()] == words[:4] + words[5:]


def test_items_under_the_names_of_an_earlier_call_are_other_items():
    rig = Rig(attached=False)
    rig.call.memory.elsewhere = {"item_1"}
    rig.attach()
    rig.provider(*exchange("Two?", "Two."))
    memory = rig.call.memory
    assert [memory.text(each) for each in memory.order()] == ["Two?", "Two."]
    assert memory.order()[0] != "item_1" and memory.order()[1] == "item_2"


def test_a_turn_that_begins_under_the_name_of_one_that_broke_off_is_another():
    rig = Rig()
    start, *_ = exchange("", "")
    rig.provider(start)
    rig.call.detach()
    rig.attach("sess_2")
    rig.browser.take()
    rig.provider(start)
    assert rig.browser.frames[0]["item_id"] != start["item_id"]


@pytest.mark.parametrize("name", ["openai_ga", "qwen"])
def test_what_an_item_of_the_last_session_is_asked_for_harms_none_of_its_name(name):
    rig = Rig(attached=False)
    rig.attach(dialect=DIALECTS[name]())
    rig.provider(*exchange("One?", "One."))
    rig.call.detach()
    rig.attach("sess_2", dialect=DIALECTS[name]())
    rig.provider(*exchange("Two?", "Two."))
    rig.upstream.take()
    rig.page({"type": "conversation.item.delete", "item_id": "item_1"})
    assert "item_1" not in [f.get("item_id") for f in rig.upstream.take()]
    memory = rig.call.memory
    words = ["One?", "One.", "Two?", "Two."] if name == "openai_ga" else ["One.", "Two?", "Two."]
    assert [memory.text(each) for each in memory.order()] == words


async def _until(found):
    async with asyncio.timeout(3):
        while not found():  # noqa: ASYNC110 (a test may poll)
            await asyncio.sleep(0.002)


FRAME = 1920
"""40 ms."""


class Hearing:
    """An upstream leg with a provider that detects turns: from loud frames on until twelve quiet
    ones. Its events come `late` frames later."""

    def __init__(self, rig, name, late):
        self.rig, self.name, self.late = rig, name, late
        self.heard = []
        self.turn, self.turns = None, 0
        self.coming = []

    def send(self, frame):
        event = orjson.loads(frame)
        if event["type"] == "input_audio_buffer.append":
            pcm = base64.b64decode(event["audio"])
            for at in range(0, len(pcm), FRAME):
                self.hear(pcm[at])

    def hear(self, loud):
        self.heard.append(loud)
        ms = 40 * len(self.heard)
        if self.turn is None and self.heard[-3:] == [1, 1, 1]:
            self.turn = ms - 120
            self.turns += 1
            self.say("speech_started", audio_start_ms=self.turn)
        elif self.turn is not None and not any(self.heard[-12:]):
            spoken = sum(self.heard[self.turn // 40 :])
            self.turn = None
            self.say("speech_stopped", audio_end_ms=ms)
            self.say("committed", previous_item_id=None, spoken=spoken)
            self.coming.append((self.late, said(self.coming[-1][1]["item_id"], "Words.")))

    def say(self, kind, **fields):
        event = {"type": f"input_audio_buffer.{kind}", "item_id": f"{self.name}_{self.turns}"}
        event |= fields
        self.coming.append((self.late, event))

    def pass_by(self):
        due = [event for late, event in self.coming if late <= 0]
        self.coming = [(late - 1, event) for late, event in self.coming if late > 0]
        self.rig.provider(*due)


@settings(max_examples=examples(25), deadline=None)
@given(
    frames=st.integers(3, 200),
    breaks=st.integers(0, 230),
    away=st.integers(0, 250),
    late=st.integers(0, 5),
    kept=st.booleans(),
)
def test_wherever_a_session_breaks_what_is_said_is_one_whole_turn(frames, breaks, away, late, kept):
    rig = Rig(attached=False)
    if kept:
        rig.call.tail.recall = lambda start, count: b"".join(pcm for pcm, _ in rig.tap.user_audio)[
            start : start + count
        ]

    def attach(name):
        rig.upstream = Hearing(rig, name, late)
        rig.attach(name)

    attach("sess_1")
    for n, loud in enumerate([0] * 10 + [1] * frames + [0] * 60):
        rig.clock.now += 0.04
        if n == breaks:
            rig.call.detach()
        if n == breaks + away:
            rig.call.detach()
            attach("sess_2")
        rig.call.from_browser(bytes([loud]) * FRAME)
        if rig.call.upstream is not None:
            rig.upstream.pass_by()
    if rig.call.upstream is None:
        attach("sess_2")
    for _ in range(10):
        rig.upstream.pass_by()
    turns = [event["spoken"] for event in rig.tap.events if "spoken" in event]
    assert turns == [frames]


@settings(max_examples=examples(25), deadline=None)
@given(
    turns=st.lists(st.tuples(st.integers(6, 90), st.sampled_from([13, 30, 70])), max_size=3),
    breaks=st.lists(st.tuples(st.integers(0, 90), st.integers(1, 90)), max_size=3),
    late=st.integers(0, 5),
    kept=st.booleans(),
)
def test_however_often_sessions_break_each_turn_is_heard_once(turns, breaks, late, kept):
    rig = Rig(attached=False)
    if kept:
        rig.call.tail.recall = lambda start, count: b"".join(pcm for pcm, _ in rig.tap.user_audio)[
            start : start + count
        ]
    frames = [0] * 10
    for loud, quiet in turns:
        frames += [1] * loud + [0] * quiet
    there = []
    for after, away in breaks:
        there += [True] * after + [False] * away
    frames += [0] * max(60, len(there) - len(frames))
    there += [True] * (len(frames) - len(there))
    sessions = 0
    for loud, here in zip([*frames, 0], [*there, True], strict=True):
        rig.clock.now += 0.04
        if not here:
            rig.call.detach()
        elif rig.call.upstream is None:
            sessions += 1
            rig.upstream = Hearing(rig, f"turn_{sessions}", late)
            rig.attach(f"sess_{sessions}")
        rig.call.from_browser(bytes([loud]) * FRAME)
        if here:
            rig.upstream.pass_by()
    for _ in range(10):
        rig.upstream.pass_by()
    heard = [event["spoken"] for event in rig.tap.events if "spoken" in event]
    assert len(heard) == len(turns)
    # What began while the turn before was about to be committed is cut short by so much.
    assert all(loud - 8 <= got <= loud for got, (loud, _) in zip(heard, turns, strict=True))
