"""Database work in threads of our own leaves no connection behind."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from chats.models import User
from realtime.db import in_database, with_connection

pytestmark = pytest.mark.django_db(transaction=True)


def _fail() -> None:
    User.objects.count()
    raise LookupError


@pytest.mark.parametrize("work", [User.objects.count, _fail])
def test_a_thread_keeps_no_connection(work: Callable[[], object]) -> None:
    with ThreadPoolExecutor(max_workers=1) as thread:
        done = thread.submit(with_connection, work)
        assert isinstance(done.exception(), LookupError) or done.result() == 0
        assert thread.submit(lambda: connection.connection).result() is None


async def test_results_and_errors_come_back() -> None:
    assert await in_database(User.objects.filter(username="ann").exists) is False
    with pytest.raises(LookupError):
        await in_database(_fail)
