"""Messages between the server and its worker processes, over plain pipes.

A message is: kind (1 byte), job number (4), size (4), then the payload.
"""

import os
import struct
import sys
from typing import BinaryIO

_HEAD = struct.Struct(">cII")
HEAD_SIZE = _HEAD.size
PAYLOAD_LIMIT = 64 * 1024 * 1024

Message = tuple[bytes, int, bytes]


def pack(kind: bytes, job: int, payload: bytes = b"") -> bytes:
    return _HEAD.pack(kind, job, len(payload)) + payload


def unpack_head(head: bytes) -> tuple[bytes, int, int]:
    """(kind, job, payload size); raises ValueError when the stream is not ours."""
    kind, job, size = _HEAD.unpack(head)
    if size > PAYLOAD_LIMIT:
        raise ValueError("a worker message is too large")
    return kind, job, size


class WorkerPipe:
    """The worker's side. Whatever a library prints goes to stderr, never into the pipe."""

    def __init__(self) -> None:
        self._in: BinaryIO = os.fdopen(os.dup(0), "rb")
        self._out: BinaryIO = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        sys.stdout = sys.stderr

    def read(self) -> Message | None:
        """The next message, or None when the server is gone."""
        head = self._in.read(HEAD_SIZE)
        if len(head) < HEAD_SIZE:
            return None
        kind, job, size = unpack_head(head)
        payload = self._in.read(size) if size else b""
        return (kind, job, payload) if len(payload) == size else None

    def write(self, kind: bytes, job: int, payload: bytes = b"") -> None:
        data = memoryview(pack(kind, job, payload))
        while data:
            data = data[self._out.write(data) or 0 :]
