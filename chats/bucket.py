"""The storage of a site that keeps its files in an object store (S3, MinIO), which may be away.

Files are first saved to the `spool`. If the store takes a file at once, it is there when `save`
returns; otherwise it waits, can be read on this machine meanwhile, and `ship_waiting` tries again
until the store holds the same bytes. Reading fetches from where one seeks, not the whole file.
"""

from __future__ import annotations

import hashlib
import io
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, BinaryIO

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files import File
from storages.backends.s3 import S3Storage

from chats.spool import Spool, StoreAway, spool

outage = logging.getLogger("nextvoice.outage")

REFUSALS = 3
"""After so many failures in a row the rest waits for the next time."""
BUFFER_BYTES = 64 * 1024
PIECE_BYTES = 1024 * 1024


class Bucket(S3Storage):  # type: ignore[misc]  # the library has no types
    """`S3Storage` with a spool. A name always means the same file: saving it again replaces it.

    Reading raises FileNotFoundError, or `StoreAway` when the store cannot say.
    """

    @property
    def _spool(self) -> Spool:
        return spool()

    def _save(self, name: str, content: File[bytes]) -> str:
        try:
            self._spool.put(name, content)
        except OSError as problem:
            outage.error("a file cannot wait on this machine: %s", problem)
            with reaching():
                return str(super()._save(name, content))
        if not self._spool.away:
            self.ship(name)
        return name

    def ship(self, name: str) -> bool | None:
        """Upload a waiting file. False when it has to wait longer, None when it is gone or another
        process is uploading it."""
        with self._spool.taken(name) as file:
            if file is None:
                return None
            try:
                with reaching():
                    super()._save(name, File(file))
                    if not self._has(name, file):
                        raise StoreAway(f"{name} is not what was sent")
            except OSError as problem:
                self._spool.away = True
                outage.error("files wait on this machine: %s", problem)
                return False
            self._spool.away = False
            if not self._spool.release(name, file):
                # Deleted while it was being uploaded. Left there, it would be an orphan.
                with suppress(OSError), reaching():
                    super().delete(name)
        return True

    def ship_waiting(self) -> None:
        """Try to upload all waiting files."""
        # In random order: a file that is always refused holds up no other.
        names = self._spool.names()
        random.shuffle(names)
        brought = refused = 0
        for name in names:
            there = self.ship(name)
            brought += there is True
            refused = refused + 1 if there is False else 0
            if refused == REFUSALS:
                break
        if brought:
            outage.warning("files that waited on this machine are in the store: %d", brought)

    def _has(self, name: str, file: BinaryIO) -> bool:
        """Whether the store holds the same bytes."""
        stored = self.bucket.Object(self._normalize_name(name))
        sent = _hash(file)
        # The ETag is the content's MD5, but not in every store, nor for multipart uploads.
        if stored.e_tag.strip('"') == sent:
            return True
        with ObjectReader(stored) as held:
            return _hash(held) == sent

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        if mode != "rb":
            raise ValueError("files are saved whole and read")
        try:
            return File(self._spool.path(name).open("rb"), name)
        except FileNotFoundError:
            pass
        with reaching():
            reader = ObjectReader(self.bucket.Object(self._normalize_name(name)))
        return File(io.BufferedReader(reader, BUFFER_BYTES), name)

    def exists(self, name: str) -> bool:
        with reaching():
            return self._spool.path(name).exists() or bool(super().exists(name))

    def size(self, name: str) -> int:
        try:
            return self._spool.path(name).stat().st_size
        except FileNotFoundError:
            with reaching():
                return int(super().size(name))

    def get_modified_time(self, name: str) -> datetime:
        with reaching():
            changed: datetime = super().get_modified_time(name)
            return changed

    def delete(self, name: str) -> None:
        self._spool.discard(name)
        with reaching():
            super().delete(name)


class ObjectReader(io.RawIOBase):
    """An object of the store as a file; reading makes one request, from the current position on.

    The constructor raises FileNotFoundError, reading raises `StoreAway`.
    """

    def __init__(self, stored: Any) -> None:
        # The response being read, from `_at` on. Set first: a reader is closed even when there is
        # no object.
        self._body: Any = None
        self._stored = stored
        self._size: int = stored.content_length
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        to = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if to != self._at:
            self._hang_up()
            self._at = to
        return to

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._size or not len(buffer):
            return 0
        with reaching():
            if self._body is None:
                self._body = self._stored.get(Range=f"bytes={self._at}-")["Body"]
            piece = self._body.read(len(buffer))
        if not piece:
            raise StoreAway(f"{self._stored.key} ended at {self._at} of {self._size} bytes")
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        self._hang_up()
        super().close()

    def _hang_up(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None


@contextmanager
def reaching() -> Iterator[None]:
    """Turns the library's errors into OSErrors."""
    try:
        yield
    except ClientError as problem:
        if problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
            raise FileNotFoundError(str(problem)) from None
        raise StoreAway(str(problem)) from problem
    except (BotoCoreError, Boto3Error) as problem:
        raise StoreAway(str(problem)) from problem


def _hash(file: Any) -> str:
    told = hashlib.md5(usedforsecurity=False)
    file.seek(0)
    while piece := file.read(PIECE_BYTES):
        told.update(piece)
    return told.hexdigest()
