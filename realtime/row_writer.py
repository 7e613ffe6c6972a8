"""The writer: puts rows into the database, in a process of its own.

    python -m realtime.row_writer

In: pickled lists of `Plain`. Out, for each: a pickled pair, of what adding each row gave, and None;
or, while the database is away, of None, and the text of why.

It ends with its standard input, also in the middle of a batch, which is then not written.
`realtime.row_writing` starts it.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections.abc import Iterator
from typing import Any

import django

from realtime.logs import hide_in_crashes
from realtime.priority import interrupt_nobody
from realtime.program import answer_all

Plain = tuple[str, str, dict[str, Any], bool]
"""A row's model, primary key, fields, and whether it is to go: all of it that is written."""


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nextvoice.settings")
    hide_in_crashes()
    os.environ["DATABASE_POOL"] = "1"  # for its one thread
    django.setup()
    # That the database is away is said by who asked.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    # Audio goes first. Further behind than this, a machine whose cores are all busy with something
    # else would write heartbeats of calls too late, and others would take the calls for dead.
    os.nice(15)
    interrupt_nobody()
    answer_all(_batches(), _answer)


def _batches() -> Iterator[list[Plain]]:
    while True:
        try:
            yield pickle.load(sys.stdin.buffer)
        except EOFError:
            return


def _answer(batch: list[Plain]) -> bytes:
    # Not before Django is set up.
    from django.db import InterfaceError, OperationalError

    from realtime.rows import Row, write_rows

    rows = [Row(model, pk, fields, gone=gone) for model, pk, fields, gone in batch]
    try:
        write_rows(rows)
    except (OperationalError, InterfaceError) as problem:
        return pickle.dumps((None, str(problem)))
    return pickle.dumps(([row.outcome for row in rows], None))


if __name__ == "__main__":
    main()
