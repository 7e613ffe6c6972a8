"""The child process that looks into one uploaded file: `python -m chats.attachments.reader`.

    reader <file> <folder for results> < {"name": "photo.jpg"}

Prints one JSON object: what `pictures.redraw` or `documents.extract` returns, or
{"refused": code}. It imports no Django, has no secret in its environment and lives for one file.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from chats.attachments.sniff import HEAD, PICTURES, Refused, content_type

MEMORY_BYTES = 1_500_000_000
CPU_SECONDS = 20
FILE_BYTES = 64_000_000


def bound() -> None:
    """Let the system kill this process when it uses too much."""
    with suppress(ImportError):
        import resource

        for what, most in (
            (resource.RLIMIT_AS, MEMORY_BYTES),
            (resource.RLIMIT_CPU, CPU_SECONDS),
            (resource.RLIMIT_FSIZE, FILE_BYTES),
            (resource.RLIMIT_CORE, 0),
        ):
            # Not every system knows every limit.
            with suppress(ValueError, OSError):
                resource.setrlimit(what, (most, most))


def read(path: Path, name: str, out: Path) -> dict[str, Any]:
    """Read the file. Raises `Refused`."""
    with path.open("rb") as file:
        kind = content_type(file.read(HEAD), name)
    # Each of the two is slow to import, and only one is needed.
    if kind in PICTURES:
        from chats.attachments.pictures import redraw

        return redraw(path, kind, out)
    from chats.attachments.documents import extract

    return extract(path, kind)


def main() -> None:
    """Read one file and say what was found."""
    bound()
    try:
        name = str(json.load(sys.stdin)["name"])
        found = read(Path(sys.argv[1]), name, Path(sys.argv[2]))
    except Refused as refused:
        found = {"refused": refused.code}
    except (MemoryError, RecursionError):
        found = {"refused": "too_large_inside"}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
