"""Imports go one way: nextvoice -> realtime -> chats; bridge and local do not use Django."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# What the code of each folder may not import.
FORBIDDEN = {
    "chats": ("realtime", "nextvoice"),
    "realtime": ("nextvoice",),
    "realtime/bridge": ("django", "channels", "chats", "realtime.local", "realtime.models"),
    "realtime/hearing": ("django", "channels", "chats", "realtime.bridge", "realtime.local"),
    "realtime/local": ("django", "channels", "chats", "realtime.bridge"),
}


def imports(path: Path) -> Iterator[str]:
    package = ".".join(path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            yield ".".join([*(base if node.level else []), *filter(None, [node.module])])


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_a_folder_imports_only_what_it_may(folder: str) -> None:
    files = list((ROOT / folder).rglob("*.py"))
    assert files != []
    wrong = [
        (str(path.relative_to(ROOT)), name)
        for path in files
        for name in imports(path)
        if any(name == no or name.startswith(f"{no}.") for no in FORBIDDEN[folder])
    ]
    assert wrong == []
