"""The side of the program for those that use the database: see `realtime.programs.beside`.

In: pickled questions. Out: for each a pickled pair, (answer, None), or (None, why) while the
database is away.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import django

from realtime.logs import hide_in_crashes
from realtime.programs.priority import interrupt_nobody
from realtime.programs.program import answer_all


def answer_from_database(load: Callable[[], Callable[[Any], Any]]) -> NoReturn:
    """Answer the questions on standard input, one after another, until it ends.

    `load` is called once Django is set up and returns the function that answers.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nextvoice.settings")
    hide_in_crashes()
    os.environ["DATABASE_POOL"] = "1"  # for its one thread
    django.setup()
    # The asking process reports that the database is away.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    # Audio goes first. With a lower priority still, a machine whose cores are all busy with
    # something else would write heartbeats too late, and calls would be taken for dead.
    os.nice(15)
    interrupt_nobody()
    work = load()
    answer_all(_questions(), lambda question: _answer(work, question))


def _questions() -> Iterator[Any]:
    while True:
        try:
            yield pickle.load(sys.stdin.buffer)
        except EOFError:
            return


def _answer(work: Callable[[Any], Any], question: Any) -> bytes:
    # Not before Django is set up.
    from django.db import InterfaceError, OperationalError

    try:
        return pickle.dumps((work(question), None))
    except (OperationalError, InterfaceError) as problem:
        return pickle.dumps((None, str(problem)))
