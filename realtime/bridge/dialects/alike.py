"""Frames that differ only in two strings, taken apart without parsing them as JSON.

An answer's audio comes in hundreds of frames that differ only in the event's id and the audio.
"""

from __future__ import annotations

from typing import Self

from ..writer import Frame


class Alike:
    """What consecutive frames with an answer's audio have in common.

    A frame that begins with `head`, which ends in the quote that opens the event id, goes on with
    `middle` and ends with `tail` is the same JSON except for the two strings in between: neither
    contains quotes, or the frame would not match.
    """

    __slots__ = ("_at", "_head", "_left", "_middle", "_tail")

    def __init__(self, head: str, middle: str, tail: str) -> None:
        self._head, self._middle, self._tail = head, middle, tail
        self._at = len(head)
        self._left = len(tail)

    @classmethod
    def of(cls, frame: Frame, event_id: object, delta: object) -> Self | None:
        """Made from one such frame and its two values; None if those stand in other places."""
        if not isinstance(frame, str):
            return None
        head, _, rest = frame.partition(f'"{event_id}"')
        middle, _, tail = rest.partition(f'"{delta}"')
        if not tail or not _ends_in(head, "event_id") or not _ends_in(middle, "delta"):
            return None
        return cls(f'{head}"', f'"{middle}"', f'"{tail}')

    def delta(self, frame: str) -> str | None:
        """The `delta` of such a frame, as it stands there; None for another frame."""
        if not frame.startswith(self._head) or not frame.endswith(self._tail):
            return None
        at = frame.find('"', self._at)
        if not frame.startswith(self._middle, at):
            return None
        return frame[at + len(self._middle) : len(frame) - self._left]


def _ends_in(text: str, name: str) -> bool:
    """Whether the value that follows this text is that of the field `name`."""
    before, colon, after = text.rpartition(":")
    return bool(colon) and not after.strip() and before.rstrip().endswith(f'"{name}"')
