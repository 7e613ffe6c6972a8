"""Run the benchmark: `python -m tests.bench [--calls 25 50 100] [--most 400] [--only NAME ...]`.

Each relay has one core, load and provider share another. Figures of one run are comparable with
each other only: quote the ratios. "no relay" is the load talking with the provider directly, which
shows what the machine and the load themselves add.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from tests.bench.relays import Relay, floor, line, litellm, site, started

MOST_MS = 20.0
"""The delay a relay may add, at the 99th percentile."""
WARM_SECONDS = 1.5
GONE_SECONDS = 20.0
FINISH_SECONDS = 60.0
BUSY = 0.85
"""Of the core that load and provider share: above this they are the limit."""
MAKERS = {"bare": floor, "nextvoice": site, "litellm": litellm}


@dataclass(frozen=True)
class Figures:
    """One time of so many calls: delays in ms, of both directions the worse."""

    calls: int
    p50: float
    p99: float
    cpu_ms: float
    memory_kb: int
    frames: float
    """Of those that should have come, the share that did."""
    load_busy: float
    lost: list[str]

    @property
    def good(self) -> bool:
        return self.p99 < MOST_MS and self.frames > 0.95 and not self.lost

    def __str__(self) -> str:
        note = f", {len(self.lost)} lost: {self.lost[0][:60]}" if self.lost else ""
        if self.load_busy > BUSY:
            note += ", THE LOAD IS THE LIMIT"
        return (
            f"{self.calls:5} calls  p50 {self.p50:7.1f} ms  p99 {self.p99:7.1f} ms  "
            f"CPU {self.cpu_ms:6.2f} ms/call-s  frames {self.frames:4.0%}  "
            f"load {self.load_busy:4.0%}{note}"
        )


class Bench:
    """The load and the provider, and one relay between them."""

    def __init__(self, load: subprocess.Popen[str], provider: subprocess.Popen[str]) -> None:
        self._load = load
        self._provider = provider
        self.relay: Relay | None = None
        self.opened = 0
        self.connect_ms = float("nan")

    def _ask(self, child: subprocess.Popen[str], **told: Any) -> Any:
        assert child.stdin is not None
        child.stdin.write(orjson.dumps(told).decode() + "\n")
        child.stdin.flush()
        return orjson.loads(line(child))

    def load(self, do: str, **told: Any) -> Any:
        return self._ask(self._load, do=do, **told)

    def grow(self, urls: list[str], kind: str, headers: dict[str, str]) -> str | None:
        """Open calls with these URLs; why it did not work."""
        if not urls:
            return None
        told = self.load("open", kind=kind, urls=urls, headers=headers)
        self.opened = told["open"]
        if "failed" in told:
            return str(told["failed"])
        self.connect_ms = told["ms"]["p50"]
        return None

    def figures(self, seconds: float) -> Figures:
        """What so many calls take, for so long."""
        self.load("run", seconds=WARM_SECONDS)
        before, spent = self._ask(self._provider, do="report"), self._cpu()
        busy, began = self.load("run", seconds=0)["cpu"] + before["cpu"], time.monotonic()
        down = self.load("run", seconds=seconds)
        took, spent = time.monotonic() - began, self._cpu() - spent
        up = self._ask(self._provider, do="report")
        # Without a relay what is heard is both.
        due = self.opened * took * 25
        return Figures(
            calls=self.opened,
            p50=max(down["p50"], up["p50"]),
            p99=max(down["p99"], up["p99"]),
            cpu_ms=spent * 1000 / (self.opened * took),
            memory_kb=self.relay.memory_kb() if self.relay else 0,
            frames=min(down["frames"], up["frames"]) / due,
            load_busy=(down["cpu"] + up["cpu"] - busy) / took,
            lost=down["lost"],
        )

    def _cpu(self) -> float:
        return self.relay.cpu_seconds() if self.relay else 0.0

    def close(self) -> None:
        """Hang up, and wait until the relay has done so too."""
        self.load("close")
        self.opened, end = 0, time.monotonic() + GONE_SECONDS
        while self._ask(self._provider, do="report")["open"] and time.monotonic() < end:
            time.sleep(0.2)


def measure(bench: Bench, relay: Relay, wanted: list[int], seconds: float) -> dict[str, Any]:
    """A relay's figures at these numbers of calls, and how many it can take."""
    bench.relay = relay
    print(f"\n{relay.name}: {relay.memory_kb() / 1024:.0f} MB at start")
    found: dict[str, Any] = {"name": relay.name}
    # One call first: what is loaded on first use is no call's.
    bench.grow(relay.urls[:1], relay.kind, relay.headers)
    bench.load("run", seconds=3)
    alone = relay.memory_kb()
    good, bad = 1, len(relay.urls)
    for calls in [*wanted, *_doubling(wanted[-1], bad)]:
        if (figures := _at(bench, relay, calls, seconds)) is None:
            bad = calls
            break
        if calls in wanted:
            found |= {"cpu": figures.cpu_ms, "connect": bench.connect_ms, "at": calls}
            found["memory"] = (figures.memory_kb - alone) / (calls - 1)
            print(f"      {found['memory']:.0f} kB a call, ready in {bench.connect_ms:.1f} ms")
        elif not figures.good:
            bad = calls
            break
        if figures.good:
            good = calls
    if beside := relay.beside_kb():
        print(f"      beside it: {beside / 1024:.0f} MB")
    found["calls"] = good
    if bad < len(relay.urls) or good < bad:
        found["calls"] = _between(bench, relay, good, bad, seconds)
    if (figures := _at(bench, relay, max(1, found["calls"] // 2), seconds)) is not None:
        found["half"] = figures.p99
    return found


def _doubling(start: int, most: int) -> list[int]:
    return [start * 2**n for n in range(1, 12) if start * 2**n < most] + [most]


def _at(bench: Bench, relay: Relay, calls: int, seconds: float) -> Figures | None:
    """The figures with so many calls; None when they could not be opened.

    What was put off while there was too much to do is none of these calls' doing.
    """
    if calls < bench.opened:
        bench.close()
        relay.finish(FINISH_SECONDS)
    why = bench.grow(relay.urls[bench.opened : calls], relay.kind, relay.headers)
    if why is not None:
        print(f"{calls:5} calls could not be opened, {bench.opened} were: {why[:200]}")
        return None
    figures = bench.figures(seconds)
    print(figures, flush=True)
    return figures


def _between(bench: Bench, relay: Relay, good: int, bad: int, seconds: float) -> int:
    """By halves, to a tenth."""
    while bad - good > max(4, good // 10):
        middle = (good + bad) // 2
        figures = _at(bench, relay, middle, seconds)
        if figures is not None and figures.good:
            good = middle
        else:
            bad = middle
    return good


def trouble(bench: Bench, relay: Relay, calls: int) -> None:
    """What a page that does not read, and a database that is busy, do to the others."""
    _at(bench, relay, calls, 4)
    memory = relay.memory_kb()
    bench.load("stop_reading", reads=False)
    figures = bench.figures(8)
    grown = relay.memory_kb() - memory
    print(f"one reads nothing for 8 s: {grown} kB more; the others:\n{figures}")
    bench.close()
    if relay.database is not None:
        _at(bench, relay, calls, 4)
        with contextlib.closing(sqlite3.connect(relay.database, isolation_level=None)) as busy:
            busy.execute("BEGIN IMMEDIATE")
            print(f"the database is locked for 5 s:\n{bench.figures(3.5)}")
            busy.execute("ROLLBACK")
        bench.close()


@contextlib.contextmanager
def standing() -> Iterator[tuple[Bench, str]]:
    """Load and provider on the other core, and the provider's address."""
    python = sys.executable
    with (
        started([python, "-m", "tests.bench.provider"], -1) as provider,
        started([python, "-m", "tests.bench.load"], -1) as load,
    ):
        yield Bench(load, provider), f"ws://127.0.0.1:{line(provider)}/v1/realtime"


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("--calls", type=int, nargs="+", default=[25, 50, 100])
    parser.add_argument("--most", type=int, default=800)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--only", nargs="+", choices=MAKERS, default=list(MAKERS))
    options = parser.parse_args()
    # What was started ends with this, also when it is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rows: list[dict[str, Any]] = []
    with standing() as (bench, provider):
        bench.grow([provider] * options.calls[-1], "program", {})
        print(f"no relay:\n{bench.figures(options.seconds)}")
        bench.close()
        for name in options.only:
            maker: Callable[..., Any] = MAKERS[name]
            with maker(provider, options.most) as relay:
                if relay is not None:
                    rows.append(measure(bench, relay, options.calls, options.seconds))
                if name == "nextvoice":
                    trouble(bench, relay, options.calls[0])
            bench.close()
    _summary(rows)


def _summary(rows: list[dict[str, Any]]) -> None:
    print(f"\n{'':12}{'calls':>7}{'half p99':>10}{'CPU':>15}{'memory':>12}{'ready':>10}")
    for row in rows:
        print(
            f"{row['name']:12}{row['calls']:>7}{row.get('half', float('nan')):>7.1f} ms"
            f"{row.get('cpu', float('nan')):>7.2f} ms/call-s{row.get('memory', 0):>9.0f} kB"
            f"{row.get('connect', float('nan')):>7.1f} ms"
        )
    ours = next((row for row in rows if row["name"] == "nextvoice"), None)
    for row in rows:
        if ours is not None and row is not ours and "cpu" in row and "cpu" in ours:
            print(
                f"nextvoice to {row['name']}: calls x{ours['calls'] / row['calls']:.2f}, "
                f"CPU x{ours['cpu'] / row['cpu']:.2f}"
            )


if __name__ == "__main__":
    main()
