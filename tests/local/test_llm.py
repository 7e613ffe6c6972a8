"""Answers from a chat completions server on loopback, through a session."""

import asyncio
from datetime import datetime
from typing import Any

import pytest

from realtime.local import conversation
from realtime.local.brain import Prompt
from realtime.local.conversation import Item, Part
from realtime.local.http import Endpoint
from realtime.local.llm import NOT_UNDERSTOOD, PENDING, ChatBrain, messages, request
from realtime.local.mouth import Speech, ToneMouth
from realtime.local.voices import Voice
from tests.local.conftest import Rooms
from tests.local.fake_http import called, plain, said, stream
from tests.local.room import quick_engine, quiet, tone, transcript

pytestmark = pytest.mark.outside

NOW = datetime(2026, 11, 22, 12, 0)


@pytest.fixture
async def llm(fake_http: Any) -> Any:
    return await fake_http()


def engine(llm: Any) -> Any:
    return quick_engine(brain=ChatBrain(Endpoint(llm.url, "k", "small-model")))


async def test_streamed_text_is_spoken(rooms: Rooms, llm: Any) -> None:
    llm.scripts = [stream(said("Good day to"), said(" you. And "), said("now?"))]
    room = rooms(engine=engine(llm))
    room.update(instructions="Be kind.")
    response = await room.ask("hi")
    assert transcript(response) == "Good day to you. And now?"
    assert llm.asked[0].path == "/v1/chat/completions"
    assert llm.asked[0].json == {
        "model": "small-model",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "hi"},
        ],
        "stream": True,
    }


async def test_what_is_marked_for_the_eye_is_said_without_the_marks(rooms: Rooms, llm: Any) -> None:
    marked = "**Two** tips. * Sleep `well`."
    llm.scripts = [stream(said(marked)), stream(said(marked))]
    room = rooms(engine=engine(llm))
    assert transcript(await room.ask("hi")) == "Two tips. Sleep well."
    written = await room.ask("hi", output_modalities=["text"])
    assert written["output"][0]["content"][0]["text"] == marked


async def test_speaking_starts_before_the_text_is_complete(rooms: Rooms, llm: Any) -> None:
    llm.scripts = [stream(said("This is the first sentence. And this"), hold=True)]
    room = rooms(engine=engine(llm))
    room.say("hi")
    room.send("response.create")
    await room.until("response.output_audio.delta")
    assert room.all("response.done") == []


async def test_interrupting_drops_the_stream(rooms: Rooms, llm: Any) -> None:
    llm.scripts = [stream(said("One sentence is here. "), hold=True)]
    room = rooms(engine=engine(llm))
    room.say("hi")
    room.send("response.create")
    await room.until("response.output_audio.delta")
    room.hear(quiet(500) + tone(300))
    assert room.events[-1]["response"]["status_details"]["reason"] == "turn_detected"
    await asyncio.wait_for(llm.dropped.wait(), 10)


async def test_tool_calls_are_streamed_and_their_answers_sent_back(rooms: Rooms, llm: Any) -> None:
    tool = {
        "type": "function",
        "name": "look",
        "description": "d",
        "parameters": {"type": "object"},
    }
    llm.scripts = [
        stream(
            said("Let me look."),
            called(0, "call_1", "look", ""),
            called(0, None, None, '{"a"'),
            called(0, None, None, ": 1}"),
            called(1, "call_2", "look", "{}"),
        ),
        stream(said("It is there.")),
    ]
    room = rooms(engine=engine(llm))
    room.update(tools=[tool], tool_choice={"type": "function", "name": "look"})
    response = await room.ask("where?")
    assert [item["type"] for item in response["output"]] == [
        "message",
        "function_call",
        "function_call",
    ]
    assert [item.get("arguments") for item in response["output"]] == [None, '{"a": 1}', "{}"]
    deltas = room.all("response.function_call_arguments.delta")
    assert [(e["call_id"], e["delta"], e["output_index"]) for e in deltas] == [
        ("call_1", '{"a"', 1),
        ("call_1", ": 1}", 1),
        ("call_2", "{}", 2),
    ]
    for call_id in ("call_1", "call_2"):
        item = {"type": "function_call_output", "call_id": call_id, "output": "found"}
        room.send("conversation.item.create", item=item)
    assert transcript(await room.respond(tool_choice="auto")) == "It is there."
    first, second = (asked.json for asked in llm.asked)
    assert first["tools"][0]["function"] == {
        "name": "look",
        "description": "d",
        "parameters": {"type": "object"},
    }
    assert first["tool_choice"] == {"type": "function", "function": {"name": "look"}}
    assert second["tool_choice"] == "auto"
    calls = second["messages"][3]["tool_calls"]
    assert [call["id"] for call in calls] == ["call_1", "call_2"]
    assert second["messages"][4:] == [
        {"role": "tool", "tool_call_id": "call_1", "content": "found"},
        {"role": "tool", "tool_call_id": "call_2", "content": "found"},
    ]


async def test_calls_that_a_server_gives_one_index_are_told_apart(rooms: Rooms, llm: Any) -> None:
    # Ollama does so, and gives each call at once; others say the id with each piece.
    long = "call_of_a_function_with_a_long_name_"
    llm.scripts = [
        stream(
            called(0, f"{long}1", "look", '{"a": 1}'),
            called(0, f"{long}2", "look", '{"a": '),
            called(0, f"{long}2", None, "2}"),
            called(0, f"{long}3", "look", {"a": 3}),
        )
    ]
    room = rooms(engine=engine(llm))
    room.update(tools=[{"type": "function", "name": "look"}])
    response = await room.ask("where?")
    assert [item["arguments"] for item in response["output"]] == [
        '{"a": 1}',
        '{"a": 2}',
        '{"a": 3}',
    ]
    assert len({item["call_id"] for item in response["output"]}) == 3


def test_what_comes_of_a_call_stands_right_after_it_or_is_told_when_it_comes() -> None:
    asked = [
        Item("function_call", name="look", call_id="c0", arguments='{"a', status="incomplete"),
        Item("function_call", name="look", call_id="c1"),
        Item("function_call", name="look", call_id="c2", arguments='{"a": 1}'),
        Item("function_call_output", call_id="c1", output="found"),
        Item("message", role="user", parts=[Part("input_text", "Are you there?")]),
        Item("function_call_output", call_id="c2", output="done"),
    ]
    told = messages(Prompt(items=asked, now=NOW))
    assert [each["role"] for each in told] == ["assistant", "tool", "tool", "user", "system"]
    calls = [(each["id"], each["function"]["arguments"]) for each in told[0]["tool_calls"]]
    assert calls == [("c1", "{}"), ("c2", '{"a": 1}')]
    assert [(each["tool_call_id"], each["content"]) for each in told[1:3]] == [
        ("c1", "found"),
        ("c2", PENDING),
    ]
    assert told[-1]["content"].endswith(": done")


@pytest.mark.parametrize(
    ("script", "code", "message"),
    [
        (plain(401, b"who?"), "invalid_api_key", "answered 401: who?"),
        (plain(404, b"no model"), "model_not_found", "answered 404"),
        (plain(429, b"slow down"), "rate_limit_exceeded", "answered 429"),
        (plain(500, b""), "server_error", "answered 500"),
        (stream(said("Half a"), "not json"), "server_error", "not JSON"),
        (stream({"error": {"message": "out of memory"}}), "server_error", "out of memory"),
        (stream(said("Half an answer"), end=False), "server_error", "broke off"),
        (stream(), "empty_answer", "was empty"),
    ],
)
async def test_a_failure_is_said_and_the_session_goes_on(
    rooms: Rooms, llm: Any, script: Any, code: str, message: str
) -> None:
    llm.scripts = [script, stream(said("Better now."))]
    room = rooms(engine=engine(llm))
    response = await room.ask("hi")
    assert response["status"] == "failed"
    error = response["status_details"]["error"]
    assert error["code"] == code
    assert message in error["message"]
    assert transcript(await room.respond()) == "Better now."


async def test_a_language_in_the_instructions_chooses_the_voice(rooms: Rooms, llm: Any) -> None:
    spoken_in = []

    class Listener(ToneMouth):
        async def say(self, text: str, voice: Voice) -> Speech:
            spoken_in.append(voice.espeak.split("+")[0])
            return await super().say(text, voice)

    llm.scripts = [stream(said("Guten Tag."))]
    parts = {"mouth": Listener(), "brain": ChatBrain(Endpoint(llm.url))}
    await rooms(engine=quick_engine(**parts)).ask("hi", instructions="Answer in German.")
    await rooms(engine=quick_engine(mouth=Listener())).ask("hi", instructions="Answer in German.")
    assert set(spoken_in) == {"de", "en-us"}


async def test_an_answer_without_words_to_speak_is_not_passed_off_as_one(
    rooms: Rooms, llm: Any
) -> None:
    llm.scripts = [stream(said(" ... "))]
    response = await rooms(engine=engine(llm)).ask("hi")
    assert response["status_details"]["error"]["code"] == "empty_answer"


def spoken(text: str | None) -> Item:
    return Item("message", role="user", parts=[Part("input_audio", text, ms=900)])


def test_of_many_pictures_the_newest_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "KEPT_IMAGE_LETTERS", 150)
    talk = conversation.Conversation()
    for number in range(3):
        picture = Part("input_image", image_url=f"data:image/png;base64,{number}" + "A" * 40)
        words = Part("input_text", f"Number {number}")
        talk.add(Item("message", role="user", parts=[words, picture]))
    first, *others = (each["content"] for each in messages(Prompt(items=talk.items(), now=NOW)))
    assert first == "Number 0"
    assert [[part["type"] for part in each] for each in others] == [["text", "image_url"]] * 2


def test_history_becomes_messages() -> None:
    picture = Part("input_image", image_url="data:image/png;base64,AA==", detail="low")
    items = [
        spoken("hello"),
        Item("message", role="assistant", parts=[Part("output_audio", "hi there")]),
        spoken(None),
        Item("message", role="user", parts=[Part("input_text", "see"), picture]),
    ]
    assert messages(Prompt(items, NOW)) == [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hi there"},
        {"role": "user", "content": NOT_UNDERSTOOD},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "see"},
                {
                    "type": "image_url",
                    "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"},
                },
            ],
        },
    ]


def test_a_token_limit_is_passed_on() -> None:
    assert request(Prompt([], NOW, max_output_tokens=50), "m")["max_tokens"] == 50
