"""Rows on their way into the ledger, and who waits until they are safe there.

A row goes to the store at once, and who waits for it (an answer's last event, a call's place) is
let go when it is in the database, or, when that takes longer than it may, in the journal on disk;
while a journal is needed anyway it is put there at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping

from realtime.bridge.gate import Release
from realtime.keeping.store import Store
from realtime.models import Usage
from realtime.money.ledger import Entry

HOLD_SECONDS = 0.01
"""How long an answer's end waits for the database before the journal has to do."""
SETTLE_SECONDS = 1.0
"""How long a call that is over waits for it."""

Told = Callable[[str, list[Usage]], None]


class Settling:
    """Those of one call. Make and use it on the call's event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._entries: dict[str, Entry] = {}
        self._number = 0
        self._held: dict[Release, asyncio.TimerHandle] = {}

    @property
    def entries(self) -> Mapping[str, Entry]:
        """What is on its way, or was a moment ago, by the rows' names."""
        return self._entries

    def names(self) -> Collection[str]:
        """The names of these rows."""
        return self._entries.keys()

    def put(self, entry: Entry, told: Told) -> None:
        """Hand over a row. `told` gets its name and what was added, on the loop."""
        # An answer may be told of again while its row is on its way: that is another row.
        self._number += 1
        name = f"{entry.upstream_session}|{entry.key}|{entry.kind}|{self._number}"
        self._entries[name] = entry
        self._store.append(
            "realtime.Usage",
            name,
            entry.fields(),
            lambda rows: self._in_ledger(name, told, rows or []),
        )

    def hold(self, release: Release) -> None:
        """Call `release` once every row that was put so far is safe."""
        self._hold(release, 0.0 if self._store.has_journal else HOLD_SECONDS)

    def when_settled(self, then: Release) -> None:
        """Call `then` once every row is in the ledger; safe is enough when that takes long."""
        self._hold(then, SETTLE_SECONDS)

    def _hold(self, release: Release, patience: float) -> None:
        if self._entries:
            self._held[release] = self._loop.call_later(patience, self._secure, release)
        else:
            release()

    def _secure(self, release: Release) -> None:
        # One that began before its row was put would not do.
        securing = self._loop.run_in_executor(None, self._store.secure)
        securing.add_done_callback(lambda done: self._release(release))

    def _release(self, *releases: Release) -> None:
        """Let go those that are held still."""
        for release in releases:
            timer = self._held.pop(release, None)
            if timer is not None:
                timer.cancel()
                release()

    def _in_ledger(self, name: str, told: Told, rows: list[Usage]) -> None:
        """In the store's thread."""
        try:
            self._loop.call_soon_threadsafe(self._settled, name, told, rows)
        except RuntimeError:
            pass  # the loop is gone, and everybody with it

    def _settled(self, name: str, told: Told, rows: list[Usage]) -> None:
        self._entries.pop(name, None)
        if not self._entries:
            self._release(*self._held)
        told(name, rows)
