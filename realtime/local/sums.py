"""Arithmetic in words or digits, by a small parser of its own; nothing is ever evaluated.

Grammar: expression = term {(+|-) term}; term = factor {(*|/) factor};
factor = [-] (number | "(" expression ")").
"""

import re
from decimal import Decimal, DivisionByZero, InvalidOperation, localcontext

from realtime.local.grammar import TEENS, TENS, UNITS

LONGEST = 200
LARGEST = Decimal(10) ** 15

_SMALL = {word: value for value, word in enumerate([*UNITS, *TEENS])}
_TENS = {word: value * 10 for value, word in enumerate(TENS, 2)}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_OPERATORS = {
    "plus": "+",
    "and": "+",
    "minus": "-",
    "take": "-",
    "less": "-",
    "times": "*",
    "x": "*",
    "multiplied": "*",
    "divided": "/",
    "over": "/",
    "\u00d7": "*",
    "\u00f7": "/",
    "\u2212": "-",
}
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[a-z]+|[-+*/()\u00d7\u00f7\u2212]")
_SPOKEN = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}


class NotASum(ValueError):
    """The text holds no arithmetic."""


class CannotCompute(ValueError):
    """It is a sum, but it has no answer; the text says why."""


def tokens(text: str) -> list[str]:
    """Numbers as digits, operators as signs; other words are dropped.

    Raises NotASum when a number or an operator is missing.
    """
    if len(text) > LONGEST:
        raise NotASum
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text.lower())
    found: list[str] = []
    number: list[str] = []
    for word in _TOKEN.findall(text.replace("-", " - " if re.search(r"\d", text) else " ")):
        if word in _SMALL or word in _TENS or word in _SCALES:
            number.append(word)
            continue
        if word == "and" and number and number[-1] in _SCALES:
            continue
        if number:
            found.append(str(_value(number)))
            number = []
        if word[0].isdigit() or word in "+-*/()":
            found.append(word)
        elif word in _OPERATORS and (word != "and" or (found and found[-1][0].isdigit())):
            found.append(_OPERATORS[word])
    if number:
        found.append(str(_value(number)))
    while found and found[-1] in "+-*/":
        found.pop()
    if not any(token in "+-*/" for token in found[1:]) or not found[-1][0].isdigit() | (
        found[-1] == ")"
    ):
        raise NotASum
    return found


def _value(words: list[str]) -> int:
    total = part = 0
    for word in words:
        if word == "hundred":
            part = max(part, 1) * 100
        elif word in _SCALES:
            total += max(part, 1) * _SCALES[word]
            part = 0
        else:
            part += _SMALL.get(word, 0) + _TENS.get(word, 0)
    return total + part


def number_in(text: str) -> int | None:
    """The first whole number in a text, in words or digits."""
    number: list[str] = []
    for word in re.findall(r"\d+|[a-z]+", text.lower()):
        if word.isdigit() and not number:
            return int(word[:9])
        if word in _SMALL or word in _TENS or word in _SCALES:
            number.append(word)
        elif number:
            break
    return _value(number) if number else None


def compute(parts: list[str]) -> Decimal:
    """The value of what `tokens` found; raises CannotCompute or NotASum."""
    with localcontext() as context:
        context.prec = 30
        try:
            value, rest = _expression(parts)
        except (DivisionByZero, InvalidOperation):
            raise CannotCompute("dividing by zero has no answer") from None
    if rest:
        raise NotASum
    if abs(value) > LARGEST:
        raise CannotCompute("that number is too large for me")
    return value


def _expression(parts: list[str]) -> tuple[Decimal, list[str]]:
    value, parts = _term(parts)
    while parts and parts[0] in "+-":
        sign = parts[0]
        other, parts = _term(parts[1:])
        value = value + other if sign == "+" else value - other
    return value, parts


def _term(parts: list[str]) -> tuple[Decimal, list[str]]:
    value, parts = _factor(parts)
    while parts and parts[0] in "*/":
        sign = parts[0]
        other, parts = _factor(parts[1:])
        value = value * other if sign == "*" else value / other
    return value, parts


def _factor(parts: list[str]) -> tuple[Decimal, list[str]]:
    if not parts:
        raise NotASum
    head, rest = parts[0], parts[1:]
    if head == "-":
        value, rest = _factor(rest)
        return -value, rest
    if head == "(":
        value, rest = _expression(rest)
        if not rest or rest[0] != ")":
            raise NotASum
        return value, rest[1:]
    if not head[0].isdigit():
        raise NotASum
    return Decimal(head), rest


def plain(value: Decimal) -> str:
    """A number as people say it: 6, 2.5, 0.3333."""
    rounded = value.quantize(Decimal("0.0001")) if value != value.to_integral_value() else value
    text = f"{rounded:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def spoken(parts: list[str]) -> str:
    return " ".join(_SPOKEN.get(part, part) for part in parts)


def expression(parts: list[str]) -> str:
    return " ".join(parts)
