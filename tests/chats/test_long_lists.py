"""10,000 conversations with 1,000 messages open as ten do: the same queries, rows and indexes.

`DATABASE_URL` decides on which database; grown/ runs this on PostgreSQL as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from chats.models import Conversation, Message, User

pytestmark = pytest.mark.django_db

CONVERSATIONS, MESSAGES = 10_000, 1_000


@contextmanager
def made() -> Any:
    """Counts the model instances that are made: the rows that a page fetches."""
    count, from_db = {"rows": 0}, Model.from_db.__func__  # type: ignore[attr-defined]

    def counted(cls: Any, *args: Any) -> Any:
        count["rows"] += 1
        return from_db(cls, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Model, "from_db", classmethod(counted))
        yield count


def fill(owner: User, conversations: int, messages: int) -> Conversation:
    """So many conversations, of which the newest forty hold so many messages; the newest."""
    begun = timezone.now() - timedelta(days=900)
    found = [
        Conversation(
            owner=owner,
            account=owner.own_account,
            title=f"Conversation {n}",
            updated=begun + timedelta(minutes=n),
        )
        for n in range(conversations)
    ]
    Conversation.objects.bulk_create(found, batch_size=500)
    for one in found[-40:]:
        Message.objects.bulk_create(
            (
                Message(
                    conversation=one,
                    position=n,
                    role="user",
                    text=f"What was said at {n}",
                    created=begun,
                )
                for n in range(messages)
            ),
            batch_size=500,
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return found[-1]


def cost(client: Client, url: str, **query: str) -> tuple[int, int]:
    """Queries and rows of one page."""
    client.get(reverse("home"))
    with CaptureQueriesContext(connection) as queries, made() as count:
        assert client.get(url, query).status_code == 200
    return len(queries), count["rows"]


def walk(client: Client, pages: int) -> str:
    """The place in the list after so many pages."""
    more = ""
    for _page in range(pages):
        more = client.get(reverse("home"), {"after": more}).context["more"]
    return more


def test_a_long_history_costs_what_a_short_one_does(client: Client, ann: User, bob: User) -> None:
    few, many = fill(bob, 40, 70), fill(ann, CONVERSATIONS, MESSAGES)
    client.force_login(bob)
    small = [
        cost(client, reverse("home")),
        cost(client, reverse("home"), after=walk(client, 1)),
        cost(client, few.get_absolute_url()),
    ]
    client.force_login(ann)
    far = walk(client, 3)
    large = [
        cost(client, reverse("home")),
        cost(client, reverse("home"), after=far),
        cost(client, many.get_absolute_url()),
    ]
    assert [queries for queries, _rows in large] == [queries for queries, _rows in small]
    # A page of the list has 30 entries and one more; a page of a thread 60, and 200 are remembered.
    assert [rows for _queries, rows in large[:2]] == [rows for _queries, rows in small[:1]] * 2
    assert all(rows <= most for (_queries, rows), most in zip(large, (40, 40, 300), strict=True))
    started = time.perf_counter()
    assert client.get(reverse("home")).status_code == 200
    assert client.get(many.get_absolute_url()).status_code == 200
    print(f"list and thread opened in {time.perf_counter() - started:.3f} s")
    plans(client, many, far)


def plans(client: Client, thread: Conversation, far: str) -> None:
    """Every query of the list, far down in it and in a thread goes by an index."""
    earlier = client.get(thread.get_absolute_url()).context["earlier"]
    pages: list[tuple[str, dict[str, str]]] = [
        (reverse("home"), {}),
        (reverse("home"), {"after": far}),
        (thread.get_absolute_url(), {}),
        (thread.get_absolute_url(), {"before": earlier}),
    ]
    for url, query in pages:
        with CaptureQueriesContext(connection) as queries:
            client.get(url, query)
        for each in queries:
            sql = each["sql"]
            if "chats_message" in sql or "chats_conversation" in sql:
                assert scans(sql) == [], sql


def scans(sql: str) -> list[str]:
    """The large tables that a query reads from one end to the other."""
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    with connection.cursor() as cursor:
        cursor.execute(explain + sql.replace("%", "%%"), [])
        lines = [str(row[-1]) for row in cursor.fetchall()]
    marks: Callable[[str], bool] = (
        (lambda line: line.startswith("SCAN"))
        if connection.vendor == "sqlite"
        else (lambda line: "Seq Scan" in line)
    )
    large = ("chats_message", "chats_conversation")
    return [line for line in lines if marks(line) and any(name in line for name in large)]


def test_a_search_reads_only_what_it_has_time_for(client: Client, ann: User) -> None:
    fill(ann, 2_000, 200)
    client.force_login(ann)
    queries, rows = cost(client, reverse("home"), q="said at 1")
    assert (queries <= 12, rows <= 160) == (True, True), (queries, rows)
    # Nothing holds it, so that all is looked through: still by portions of a hundred.
    queries, rows = cost(client, reverse("home"), q="never said by anybody")
    assert rows <= 2_000 + 20 + 10
    assert queries <= 2 * 20 + 10
