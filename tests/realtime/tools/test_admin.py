"""Services in the admin: added, listed, chosen, tested; and who may not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from chats.models import Account, AuditEvent, User
from realtime.models import AccountSettings, AllowedEndpoint, ToolFunction, ToolService
from realtime.tools.choice import shown
from realtime.tools.trail import CALLED
from tests.realtime.tools.services import HTML, PATHS, SECRET, ApiServer, api, document, mcp_server
from tests.realtime.tools.test_services import service

pytestmark = pytest.mark.django_db

ADD = "/admin/realtime/toolservice/add/"


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api() as made:
        AllowedEndpoint.objects.create(host="127.0.0.1", port=made.server_port)
        yield made


def fields(**more: Any) -> dict[str, Any]:
    given = {"kind": "openapi", "name": "Pets", "auth": "bearer", "new_secret": SECRET}
    management = {f"functions-{each}_FORMS": "0" for each in ("TOTAL", "INITIAL")}
    return given | {"enabled": "on"} | management | more


def errors(answer: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = answer.context["adminform"].form.errors
    assert answer.status_code == 200
    assert SECRET not in answer.content.decode()
    return {name: [str(each) for each in said] for name, said in found.items()}


def page_of(made: ToolService, name: str = "change") -> str:
    return reverse(f"admin:realtime_toolservice_{name}", args=[made.pk])


def with_functions(made: ToolService, *chosen: str, **more: Any) -> dict[str, Any]:
    """The form of a service as it is, with these functions chosen."""
    rows = list(made.functions.order_by("name"))
    given = fields(url=made.url, document=made.document, new_secret="", **more)
    given |= {"functions-TOTAL_FORMS": len(rows), "functions-INITIAL_FORMS": len(rows)}
    for number, row in enumerate(rows):
        given[f"functions-{number}-id"] = row.pk
        given[f"functions-{number}-service"] = str(made.pk)
        given |= {f"functions-{number}-chosen": "on"} if row.name in chosen else {}
        given |= {f"functions-{number}-ask": "on"} if row.ask else {}
    return given


def test_a_plugin_is_pasted_its_functions_chosen_and_offered(
    admin_client: Client, server: ApiServer, ann: User
) -> None:
    answer = admin_client.post(ADD, fields(document=document(server.url)), follow=True)
    made = ToolService.objects.get()
    assert (made.prefix, made.url) == ("pets", server.url)
    assert made.secret().headers == {"Authorization": f"Bearer {SECRET}"}
    assert SECRET not in answer.content.decode() + made.sealed_secret
    assert made.functions.count() == len(PATHS) + 1
    assert [each["name"] for each in shown(ann.own_account) if each["group"]] == []
    answer = admin_client.post(page_of(made), with_functions(made, "pets", "echo"))
    assert answer.status_code == 302
    assert [
        (each["name"], each["label"], each["group"])
        for each in shown(ann.own_account)
        if each["group"]
    ] == [("pets__echo", "echo", "Pets"), ("pets__pets", "pets", "Pets")]
    states = dict(made.functions.values_list("name", "state"))
    assert (states["pets"], states["crash"]) == ("seen", "new")
    noted = (
        AuditEvent.objects.filter(action__startswith="toolservice")
        .order_by("pk")
        .values_list("action", "target", "actor_name")
    )
    assert list(noted) == [
        ("toolservice.refreshed", "Pets", "admin"),
        ("toolservice.added", "Pets", "admin"),
        ("toolservice.functions_chosen", "Pets", "admin"),
        ("toolservice.changed", "Pets", "admin"),
    ]
    assert SECRET not in json.dumps(list(AuditEvent.objects.values_list("detail", flat=True)))


def test_a_document_is_fetched_without_the_secret(admin_client: Client, server: ApiServer) -> None:
    server.document = json.loads(document("/"))
    admin_client.post(ADD, fields(document_url=f"{server.url}/document"))
    assert ToolService.objects.get().url == server.url
    (asked,) = server.asked
    assert "authorization" not in asked.headers


@pytest.mark.parametrize(
    ("more", "field", "words"),
    [
        ({"document": "openapi: 4"}, "document", "#/openapi: is 4; 3.0 or 3.1 is needed."),
        (
            {"document_url": "https://169.254.169.254/api.json"},
            "document_url",
            "Only public addresses with https:// on port 443 can be used. Add the host and port",
        ),
        ({"document_url": "http://x.org:8080/api.json"}, "document_url", "Only public addresses"),
        ({"document_url": "nonsense"}, "document_url", "Enter an address like https://"),
        (
            {"document": " "},
            "document",
            "Paste the document here, or enter above where to fetch it.",
        ),
        (
            {"document": document("")},
            "url",
            "The document does not say where the service is: enter its address.",
        ),
        ({"document": document("http://10.0.0.1")}, "url", "Only public addresses with https://"),
        ({"document": document("https://10.0.0.1")}, "url", "Only public addresses with https://"),
        ({"kind": "mcp", "url": "https://localhost/mcp"}, "url", "Only public addresses with"),
        ({"kind": "mcp", "url": "https://[fd00::1]/mcp"}, "url", "Only public addresses with"),
        ({"kind": "mcp"}, "url", "Enter an address like https://api.example.org/v1."),
        ({"kind": "mcp", "url": "https://x .org"}, "url", "Enter an address like https://"),
        (
            {"document": document("https://x.org"), "url": "http://[::1"},
            "url",
            "Enter an address like https://",
        ),
        (
            {"document": document("http://[::1")},
            "url",
            "The document does not say where the service is: enter its address.",
        ),
        ({"kind": "mcp", "url": "https://x.org/?a=1"}, "url", "Leave out the ?"),
        (
            {"kind": "mcp", "url": "https://x.org", "new_secret": "a\r\nX: y"},
            "new_secret",
            "A key has",
        ),
        (
            {"kind": "mcp", "url": "https://x.org", "new_secret": "abc"},
            "new_secret",
            "A secret has",
        ),
        (
            {"kind": "mcp", "url": "https://x.org", "auth": "header", "auth_name": "Host"},
            "auth_name",
            "This header is sent by this site itself.",
        ),
        (
            {"kind": "mcp", "url": "https://x.org", "auth": "header"},
            "auth_name",
            "Enter the name of the header or parameter.",
        ),
        (
            {"kind": "images", "url": "https://x.org", "passed_on": "on"},
            "passed_on",
            "Only MCP servers can be called by a provider.",
        ),
        (
            {
                "kind": "mcp",
                "url": "https://x.org",
                "passed_on": "on",
                "auth": "query",
                "auth_name": "k",
            },
            "passed_on",
            "A provider can send",
        ),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    admin_client: Client, more: dict[str, str], field: str, words: str
) -> None:
    said = errors(admin_client.post(ADD, fields(**more)))
    assert list(said) == [field]
    assert said[field][0].startswith(words)
    assert not ToolService.objects.exists()


def test_another_server_is_not_told_the_secret(admin_client: Client) -> None:
    made = service("https://one.example.org/v1", kind="images")
    answer = admin_client.post(page_of(made), fields(new_secret="", url="https://two.example.org"))
    assert errors(answer) == {
        "new_secret": ["The address is for another server: enter its secret."]
    }
    moved = fields(new_secret="", url="https://one.example.org/v2")
    assert admin_client.post(page_of(made), moved).status_code == 302
    made.refresh_from_db()
    assert made.secret().headers == {"Authorization": f"Bearer {SECRET}"}
    removed = fields(new_secret="", remove_secret="on", url="https://two.example.org")
    assert admin_client.post(page_of(made), removed).status_code == 302
    made.refresh_from_db()
    assert made.sealed_secret == ""


def test_a_maker_of_images_is_ready_at_once(admin_client: Client, ann: User) -> None:
    admin_client.post(ADD, fields(kind="images", url="https://api.example.org/v1", model="m"))
    assert [each["name"] for each in shown(ann.own_account) if each["group"]] == [
        "pets__generate_image"
    ]


def test_prefixes_are_made_and_are_told_apart(admin_client: Client) -> None:
    for name in ("Wetter 1!", "wetter1", "天气"):
        admin_client.post(ADD, fields(kind="images", url="https://x.example.org", name=name))
    made = ToolService.objects.order_by("created").values_list("prefix", flat=True)
    assert list(made) == ["wetter1", "wetter12", "tools"]


def test_a_plugin_is_tested_for_real(admin_client: Client, server: ApiServer) -> None:
    admin_client.post(ADD, fields(document=document(server.url)))
    made = ToolService.objects.get()
    echo = made.functions.get(name="echo")
    assert admin_client.get(page_of(made, "test")).status_code == 200
    asked = {"function": echo.pk, "arguments": '{"id": "Rex"}'}
    answer = admin_client.post(page_of(made, "test"), asked)
    page = answer.content.decode()
    trace = answer.context["trace"]
    assert (trace.target, trace.status) == (f"PUT {server.url}/things/Rex", "HTTP 200")
    assert "[key]" in page
    assert SECRET not in page
    crash = {"function": made.functions.get(name="crash").pk, "arguments": ""}
    answer = admin_client.post(page_of(made, "test"), crash)
    assert answer.context["trace"].status == "HTTP 500"
    assert HTML not in answer.content.decode()
    for wrong in ('{"id": 7}', "[1]", "no json"):
        answer = admin_client.post(page_of(made, "test"), asked | {"arguments": wrong})
        assert answer.status_code == 200
    assert len(server.asked) == 2
    event = AuditEvent.objects.filter(action="toolservice.tested").order_by("pk").first()
    assert event is not None
    assert event.detail == {"function": "echo", "status": "HTTP 200"}


def test_refresh_says_what_changed(admin_client: Client) -> None:
    with mcp_server() as mcp:
        AllowedEndpoint.objects.create(host="127.0.0.1", port=mcp.port)
        admin_client.post(ADD, fields(kind="mcp", url=mcp.url))
        made = ToolService.objects.get()
        assert made.functions.count() == 8
        made.functions.filter(name="pets").update(fingerprint="before", chosen=True)
        made.functions.filter(name="slow").delete()
        answer = admin_client.post(page_of(made, "refresh"), follow=True)
        *_of_before, said = [str(each) for each in answer.context["messages"]]
        assert said == "New: slow. Changed, and off until you choose them again: pets."
        row = made.functions.get(name="pets")
        assert (row.state, row.chosen) == ("changed", False)
        admin_client.post(page_of(made), with_functions(made, "pets", kind="mcp"))
        row.refresh_from_db()
        assert (row.state, row.chosen) == ("seen", True)
    answer = admin_client.post(page_of(made, "refresh"), follow=True)
    *_of_before, said = [str(each) for each in answer.context["messages"]]
    assert said == "Its functions could not be listed: no connection (ConnectError)."


def test_admins_switch_a_services_functions_off_for_an_account(
    admin_client: Client, ann: User
) -> None:
    made = service("https://x.example.org")
    for name in ("one", "two"):
        ToolFunction.objects.create(service=made, name=name, chosen=True)
    account = ann.own_account
    kept = AccountSettings.objects.create(account=account, tools_off=["gone__x"])
    page = reverse("admin:realtime_accountsettings_change", args=[kept.pk])
    assert admin_client.get(page).content.decode().count('name="tools"') == 6
    on = ["note", "pets__two"]
    admin_client.post(page, {"account": account.pk, "own_providers": "on", "tools": on})
    kept.refresh_from_db()
    assert kept.tools_off == [
        "calculator",
        "current_time",
        "search_conversations",
        "pets__one",
        "gone__x",
    ]
    assert [each["name"] for each in shown(account)] == on


def test_use_of_late_is_counted_from_the_trail(admin_client: Client, ann: User) -> None:
    made = service("https://x.example.org")
    ToolFunction.objects.create(service=made, name="one", chosen=True, last_error="HTTP 503")
    for state, took in (("completed", 100), ("completed", 300), ("failed", 900), ("declined", 0)):
        detail = {"state": state, "duration_ms": took}
        AuditEvent.objects.create(action=CALLED, target="pets__one", detail=detail)
    AuditEvent.objects.create(action=CALLED, target="note", detail={"state": "completed"})
    page = admin_client.get(page_of(made)).content.decode()
    assert "4 calls, 1 failed, median 300 ms" in page
    assert "HTTP 503" in page
    rows = admin_client.get(reverse("admin:realtime_toolservice_use")).context["rows"]
    assert [(name, use.calls, use.failures, use.median_ms) for name, use in rows] == [
        ("pets__one", 4, 1, 300),
        ("note", 1, 0, None),
    ]


# Who may not


@pytest.mark.parametrize("who", ["nobody", "ann", "staff", "viewer"])
def test_only_those_who_may_change_services_reach_their_pages(
    ann: User, who: str, server: ApiServer
) -> None:
    made = service(server.url, document=document(server.url), account=ann.own_account)
    ToolFunction.objects.create(service=made, name="pets", chosen=True)
    client = Client()
    if who != "nobody":
        User.objects.filter(pk=ann.pk).update(is_staff=who in ("staff", "viewer"))
        if who == "viewer":
            ann.user_permissions.add(Permission.objects.get(codename="view_toolservice"))
        client.force_login(ann)
    refused = 302 if who in ("nobody", "ann") else 403
    for name in ("test", "refresh"):
        assert client.post(page_of(made, name), {}).status_code == refused
    assert client.post(page_of(made), fields(enabled="")).status_code == refused
    assert client.get(page_of(made, "test")).status_code == refused
    may_look = who == "viewer"
    for page in (page_of(made), reverse("admin:realtime_toolservice_use")):
        answer = client.get(page)
        assert answer.status_code == (200 if may_look else refused)
        assert SECRET not in answer.content.decode()
    assert server.asked == []
    made.refresh_from_db()
    assert made.enabled


def test_a_service_that_is_not_there_is_404(admin_client: Client, ann: User) -> None:
    gone = ToolService(name="x")
    for name in ("test", "refresh"):
        assert admin_client.post(page_of(gone, name)).status_code == 404
    assert Account.objects.filter(owner=ann).exists()
