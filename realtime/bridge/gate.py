"""A gate that holds back frames for the browser for a moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .writer import Frame, size_of

Release = Callable[[], None]


class Leg(Protocol):
    """One side of a call."""

    def send(self, frame: Frame, /) -> None:
        """Take the frame, and return at once."""


class Gate:
    """A `Leg` that can be shut: frames then wait, in order, until all who shut it have released it.

    An answer's last event waits here until its cost is written down. If more than `most` bytes
    wait, the gate opens.
    """

    def __init__(self, leg: Leg, most: int) -> None:
        self._pass = leg.send
        self._most = most
        self._shut: set[int] = set()
        self._number = 0
        self._waiting: list[Frame] = []
        self._size = 0
        self.send: Callable[[Frame], None] = self._pass
        """Let a frame through, or keep it."""

    def shut(self) -> Release:
        """Let nothing through until the returned function is called. Calling it again is
        harmless."""
        self._number += 1
        number = self._number
        self._shut.add(number)
        self.send = self._keep
        return lambda: self._release(number)

    def open(self) -> None:
        """Let everything through, whoever shut it."""
        self._shut.clear()
        self.send = self._pass
        waiting, self._waiting, self._size = self._waiting, [], 0
        for frame in waiting:
            self._pass(frame)

    def close(self) -> None:
        """Let nothing through any more, and keep nothing."""
        self._pass = _drop
        self.open()

    def _keep(self, frame: Frame) -> None:
        self._waiting.append(frame)
        self._size += size_of(frame)
        if self._size > self._most:
            self.open()

    def _release(self, number: int) -> None:
        self._shut.discard(number)
        if not self._shut:
            self.open()


def _drop(frame: Frame, /) -> None:
    """Discard a frame: the gate is closed."""
