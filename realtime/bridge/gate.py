"""Keeps back, for a moment, what goes to the browser: see `Gate`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .writer import Frame, size_of

Release = Callable[[], None]


class Sink(Protocol):
    """Where frames go at once."""

    def send_text(self, text: str) -> None: ...

    def send_bytes(self, data: bytes) -> None: ...


class Gate:
    """A leg that can be shut: from then on frames wait, in order, until whoever shut it opens it.

    An answer's last event waits here until what the answer cost is written down. More than `most`
    bytes do not wait.
    """

    def __init__(self, leg: Sink, most: int) -> None:
        self._leg = leg
        self._most = most
        self._shut: set[int] = set()
        self._number = 0
        self._waiting: list[Frame] = []
        self._size = 0

    def shut(self) -> Release:
        """Let nothing through until the function that is returned is called, once or more."""
        self._number += 1
        number = self._number
        self._shut.add(number)
        return lambda: self._release(number)

    def open(self) -> None:
        """Let everything through, whoever shut it."""
        self._shut.clear()
        waiting, self._waiting, self._size = self._waiting, [], 0
        for frame in waiting:
            self._pass(frame)

    def send_text(self, text: str) -> None:
        if self._shut:
            self._keep(text)
        else:
            self._leg.send_text(text)

    def send_bytes(self, data: bytes) -> None:
        if self._shut:
            self._keep(data)
        else:
            self._leg.send_bytes(data)

    def _keep(self, frame: Frame) -> None:
        self._waiting.append(frame)
        self._size += size_of(frame)
        if self._size > self._most:
            self.open()

    def _pass(self, frame: Frame) -> None:
        if isinstance(frame, str):
            self._leg.send_text(frame)
        else:
            self._leg.send_bytes(frame)

    def _release(self, number: int) -> None:
        self._shut.discard(number)
        if not self._shut:
            self.open()
