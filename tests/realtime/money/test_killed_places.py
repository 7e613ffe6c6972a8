"""The places of a process that was killed, on the real site."""

from __future__ import annotations

from pathlib import Path

from tests.realtime.test_consumer import opened
from tests.scripted import ScriptedProvider
from tests.site import Caller, Site

TRIED = """
import uuid
from datetime import timedelta
from django.utils import timezone
from realtime.money.quotas import admit, release
from realtime.money.terms import OverQuota, Wish
def let_in(later):
    wish = Wish(uuid.uuid4(), account_id=0, user_id=0)
    try:
        admit(wish, timezone.now() + timedelta(seconds=later))
    except OverQuota as over:
        return over.limit.what
    release(wish.call_id)
    return "let in"
tell([let_in(later) for later in (0, 60)])
"""


async def test_a_killed_process_frees_its_places_within_a_minute(tmp_path: Path) -> None:
    async with ScriptedProvider(opened()) as provider:
        with Site(tmp_path) as site:
            site.provider(provider.url)
            site.run("from realtime.models import Quota\nQuota.objects.update(calls_at_once=1)")
            ann = site.person("ann")
            async with Caller.dial(site.url, ann.new_conversation(), ann.cookie) as call:
                assert (await call.start())["type"] == "nextvoice.ready"
                site.kill()
                assert site.run(TRIED) == ["calls", "let in"]
