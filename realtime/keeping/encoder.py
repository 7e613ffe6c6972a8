"""The encoder: makes MP3s of raw audio, in a process of its own that gets what time is left over.

    python -m realtime.keeping.encoder

In, a line each: {"raw": path, "size": how many bytes of it, "to": path of the MP3}
Out, a line each: {"size": bytes of the MP3}, or {"error": what went wrong}

It ends with its standard input, also in the middle of a file. `realtime.keeping.encoding` starts
it. Little is loaded here: no Django, nothing of the bridge.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from realtime.keeping import mp3
from realtime.programs.priority import give_way
from realtime.programs.program import answer_all

# How much of a recording is in memory while it is encoded.
PIECE_BYTES = 48_000


def encode(raw: Path, size: int, to: Path) -> int:
    """Write the first `size` bytes of raw audio, whole samples, as an MP3; returns its size."""
    try:
        with to.open("w+b") as file:
            return mp3.write(file, _pieces(raw, size))
    except BaseException:
        to.unlink(missing_ok=True)
        raise


def _pieces(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while size > 0 and (piece := file.read(min(size, PIECE_BYTES))):
            size -= len(piece)
            yield piece


def main() -> None:
    give_way()
    answer_all(map(json.loads, sys.stdin.buffer), _answer)


def _answer(job: dict[str, Any]) -> bytes:
    try:
        told: dict[str, Any] = {"size": encode(Path(job["raw"]), job["size"], Path(job["to"]))}
    except Exception as problem:
        told = {"error": f"{type(problem).__name__}: {problem}"}
    return json.dumps(told).encode() + b"\n"


if __name__ == "__main__":
    main()
