"""What programs of ours have in common that use the database beside the site: see
`realtime.programs.beside`.

In: pickled questions. Out, for each: a pickled pair, of its answer, and None; or, while the
database is away, of None, and the text of why.
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
    """Answer what comes on standard input, one after another, until it ends.

    `load` is called once Django is set up; what it returns makes an answer of a question.
    """
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
