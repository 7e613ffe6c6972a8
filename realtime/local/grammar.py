"""The phrases the built-in recogniser knows well, as one JSGF grammar.

The grammar and the talker share these phrases: what is recognised best is what gets an answer.
Every word here must be in the recogniser's dictionary (a test checks it).
"""

import re


def _words(text: str) -> list[str]:
    return text.split()


UNITS = _words("zero one two three four five six seven eight nine")
TEENS = _words("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
OPERATORS = ["plus", "minus", "times", "divided by", "multiplied by"]
NAMES = _words(
    "adam alex alice amy andrew anna anthony barbara ben bob brian carlos carol charles chris "
    "christine daniel david diana edward elena emily emma eric eva frank george grace hannah "
    "helen henry ian isabel jack james jane jason jennifer jessica john jose joseph julia karen "
    "kate kevin laura linda lisa lucy maria mark martin mary matthew michael michelle monica "
    "nancy nicole olivia oscar patricia paul peter rachel richard robert rosa ruth sam sandra "
    "sarah simon sophia stephen steve susan thomas tim tom victor victoria walter william"
)

# What the talker lists when it did not understand; each is in the grammar below.
HINTS = [
    "what time is it",
    "what day is it",
    "what is two plus three",
    "my name is Anna",
    "count to ten",
    "tell me a story",
    "what did I say before",
    "what can you do",
    "goodbye",
]

_RULES = {
    "greet": "hello | hello there | hi there | good morning | good afternoon | good evening",
    "askname": "what is my name | what's my name | do you know my name | who am i",
    "callme": "my name is <name> | call me <name> | i am called <name>",
    "time": "what time is it [now] | what is the time | tell me the time | what's the time",
    "date": (
        "what day is it [today] | what is the date [today] | what is today's date"
        " | what's the date [today] | what day is today"
    ),
    "sum": "(what is | what's | how much is | calculate) <number> <op> <number>",
    "about": (
        "who are you | what are you | what is your name | what's your name | tell me about yourself"
    ),
    "help": "help | help me | what can you do | what can i say | what can you tell me",
    "story": (
        "tell me a story | tell me a long story | tell me another story | read me a story"
        " | tell a story | please tell me a story"
    ),
    "joke": "tell me a joke | tell me another joke",
    "count": "count to <number> | please count to <number>",
    "before": (
        "what did i say [before] | what did i just say | what did i ask [you] [before]"
        " | repeat what i said"
    ),
    "again": "say that again | repeat that | please repeat that | what did you say",
    "weather": (
        "what is the weather [today] | what's the weather [today | like] | how is the weather"
        " | what is the weather in (paris | london | berlin | madrid | rome | new york)"
    ),
    "well": "how are you | how are you doing | how do you do",
    "thanks": "thank you | thanks | thank you very much | thanks a lot",
    "bye": "goodbye | bye | bye bye | good night | see you later | that is all",
    "stop": "stop | please stop | be quiet | stop it | wait | never mind",
    "agree": "yes | no | okay | yes please | no thanks",
}


def phrase_grammar() -> str:
    """The whole grammar as JSGF text: an utterance is one intent, or two in a row."""
    number = f"<unit> | {' | '.join(TEENS)} | <tens> [<unit>] | one hundred | a hundred"
    lines = [
        "#JSGF V1.0;",
        "grammar phrases;",
        f"<unit> = {' | '.join(UNITS)};",
        f"<tens> = {' | '.join(TENS)};",
        f"<number> = {number};",
        f"<op> = {' | '.join(OPERATORS)};",
        f"<name> = {' | '.join(NAMES)};",
    ]
    lines += [f"<{name}> = {body};" for name, body in _RULES.items()]
    main = " | ".join(f"<{name}>" for name in _RULES if name not in ("greet", "stop"))
    lines.append(f"public <utterance> = <greet> | <stop> | [<greet> | <stop>] ({main});")
    return "\n".join(lines) + "\n"


def grammar_words() -> set[str]:
    """Every word the grammar can produce, lower case."""
    body = re.sub(r"<[a-z]+>|#JSGF V1.0;|grammar phrases;|public", " ", phrase_grammar())
    return set(re.findall(r"[a-z][a-z']*", body))
