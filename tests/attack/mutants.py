"""Frames that nobody should send, made of frames that somebody does. The same seed, the same frame.

A mutant is text, as it stands on the wire: some are no JSON, and some no UTF-8 (then it is bytes).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

DEEP = "[" * 2000 + "]" * 2000
JUNK: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**31,
    2**63,
    -(2**70),
    0.5,
    1e308,
    "",
    "x",
    "\0",
    "a\0b",
    "\u202e",
    "😀",
    "ﷺ" * 40,
    "x" * 5000,
    "../../etc/passwd",
    "'; DROP TABLE chats_user; --",
    "<script>alert(1)</script>",
    "-1",
    "NaN",
    "AAA",
    "AAAA",
    [],
    [None],
    [[]],
    ["x", 1, {}],
    {},
    {"": ""},
    {"type": None},
    {"type": {"type": []}},
    {"id": 1, "content": 5},
    [{"type": "input_text"}],
    {"input": 1, "output": []},
]
NOT_JSON = [
    *("NaN", "Infinity", "-Infinity", "1e999", "01", '"\\ud800"', '"\\udc00x"', '"\\u0000"', DEEP),
    *("1" * 400, "{", "}", '"', "null", "undefined", "\ufeff{}", '{"type":'),
]


class Mutants:
    """`make(event)` gives a frame that is a little, or very, wrong."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self._ways: Sequence[Callable[[dict[str, Any]], str | bytes]] = [
            self._changed,
            self._changed,
            self._changed,
            self._changed,
            self._without,
            self._grown,
            self._raw,
            self._cut,
            self._garbled,
            self._twice,
        ]

    def make(self, event: dict[str, Any]) -> str | bytes:
        """One mutant of this event."""
        copy = json.loads(json.dumps(event))
        return self.random.choice(self._ways)(copy)

    def _changed(self, event: dict[str, Any]) -> str:
        for _ in range(self.random.choice((1, 1, 2, 4))):
            holder, key = self._place(event)
            holder[key] = self._junk()
        return json.dumps(event)

    def _without(self, event: dict[str, Any]) -> str:
        holder, key = self._place(event)
        del holder[key]
        return json.dumps(event)

    def _grown(self, event: dict[str, Any]) -> str:
        holder, _ = self._place(event)
        if isinstance(holder, dict):
            holder[self.random.choice(("", "id", "type", "x" * 300, "\0", "__proto__"))] = (
                self._junk()
            )
        else:
            holder.extend([self._junk()] * self.random.choice((1, 30)))
        return json.dumps(event)

    def _raw(self, event: dict[str, Any]) -> str:
        """Something in it that JSON, or ours, has no room for."""
        holder, key = self._place(event)
        holder[key] = "MUTANT"
        return json.dumps(event).replace('"MUTANT"', self.random.choice(NOT_JSON))

    def _cut(self, event: dict[str, Any]) -> str:
        text = json.dumps(event)
        return text[: self.random.randrange(len(text))]

    def _garbled(self, event: dict[str, Any]) -> str | bytes:
        raw = bytearray(json.dumps(event).encode())
        for _ in range(self.random.randint(1, 4)):
            raw[self.random.randrange(len(raw))] = self.random.randrange(256)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return bytes(raw)

    def _twice(self, event: dict[str, Any]) -> str:
        text = json.dumps(event)
        return f'{text[:-1]},"type":{json.dumps(self._junk())}}}'

    def _place(self, event: dict[str, Any]) -> tuple[Any, Any]:
        """An inner place of the event: what holds it, and its key there."""
        places: list[tuple[Any, Any]] = []
        level: list[Any] = [event]
        while level:
            inner = level.pop()
            keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            places += [(inner, key) for key in keys]
            level += [inner[key] for key in keys if isinstance(inner[key], dict | list)]
        return self.random.choice(places)

    def _junk(self) -> Any:
        return json.loads(json.dumps(self.random.choice(JUNK)))
