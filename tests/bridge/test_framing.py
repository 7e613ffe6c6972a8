"""The fast path for ordinary frames gives what the library's parser gives, however bytes come."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from realtime.bridge.framing import Splitter, framed
from tests.examples import examples

MOST = 70_000

payloads = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=40).map(str.encode),
    st.sampled_from([125, 126, 127, 65_535, 65_536, MOST, MOST + 1]).map(bytes),
)
frames = st.builds(
    Frame,
    opcode=st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.BINARY, Opcode.CONT]),
    data=payloads,
    fin=st.sampled_from([True, True, True, False]),
) | st.builds(
    Frame,
    opcode=st.sampled_from([Opcode.PING, Opcode.PONG]),
    data=st.binary(max_size=125),
)


def a_connection(masked: bool) -> ClientProtocol | ServerProtocol:
    if masked:
        return ServerProtocol(state=OPEN, max_size=MOST)
    return ClientProtocol(parse_uri("ws://localhost/"), state=OPEN, max_size=MOST)


def seen(events: list[Frame]) -> list[tuple[Opcode, bool, bytes]]:
    """Frames in a form that can be compared."""
    return [(event.opcode, event.fin, bytes(event.data)) for event in events]


def pieces(data: bytes, cuts: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = cuts.choice([1, 2, 3, 7, 50, 1000, 100_000])
        yield data[at : at + size]
        at += size


class Both:
    """A connection of the library with the fast path in front of it."""

    def __init__(self, masked: bool) -> None:
        self.events: list[Frame] = []
        self.short = 0
        self.library = a_connection(masked)
        self.splitter = Splitter(
            self.library,
            masked=masked,
            on_frame=self._frame,
            on_rest=self._rest,
        )

    def _frame(self, frame: str | bytes) -> None:
        self.short += 1
        text = isinstance(frame, str)
        data = frame.encode() if isinstance(frame, str) else frame
        self.events.append(Frame(Opcode.TEXT if text else Opcode.BINARY, data))

    def _rest(self, data: bytes) -> None:
        self.library.receive_data(data)
        self.events += self.library.events_received()


@settings(max_examples=examples(100), deadline=None)
@given(sent=st.lists(frames, max_size=8), masked=st.booleans(), seed=st.integers())
def test_frames_are_those_of_the_library(sent: list[Frame], masked: bool, seed: int) -> None:
    data = b"".join(frame.serialize(mask=masked) for frame in sent)
    plain, both = a_connection(masked), Both(masked)
    plain.receive_data(data)
    for piece in pieces(data, random.Random(seed)):
        both.splitter.feed(piece)
    assert seen(both.events) == seen(plain.events_received())
    assert (both.library.state, both.library.close_sent) == (plain.state, plain.close_sent)


@settings(max_examples=examples(100), deadline=None)
@example(data=b"\x00\xfe", masked=False, seed=0)  # wrong before its length is whole
@given(data=st.binary(max_size=400), masked=st.booleans(), seed=st.integers())
def test_nonsense_ends_as_with_the_library(data: bytes, masked: bool, seed: int) -> None:
    plain, both = a_connection(masked), Both(masked)
    plain.receive_data(data)
    for piece in pieces(data, random.Random(seed)):
        both.splitter.feed(piece)
    assert seen(both.events) == seen(plain.events_received())
    assert (both.library.state, both.library.close_sent) == (plain.state, plain.close_sent)


def test_usual_frames_take_the_short_way() -> None:
    both = Both(masked=True)
    both.splitter.feed(framed("words", masked=True) + framed(b"sound", masked=True))
    assert both.short == 2


def test_a_message_in_parts_is_left_to_the_library() -> None:
    both = Both(masked=False)
    first = Frame(Opcode.BINARY, b"a", fin=False).serialize(mask=False)
    last = Frame(Opcode.CONT, b"b").serialize(mask=False)
    both.splitter.feed(first + last + framed(b"c", masked=False))
    assert (both.short, [bytes(event.data) for event in both.events]) == (1, [b"a", b"b", b"c"])


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_what_is_framed_is_what_the_library_reads(masked: bool, size: int) -> None:
    library = a_connection(masked)
    library.receive_data(framed(bytes(size), masked=masked) + framed("ü" * size, masked=masked))
    events = [event for event in library.events_received() if isinstance(event, Frame)]
    wanted = [(Opcode.BINARY, bytes(size)), (Opcode.TEXT, ("ü" * size).encode())]
    assert [(each.opcode, bytes(each.data)) for each in events] == [
        (opcode, data) for opcode, data in wanted if len(data) <= MOST
    ]
