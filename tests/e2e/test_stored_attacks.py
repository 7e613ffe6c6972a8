"""Stored XSS: every text that can be stored is an attack, every page shows it, and nothing runs.

With the site's own Content Security Policy and Trusted Types: the browser reports violations, and
there are none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.e2e.conftest import Launch, sign_in
from tests.site import Site
from tests.xss import CORPUS

WATCH = """
addEventListener("securitypolicyviolation", (event) => {
  const { violatedDirective: rule, blockedURI: what, sourceFile: file, lineNumber: line } = event;
  report(`${rule} ${what} ${event.sample} ${file}:${line}`);
});
"""

STORE = """
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from chats import audit
from chats.models import *
from realtime.models import *
from tests.xss import CORPUS
TEXTS = [text.replace("\\0", "") for text in CORPUS]
NOW = datetime.now(UTC)
ann = User.objects.get(username="ann")
root = User.objects.create_superuser("root", password="ann-password")
team = Account.objects.create(name=TEXTS[0][:120], slug="team")
Membership.objects.create(account=team, user=ann, role="manager")
for number, text in enumerate(TEXTS[:12]):
    account = Account.objects.create(name=text[:120], slug=f"a{number}")
    Membership.objects.create(account=account, user=ann, role="manager")
    User.objects.create_user(text[:150], f"e{number}@example.org", first_name=text[:150])
made = [Conversation(owner=ann, account=team, title=text[:120], via=text[:80]) for text in TEXTS]
Conversation.objects.bulk_create(made)
KINDS = {
    "user": ("user", "typed"), "answer": ("assistant", "typed"), "voice": ("assistant", "spoken"),
    "tool": ("assistant", "tool"),
}
threads = {}
for name, (role, kind) in KINDS.items():
    thread = threads[name] = Conversation.objects.create(owner=ann, account=team, title=name)
    for at, text in enumerate(TEXTS):
        shown = {"text": text, "table": {"columns": [text], "rows": [[text]]},
                 "links": [{"url": text, "title": text, "text": text}]}
        tool = {"name": text[:64], "label": text, "arguments": text, "output": text,
                "shown": shown, "duration_ms": 5}
        Message.objects.create(conversation=thread, position=at, role=role, kind=kind, text=text,
            status="completed", unheard=text, tool=tool if kind == "tool" else None)
message = Message.objects.filter(conversation=threads["user"]).first()
for text in TEXTS:
    Attachment.objects.create(conversation=threads["user"], message=message, owner=ann,
        name=text[:200], kind="document", content_type="text/plain", text=text, file="none.txt")
provider = Provider.objects.create(name=TEXTS[1][:80], url="wss://voice.example.org/v1",
    account=team, own=True)
for number, text in enumerate(TEXTS[:30]):
    VoiceModel.objects.create(provider=provider, name=f"{number} {text}"[:100],
        label=f"{text[:70]} {number}", voices=[text[:40]], instructions=text)
for text in TEXTS[:90]:
    ApiToken.objects.make(ann, text[:80])
    audit.record("thing.done", actor=text, target=text, text=text)
    AllowedEndpoint.objects.create(host=str(uuid.uuid4()), note=text[:200])
    Price.objects.create(model=text[:120], text_in=Decimal(1), note=text[:200])
    CallRecord.objects.create(user=ann, account=team, conversation=threads["user"], started=NOW,
        heartbeat=NOW, provider_name=text[:80], model_name=text[:100], state="ended",
        end_reason="hang_up", end_detail=text[:500])
from realtime.money.ledger import Entry, Payer, record
for text in TEXTS:
    record(Entry(payer=Payer(team.pk, text[:120], ann.pk, text[:150], provider.pk, text[:80]),
        model=text[:120], upstream_session="s", key=str(uuid.uuid4()), created=NOW,
        raw={"input_tokens": 10, "input_token_details": {"text_tokens": 10}, "text": text}))
Quota.objects.create(account=team, calls_at_once=3)
from django.contrib import admin
from django.urls import reverse
pages = ["/", "/providers/", f"/providers/{provider.pk}/", f"/providers/{provider.pk}/test/",
    f"/providers/{provider.pk}/delete/", "/providers/of/team/new/", "/tokens/", "/usage/",
    "/usage/account/team/", f"/tokens/{ApiToken.objects.first().pk}/revoke/", "/accounts/email/",
    "/accounts/password/change/", "/nowhere/" + TEXTS[1], "/?q=" + TEXTS[0]]
pages += [f"/?page={page}" for page in range(2, 1 + len(TEXTS) // 30)]
for thread in threads.values():
    pages += [f"/c/{thread.pk}/", f"/c/{thread.pk}/?before=50"]
of_admin = ["/admin/", reverse("admin:usage_report"), reverse("admin:realtime_price_what_if")]
of_admin += [reverse("admin:usage_report") + f"?by={by}" for by in ("user", "account", "model",
    "provider", "call", "row")]
for model in admin.site._registry:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    of_admin.append(reverse(name + "_changelist") + "?q=" + TEXTS[1])
    of_admin.append(reverse(name + "_changelist"))
    if (row := model.objects.last()) is not None:
        of_admin += [reverse(name + "_" + page, args=[row.pk]) for page in ("change", "history")]
        if model._meta.model_name not in ("usage", "usageday", "lease", "auditevent"):
            of_admin.append(reverse(name + "_delete", args=[row.pk]))
tell({"ann": pages, "root": of_admin})
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, dict[str, list[str]]]]:
    with Site(tmp_path_factory.mktemp("site"), people=("ann",)) as site:
        yield site, site.run(STORE)


class Watched:
    """A page whose every attempt at something is noted."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_default_timeout(120_000)
        self.refused: list[str] = []
        self.dialogs: list[str] = []
        self.failures: list[str] = []
        self.abroad: list[str] = []
        page.expose_function("report", lambda text: self.refused.append(f"{page.url} {text}"))
        page.add_init_script(WATCH)
        page.on("dialog", self._dialog)
        page.on("pageerror", lambda error: self.failures.append(f"{page.url} {error}"))
        page.on("request", lambda request: self._request(request.url))

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _request(self, url: str) -> None:
        if "example.org" in url or url.startswith(("javascript:", "vbscript:")):
            self.abroad.append(url)

    def visit(self, url: str) -> None:
        answer = self.page.goto(url)
        assert answer is not None and answer.status < 500, url
        assert self.page.evaluate("window.hit") is None, url


def test_the_corpus_is_large_enough() -> None:
    assert len(set(CORPUS)) >= 200


@pytest.mark.parametrize("who", ["ann", "root"])
def test_nothing_that_is_stored_runs_on_any_page(
    who: str, pages: tuple[Site, dict[str, list[str]]], launch: Launch
) -> None:
    site, paths = pages
    with launch(None).new_context() as tab:
        page = tab.new_page()
        watched = Watched(page)
        sign_in(page, site.url, who)
        for path in paths[who]:
            watched.visit(site.url + path)
    assert (watched.refused, watched.dialogs, watched.failures, watched.abroad) == ([], [], [], [])


def test_the_browser_refuses_text_as_html(
    pages: tuple[Site, dict[str, list[str]]], launch: Launch
) -> None:
    site, _ = pages
    with launch(None).new_context() as tab:
        page = tab.new_page()
        watched = Watched(page)
        sign_in(page, site.url, "root")
        attack = "document.body.innerHTML = '<img src=x onerror=window.hit=1>'"
        told = page.evaluate(f"() => {{ try {{ {attack} }} catch (e) {{ return e.name }} }}")
        assert (told, page.evaluate("window.hit")) == ("TypeError", None)
        assert [each.split(" ")[1] for each in watched.refused] == ["require-trusted-types-for"]
        page.goto(f"{site.url}/admin/")
        # There what is written as text is cleaned, since the admin's own scripts know no better.
        assert page.evaluate("trustedTypes.defaultPolicy?.name") == "default"
