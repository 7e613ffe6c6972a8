"""What can be kept of a session's configuration that a provider refused.

A provider refuses all of a configuration because of one field, which leaves the model without
instructions and functions. Usually the error names that field: `session.audio.output.voice`,
`session.tools[0].name`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from .events import Event

Path = tuple[str, ...]

NAMED = re.compile(r"(?:session\.)?([\w.]+)(?:\[(\d+)\].*)?")
NEEDED = (
    ("output_modalities",),
    ("instructions",),
    ("tools",),
    ("tool_choice",),
    ("audio", "input", "turn_detection"),
)
"""Fields that a call cannot do without."""


def without(session: Mapping[str, Any], param: object) -> Event | None:
    """The configuration without the field that an error's `param` names or, if it has no such
    field, reduced to the minimum. None if there is nothing left to remove."""
    named = NAMED.fullmatch(param) if isinstance(param, str) else None
    path = _place(session, tuple(named[1].split("."))) if named else None
    if named is None or path is None:
        return _needed(session)
    left: Event = deepcopy(dict(session))
    above = left
    for name in path[:-1]:
        above = above[name]
    inner, index = above[path[-1]], int(named[2] or 0)
    if named[2] and isinstance(inner, list) and index < len(inner):
        del inner[index]
    else:
        del above[path[-1]]
    return left


def _place(session: Mapping[str, Any], path: Path) -> Path | None:
    """Where the named field is in a GA session. Other protocols have it in another place, but
    mostly under the same name."""
    if path[-1] == "type":
        path = path[:-1]
    places = dict(_values(session, ()))
    if path in places:
        return path
    same = [each for each in places if each[-1:] == path[-1:]]
    return same[0] if len(same) == 1 else None


def _needed(session: Mapping[str, Any]) -> Event | None:
    needed: Event = {"type": session["type"]} if "type" in session else {}
    for path, value in _values(session, ()):
        if path in NEEDED:
            inner = needed
            for name in path[:-1]:
                inner = inner.setdefault(name, {})
            inner[path[-1]] = value
    return needed if needed != session else None


def _values(session: Mapping[str, Any], above: Path) -> Iterator[tuple[Path, Any]]:
    for name, value in session.items():
        if (path := (*above, name)) != ("type",):
            yield path, value
        if isinstance(value, Mapping):
            yield from _values(value, path)
