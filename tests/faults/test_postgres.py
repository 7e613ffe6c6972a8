"""PostgreSQL restarted, away, locked and full, while everybody talks."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import LiteralString

import psycopg
import pytest
from websockets.exceptions import InvalidStatus

from tests.faults.rig import BESIDE, CONNECTIONS, POOL, Rig, eventually, open_watchers
from tests.servers import Postgres
from tests.site import Caller, Shell, Site

pytestmark = pytest.mark.postgres

RECOVERY_SECONDS = 10.0
CLIENTS = "backend_type = 'client backend'"


async def test_calls_go_on_while_postgresql_is_away(
    site: Site, shell: Shell, postgres: Postgres
) -> None:
    async with Rig.around(site, shell, people=4) as rig:
        other = rig.people.pop()
        page = other.browser()
        async with rig.talking():
            await rig.turns(1)
            async with rig.away(postgres.stop, postgres.start):
                await eventually(lambda: site.ready() == 503)
                answer = await asyncio.to_thread(page.get, "/")
                assert (answer.status, answer.headers["retry-after"]) == (503, "5")
                assert b"Nothing is lost" in answer.body
                with pytest.raises(InvalidStatus) as refused:
                    async with Caller.dial(site.url, other.thread, other.cookie):
                        pass
                assert refused.value.response.status_code == 503
                await rig.turns(2)
            await eventually(lambda: site.ready() == 200, RECOVERY_SECONDS)
            assert (await asyncio.to_thread(page.get, "/")).status == 200
            await rig.turns(1)
        assert [len(each.calls) for each in rig.people] == [1, 1, 1]
        await rig.truth()


async def test_a_restart_in_the_middle_of_an_answer_is_not_noticed(
    site: Site, shell: Shell, postgres: Postgres
) -> None:
    async with Rig.around(site, shell, people=3) as rig:
        async with rig.talking():
            for _ in range(2):
                await rig.turns(1)
                async with rig.away(postgres.stop, postgres.start):
                    pass
            await rig.turns(1)
        assert [len(each.calls) for each in rig.people] == [1, 1, 1]
        await rig.truth()


async def test_queries_that_hang_and_a_full_pool_hold_up_no_call(
    site: Site, shell: Shell, postgres: Postgres
) -> None:
    """Answers are heard, and ended, while every connection of the process waits for a lock."""
    async with Rig.around(site, shell, people=3) as rig:
        pages = [rig.people[0].browser() for _ in range(4 * POOL)]
        threads = ThreadPoolExecutor(len(pages))
        async with rig.talking():
            await rig.turns(1)
            with psycopg.connect(postgres.url) as locking:
                locking.execute("LOCK TABLE chats_conversation IN ACCESS EXCLUSIVE MODE")
                asking = asyncio.get_running_loop().run_in_executor
                asked = [asking(threads, each.get, "/") for each in pages]
                # Who finds the pool empty is told so; who holds a connection waits.
                late, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
                assert {each.result().status for each in late} == {503}
                await rig.turns(1)
            answers = await asyncio.gather(*asked)
            assert {each.status for each in answers} == {200, 503}
            await rig.turns(1)
        assert [len(each.calls) for each in rig.people] == [1, 1, 1]
        await rig.truth()


def beside(postgres: Postgres) -> psycopg.Connection:
    """A connection that sees the others as they are: each statement is a transaction."""
    return psycopg.connect(postgres.url, autocommit=True)


def count(connection: psycopg.Connection, which: LiteralString) -> int:
    """How many connections there are of this kind."""
    row = connection.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {which}").fetchone()
    assert row is not None
    return int(row[0])


async def test_many_sockets_share_few_connections(
    site: Site, shell: Shell, postgres: Postgres
) -> None:
    most = 0
    async with Rig.around(site, shell, people=4) as rig:
        with beside(postgres) as looking:
            async with rig.talking():
                async with open_watchers(rig.people, each=10):
                    for _ in range(20):
                        most = max(most, count(looking, CLIENTS))
                        await asyncio.sleep(0.02)
                    await rig.turns(1)
                    most = max(most, count(looking, CLIENTS))
        await rig.truth()
    assert 1 < most <= CONNECTIONS + BESIDE
