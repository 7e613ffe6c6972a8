"""The audio of running calls on disk: raw PCM while an item is spoken, one MP3 when it is complete.

Nothing here waits on the event loop. One thread appends for all tracks; another has them encoded by
another process, so that a long encode holds up no append and no call. A process that dies leaves
its `.pcm` files; `realtime.calls.janitor` turns them into recordings.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage

from chats.models import Recording
from realtime.bridge.audio import SAMPLE_BYTES, bytes_to_ms, ms_to_bytes
from realtime.keeping import mp3
from realtime.keeping.background import Jobs
from realtime.keeping.encoding import Encoder, NotEncoded

log = logging.getLogger(__name__)
outage = logging.getLogger("nextvoice.outage")

# Above this much unwritten audio the disk is not keeping up, and the rest is not recorded.
MAX_PENDING_BYTES = 8 * 1024 * 1024
# Above this much it is written at once.
HURRY_BYTES = ms_to_bytes(2000)
# How many pieces are written with one system call; Linux takes 1024.
TOGETHER = 1000

_appends = Jobs("track-append")
_encodes = Jobs("track-encode")
_encoder = Encoder()


class Movable(File):  # type: ignore[type-arg]
    """A file that a storage on the same disk can move instead of copying it."""

    def temporary_file_path(self) -> str:
        """Its path; `FileSystemStorage` asks for it."""
        return str(self.name)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A finished recording: its name in the storage, length and size."""

    name: str
    duration_ms: int
    size: int


def recording_columns(encoded: Encoded | None) -> dict[str, Any]:
    """The columns of a `Recording` once it was encoded; failed if there was nothing to keep."""
    if encoded is None:
        return {"state": Recording.State.FAILED}
    return {
        "state": Recording.State.READY,
        "file": encoded.name,
        "duration_ms": encoded.duration_ms,
        "size": encoded.size,
    }


def live_folder(call_id: str) -> Path:
    """The file for the raw audio of an item of a running call."""
    return Path(settings.DATA_DIR) / "live" / call_id


class Track:
    """The growing audio of one item. Used from the event loop; never blocks."""

    def __init__(self, call_id: str, recording_id: str) -> None:
        self.recording_id = recording_id
        self._path = live_folder(call_id) / f"{recording_id}.pcm"
        # Audio that is not in the file yet, and whether the append thread is about to write it,
        # soon or at once. A list: each item has a track, and an empty deque takes 760 bytes.
        self._pieces: list[bytes | memoryview] = []
        self._awaited = self._hurried = False
        # Bytes the append thread is done with, and bytes in the file; both are the thread's own.
        self._written = self._in_file = 0
        self._file: FileIO | None = None
        # Bytes of the item so far.
        self.size = 0
        # Whether some of it could not be kept, and whom to tell the first time, in any thread.
        self.partial = False
        self.on_partial: Callable[[], None] = lambda: None

    @property
    def duration_ms(self) -> int:
        return bytes_to_ms(self.size)

    def append(self, pcm: bytes | memoryview) -> None:
        """Add PCM16, which must not change any more; it reaches the disk within half a second."""
        if self.size - self._written > MAX_PENDING_BYTES:
            self._lose("the disk is too slow")
            return
        self._pieces.append(pcm)
        self.size += len(pcm)
        if not self._awaited:
            self._awaited = True
            _appends.soon(self._write)
        # A provider may send an answer far faster than it is spoken.
        if not self._hurried and self.size - self._written >= HURRY_BYTES:
            self._hurried = True
            _appends.now(self._write)

    def finish(self, keep_ms: int | None, done: Callable[[Encoded | None], None]) -> None:
        """Encode the first `keep_ms` (None: all) and call `done`, in another thread.

        `done` gets None when there was nothing to keep or the disk refused it.
        """

        def encode() -> None:
            done(_encode_file(self._path, self.recording_id, keep_ms))

        def close() -> None:
            self._write()
            self._close()
            _encodes.now(encode)

        # By the append thread, so that the file is complete when it is read.
        _appends.now(close)

    def read(self, start: int, count: int) -> bytes:
        """So many bytes from byte `start` on; fewer when there are fewer, none when some of it
        could not be kept."""
        if self.partial:
            return b""
        # In this order: pieces that are taken meanwhile are in the file by then.
        waiting = b"".join(self._pieces.copy())
        in_file = self.size - len(waiting)
        found = b""
        if start < in_file:
            try:
                with self._path.open("rb") as file:
                    file.seek(start)
                    found = file.read(min(count, in_file - start))
            except OSError:
                return b""
        return found + waiting[max(0, start - in_file) :][: count - len(found)]

    def discard(self) -> None:
        """Discard the audio."""
        self._pieces.clear()
        _appends.now(self._remove)

    def _write(self) -> None:
        self._awaited = self._hurried = False
        pieces = self._pieces.copy()
        if not pieces:
            return
        size = sum(map(len, pieces))
        try:
            self._add(pieces)
        except OSError as problem:
            self._close()
            self._lose(problem)
        finally:
            self._written += size
            del self._pieces[: len(pieces)]

    def _add(self, pieces: list[bytes | memoryview]) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = FileIO(self._path, "ab")
            if self._file.seek(0, os.SEEK_END) > self._in_file:
                # Part of a piece that the disk had no room for, which may end within a sample.
                self._file.truncate(self._in_file)
        # Not joined first: there may be megabytes of it.
        for at in range(0, len(pieces), TOGETHER):
            some = pieces[at : at + TOGETHER]
            written = os.writev(self._file.fileno(), some)
            if written < sum(map(len, some)):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._in_file += written

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
    except NotEncoded as problem:
        log.error("recording %s stays raw for the time being: %s", recording_id, problem)
        return None
    except Exception:
        # The raw audio stays; the janitor tries again.
        log.exception("recording %s could not be encoded", recording_id)
        return None


def encode_file(path: Path, recording_id: str, keep_ms: int | None = None) -> Encoded | None:
    """Turn a raw `.pcm` file into a stored MP3 and remove it; None when it is empty or absent. A
    file that another process has converted meanwhile is left to it.

    Raises NotEncoded, or the storage's errors; the raw file still exists then.
    """
    try:
        size = path.stat().st_size // SAMPLE_BYTES * SAMPLE_BYTES
    except FileNotFoundError:
        return stored(recording_id)
    if keep_ms is not None:
        size = min(size, ms_to_bytes(keep_ms))
    encoded = None
    if size:
        # Beside it, so that what a killed process leaves goes with the folder. Under a name of its
        # own: the janitor of another process may have started the same.
        made = path.with_suffix(f".{os.getpid()}.mp3")
        try:
            mp3_size = _encoder.encode(path, size, made)
            with made.open("rb") as file:
                name = default_storage.save(_name(recording_id), Movable(file))
        finally:
            made.unlink(missing_ok=True)
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


def waiting() -> int:
    """How many recordings wait to be encoded, beside the one that is."""
    return _encodes.waiting


def settle(timeout: float) -> None:
    """Wait until all audio handed over so far is on disk, then until the finished part of it is
    encoded, each at most `timeout` seconds. Raises TimeoutError."""
    _appends.settle(timeout)
    _encodes.settle(timeout)


def remove_folder(call_id: str) -> None:
    """Remove an ended call's folder once it has no audio worth keeping."""
    folder = live_folder(call_id)
    if folder.is_dir() and not any(folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)
