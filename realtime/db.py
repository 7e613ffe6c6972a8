"""Database work of calls, off the event loop and off Django's one thread-sensitive thread.

`sync_to_async` sends every query of the process through one thread, so one slow query anywhere
would hold up each call's start and end. Calls use a few threads of their own instead.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from django.db import (
    Error,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)
from django.db.migrations.executor import MigrationExecutor

P = ParamSpec("P")
T = TypeVar("T")

BEHIND = "Tables are missing, or of an older version: run “manage.py setup” first (or “migrate”)."

_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="call-db")


async def in_database(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work` in a database thread; returns what it returns, raises what it raises."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, lambda: and_rest(work, *args, **kwargs))


def and_rest(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work` in this thread, which lives as long as the process and will do more like it."""
    return _with_connection(rest, work, *args, **kwargs)


def with_connection(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work` in this thread and close its connection afterwards.

    For threads of our own: Django closes connections around requests only, and a thread that kept
    one through an outage of the database would fail with it for ever.
    """
    return _with_connection(close_old_connections, work, *args, **kwargs)


def _with_connection(
    after: Callable[[], None], work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    close_old_connections()
    try:
        return work(*args, **kwargs)
    finally:
        after()


def is_away(problem: BaseException) -> bool:
    """Whether the database cannot be reached now. SQLite also raises OperationalError for mistakes
    of ours, such as a missing table; these do not count."""
    mistake = getattr(problem.__cause__, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    return isinstance(problem, OperationalError | InterfaceError) and not mistake


def is_behind() -> bool:
    """Whether tables are missing, or older than this code."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def in_words(problem: BaseException) -> str | None:
    """A line for people about a database error; None when the fault is ours."""
    try:
        if not is_away(problem):
            return BEHIND if is_behind() else None
    except Error:
        pass  # it is gone again, or holds something else
    return f"The database cannot be reached or used: {str(problem).strip().splitlines()[0]}"


def rest() -> None:
    """This thread, which lives as long as the process, needs its connection no more for now.

    One to a file stays open: files do not go away, and opening it takes longer than most queries.
    """
    if connection.vendor == "sqlite":
        connection.close_at = None
    else:
        close_old_connections()


@contextmanager
def one_moment() -> Iterator[None]:
    """All queries inside see the database as it was at the first one. Only for reading: on SQLite,
    unlike with `atomic`, others can write meanwhile."""
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")
    else:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield
