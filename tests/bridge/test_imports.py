from __future__ import annotations

import ast
import sys
from pathlib import Path

import realtime.bridge

FOLDER = Path(realtime.bridge.__file__).parent
ALLOWED = {"numpy", "orjson", "pybase64", "soxr", "websockets", *sys.stdlib_module_names}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(str(node.module).partition(".")[0])
    return names


def test_the_bridge_imports_no_django_and_nothing_of_the_site():
    found = {path.name: imported(path) - ALLOWED for path in FOLDER.rglob("*.py")}
    assert {name: strangers for name, strangers in found.items() if strangers} == {}
