"""Functions of services, called for real: a plugin, an MCP server, a maker of images."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from chats.models import Account, User
from realtime.bridge.tools import Result, ToolFailed
from realtime.models import AllowedEndpoint, Price, Quota, ToolFunction, ToolService, Usage
from realtime.tools.registry import Where
from realtime.tools.services.listing import listed, store
from realtime.tools.services.results import ServiceFailed
from realtime.tools.services.run import (
    Plan,
    ServiceTool,
    Trace,
    destination,
    offered_to,
    plan_for,
    run,
)
from tests.realtime.money.test_quotas import cents, spend
from tests.realtime.tools.services import (
    FEED,
    HTML,
    PETS,
    PNG,
    SECRET,
    ApiServer,
    Mcp,
    api,
    document,
    mcp_server,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api() as made:
        yield made


def vouch(port: int, host: str = "127.0.0.1") -> None:
    AllowedEndpoint.objects.create(host=host, port=port)


def service(url: str, **fields: Any) -> ToolService:
    given = {"name": "Pets", "prefix": "pets", "auth": "bearer", "url": url, **fields}
    made = ToolService(**given)
    made.set_secret(SECRET)
    made.save()
    return made


async def chosen(made: ToolService) -> None:
    """List the service's functions and choose them all."""
    to = await sync_to_async(destination)(made)
    functions, problems = await listed(made, to)
    assert problems == []
    await sync_to_async(store)(made, functions, problems)
    rows = ToolFunction.objects.filter(service=made)
    await rows.aupdate(chosen=True, state=ToolFunction.State.SEEN)


async def call(name: str, user: User, trace: Trace | None = None, /, **arguments: Any) -> Result:
    def plan() -> Plan:
        function = ToolFunction.objects.get(name=name)
        return plan_for(function.pk, user.own_account.pk, Where(user.pk))

    return await run(await sync_to_async(plan)(), arguments, trace)


async def failing(name: str, user: User, /, **arguments: Any) -> tuple[str, str]:
    """What operators and what the model are told."""
    with pytest.raises(ServiceFailed) as caught:
        await call(name, user, **arguments)
    assert SECRET not in repr(caught.value.__cause__) + repr(caught.value.__context__)
    return caught.value.reason, str(caught.value)


# Plugins


@pytest.fixture
async def plugin(server: ApiServer, transactional_db: None) -> ToolService:
    await sync_to_async(vouch)(server.server_port)
    make = sync_to_async(service)
    made = await make(server.url, document=document(server.url), kind="openapi")
    await chosen(made)
    return made


async def test_a_list_is_told_in_short_and_shown_as_a_table(plugin: ToolService, ann: User) -> None:
    trace = Trace()
    result = await call("pets", ann, trace)
    assert result.output == ('[{"name":"Rex","legs":4},{"name":"Tweety","legs":2,"bird":true}]')
    assert result.shown == {
        "table": {
            "columns": ["name", "legs", "bird"],
            "rows": [["Rex", "4", ""], ["Tweety", "2", "true"]],
        }
    }
    assert (trace.target, trace.status) == (f"GET {plugin.url}/pets", "HTTP 200")
    assert trace.ms < 5_000


async def test_arguments_go_where_the_document_says(
    plugin: ToolService, server: ApiServer, ann: User
) -> None:
    body = {"a": [1, None]}
    arguments = {"id": "a/b?c", "q": ["x", "y z"], "X-Trace": "t", "body": body, "extra": 1}
    await call("echo", ann, **arguments)
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("PUT", "/things/a%2Fb%3Fc?q=x&q=y%20z")
    assert json.loads(asked.body) == body
    assert asked.headers["x-trace"] == "t"
    assert asked.headers["authorization"] == f"Bearer {SECRET}"


async def test_a_secret_that_is_echoed_is_taken_out(plugin: ToolService, ann: User) -> None:
    result = await call("echo", ann, id="x")
    assert json.loads(result.output)["headers"]["authorization"] == "[key]"
    assert "canary" not in result.output + json.dumps(dict(result.shown))
    reason, words = await failing("refused", ann)
    assert (reason, words) == (
        "HTTP 403",
        'The service answered with HTTP 403: {"message":"Not with [key]"}',
    )
    reason, _words = await failing("leaky", ann)
    assert reason == "the answer held the service's own secret"


@pytest.mark.parametrize("auth", ["header", "query"])
async def test_secrets_of_other_kinds_go_along_and_come_back_hidden(
    plugin: ToolService, server: ApiServer, ann: User, auth: str
) -> None:
    await ToolService.objects.aupdate(auth=auth, auth_name="X-Key")
    result = await call("echo", ann, id="x")
    (asked,) = server.asked
    path = "/things/x?X-Key=canary-0123%2B456%2F789%3Dab%26cdefghij"
    seen = asked.headers["x-key"] if auth == "header" else asked.path
    assert seen == (SECRET if auth == "header" else path)
    assert "canary" not in result.output


async def test_other_answers_are_text_and_files(plugin: ToolService, ann: User) -> None:
    page = await call("page", ann)
    assert (page.output, page.shown) == (HTML, {"text": HTML})
    picture = await call("picture", ann)
    (file,) = picture.files
    assert (file.name, file.content_type, file.data) == ("result.png", "image/png", PNG)
    assert orjson.loads(picture.output)["files"] == [
        {"file": "result.png", "type": "image/png", "bytes": len(PNG)}
    ]
    assert (await call("nothing", ann)).output == '{"done": true}'
    assert (await call("feed", ann)).output == FEED
    assert (await call("untold", ann)).output == "Rex sleeps."


async def test_json_is_read_as_services_write_it(plugin: ToolService, ann: User) -> None:
    assert orjson.loads((await call("marked", ann)).output) == PETS
    assert (await call("odd", ann)).output == '{"legs": NaN, "id": 123456789012345678901234567890}'


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("lies", "it said JSON and sent none"),
        ("away", "HTTP 302, a redirect, which is not followed"),
        ("zipped", "it answered compressed, although asked not to"),
        ("huge", "the answer is too large"),
    ],
)
async def test_bad_answers_are_failures(
    plugin: ToolService, ann: User, name: str, reason: str
) -> None:
    assert (await failing(name, ann))[0] == reason


async def test_of_an_error_page_only_a_piece_is_told(plugin: ToolService, ann: User) -> None:
    reason, words = await failing("crash", ann)
    assert reason == "HTTP 500"
    assert words == f"The service answered with HTTP 500: {(HTML * 10)[:500]}"


async def test_arguments_that_do_not_fit_are_never_sent(
    plugin: ToolService, server: ApiServer, ann: User
) -> None:
    for arguments in ({}, {"id": 7}, {"id": "x", "q": "no list"}, {"id": "x", "X-Trace": "a\r\nb"}):
        with pytest.raises(ToolFailed):
            await call("echo", ann, **arguments)
    assert server.asked == []


async def test_nobody_learns_of_the_own_network_by_what_fails(
    plugin: ToolService, server: ApiServer, ann: User
) -> None:
    said = set()
    for url in ("https://10.0.0.1", "https://no-such-host.invalid", "https://169.254.169.254"):
        await ToolService.objects.aupdate(url=url)
        said.add((await failing("pets", ann))[1])
    await ToolService.objects.aupdate(url=server.url)
    await AllowedEndpoint.objects.all().adelete()
    reason, words = await failing("pets", ann)
    assert reason == "only https on port 443"
    assert said | {words} == {"The service could not be reached."}
    assert server.asked == []


async def test_the_row_is_read_again_for_each_call(plugin: ToolService, ann: User) -> None:
    (tool,) = [
        each for each in await sync_to_async(offered_to)(ann.own_account) if each.label == "pets"
    ]
    where = Where(ann.pk)
    assert (await tool.answer(where, {})).shown
    await ToolService.objects.aupdate(enabled=False)
    with pytest.raises(ServiceFailed, match="switched off"):
        await tool.answer(where, {})


async def test_why_a_function_failed_last_is_kept_for_admins(
    plugin: ToolService, ann: User
) -> None:
    tools = await sync_to_async(offered_to)(ann.own_account)
    (tool,) = [each for each in tools if each.label == "refused"]
    with pytest.raises(ServiceFailed):
        await tool.answer(Where(ann.pk), {})
    row = await ToolFunction.objects.aget(name="refused")
    assert row.last_error == "HTTP 403"
    assert row.last_failed is not None


async def test_nothing_secret_is_logged(
    plugin: ToolService, ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await call("echo", ann, id="what was asked for")
    await failing("refused", ann)
    assert "canary" not in caplog.text
    assert "asked for" not in caplog.text


# MCP


@pytest.fixture(params=[False, True], ids=["modern", "legacy"])
def mcp(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[Mcp]:
    with mcp_server(legacy=request.param) as made:
        vouch(made.port)
        yield made


@pytest.fixture
async def tools(mcp: Mcp) -> ToolService:
    made = await sync_to_async(service)(mcp.url, kind="mcp")
    await chosen(made)
    return made


async def test_tools_are_listed_with_what_they_say_of_themselves(tools: ToolService) -> None:
    rows = {row.name: row async for row in tools.functions.all()}
    assert sorted(rows) == [
        "adopt",
        "broken",
        "counts",
        "huge",
        "pets",
        "portrait",
        "slow",
        "tells",
    ]
    assert {name: row.ask for name, row in rows.items() if name in ("pets", "adopt")} == {
        "pets": False,
        "adopt": True,
    }
    assert rows["pets"].description == "List the pets."
    assert rows["pets"].parameters["properties"]["legs"]["type"] == "integer"
    assert rows["pets"].call == {"tool": "pets"}


async def test_tools_answer_with_all_kinds_of_results(
    tools: ToolService, mcp: Mcp, ann: User
) -> None:
    pets = await call("pets", ann)
    assert pets.shown == {"table": {"columns": ["name", "legs"], "rows": [["Rex", "4"]]}}
    adopted = await call("adopt", ann, name="Rex")
    assert json.loads(adopted.output) == {"result": f"Rex is yours. {HTML}"}
    (file,) = (await call("portrait", ann)).files
    assert (file.content_type, file.data) == ("image/png", PNG)
    assert json.loads((await call("counts", ann)).output) == {"pets": 10**30}
    tells = await call("tells", ann)
    assert json.loads(tells.output) == {"result": "It is [key]."}
    assert {each.get("authorization") for each in mcp.headers} == {f"Bearer {SECRET}"}


async def test_what_goes_wrong_in_a_tool_is_said(tools: ToolService, mcp: Mcp, ann: User) -> None:
    reason, words = await failing("broken", ann)
    assert reason == "the tool said so"
    assert "canary" not in words
    with pytest.raises(ToolFailed, match="required property"):
        await call("adopt", ann)
    # Over a stream of events the SDK keeps to itself what ended it.
    reasons = {True: "the answer is too large", False: "MCP error -32000"}
    assert (await failing("huge", ann))[0] == reasons["initialize" not in mcp.methods]


async def test_a_lost_session_is_opened_again_once(tools: ToolService, mcp: Mcp, ann: User) -> None:
    if "initialize" not in mcp.methods:
        pytest.skip("this protocol has no sessions")
    mcp.lose = 1
    assert (await call("pets", ann)).shown
    mcp.lose = 2
    assert (await failing("pets", ann))[0] == "it lost the session twice"


async def test_a_cancelled_call_of_a_tool_ends_at_once(tools: ToolService, ann: User) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await call("slow", ann)
    assert time.monotonic() - began < 2.5


async def test_a_server_that_is_none_is_a_failure(server: ApiServer, ann: User) -> None:
    await sync_to_async(vouch)(server.server_port)
    made = await sync_to_async(service)(f"{server.url}/page", kind="mcp")
    to = await sync_to_async(destination)(made)
    with pytest.raises(ServiceFailed) as caught:
        await listed(made, to)
    assert SECRET not in str(caught.value) + caught.value.reason


async def test_what_changed_is_off_until_somebody_looks(tools: ToolService) -> None:
    to = await sync_to_async(destination)(tools)
    functions, _problems = await listed(tools, to)
    keep = sync_to_async(store)
    assert not await keep(tools, functions, [])
    await tools.functions.filter(name="pets").aupdate(fingerprint="other")
    changes = await keep(tools, [each for each in functions if each.name != "huge"], ["a problem"])
    assert (changes.new, changes.changed, changes.gone) == ([], ["pets"], ["huge"])
    rows = {row.name: (row.state, row.chosen) async for row in tools.functions.all()}
    assert {name: rows[name] for name in ("pets", "huge", "adopt")} == {
        "pets": ("changed", False),
        "huge": ("gone", False),
        "adopt": ("seen", True),
    }
    changes = await keep(tools, functions, [])
    assert (changes.new, changes.changed, changes.gone) == (["huge"], [], [])
    row = await tools.functions.aget(name="huge")
    assert (row.state, row.chosen) == ("new", False)


# Images


@pytest.fixture
async def painter(server: ApiServer, transactional_db: None) -> ToolService:
    await sync_to_async(vouch)(server.server_port)
    made = await sync_to_async(service)(f"{server.url}/v1", kind="images", model="painter-1")
    await chosen(made)
    return made


USED = {
    "input_tokens": 20,
    "output_tokens": 1000,
    "total_tokens": 1020,
    "input_tokens_details": {"text_tokens": 20, "image_tokens": 0},
}


async def test_a_picture_is_made_and_counted(
    painter: ToolService, server: ApiServer, ann: User
) -> None:
    await Price.objects.acreate(
        model="painter-1", text_in=5, text_out=40, since=timezone.now() - timedelta(days=1)
    )
    server.image = {"data": [{"b64_json": base64.b64encode(PNG).decode()}], "usage": USED}
    result = await call("generate_image", ann, prompt="A cat", shape="landscape")
    (file,) = result.files
    assert (file.name, file.content_type, file.data) == ("image.png", "image/png", PNG)
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/v1/images/generations")
    assert json.loads(asked.body) == {
        "prompt": "A cat",
        "n": 1,
        "model": "painter-1",
        "size": "1536x1024",
    }
    row = await Usage.objects.aget()
    assert (row.account_id, row.user_id, row.model) == (ann.own_account.pk, ann.pk, "painter-1")
    assert (row.source, row.cost) == ("reported", Decimal("0.0401"))


async def test_no_picture_is_made_without_money_for_it(
    painter: ToolService, server: ApiServer, ann: User
) -> None:
    server.image = {"data": [{"b64_json": base64.b64encode(PNG).decode()}]}
    quota = await Quota.objects.acreate(money_per_day=cents(10))
    # Nobody has said what a picture costs.
    with pytest.raises(ToolFailed, match="This model has no price yet"):
        await call("generate_image", ann, prompt="A cat")
    await Price.objects.acreate(
        model="painter-1", text_in=5, text_out=40, since=timezone.now() - timedelta(days=1)
    )
    await call("generate_image", ann, prompt="A cat")
    await sync_to_async(spend)(cents(10), timezone.now(), user_id=ann.pk)
    with pytest.raises(ToolFailed, match=r"This site's budget for today .* is used up\."):
        await call("generate_image", ann, prompt="A cat")
    assert len(server.asked) == 1
    # A refusal of ours is no failure of the service's.
    assert (await ToolFunction.objects.aget(service=painter)).last_error == ""
    # The account pays for its own service, whatever the site has left; and what is free is free.
    await ToolService.objects.filter(pk=painter.pk).aupdate(account=ann.own_account)
    await call("generate_image", ann, prompt="A cat")
    await ToolService.objects.filter(pk=painter.pk).aupdate(account=None)
    await Price.objects.aupdate(text_in=0, text_out=0)
    await call("generate_image", ann, prompt="A cat")
    quota.money_per_day = Decimal(0)
    await quota.asave()
    await call("generate_image", ann, prompt="A cat")
    assert len(server.asked) == 4


async def test_a_picture_may_be_elsewhere_and_the_secret_does_not_go_there(
    painter: ToolService, server: ApiServer, ann: User
) -> None:
    with api() as other:
        server.image = {"data": [{"url": f"{other.url}/picture"}]}
        assert (await failing("generate_image", ann, prompt="A cat"))[0] == (
            "only https on port 443"
        )
        assert other.asked == []
        await AllowedEndpoint.objects.acreate(host="127.0.0.1", port=other.server_port)
        result = await call("generate_image", ann, prompt="A cat")
        assert result.files[0].data == PNG
        (asked,) = other.asked
    assert "authorization" not in asked.headers
    # Nothing was said of what it cost, and that is not nothing.
    assert (await Usage.objects.aget()).source == "unpriced"


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ([], "it sent no picture"),
        (HTML, "it sent no JSON"),
        ({"data": []}, "it sent no picture"),
        ({"data": [{"b64_json": "***"}]}, "its picture is not base64"),
        (
            {"data": [{"b64_json": base64.b64encode(HTML.encode()).decode()}]},
            "it sent what is no PNG, JPEG or WebP picture",
        ),
        ({"data": [{"url": "https://169.254.169.254/"}]}, "the host has an address that is not"),
    ],
)
async def test_what_is_no_picture_is_a_failure(
    painter: ToolService, server: ApiServer, ann: User, told: Any, reason: str
) -> None:
    server.image = told
    assert (await failing("generate_image", ann, prompt="A cat"))[0].startswith(reason)


# Whose they are


def test_services_are_offered_to_the_accounts_they_are_for(ann: User, bob: User, eve: User) -> None:
    team = Account.objects.get(slug="team")
    for name, fields in {
        "site": {},
        "team": {"account": team},
        "anns": {},
        "off": {"enabled": False},
    }.items():
        made = service("https://x.org", **{"name": name, "prefix": name, **fields})
        for each, on in (("one", True), ("two", False)):
            ToolFunction.objects.create(service=made, name=each, chosen=on)
        if name == "anns":
            made.accounts.add(ann.own_account)

    def names(account: Account) -> list[str]:
        return [tool.name for tool in offered_to(account)]

    assert names(ann.own_account) == ["anns__one", "site__one"]
    assert names(eve.own_account) == ["site__one"]
    assert names(team) == ["site__one", "team__one"]
    of_team = ToolFunction.objects.get(service__name="team", name="one")
    with pytest.raises(ServiceFailed, match="switched off"):
        plan_for(of_team.pk, eve.own_account.pk, Where(eve.pk))


def test_a_function_says_what_it_is(ann: User) -> None:
    made = service("https://x.org")
    ToolFunction.objects.create(
        service=made, name="list", description="List.\nMore.", chosen=True, parameters={"a": 1}
    )
    (tool,) = offered_to(ann.own_account)
    assert isinstance(tool, ServiceTool)
    assert (tool.label, tool.about, tool.group, tool.ask) == ("list", "List.", "Pets", True)
    assert tool.offer == {
        "type": "function",
        "name": "pets__list",
        "description": "List.\nMore.",
        "parameters": {"a": 1},
    }
