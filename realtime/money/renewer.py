"""The renewer: renews the places of a process's calls, in a process of its own.

    python -m realtime.money.renewer

Asked once a second with the calls' wishes and the time, it answers the terms of each. For a hundred
calls that takes some ten milliseconds of a processor, which their audio would wait for.
`realtime.money.renewing` starts it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from datetime import datetime
from typing import TYPE_CHECKING

from realtime.programs.database_program import answer_from_database

if TYPE_CHECKING:
    from realtime.money.terms import Terms, Wish


def load() -> Callable[[tuple[Collection[Wish], datetime]], dict[uuid.UUID, Terms]]:
    """As `database_program.answer_from_database` wants it."""
    from realtime.db import and_rest
    from realtime.money.quotas import renew

    return lambda question: and_rest(renew, *question)


if __name__ == "__main__":
    answer_from_database(load)
