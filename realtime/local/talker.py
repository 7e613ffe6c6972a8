"""The built-in talker: small, deterministic, and honest about what it is.

It answers from the items of the prompt alone, so history given at the start counts too.
"""

import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

from realtime.local import stories, sums, tools
from realtime.local.brain import CallArguments, CallBegun, Piece, Prompt, Said
from realtime.local.conversation import Item
from realtime.local.events import new_id
from realtime.local.grammar import HINTS

ABOUT = (
    "I am the built-in demonstration voice of NextVoice. I run on this server, without a"
    " language model, so I only know a few phrases."
)
HELP = (
    f"You can say: {', '.join(HINTS[:-1])}, or {HINTS[-1]}. You can also type to me, and you"
    " can interrupt me at any time."
)
UNHEARD = (
    "I heard you, but I could not understand the words. I know English phrases such as:"
    f" {HINTS[0]}, {HINTS[2]}, or {HINTS[5]}. You can also type to me."
)
EMPTY = "Hello. I am listening. Say help to hear what I can do."
IDLE = "Are you still there? Say help to hear what I can do."
COUNT_LIMIT = 100
ECHO_LIMIT = 300

Answer = Callable[["_Heard"], str]
# How the site marks a text that stands for an attachment.
ATTACHED = "[Attached]"


class _Heard:
    """What was said now, and what was said before."""

    def __init__(self, prompt: Prompt, text: str, spoken: bool, earlier: list[Item]) -> None:
        self.prompt, self.text, self.spoken, self.earlier = prompt, text, spoken, earlier
        self.plain = plain(text)

    @property
    def name(self) -> str | None:
        """The name the person gave last, in this or an earlier message."""
        for item in reversed(self.earlier):
            if item.role == "user" and (found := given_name(item.text)):
                return found
        return None

    def last(self, role: str) -> str:
        texts = [item.text for item in self.earlier if item.role == role and item.text]
        return texts[-1] if texts else ""


def plain(text: str) -> str:
    """Lower case, single spaces, apostrophes kept, other signs dropped."""
    return " ".join(re.findall(r"[a-z0-9']+", text.lower().replace("\u2019", "'")))


_NAMED = re.compile(
    r"\b(?:my name is|my name's|call me|i am called|i'm called)\s+"
    r"(?!back\b|later\b|when\b|again\b)([^\W\d_][\w'-]*)",
    re.IGNORECASE,
)


def given_name(text: str) -> str | None:
    found = _NAMED.search(text)
    return found.group(1).capitalize() if found else None


class Talker:
    """A Brain without a model."""

    name = "built-in talker"
    follows_instructions = False

    def health(self) -> dict[str, Any]:
        return {"name": self.name, "model": None, "ready": True}

    async def answer(self, prompt: Prompt) -> AsyncIterator[Piece]:
        for piece in reply(prompt):
            yield piece


def reply(prompt: Prompt) -> list[Piece]:
    """The whole answer to a prompt."""
    if prompt.idle:
        return [Said(IDLE)]
    outputs = _fresh_outputs(prompt.items)
    if outputs:
        return [Said(" ".join(tools.spoken_output(name, text) for name, text in outputs))]
    if prompt.items and prompt.items[-1].kind == "function_call":
        return [Said(f"One moment. {tools.still_waiting(prompt.items[-1].name)}")]
    place = _last_user(prompt.items)
    if place is None:
        return [Said(EMPTY)]
    item = prompt.items[place]
    spoken = any(part.kind == "input_audio" for part in item.parts)
    heard = _Heard(prompt, _own_words(item), spoken, prompt.items[:place])
    tool = tools.pick(prompt.tools, prompt.tool_choice, heard.text)
    if tool is not None and (heard.text or prompt.tool_choice != "auto"):
        arguments = json.dumps(tools.arguments(tool, heard.text))
        return [CallBegun(new_id("call"), tool["name"]), CallArguments(arguments)]
    if not heard.text:
        return [Said(_without_words(item, prompt))]
    return [Said(_say(heard))]


def _own_words(item: Item) -> str:
    """What the person said, without the texts that stand for what they attached."""
    texts = (part.text for part in item.parts if part.text)
    return " ".join(text for text in texts if not text.startswith(ATTACHED)).strip()


def _fresh_outputs(items: list[Item]) -> list[tuple[str, str]]:
    """(tool name, output) of the outputs at the end of the prompt."""
    names = {item.call_id: item.name for item in items if item.kind == "function_call"}
    found: list[tuple[str, str]] = []
    for item in reversed(items):
        if item.kind != "function_call_output":
            break
        found.insert(0, (names.get(item.call_id, ""), item.output))
    return found


def _last_user(items: list[Item]) -> int | None:
    places = [place for place, item in enumerate(items) if item.role == "user"]
    return places[-1] if places else None


def _without_words(item: Item, prompt: Prompt) -> str:
    if attached := [part for part in item.parts if (part.text or "").startswith(ATTACHED)]:
        what = "picture" if "The picture" in (attached[0].text or "") else "file"
        return f"I got your {what}, but without a language model I do not know what is in it."
    if any(part.kind == "input_image" for part in item.parts):
        return "I got your picture, but without a language model I cannot see what is in it."
    seconds = sum(part.ms for part in item.parts) / 1000
    if prompt.unheard == "recogniser_unavailable":
        return (
            f"I heard you speak for {seconds:.0f} seconds, but no speech recogniser is installed"
            " on this server, so I do not know what you said. You can type to me."
        )
    return UNHEARD


def _say(heard: _Heard) -> str:
    for pattern, answer in _ANSWERS:
        if re.search(pattern, heard.plain) and (text := answer(heard)):
            return text
    return _echo(heard)


def _echo(heard: _Heard) -> str:
    said = heard.text[:ECHO_LIMIT].rstrip(" .?!")
    verb = "I think you said" if heard.spoken else "You wrote"
    return (
        f"{verb}: {said}. I have no answer to that. I know phrases such as: {HINTS[0]},"
        f" {HINTS[2]}, or {HINTS[5]}. Say help for more."
    )


def _time(heard: _Heard) -> str:
    now = heard.prompt.now
    hour = now.hour % 12 or 12
    return f"{_greeting(heard)}It is {hour}:{now:%M} {'PM' if now.hour >= 12 else 'AM'}."


def _date(heard: _Heard) -> str:
    now = heard.prompt.now
    return f"{_greeting(heard)}Today is {now:%A}, {now:%B} {now.day}, {now.year}."


def _greeting(heard: _Heard) -> str:
    greeted = re.match(r"(hello|hi|hey|good (morning|afternoon|evening))\b", heard.plain)
    return "Hello. " if greeted else ""


def _sum(heard: _Heard) -> str:
    try:
        parts = sums.tokens(heard.text)
        return f"{sums.spoken(parts)} is {sums.plain(sums.compute(parts))}.".capitalize()
    except sums.CannotCompute as problem:
        return f"I cannot work that out: {problem}."
    except sums.NotASum:
        return ""


def _remember(heard: _Heard) -> str:
    name = given_name(heard.text)
    if name is None:
        return ""
    return f"Nice to meet you, {name}. I will remember your name in this conversation."


def _recall(heard: _Heard) -> str:
    if heard.name:
        return f"Your name is {heard.name}."
    return "You have not told me your name yet. Say: my name is, and then your name."


def _before(heard: _Heard) -> str:
    said = heard.last("user")
    return f"Before that, you said: {said}" if said else "You have not said anything before that."


def _again(heard: _Heard) -> str:
    return heard.last("assistant") or "I have not said anything yet."


def _count(heard: _Heard) -> str:
    number = sums.number_in(heard.plain.split("count", 1)[1])
    if number is None:
        number = 10
    if not 1 <= number <= COUNT_LIMIT:
        return f"I only count from one to {COUNT_LIMIT}."
    return ", ".join(str(value) for value in range(1, number + 1)) + "."


def _hello(heard: _Heard) -> str:
    if not re.fullmatch(r"(hello|hi|hey|good (morning|afternoon|evening))( there)?", heard.plain):
        return ""
    name = f", {heard.name}" if heard.name else ""
    return f"Hello{name}. I am the built-in demonstration voice. Say help to hear what I can do."


def _bye(heard: _Heard) -> str:
    return f"Goodbye{f', {heard.name}' if heard.name else ''}."


def _fixed(text: str) -> Answer:
    return lambda heard: text


_ANSWERS: list[tuple[str, Answer]] = [
    (r"\b(my name is|my name's|call me|i am called|i'm called) \w", _remember),
    (r"\b(what is|what's|do you know) my name\b|\bwho am i\b", _recall),
    (r"\bwhat did (i|we) (just )?(say|ask|write|talk)|\brepeat what i said\b", _before),
    (r"\bwhat did you say\b|\b(say|repeat) (that|it)( again)?\b", _again),
    (r"\d|\b(plus|minus|times|divided|multiplied)\b", _sum),
    (r"\bcount (up )?to\b|\bcount from\b", _count),
    (r"\b(what|the) time\b|\bwhat's the time\b|\btime is it\b", _time),
    (r"\b(what day|the date|today's date|what date)\b", _date),
    (r"\bstory\b", _fixed(stories.STORY)),
    (r"\bjoke\b", _fixed(stories.JOKE)),
    (r"\bweather\b", _fixed("I cannot look up the weather: nobody has given me a tool for it.")),
    (
        r"\b(who|what) are you\b|\byour name\b|\byou a (robot|person)\b|\babout yourself\b",
        _fixed(ABOUT),
    ),
    (r"\bhelp\b|\bwhat can (you|i)\b", _fixed(HELP)),
    (r"\bhow (are|do) you\b", _fixed("I am a program, and I am running well. Thank you.")),
    (r"\bthanks?\b", _fixed("You are welcome.")),
    (r"\b(goodbye|bye|good night|see you)\b|\bthat is all\b", _bye),
    (r"^(please )?(stop|wait|be quiet|never mind)( it| please)?$", _fixed("All right, I stopped.")),
    (r"^(yes|no|okay|ok)( please| thanks)?$", _fixed("All right. Say help to hear what I can do.")),
    (r"^(hello|hi|hey|good)\b", _hello),
]
