"""One key through every flow, then looked for in everything that came out of the site.

A new flow is a function that takes the `Canary` and gives what it saw to `seen`; `FLOWS` names it.
"""

from __future__ import annotations

import asyncio
import base64
import html
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from pathlib import Path
from urllib.parse import quote
from zipfile import ZipFile

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.local.fake_http import FakeHttp, plain, said, stream
from tests.realtime.tools.services import api, document, mcp_server
from tests.scripted import (
    Close,
    Die,
    Expect,
    Refuse,
    ScriptedProvider,
    Send,
    Step,
    item_added,
    response_created,
    response_done,
    session_created,
)
from tests.servers import Redis, require
from tests.site import Answer, Caller, Person, Shell, Site

# With signs that are written otherwise in a URL, in HTML and in JSON.
KEY = "sk-canary-0123+456/789=ab&cdefghij"

OPENED = [Send(session_created()), Expect("session.update")]
UPDATED = Send({"type": "session.updated", "session": {"type": "realtime"}})
TEXT = {
    "type": "response.output_text.delta",
    "response_id": "resp_1",
    "item_id": "item_a",
    "output_index": 0,
    "content_index": 0,
    "delta": f"Your key is {KEY}, is it not?",
}
ANSWER = Send(
    item_added("item_u", None),
    response_created(),
    item_added("item_a", "item_u", "assistant"),
    TEXT,
    response_done(),
)


def error(code: str = "server_error") -> Send:
    return Send({"type": "error", "error": {"code": code, "message": f"Bad key: {KEY}"}})


def forms_of(key: str) -> set[bytes]:
    """The ways in which a key may be written."""
    forms = {key, quote(key), quote(key, safe=""), html.escape(key), repr(key)[1:-1], key[::-1]}
    forms |= {json.dumps(key)[1:-1], key.replace("/", "\\/"), key.encode().hex()}
    # Inside of something longer, base64 begins at one of three places; its ends are not the key's.
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + key.encode()).decode().rstrip("=")
        forms |= {whole[4 : len(whole) - 4], whole[4:-4].replace("+", "-").replace("/", "_")}
    return {form.encode() for form in forms}


class Canary:
    """The site, an administrator, Ann, and everything that they saw."""

    def __init__(self, site: Site, shell: Shell) -> None:
        self.site = site
        self.debug = site.environment.get("DEBUG") == "true"
        self.run = shell.run
        self.shell = shell
        self.secrets = [KEY]
        self.saw: list[tuple[str, bytes]] = []
        self.threads: dict[str, str] = {}
        self.run(
            "from chats.models import User\n"
            "User.objects.create_superuser('boss', password='boss-password')\n"
            "User.objects.create_user('ann', password='ann-password')"
        )
        self.boss, self.ann = Person(site.url), Person(site.url)
        self.boss.sign_in("boss", "boss-password")
        self.ann.sign_in("ann", "ann-password")

    def seen(self, where: str, what: Answer | bytes | str) -> None:
        """Keep what came out of the site."""
        if isinstance(what, Answer):
            what = repr(what.headers).encode() + what.body
        self.saw.append((where, what.encode() if isinstance(what, str) else what))

    def seen_inside(self, where: str, archive: bytes) -> None:
        """Keep what is packed in an archive that came out of the site."""
        with ZipFile(BytesIO(archive)) as packed:
            for name in packed.namelist():
                self.seen(f"{where}: {name}", packed.read(name))

    def seen_on_disk(self) -> None:
        """Keep the log and every file, once the site has stopped."""
        self.seen("log", self.site.log.read_bytes())
        self.site.log.write_text("")  # exceptions were meant
        for path in sorted(self.site.folder.rglob("*")):
            if path.is_file():
                self.seen(str(path.relative_to(self.site.folder)), path.read_bytes())

    def manage(self, *arguments: str, **environment: str) -> None:
        """Run a command and keep what it printed."""
        printed = self.shell.manage(*arguments, **environment)
        self.seen(f"manage.py {' '.join(arguments[:3])}", printed)

    def leaks(self) -> list[str]:
        """Where a secret was seen, in whichever form."""
        forms = {form for secret in self.secrets for form in forms_of(secret)}
        return [where for where, what in self.saw if any(form in what for form in forms)]

    @asynccontextmanager
    async def service(self, *scripts: Sequence[Step]) -> AsyncIterator[None]:
        """A service that calls use, with the key; a script for each connection."""
        async with ScriptedProvider(*scripts) as provider:
            words = ["Scripted", "--url", provider.url, "--model", "scripted-1", "--default"]
            self.manage("provider", *words, "--key-env", "A_KEY", A_KEY=KEY)
            yield

    async def call(self, name: str) -> None:
        """A typed call; all its frames and its page."""
        thread = await asyncio.to_thread(self.ann.new_conversation)
        async with Caller.dial(self.site.url, thread, self.ann.cookie) as caller:
            await caller.start(output_modalities=["text"])
            with suppress(ConnectionClosed):
                content = [{"type": "input_text", "text": "Hello"}]
                item = {"type": "message", "role": "user", "content": content}
                await caller.send({"type": "conversation.item.create", "item": item})
                await caller.send({"type": "response.create"})
                wanted = {"response.done", "error", "nextvoice.ended"}
                await caller.until(lambda: wanted & set(caller.types) or caller.over)
                await caller.send({"type": "nextvoice.hang_up"})
            await caller.until(lambda: caller.over)
        self.seen(f"{name}: frames", json.dumps(caller.events))
        close = caller.socket.protocol.close_rcvd
        self.seen(f"{name}: close", close.reason if close is not None else "")
        self.threads[name] = thread
        await asyncio.to_thread(self.seen_page, name)

    def seen_page(self, name: str) -> None:
        """Keep the page of a call that is over. What was said may come a while after the end."""
        self.seen(f"{name}: page", self.ann.get(f"/c/{self.threads[name]}/"))


def form_of(name: str, **fields: str) -> dict[str, str]:
    formset = {f"models-{each}_FORMS": "0" for each in ("TOTAL", "INITIAL")}
    given = {"dialect": "openai_ga", "url": "wss://api.example.org/v1", "enabled": "on"}
    return {"name": name, "new_key": KEY, **given, **formset, **fields}


async def in_the_admin(canary: Canary) -> None:
    for name, fields in {
        "good": {"extra_headers": f"X-Key: {KEY}"},
        "bad address": {"name": "B", "url": "no address"},
        "bad key": {"name": "C", "new_key": f"{KEY}\r\nX: y"},
        "masked key": {"name": "D", "new_key": f"{KEY}…"},
    }.items():
        form = form_of(**{"name": "Admin's", **fields})
        answer = await asyncio.to_thread(canary.boss.post, "/admin/realtime/provider/add/", **form)
        canary.seen(f"admin form, {name}", answer)
        assert answer.status == (302 if name == "good" else 200)


async def on_own_pages(canary: Canary) -> None:
    add = f"/providers/of/{canary.run(ANNS_SLUG)}/new/"
    good = await asyncio.to_thread(canary.ann.post, add, **form_of("Mine"))
    assert good.status == 302
    canary.seen("own key, good", good)
    bad = form_of("Bad", url="ws://127.0.0.1/")
    canary.seen("own key, bad", await asyncio.to_thread(canary.ann.post, add, **bad))
    canary.seen("own keys", await asyncio.to_thread(canary.ann.get, "/providers/"))
    pk = canary.run(MINE)
    canary.seen("own key", await asyncio.to_thread(canary.ann.get, f"/providers/{pk}/"))


ANNS_SLUG = (
    "from chats.models import Account\ntell(Account.objects.get(owner__username='ann').slug)"
)
MINE = "from realtime.models import Provider\ntell(str(Provider.objects.get(name='Mine').pk))"


async def by_command(canary: Canary) -> None:
    words = ["provider", "Command", "--url", "wss://api.example.org/v1", "--model", "m"]
    for more in ([], ["--key-env", "A_KEY"], ["--header-env", "X-Key=A_KEY"], ["--feature", "x"]):
        canary.manage(*words, *more, A_KEY=KEY)
    canary.manage("provider", "X", "--url", f"wss://x.org/?key={KEY}")
    canary.manage("provider", "X", "--key-env", KEY)
    for command in (["provider", "--list"], ["provider", "--list", "--json"], ["rotate_keys"]):
        canary.manage(*command)
    canary.manage("check", "--database", "default")
    canary.manage("dumpdata")
    # Looked through with all other files at the end.
    canary.manage("backup", str(canary.site.folder / "backup.tar"))


async def in_calls(canary: Canary) -> None:
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}}).encode()
    failed = response_done(
        status="failed", status_details={"type": "failed", "error": {"code": "x", "message": KEY}}
    )
    asked = [*OPENED, UPDATED, Expect("response.create")]
    scripts: dict[str, list[Step]] = {
        "answered": [*asked, ANSWER],
        "refused": [Refuse(401, body, {"X-Echo": KEY})],
        "refused in words": [Refuse(403, KEY.encode())],
        "sent away": [Refuse(302, b"", {"Location": f"wss://x.org/?key={KEY}"})],
        "error first": [error("invalid_api_key")],
        "closed first": [Close(3000, f"bad key {KEY}")],
        "error later": [*asked, error()],
        "closed later": [*asked, Close(1008, KEY)],
        "failed": [*asked, Send(response_created(), failed)],
    }
    async with canary.service(*scripts.values()):
        for name in scripts:
            await canary.call(name)


async def in_sessions_of_programs(canary: Canary) -> None:
    """Two secrets at once: the service's key, and the program's own token."""
    token = canary.run(TOKEN)
    canary.secrets.append(token)
    failed = response_done(
        status="failed", status_details={"type": "failed", "error": {"code": "x", "message": KEY}}
    )
    asked = [*OPENED, UPDATED, Expect("response.create")]
    scripts: dict[str, list[Step]] = {
        "answered": [*asked, ANSWER],
        "refused": [Refuse(401, json.dumps({"error": {"message": KEY}}).encode())],
        "error": [*asked, error("invalid_value")],
        "error of the end": [*asked, error("invalid_api_key")],
        "closed": [*asked, Close(1008, KEY)],
        "failed": [*asked, Send(response_created(), failed)],
    }
    async with canary.service(*scripts.values()):
        for name in scripts:
            await session_of(canary, f"program {name}", {"Authorization": f"Bearer {token}"})
    # The service's own key, taken for a token, and a token of long ago.
    for key in (KEY, f"{token}x"):
        for header in ({"Authorization": f"Bearer {key}"}, {"api-key": key}):
            await session_of(canary, "program with a wrong key", header)
            answer = await asyncio.to_thread(canary.ann.get, "/v1/models", **header)
            assert answer.status == 401
            canary.seen("models with a wrong key", answer)
    for path in ("/v1/models", "/v1/nothing"):
        header = {"Authorization": f"Bearer {token}"}
        canary.seen(path, await asyncio.to_thread(canary.ann.get, path, **header))
    for page in ("/tokens/", "/admin/realtime/apitoken/"):
        person = canary.boss if "admin" in page else canary.ann
        canary.seen(page, await asyncio.to_thread(person.get, page))


TOKEN = """
from chats.models import User
from realtime.models import ApiToken
tell(ApiToken.objects.make(User.objects.get(username='ann'), 'canary')[1])
"""


async def session_of(canary: Canary, name: str, headers: dict[str, str]) -> None:
    """A program's session in which one answer is asked for; all its frames and its end."""
    frames: list[bytes | str] = []
    url = f"{canary.site.url.replace('http', 'ws', 1)}/v1/realtime"
    try:
        async with connect(url, additional_headers=headers, proxy=None) as socket:
            await socket.send('{"type": "response.create"}')
            async with asyncio.timeout(20):
                async for frame in socket:
                    frames.append(frame)
                    if json.loads(frame)["type"] in ("response.done", "error"):
                        break
    except InvalidStatus as refused:
        frames.append(refused.response.body or b"")
    except ConnectionClosed as closed:
        frames.append(closed.rcvd.reason if closed.rcvd else "")
    assert frames, name
    for frame in frames:
        canary.seen(f"{name}: frames", frame)


async def in_connection_tests(canary: Canary) -> None:
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}}).encode()
    scripts: list[list[Step]] = [
        [Refuse(401, body)],
        [error("invalid_api_key")],
        [Close(3000, KEY)],
        [*OPENED, error("invalid_value")],
        [Die()],
        [*OPENED, UPDATED, Expect("response.create"), ANSWER],
    ]
    async with canary.service(*scripts):
        path = f"/admin/realtime/provider/{canary.run(SCRIPTED)}/test/"
        for _ in scripts:
            canary.seen("test", await asyncio.to_thread(canary.boss.post, path))
        await asyncio.to_thread(canary.manage, "provider", "Scripted", "--test")


SCRIPTED = (
    "from realtime.models import Provider\ntell(str(Provider.objects.get(name='Scripted').pk))"
)


async def in_exceptions(canary: Canary) -> None:
    """A table is away while a key is posted, and while a call would begin."""
    rename = "from django.db import connection\nconnection.cursor().execute({!r})"
    async with canary.service(OPENED):
        thread = await asyncio.to_thread(canary.ann.new_conversation)
        for table in ("realtime_provider", "realtime_callrecord"):
            away = f"ALTER TABLE {table} RENAME TO {table}_away"
            canary.run(rename.format(away))
            if table == "realtime_provider":
                path = "/admin/realtime/provider/add/"
                answer = await asyncio.to_thread(canary.boss.post, path, **form_of("Late"))
                assert answer.status == 500
                assert (b"Traceback" in answer.body) == canary.debug
                canary.seen("error page", answer)
            async with Caller.dial(canary.site.url, thread, canary.ann.cookie) as caller:
                await caller.start()
                canary.seen("exception in a consumer", json.dumps(caller.events))
            back = f"ALTER TABLE {table}_away RENAME TO {table}"
            canary.run(rename.format(back))


async def in_exports(canary: Canary) -> None:
    """The reports as files, what a person may take away, and the figures for operators."""
    report = "/admin/realtime/usage/report/file/?format="
    for kind in ("csv", "xlsx"):
        answer = await asyncio.to_thread(canary.boss.get, f"{report}{kind}")
        assert answer.status == 200
        canary.seen(f"report.{kind}", answer)
    canary.seen_inside("report.xlsx", answer.body)
    takeout = await asyncio.to_thread(canary.ann.get, "/my-data/")
    assert takeout.status == 200
    canary.seen_inside("my-data.zip", takeout.body)
    metrics = await asyncio.to_thread(canary.ann.get, "/metrics")
    assert b"nextvoice_calls_started" in metrics.body
    canary.seen("metrics", metrics)


async def in_attachments(canary: Canary) -> None:
    """A picture that is none, and a call whose service is angry about one."""
    thread = await asyncio.to_thread(canary.ann.new_conversation)
    path = f"/c/{thread}/attachments/"
    canary.seen("no file", await asyncio.to_thread(canary.ann.post, path, name="a.png"))
    asked = [*OPENED, UPDATED, Expect("conversation.item.create"), error("invalid_image")]
    async with canary.service(asked):
        await canary.call("a picture is refused")


async def in_services_of_tools(canary: Canary) -> None:
    """Plugins and MCP servers whose secret comes back in whatever they say."""
    with api() as server, mcp_server(secret=KEY) as mcp:
        for port in (server.server_port, mcp.port):
            canary.run(f"{ALLOW}(host='127.0.0.1', port={port})")
        forms = {
            "plugin": {"kind": "openapi", "document": document(server.url)},
            "mcp": {"kind": "mcp", "url": mcp.url},
            "no mcp": {"kind": "mcp", "url": f"{server.url}/refused"},
            "bad address": {"kind": "mcp", "url": f"https://x.org/?key={KEY}"},
            "bad secret": {"kind": "mcp", "url": mcp.url, "new_secret": f"{KEY}\nX: y"},
        }
        for number, (name, fields) in enumerate(forms.items()):
            form = {"name": name, "auth": "bearer", "new_secret": KEY, "enabled": "on", **fields}
            form |= {f"functions-{each}_FORMS": "0" for each in ("TOTAL", "INITIAL")}
            answer = await asyncio.to_thread(canary.boss.post, f"{TOOLS}add/", **form)
            canary.seen(f"tools, {name}", answer)
            assert answer.status == (302 if number < 3 else 200)
        for pk, page, function in canary.run(ALL_FUNCTIONS):
            canary.seen(
                "tools, page", await asyncio.to_thread(canary.boss.get, f"{TOOLS}{pk}/change/")
            )
            fields = {"function": str(function), "arguments": '{"id": "x", "name": "x"}'}
            tested = await asyncio.to_thread(canary.boss.post, f"{TOOLS}{pk}/test/", **fields)
            assert tested.status == 200
            canary.seen(f"tools, test {page}", tested)
        canary.run(CHOOSE_ALL)
        told = [*called("api__refused", "a"), *called("mcp__broken", "b")]
        script = [*OPENED, UPDATED, Send(response_created(), *told, response_done()), ANSWER]
        async with canary.service(script):
            canary.run(WITH_TOOLS)
            await canary.call("tools")
        asked = {each.path for each in server.asked if KEY in str(each.headers)}
        assert asked == {"/refused", "/leaky", "/things/x"}


TOOLS = "/admin/realtime/toolservice/"
ALLOW = "from realtime.models import AllowedEndpoint\nAllowedEndpoint.objects.create"
ALL_FUNCTIONS = """
from realtime.models import ToolFunction
names = ("echo", "refused", "leaky", "broken", "tells")
rows = ToolFunction.objects.filter(name__in=names).order_by("pk")
tell([(str(row.service_id), row.name, row.pk) for row in rows])
"""
CHOOSE_ALL = """
from realtime.models import ToolFunction
ToolFunction.objects.update(chosen=True, ask=False)
"""
WITH_TOOLS = """
from realtime.models import VoiceModel
VoiceModel.objects.update(features={"tools": True, "text": True})
"""


def called(name: str, call: str) -> list[dict[str, object]]:
    """The provider's events that ask for a function."""
    item = {"id": f"item_{call}", "type": "function_call", "name": name, "call_id": call}
    whole = item | {"status": "completed", "arguments": "{}"}
    place = {"response_id": "resp_1", "item_id": f"item_{call}", "output_index": 0}
    return [{"type": "response.output_item.done", **place, "item": whole}]


async def on_every_page(canary: Canary) -> None:
    """Every list and the newest row of each model in the admin, and what needs no arguments."""
    paths = canary.run(PAGES)
    assert len(paths) > 20
    for path in paths:
        for person in (canary.boss, canary.ann):
            canary.seen(path, await asyncio.to_thread(person.get, path))


PAGES = """
import nextvoice.urls
from django.contrib import admin
from django.urls import NoReverseMatch, get_resolver, reverse
paths = []
for model in admin.site._registry:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    paths.append(reverse(f"{name}_changelist"))
    row = model._default_manager.order_by("-pk").first()
    if row is not None:
        paths += [reverse(f"{name}_{page}", args=[row.pk]) for page in ("change", "history")]
for name in get_resolver().reverse_dict:
    try:
        paths.append(reverse(name))
    except (NoReverseMatch, TypeError):
        pass
tell(sorted(set(map(str, paths))))
"""

Flow = Callable[[Canary], Awaitable[None]]
FLOWS: tuple[Flow, ...] = (
    in_the_admin,
    on_own_pages,
    by_command,
    in_calls,
    in_sessions_of_programs,
    in_connection_tests,
    in_attachments,
    in_services_of_tools,
    in_exceptions,
    in_exports,
    on_every_page,
)


def test_the_key_is_in_nothing_that_the_site_says_writes_or_keeps(tmp_path: Path) -> None:
    # A site that others reach would not be served with DEBUG.
    debug = {"LOG_LEVEL": "DEBUG", "DEBUG": "true", "ALLOWED_HOSTS": "127.0.0.1,localhost"}
    with Site(tmp_path, **debug) as site, Shell(site) as shell:
        canary = Canary(site, shell)
        for flow in FLOWS:
            asyncio.run(flow(canary))
        kept = canary.run(
            "from realtime.models import Provider\ntell(Provider.objects.last().key())"
        )
        site.stop()
        canary.seen_on_disk()
    assert kept == KEY
    # The services did say it, and it was taken out on the way.
    hidden = {where for where, what in canary.saw if b"[key]" in what}
    assert {"answered: frames", "answered: page", "refused: frames", "test"} <= hidden
    assert {"program answered: frames", "program error: frames"} <= hidden
    assert canary.leaks() == []


async def test_nor_without_debug_with_more_workers_and_in_the_embedded_provider(
    tmp_path: Path,
) -> None:
    """Its language model repeats the key: as an error, inside of one, and in an answer."""
    require("redis")
    llm = FakeHttp()
    for script in (
        plain(401, f"Bad key: {KEY}".encode()),
        stream({"error": {"message": f"Bad key: {KEY}"}}),
        stream(said(f"Your key is {KEY}, is it not?")),
    ):
        llm.scripts += [script]
    await llm.start()
    told = {"NEXTVOICE_LLM_URL": llm.url, "NEXTVOICE_LLM_KEY": KEY}
    logged = {"LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json"}
    with (
        Redis() as redis,
        Site(tmp_path, voice=True, workers=2, REDIS_URL=redis.url, **told, **logged) as site,
        Shell(site) as shell,
    ):
        canary = Canary(site, shell)
        for name in ("refused", "failed", "answered"):
            await canary.call(f"embedded, {name}")
        for flow in (in_the_admin, on_own_pages, in_exceptions):
            await flow(canary)
        site.stop()
        log = site.log.read_text()
        canary.seen_on_disk()
    await llm.close()
    hidden = {where for where, what in canary.saw if b"[key]" in what}
    assert {f"embedded, {name}: frames" for name in ("refused", "failed", "answered")} <= hidden
    assert [asked.headers["authorization"] for asked in llm.asked] == [f"Bearer {KEY}"] * 3
    [line, *_] = [line for line in log.splitlines() if "no answer" in line]
    assert (json.loads(line)["logger"], "[key]" in line) == ("realtime.embedded", True)
    assert canary.leaks() == []


def test_a_leak_would_be_found() -> None:
    forms = forms_of(KEY)
    for shift in range(3):
        written = base64.b64encode(b"x" * shift + KEY.encode() + b"more")
        assert any(form in written for form in forms)
    for written in (
        KEY,
        f"key={quote(KEY, safe='')}&x",
        html.escape(f"<{KEY}>"),
        json.dumps([KEY]),
    ):
        assert any(form in written.encode() for form in forms)
