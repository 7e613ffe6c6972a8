"""Renews places in the process of `realtime.money.renewer`."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime

from realtime.money.terms import Terms, Wish
from realtime.programs.beside import DatabaseBeside


class Renewer(DatabaseBeside):
    """Does the same as `quotas.renew`, in a process of its own."""

    def __init__(self) -> None:
        super().__init__("realtime.money.renewer")

    def renew(self, wishes: Collection[Wish], now: datetime) -> dict[uuid.UUID, Terms]:
        """As `quotas.renew`. Raises OperationalError while the database is away, or the process is
        gone."""
        terms: dict[uuid.UUID, Terms] = self.answer((wishes, now))
        return terms
