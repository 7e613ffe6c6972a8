"""The site with everything around it, people who talk, and the question whether all of it is true.

    async with Rig.around(site, shell, people=4) as rig:
        async with rig.talking():           # everybody calls, and calls again when a call ends
            await rig.turns(2)              # until each has been answered twice more
            site.kill()
            ...
        await rig.truth()                   # nothing anybody was told is missing, or there twice

What people were told is what their pages got: `nextvoice.saved`, `nextvoice.removed`,
`nextvoice.cost`, and the ends of answers. It is compared with rows, files and ledger.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from tests.faults.provider import TURN_BYTES, Talker
from tests.servers import Postgres, Redis
from tests.site import Caller, Person, Shell, Site

WITHIN = 60.0
LOST_MS = 1000
"""How much audio a killed process may cost."""
TURN = bytes(TURN_BYTES)
OF_REQUESTS = re.compile(r"uvicorn|django\.request|^\s")

WORKERS, POOL = 2, 5
CONNECTIONS = WORKERS * (POOL + 1) + 5
"""To PostgreSQL at most: a pool for each worker and one for its writer; the janitor's."""
BESIDE = 2
"""Connections that are not the site's: of the shell, and of a test that looks."""


def settings(postgres: Postgres, redis: Redis) -> dict[str, Any]:
    """What `Site` is given: workers on both servers, with few connections."""
    urls = {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}
    return {"workers": WORKERS, "DATABASE_POOL": str(POOL), **urls}


PEOPLE = """
from decimal import Decimal
from chats.models import Account, Conversation, User
from django.test import Client
from realtime.models import Price, Provider
Provider.objects.exclude(name="Scripted").update(enabled=False)
if not Price.objects.filter(model="scripted-1").exists():
    for kind in Price.Kind.values:
        name = "scripted-1" if kind == "realtime" else "t"
        Price.objects.create(model=name, kind=kind, text_in=Decimal(4), text_out=Decimal(16),
                             audio_in=Decimal(32), audio_out=Decimal(64))
found = []
for name in {names!r}:
    user, _made = User.objects.get_or_create(username=name)
    client = Client(headers={{"host": "127.0.0.1"}})
    client.force_login(user)
    thread = Conversation.objects.create(owner=user, account=user.own_account)
    found.append([name, client.cookies["sessionid"].value, str(thread.pk)])
tell(found)
"""
KEPT = """
from django.core.files.storage import default_storage
from django.db.models import Sum
from chats.models import Message, Recording
from realtime.keeping import mp3
from realtime.models import CallRecord, Lease, Usage, UsageDay
threads = {threads!r}
calls = CallRecord.objects.filter(conversation__in=threads)
def length(recording):
    with default_storage.open(recording.file.name) as file:
        return mp3.duration_ms(file.read())
tell({{
    "messages": {{
        str(m.pk): dict(item_id=m.item_id, role=m.role, status=m.status, text=m.text,
                        unheard=m.unheard, call=str(m.call_id), thread=str(m.conversation_id))
        for m in Message.objects.filter(conversation__in=threads)
    }},
    "recordings": {{
        str(r.message_id): dict(pk=str(r.pk), state=r.state, ms=r.duration_ms, partial=r.partial,
                                length=length(r) if r.state == "ready" else None)
        for r in Recording.objects.filter(message__conversation__in=threads)
    }},
    "usage": [
        dict(call=str(u.call_id), key=u.key, kind=u.kind, source=u.source, cost=f"{{u.cost:f}}",
             told=f"{{u.upstream_session}}|{{u.key}}|{{u.corrects or u.kind}}")
        for u in Usage.objects.filter(call_id__in=calls.values("pk"))
    ],
    "calls": [[str(c.pk), c.state, c.end_reason, c.owing] for c in calls],
    "places": Lease.objects.filter(call_id__in=calls.values("pk")).count(),
    "sums": [f"{{model.objects.aggregate(sum=Sum('cost'))['sum'] or 0:f}}"
             for model in (Usage, UsageDay)],
}})
"""
UNSETTLED = """
from chats.models import Recording
from realtime.models import CallRecord, Lease
calls = CallRecord.objects.filter(conversation__in={threads!r})
open_ = calls.exclude(state="ended") | calls.filter(owing__isnull=False)
live = Recording.objects.filter(message__conversation__in={threads!r}, state="live")
places = Lease.objects.filter(call_id__in=calls.values("pk"))
kinds = {{"call": open_, "recording": live, "place": places}}
tell([f"{{kind}} {{each.pk}}" for kind, found in kinds.items() for each in found])
"""
ENDED = """
from realtime.models import CallRecord
tell(CallRecord.objects.filter(conversation__in={threads!r}, state="ended").count())
"""
# Time passes for every call that is still open: its process has died, and nobody hears of it.
BURY = """
from datetime import timedelta
from django.db.models import F
from realtime.calls.janitor import sweep
from realtime.models import CallRecord
ago = timedelta(minutes=2)
CallRecord.objects.exclude(state="ended").update(heartbeat=F("heartbeat") - ago)
CallRecord.objects.filter(state="ended", owing__isnull=False).update(ended=F("ended") - ago)
tell([sweep(patience=0), sweep(patience=0)])
"""


@dataclass
class Somebody:
    """One person with one conversation, and all calls they had. `gaps`: how long each took, from
    the end of a call nobody wanted to end, to be in the next one, in seconds."""

    name: str
    url: str
    cookie: str
    thread: str
    calls: list[Caller] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Why calls did not begin: end reasons, or the names of errors."""
    _lost: float | None = None

    @property
    def answers(self) -> int:
        """How many answers they were told are complete."""
        return sum(len(call.of("response.done")) for call in self.calls)

    def browser(self) -> Person:
        """A browser of theirs that is signed in."""
        person = Person(self.url, timeout=2 * WITHIN)
        person.cookies["sessionid"] = self.cookie.removeprefix("sessionid=")
        return person

    async def talk(self, enough: asyncio.Event) -> None:
        """Call, and go on talking; call again whenever a call ends, until it is enough."""
        while not enough.is_set():
            try:
                async with Caller.dial(self.url, self.thread, self.cookie) as call:
                    await self._converse(call, enough)
            except (OSError, TimeoutError, InvalidHandshake, WebSocketException) as problem:
                self.refused.append(type(problem).__name__)
            self._lost = self._lost or time.monotonic()
            await asyncio.sleep(0.1)  # as a page does before it tries again

    async def _converse(self, call: Caller, enough: asyncio.Event) -> None:
        await call.send({"type": "nextvoice.start"})
        await call.until(lambda: call.over or call.of("nextvoice.ready"), WITHIN)
        if not call.of("nextvoice.ready"):
            self.refused += [end["reason"] for end in call.of("nextvoice.ended")] or [
                str(call.code)
            ]
            return
        self.calls.append(call)
        if self._lost is not None:
            self.gaps.append(time.monotonic() - self._lost)
            self._lost = None
        while not call.over and not enough.is_set():
            before = len(call.of("response.done"))
            with suppress(WebSocketException):
                await call.speak(TURN)
            await call.until(
                lambda n=before: call.over or len(call.of("response.done")) > n,  # type: ignore[misc]
                WITHIN,
            )
        if not call.over:
            await call.send({"type": "nextvoice.hang_up"})
        self._lost = time.monotonic()
        await call.until(lambda: call.over, WITHIN)


@dataclass
class Rig:
    """See the module's text."""

    site: Site
    shell: Shell
    talker: Talker
    people: list[Somebody]

    @classmethod
    @asynccontextmanager
    async def around(
        cls, site: Site, shell: Shell, people: int, *, url: str = "", pieces: int = 3
    ) -> AsyncIterator[Rig]:
        """A provider, and so many people who never talked before, who reach the site at `url`."""
        async with Talker(pieces) as talker:
            said = await asyncio.to_thread(
                shell.manage,
                *("provider", "Scripted", "--url", talker.url, "--model", "scripted-1"),
                *("--transcription-model", "t", "--default"),
            )
            assert "Traceback" not in said, said
            names = [f"p{time.time_ns():x}-{number}" for number in range(people)]
            found = await asyncio.to_thread(shell.run, PEOPLE.format(names=names))
            yield cls(
                site,
                shell,
                talker,
                [
                    Somebody(name, url or site.url, f"sessionid={session}", thread)
                    for name, session, thread in found
                ],
            )

    async def newcomer(self) -> Person:
        """Somebody with a password who signs in as people do."""
        name = f"p{time.time_ns():x}"
        making = f"User.objects.create_user({name!r}, password={name!r})"
        await asyncio.to_thread(self.shell.run, f"from chats.models import User\n{making}")
        person = Person(self.site.url)
        await asyncio.to_thread(person.sign_in, name, name)
        return person

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[None]:
        """Everybody talks while this lasts, and hangs up afterwards."""
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for each in self.people:
                group.create_task(each.talk(enough))
            try:
                yield
            finally:
                enough.set()

    async def turns(self, more: int, seconds: float = WITHIN) -> None:
        """Wait until everybody has been answered so many times more."""
        before = [each.answers for each in self.people]
        await eventually(
            lambda: all(
                each.answers >= old + more for each, old in zip(self.people, before, strict=True)
            ),
            seconds,
        )

    @asynccontextmanager
    async def away(self, fail: Callable[[], None], mend: Callable[[], None]) -> AsyncIterator[None]:
        """Something the site needs fails for a while. Whatever the site has to say of it, it says
        in a line a second at most, and without a traceback."""
        before, began = self.site.log.stat().st_size, time.monotonic()
        await asyncio.to_thread(fail)
        try:
            yield
        finally:
            await asyncio.to_thread(mend)
        said = self.site.log.read_bytes()[before:].decode()
        assert "Traceback" not in said, said
        # Each request and socket that is refused has a line of its own, as ever.
        lines = [line for line in said.splitlines() if line and not OF_REQUESTS.search(line)]
        assert len(lines) <= 5 + (time.monotonic() - began), said

    async def bury(self) -> None:
        """Let the janitor find the calls of processes that died, without the wait."""
        told = sum(bool(call.of("nextvoice.ended")) for each in self.people for call in each.calls)
        # A call that was hung up is written down a moment later. Until then it looks the same.
        await gone(lambda: self.shell.run(ENDED.format(threads=self._threads)) < told)
        await asyncio.to_thread(self.shell.run, BURY)

    def kept(self) -> dict[str, Any]:
        """What rows and files say of these people's conversations."""
        found: dict[str, Any] = self.shell.run(KEPT.format(threads=self._threads))
        return found

    async def truth(self, seconds: float = WITHIN, *, sound: bool = True) -> dict[str, Any]:
        """Wait until every call is over and written down; then nothing that people were told may
        be missing, or be there twice. Returns what is kept. `sound=False`: the disk lost some."""
        await gone(self._unsettled, seconds)
        kept = await asyncio.to_thread(self.kept)
        for each in self.people:
            for call in each.calls:
                _messages_are_kept(call, kept)
                if sound:
                    _sound_is_kept(call, kept)
                _money_is_kept(call, kept)
        _nothing_is_open(kept)
        _nothing_is_doubled(kept)
        assert kept["sums"][0] == kept["sums"][1]
        books = await asyncio.to_thread(self.shell.manage, "reconcile")
        assert books.endswith("The books agree.\n"), books
        await gone(lambda: self.talker.open, seconds)
        return kept

    def _unsettled(self) -> list[str]:
        """Calls that are not over, recordings that are not made, places and files that are left."""
        return self.left() + list(self.shell.run(UNSETTLED.format(threads=self._threads)))

    @property
    def _threads(self) -> list[str]:
        return [each.thread for each in self.people]

    def left(self) -> list[str]:
        """Files that should not outlive the calls."""
        data = self.site.folder / "data"
        try:
            return [
                str(path)
                for place in ("journal/*.jsonl", "journal/refused.txt", "live/*/*.pcm")
                for path in data.glob(place)
            ]
        except FileNotFoundError as gone:  # a folder, while it was looked into
            return [str(gone.filename)]


def _messages_are_kept(call: Caller, kept: dict[str, Any]) -> None:
    told = {event["message_id"]: event for event in call.of("nextvoice.saved")}
    for event in call.of("nextvoice.removed"):
        told.pop(event["message_id"], None)
        assert event["message_id"] not in kept["messages"]
    for pk, event in told.items():
        row = kept["messages"].get(pk)
        assert row is not None, f"a message that was told of is gone: {event}"
        if event["status"] != "in_progress":
            assert (row["status"], row["text"]) == (event["status"], event["text"])
        recording = kept["recordings"].get(pk)
        if event["recording"] is not None:
            assert recording is not None and recording["state"] == "ready", event
            assert recording["ms"] == event["recording"]["duration_ms"]


def _sound_is_kept(call: Caller, kept: dict[str, Any]) -> None:
    """All that was heard of an answer is in its recording, but for what a killed process costs."""
    recordings = {
        row["item_id"]: kept["recordings"].get(pk)
        for pk, row in kept["messages"].items()
        if row["role"] == "assistant"
    }
    for item_id, audio in call.audio.items():
        heard, recording = len(audio) // 48, recordings.get(item_id)
        if heard > LOST_MS:
            assert recording is not None, f"nothing was recorded of {item_id}"
        if recording is not None:
            assert recording["ms"] >= heard - LOST_MS, (item_id, heard, recording)


def _money_is_kept(call: Caller, kept: dict[str, Any]) -> None:
    costs = {(row["told"], row["cost"]) for row in kept["usage"]}
    for event in call.of("nextvoice.cost"):
        assert (event["key"], _exactly(event["cost"])) in {
            (key, _exactly(cost)) for key, cost in costs
        }, event
    answers = [row["key"] for row in kept["usage"] if row["kind"] == "response"]
    for event in call.of("response.done"):
        assert answers.count(event["response"]["id"]) == 1, event


def _nothing_is_open(kept: dict[str, Any]) -> None:
    statuses = {row["status"] for row in kept["messages"].values()}
    assert "in_progress" not in statuses
    for recording in kept["recordings"].values():
        # One that failed had not a sample on disk when its process died.
        assert recording["state"] in ("ready", "failed"), recording
        assert recording["length"] in (None, recording["ms"]), recording


def _nothing_is_doubled(kept: dict[str, Any]) -> None:
    rows = [(row["call"], row["item_id"]) for row in kept["messages"].values()]
    assert len(rows) == len(set(rows))
    entries = [(row["told"], row["kind"]) for row in kept["usage"]]
    assert len(entries) == len(set(entries))


def _exactly(amount: str | None) -> Decimal | None:
    return None if amount is None else Decimal(amount)


async def eventually(found: Callable[[], Any], seconds: float = WITHIN) -> Any:
    """Ask again and again, beside the event loop, until it is something; returns that."""
    async with asyncio.timeout(seconds):
        while not (answer := await asyncio.to_thread(found)):  # noqa: ASYNC110 (a test may poll)
            await asyncio.sleep(0.1)
    return answer


async def gone(found: Callable[[], Any], seconds: float = WITHIN) -> None:
    """Wait until nothing is found any more."""
    try:
        await eventually(lambda: not found(), seconds)
    except TimeoutError:
        raise TimeoutError(f"still there: {found()}") from None


@asynccontextmanager
async def open_watchers(people: list[Somebody], each: int) -> AsyncIterator[list[ClientConnection]]:
    """So many tabs of each of these people, which watch and do nothing else."""

    async def watch(one: Somebody) -> ClientConnection:
        url = f"{one.url.replace('http', 'ws', 1)}/ws/watch/{one.thread}/"
        origin: Any = one.url
        headers = {"Cookie": one.cookie}
        return await connect(url, origin=origin, additional_headers=headers, open_timeout=WITHIN)

    watching = await asyncio.gather(*(watch(one) for one in people for _ in range(each)))
    try:
        yield watching
    finally:
        # Together: one after another they would take a minute.
        await asyncio.gather(*(socket.close() for socket in watching))


def percentile(values: list[float], share: float) -> float:
    """The value that this share of `values` does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
