"""The audio of running calls on disk: raw PCM while an item is spoken, one MP3 when it is complete.

Nothing here runs on the event loop: appends go through one thread in order, encoding through
another, so that a long encode holds up nobody's append. A process that dies leaves its `.pcm`
files; `realtime.janitor` turns them into recordings.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage

from chats.models import Recording
from realtime import mp3
from realtime.background import ENCODER, WRITER, give_way
from realtime.bridge.audio import SAMPLE_BYTES, bytes_to_ms, ms_to_bytes

log = logging.getLogger(__name__)
outage = logging.getLogger("nextvoice.outage")

# How much audio is gathered before it goes to disk: what a killed process loses at most.
FLUSH_BYTES = ms_to_bytes(500)
# Above this much unwritten audio the disk is not keeping up, and the rest is not recorded.
MAX_PENDING_BYTES = 8 * 1024 * 1024
# How much of a recording is in memory while it is encoded.
PIECE_BYTES = 48_000

_appends = ThreadPoolExecutor(1, "track-append", give_way, (WRITER,))
_encodes = ThreadPoolExecutor(1, "track-encode", give_way, (ENCODER,))


@dataclass(frozen=True, slots=True)
class Encoded:
    """A finished recording: its name in the storage, length and size."""

    name: str
    duration_ms: int
    size: int


def recording_columns(encoded: Encoded | None) -> dict[str, Any]:
    """The columns of a `Recording` that was encoded; failed where there was nothing to keep."""
    if encoded is None:
        return {"state": Recording.State.FAILED}
    return {
        "state": Recording.State.READY,
        "file": encoded.name,
        "duration_ms": encoded.duration_ms,
        "size": encoded.size,
    }


def live_folder(call_id: str) -> Path:
    """Where the raw audio of a running call lies."""
    return Path(settings.DATA_DIR) / "live" / call_id


class Track:
    """The growing audio of one item. Used from the event loop; never blocks."""

    def __init__(self, call_id: str, recording_id: str) -> None:
        self.recording_id = recording_id
        self._path = live_folder(call_id) / f"{recording_id}.pcm"
        # Audio that is not on its way to the disk yet.
        self._pending = bytearray()
        # Audio for the append thread, and whether that was asked to come for it. However fast a
        # provider sends, one job writes all there is by then.
        self._chunks: deque[bytes] = deque()
        self._asked = False
        # Bytes handed to the append thread, and bytes it is done with; each is its thread's own.
        self._handed = self._written = 0
        # Bytes the file holds; only the append thread knows.
        self._in_file = 0
        self._file: FileIO | None = None
        # Bytes of the item so far.
        self.size = 0
        # Whether some of it could not be kept, and who is told the first time: in any thread.
        self.partial = False
        self.on_partial: Callable[[], None] = lambda: None

    @property
    def duration_ms(self) -> int:
        return bytes_to_ms(self.size)

    def append(self, pcm: bytes | memoryview) -> None:
        """Add PCM16; it reaches the disk within half a second of audio."""
        if self._handed - self._written > MAX_PENDING_BYTES:
            self._lose("the disk is too slow")
            return
        self._pending += pcm
        self.size += len(pcm)
        if len(self._pending) >= FLUSH_BYTES:
            self._flush()

    def finish(self, keep_ms: int | None, done: Callable[[Encoded | None], None]) -> None:
        """Encode the first `keep_ms` (all when None) and call `done`, in another thread.

        `done` gets None when there was nothing to keep or the disk refused it.
        """
        self._flush()
        path, recording_id = self._path, self.recording_id

        def work() -> None:
            done(_encode_file(path, recording_id, keep_ms))

        def encode() -> None:
            self._close()
            _encodes.submit(work)

        # Through the append thread first, so that the file is whole when it is read.
        _appends.submit(encode)

    def read(self, start: int, count: int) -> bytes:
        """So many bytes of what has reached the disk, from byte `start` on; fewer when there are
        not so many."""
        try:
            with self._path.open("rb") as file:
                file.seek(start)
                return file.read(count)
        except OSError:
            return b""

    def discard(self) -> None:
        """Forget the audio."""
        self._pending.clear()
        self._chunks.clear()
        _appends.submit(self._remove)

    def _flush(self) -> None:
        if self._pending:
            self._chunks.append(bytes(self._pending))
            self._handed += len(self._pending)
            self._pending.clear()
            if not self._asked:
                self._asked = True
                _appends.submit(self._write)

    def _write(self) -> None:
        self._asked = False
        chunks = []
        with suppress(IndexError):
            while True:
                chunks.append(self._chunks.popleft())
        if not chunks:
            return
        audio = b"".join(chunks)
        try:
            self._add(audio)
        except OSError as problem:
            self._close()
            self._lose(problem)
        finally:
            self._written += len(audio)

    def _add(self, audio: bytes) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = FileIO(self._path, "ab")
        if self._file.seek(0, os.SEEK_END) > self._in_file:
            # Of a piece the disk had no room for, a part that may end within a sample.
            self._file.truncate(self._in_file)
        if self._file.write(audio) < len(audio):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._in_file += len(audio)

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def _remove(self) -> None:
        self._close()
        self._path.unlink(missing_ok=True)

    def _lose(self, why: object) -> None:
        outage.error("audio could not be kept: %s", why)
        if not self.partial:
            self.partial = True
            self.on_partial()


def _encode_file(path: Path, recording_id: str, keep_ms: int | None) -> Encoded | None:
    try:
        return encode_file(path, recording_id, keep_ms)
    except Exception:
        # The raw audio stays; the janitor tries again.
        log.exception("recording %s could not be encoded", recording_id)
        return None


def encode_file(path: Path, recording_id: str, keep_ms: int | None = None) -> Encoded | None:
    """Turn a raw `.pcm` file into a stored MP3 and remove it; None when it is empty or absent."""
    try:
        size = path.stat().st_size // SAMPLE_BYTES * SAMPLE_BYTES
    except FileNotFoundError:
        return None
    if keep_ms is not None:
        size = min(size, ms_to_bytes(keep_ms))
    encoded = None
    if size:
        with tempfile.TemporaryFile() as file:
            mp3_size = mp3.write(file, _pieces(path, size))
            file.seek(0)
            name = default_storage.save(_name(recording_id), File(file))
        encoded = Encoded(name, bytes_to_ms(size), mp3_size)
    path.unlink(missing_ok=True)
    return encoded


def stored(recording_id: str) -> Encoded | None:
    """The recording as `encode_file` stored it, when its process died before it could say so."""
    name = _name(recording_id)
    if not default_storage.exists(name):
        return None
    with default_storage.open(name) as file:
        content = file.read()
    return Encoded(name, mp3.duration_ms(content), len(content))


def _name(recording_id: str) -> str:
    return f"recordings/{recording_id[:2]}/{recording_id}.mp3"


def _pieces(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while size > 0 and (piece := file.read(min(size, PIECE_BYTES))):
            size -= len(piece)
            yield piece


def waiting() -> int:
    """How many recordings are to be encoded, beside the one that is."""
    return _encodes._work_queue.qsize()


def settle(timeout: float) -> None:
    """Wait until all audio handed over so far is on disk and encoded, at most `timeout` seconds."""
    _appends.submit(lambda: None).result(timeout)
    _encodes.submit(lambda: None).result(timeout)


def remove_folder(call_id: str) -> None:
    """Remove an ended call's folder once it is empty of audio worth keeping."""
    folder = live_folder(call_id)
    if folder.is_dir() and not any(folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)
