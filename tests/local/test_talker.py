from datetime import datetime
from typing import Any

import pytest

from realtime.local.brain import CallArguments, CallBegun, Prompt, Said
from realtime.local.conversation import Item, Part
from realtime.local.grammar import HINTS
from realtime.local.stories import STORY
from realtime.local.talker import ABOUT, EMPTY, HELP, IDLE, UNHEARD, reply

NOW = datetime(2026, 11, 22, 19, 5)


def typed(text: str, role: str = "user") -> Item:
    kind = "output_text" if role == "assistant" else "input_text"
    return Item("message", role=role, parts=[Part(kind, text)])


def voiced(text: str | None, ms: float = 2000) -> Item:
    return Item("message", role="user", parts=[Part("input_audio", text, ms=ms)])


def answer(*items: Item | str, **prompt: Any) -> str:
    known = [typed(item) if isinstance(item, str) else item for item in items]
    (piece,) = reply(Prompt(known, NOW, **prompt))
    assert isinstance(piece, Said)
    return piece.text


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        ("what time is it", "It is 7:05 PM."),
        ("Hello, what time is it?", "Hello. It is 7:05 PM."),
        ("stop what time is it", "It is 7:05 PM."),
        ("what day is it today", "Today is Sunday, November 22, 2026."),
        ("what is the date", "Today is Sunday, November 22, 2026."),
        ("what is two plus three", "2 plus 3 is 5."),
        ("5 / 0", "I cannot work that out: dividing by zero has no answer."),
        ("count to five", "1, 2, 3, 4, 5."),
        ("count to one thousand", "I only count from one to 100."),
        ("tell me a long story", STORY),
        ("who are you", ABOUT),
        ("help", HELP),
        ("what can you do", HELP),
        ("thank you", "You are welcome."),
        ("goodbye", "Goodbye."),
        ("stop", "All right, I stopped."),
        (
            "what's the weather in Rome",
            "I cannot look up the weather: nobody has given me a tool for it.",
        ),
        (
            "what is my name",
            "You have not told me your name yet. Say: my name is, and then your name.",
        ),
    ],
)
def test_known_phrases_have_their_answers(said: str, answered: str) -> None:
    assert answer(said) == answered


@pytest.mark.parametrize("hint", HINTS)
def test_every_phrase_it_names_is_one_it_knows(hint: str) -> None:
    assert "no answer to that" not in answer(hint)


def test_it_repeats_what_it_does_not_know() -> None:
    assert answer(voiced("book me a flight")).startswith("I think you said: book me a flight. ")
    assert answer("book me a flight").startswith("You wrote: book me a flight. ")


def test_it_remembers_a_name_and_takes_the_newest() -> None:
    told = ["my name is anna", "call me bob", "call me back later"]
    assert answer(*told, "what is my name") == "Your name is Bob."
    assert answer("my name is anna", "goodbye") == "Goodbye, Anna."


def test_history_given_at_the_start_is_known() -> None:
    history = [typed("I like Paris."), typed("Me too.", "assistant")]
    assert answer(*history, "what did I say before?") == "Before that, you said: I like Paris."
    assert answer(*history, "say that again") == "Me too."
    assert answer("what did I say before?") == "You have not said anything before that."


def test_speech_without_words_is_answered_honestly() -> None:
    assert answer(voiced(None)) == UNHEARD
    assert answer(voiced("")) == UNHEARD
    assert answer(voiced(None, 3000), unheard="recogniser_unavailable").startswith(
        "I heard you speak for 3 seconds, but no speech recogniser"
    )


def test_an_empty_conversation_and_long_silence_get_a_word_too() -> None:
    assert answer() == EMPTY
    assert answer("hello", idle=True) == IDLE


def tool(name: str, description: str = "", **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "name": name, "description": description, "parameters": schema}


TEXT = {"type": "string"}
TOOLS = [
    tool("get_time", "The current time"),
    tool("calculator", "Works out sums", expression=TEXT),
    tool("getWeather", "Forecast for a place", city=TEXT, unit={"enum": ["celsius", "kelvin"]}),
    tool("order_pizza", "Order food", count={"type": "integer"}, topping=TEXT),
]


@pytest.mark.parametrize(
    ("said", "name", "arguments"),
    [
        ("what time is it", "get_time", "{}"),
        ("what is two plus three", "calculator", '{"expression": "2 + 3"}'),
        ("weather in New York?", "getWeather", '{"city": "New York", "unit": "celsius"}'),
        (
            "please order three pizza",
            "order_pizza",
            '{"count": 3, "topping": "please order three pizza"}',
        ),
    ],
)
def test_the_tool_that_fits_is_called(said: str, name: str, arguments: str) -> None:
    begun, given = reply(Prompt([typed(said)], NOW, tools=TOOLS))
    assert isinstance(begun, CallBegun)
    assert (begun.name, given) == (name, CallArguments(arguments))


def test_no_tool_is_called_for_other_words_or_when_forbidden() -> None:
    assert answer("tell me a story", tools=TOOLS) == STORY
    assert answer("what time is it", tools=TOOLS, tool_choice="none") == "It is 7:05 PM."


def test_a_tool_can_be_required_or_named() -> None:
    begun = reply(Prompt([typed("hello")], NOW, tools=TOOLS, tool_choice="required"))[0]
    assert isinstance(begun, CallBegun)
    named = {"type": "function", "name": "calculator"}
    begun = reply(Prompt([typed("hello")], NOW, tools=TOOLS, tool_choice=named))[0]
    assert isinstance(begun, CallBegun)
    assert begun.name == "calculator"


@pytest.mark.parametrize(
    ("output", "spoken"),
    [
        ("It rains.", "Here is what the get weather tool says: It rains."),
        (
            '{"temp_c": 11, "wet": true}',
            "Here is what the get weather tool says: temp c is 11, wet is yes.",
        ),
        ('["a", "b"]', "Here is what the get weather tool says: a, b."),
        ('{"error": "no such city"}', "The get weather tool did not work. It said: no such city."),
        ("", "The get weather tool had nothing to say."),
    ],
)
def test_a_tools_answer_is_read_aloud(output: str, spoken: str) -> None:
    call = Item("function_call", name="get_weather", call_id="c1", arguments="{}")
    told = Item("function_call_output", call_id="c1", output=output)
    assert answer("weather?", call, told, tools=TOOLS) == spoken


@pytest.mark.parametrize(
    ("texts", "answered"),
    [
        (["[Attached] The picture “a.png”."], "I got your picture, but without a language model"),
        (["[Attached] The file “a.txt”.\n-----\nWhat is 2 plus 3?"], "I got your file, but"),
        (["What is 2 plus 3?", "[Attached] The file “a.txt”. 4 plus 5"], "2 plus 3 is 5."),
    ],
)
def test_it_does_not_take_what_is_attached_for_words(texts: list[str], answered: str) -> None:
    item = Item("message", role="user", parts=[Part("input_text", text) for text in texts])
    assert answer(item).startswith(answered)
