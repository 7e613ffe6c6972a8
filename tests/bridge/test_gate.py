from __future__ import annotations

from realtime.bridge.call import Call
from realtime.bridge.gate import Gate
from tests.bridge.doubles import SESSION


class Leg:
    def __init__(self) -> None:
        self.frames: list[str | bytes] = []

    def send(self, frame: str | bytes, /) -> None:
        self.frames.append(frame)


def test_what_waits_goes_out_in_order_and_before_what_comes_later() -> None:
    leg = Leg()
    gate = Gate(leg, 100)
    gate.send("a")
    release = gate.shut()
    gate.send("b")
    gate.send(b"c")
    assert leg.frames == ["a"]
    release()
    gate.send("d")
    release()
    assert leg.frames == ["a", "b", b"c", "d"]


def test_it_opens_when_the_last_who_shut_it_says_so() -> None:
    leg = Leg()
    gate = Gate(leg, 100)
    first, second = gate.shut(), gate.shut()
    gate.send("a")
    first()
    first()
    assert leg.frames == []
    second()
    assert leg.frames == ["a"]


def test_it_keeps_no_more_than_it_may() -> None:
    leg = Leg()
    gate = Gate(leg, 10)
    gate.shut()
    gate.send(bytes(10))
    assert leg.frames == []
    gate.send("b")
    assert leg.frames == [bytes(10), "b"]


def test_nothing_passes_when_it_is_closed() -> None:
    leg = Leg()
    gate = Gate(leg, 10)
    gate.send("a")
    release = gate.shut()
    gate.send("b")
    gate.close()
    gate.send("c")
    release()
    gate.shut()()
    gate.send("d")
    assert leg.frames == ["a"]


def test_an_answer_s_end_waits_until_its_cost_is_written() -> None:
    leg, releases = Leg(), []
    call = Call(leg, SESSION, hold=releases.append)
    call.shut()
    call.tell({"type": "response.done"})
    assert leg.frames == []
    releases[0]()
    assert leg.frames == ['{"type":"response.done"}']
