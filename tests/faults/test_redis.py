"""Redis away, hanging, emptied and full, while everybody talks: it holds hints and no truth."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from redis.asyncio import Redis as Client
from websockets.exceptions import ConnectionClosed

from tests.faults.rig import WITHIN, Rig, Somebody, open_watchers
from tests.servers import Redis
from tests.site import Caller, Shell, Site

pytestmark = pytest.mark.postgres

KICK_SECONDS = 15.0
ONE_AT_ONCE = """
from chats.models import User
from realtime.models import Quota
Quota.objects.create(user=User.objects.get(username={name!r}), calls_at_once=1)
"""


@pytest.mark.parametrize(
    ("fail", "mend"), [(Redis.kill, Redis.start), (Redis.hang, Redis.go_on)], ids=["dead", "hangs"]
)
async def test_calls_go_on_and_begin_without_redis(
    site: Site,
    shell: Shell,
    redis: Redis,
    fail: Callable[[Redis], None],
    mend: Callable[[Redis], None],
) -> None:
    async with Rig.around(site, shell, people=4) as rig:
        newcomer = rig.people.pop()
        async with rig.talking():
            await rig.turns(1)
            async with rig.away(lambda: fail(redis), lambda: mend(redis)):
                await rig.turns(2)
                # Signing in counts its tries in the cache; a call begins with no word to others.
                person = await rig.newcomer()
                assert (await asyncio.to_thread(person.get, "/")).status == 200
                async with Caller.dial(site.url, newcomer.thread, newcomer.cookie) as call:
                    await call.start()
                    await call.event("nextvoice.ready", WITHIN)
                    # The hint that would end the call at once is lost; the database is not.
                    code = "from django.contrib.sessions.models import Session\n"
                    key = newcomer.cookie.removeprefix("sessionid=")
                    await asyncio.to_thread(
                        shell.run, code + f"Session.objects.get(pk={key!r}).delete()"
                    )
                    assert await call.ended(KICK_SECONDS) == ("signed_out", 4401)
            await rig.turns(1)
            await _a_tab_that_watches_is_told(rig.people[0])
        assert [len(each.calls) for each in rig.people] == [1, 1, 1]
        await rig.truth()


async def _a_tab_that_watches_is_told(each: Somebody) -> None:
    async with asyncio.timeout(WITHIN):
        while True:
            async with open_watchers([each], each=1) as (socket,):
                with suppress(ConnectionClosed):  # come again, it says while the layer is away
                    async for frame in socket:
                        event = json.loads(frame)
                        if event["type"] == "nextvoice.call" and event["live"]:
                            return


async def _has_no_second_call(each: Somebody) -> None:
    thread = await asyncio.to_thread(each.browser().new_conversation)
    async with Caller.dial(each.url, thread, each.cookie) as call:
        await call.start()
        assert await call.ended(WITHIN) == ("too_many_calls", 4402)


async def test_an_emptied_or_full_redis_takes_nothing_away(
    site: Site, shell: Shell, redis: Redis
) -> None:
    client = Client.from_url(redis.url)
    async with Rig.around(site, shell, people=3) as rig:
        async with rig.talking():
            await rig.turns(1)
            await asyncio.to_thread(shell.run, ONE_AT_ONCE.format(name=rig.people[0].name))
            await client.flushall()
            await rig.turns(1)
            # What is used of a quota is not forgotten with it.
            await _has_no_second_call(rig.people[0])
            await client.config_set("maxmemory", "1")
            try:
                await rig.turns(1)
                await rig.newcomer()
                await _has_no_second_call(rig.people[0])
            finally:
                await client.config_set("maxmemory", "0")
        assert [len(each.calls) for each in rig.people] == [1, 1, 1]
        await rig.truth()
    await client.aclose()
