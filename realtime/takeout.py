"""What `realtime` knows of a person, for the archive of `chats.takeout`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.dispatch import receiver

from chats.models import User
from chats.paging import every
from chats.signals import takeout
from realtime.models import Usage
from realtime.money.report_files import ROW, csv_pieces, row_cells

AT_ONCE = 2000


@receiver(takeout)
def add_usage(sender: type[User], person: User, **_: Any) -> Iterator[tuple[str, Iterable[bytes]]]:
    """The person's rows of the ledger."""
    rows = every(Usage.objects.filter(user_id=person.pk), ("created", "pk"), AT_ONCE)
    yield "usage.csv", csv_pieces(ROW, (row_cells(row) for row in rows))
