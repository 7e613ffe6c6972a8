"""Budget alerts: each level is told once a period, by email and by a signed webhook."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chats.models import Account, Membership, User
from realtime import webhooks
from realtime.models import (
    AllowedEndpoint,
    BudgetAlert,
    BudgetNotice,
    ExchangeRate,
    Price,
    Quota,
)
from realtime.money import alerts
from realtime.webhooks import NotDelivered, deliver
from tests.at_once import at_once
from tests.certificates import certificate_contexts
from tests.realtime.money.spending import at, estimated, prices, used
from tests.servers import free_port, serve

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "canary-secret-0123456789"


@pytest.fixture(autouse=True)
def mail_server(settings: Any) -> None:
    settings.SENDS_MAIL = True


@pytest.fixture
def team(bob: User) -> Account:
    prices()
    team = Account.objects.get(slug="team")
    team.memberships.filter(user__username="ann").update(role=Membership.Role.MANAGER)
    return team


def spend(team: Account, dollars: str, day: int = 5) -> None:
    ann = User.objects.get(username="ann")
    used(ann, team, at(day), int(Decimal(dollars) * 1_000_000))


def alert(**fields: Any) -> BudgetAlert:
    made = BudgetAlert(**{"amount": Decimal(100), "emails": "boss@example.org"} | fields)
    if made.webhook_url:
        made.set_secret(SECRET)
    made.full_clean()
    made.save()
    return made


def notices() -> list[tuple[str, int, str]]:
    rows = BudgetNotice.objects.order_by("channel", "level", "period_began")
    return [(row.channel, row.level, row.state) for row in rows]


def test_each_level_is_told_once_in_its_period(team: Account) -> None:
    alert(account=team)
    spend(team, "49.999999")
    assert alerts.run(NOW) == 0
    spend(team, "0.000001")
    assert [alerts.run(NOW), alerts.run(NOW)] == [1, 0]
    spend(team, "30")
    assert [alerts.run(NOW), alerts.run(NOW)] == [1, 0]
    assert [each.subject for each in mail.outbox] == [
        "Team: 50% of the budget is used",
        "Team: 80% of the budget is used",
    ]
    assert (mail.outbox[0].to, mail.outbox[0].bcc) == ([], ["boss@example.org"])
    assert "50.00 of 100.00 USD used since 2026-11-01 (UTC)" in mail.outbox[0].body
    # The next month begins anew.
    assert alerts.run(datetime(2026, 12, 1, tzinfo=UTC)) == 0


def test_a_level_is_told_again_of_a_budget_that_was_raised(team: Account) -> None:
    made = alert(account=team)
    spend(team, "100")
    assert [alerts.run(NOW), alerts.run(NOW)] == [1, 0]
    BudgetAlert.objects.filter(pk=made.pk).update(amount=Decimal(150))
    assert [alerts.run(NOW), alerts.run(NOW)] == [0, 0]
    spend(team, "25")
    assert [alerts.run(NOW), alerts.run(NOW)] == [1, 0]
    assert mail.outbox[-1].subject == "Team: 80% of the budget is used"
    assert "125.00 of 150.00 USD used" in mail.outbox[-1].body
    assert notices() == [("email", 50, "skipped"), ("email", 80, "sent")]


def test_a_level_is_told_once_though_less_turns_out_to_be_used(team: Account) -> None:
    alert(account=team)
    ann = User.objects.get(username="ann")
    estimated(ann, team, at(5), 50_000_000, key="answer")
    assert alerts.run(NOW) == 1
    used(ann, team, at(5), 49_000_000, key="answer")
    assert alerts.run(NOW) == 0
    spend(team, "1")
    assert alerts.run(NOW) == 0


def test_an_alert_is_of_its_account_or_its_person_alone(team: Account, bob: User) -> None:
    ann = User.objects.get(username="ann")
    for whose in ({"account": team}, {"user": bob}):
        alert(amount=Decimal(10), **whose)
        alert(amount=None, **whose)
    for limit, whose in ((1000, {}), (10, {"account": team}), (10, {"user": bob})):
        Quota.objects.create(money_per_month=limit, **whose)
    used(ann, ann.own_account, at(5), 90_000_000)
    assert alerts.run(NOW) == 0
    used(bob, team, at(5), 10_000_000)
    assert alerts.run(NOW) == 4


def test_what_cannot_be_converted_counts_as_if_it_were(team: Account) -> None:
    ann = User.objects.get(username="ann")
    rate = {"into": "USD", "since": NOW.date(), "rate": Decimal("0.1234567")}
    alert(account=team, levels="50")
    used(ann, team, at(5), 49_999_999, model="q")
    assert alerts.run(NOW) == 0
    used(ann, team, at(5), 1, model="q")
    assert alerts.run(NOW) == 1
    # Of another currency there is a rate, with more digits than a sum has.
    since = datetime(2026, 1, 1, tzinfo=UTC)
    Price.objects.create(model="e", since=since, text_in=Decimal("1.000001"), currency="EUR")
    ExchangeRate.objects.create(currency="EUR", **rate)
    alert(account=team, levels="51")
    used(ann, team, at(5), 8_100_001, model="e")
    assert alerts.run(NOW) == 1


def test_of_several_at_once_the_highest_is_told(team: Account) -> None:
    alert(account=team)
    spend(team, "100")
    assert alerts.run(NOW) == 1
    assert notices() == [("email", 50, "skipped"), ("email", 80, "skipped"), ("email", 100, "sent")]
    assert [each.subject for each in mail.outbox] == ["Team: 100% of the budget is used"]


def test_amounts_of_many_small_units_are_told_too(team: Account, settings: Any) -> None:
    settings.REPORTING_CURRENCY = "VND"
    rate = {"currency": "USD", "into": "VND", "since": NOW.date(), "rate": Decimal(25_000)}
    ExchangeRate.objects.create(**rate)
    alert(account=team, amount=Decimal(10_000_000))
    for day in range(1, 5):
        spend(team, "95", day)
    assert alerts.run(NOW) == 1
    assert mail.outbox[0].subject == "Team: 80% of the budget is used"
    assert "9500000.00 of 10000000.00 VND used" in mail.outbox[0].body


@pytest.mark.parametrize("period", ["day", "month"])
def test_what_is_reached_in_the_last_minute_is_told_in_the_next(team: Account, period: str) -> None:
    alert(account=team, period=period)
    midnight = datetime(2026, 12, 1, tzinfo=UTC)
    assert alerts.run(midnight - timedelta(seconds=20)) == 0
    spend(team, "85", 30)
    used(User.objects.get(username="ann"), team, midnight, 60_000_000)
    assert alerts.run(midnight + timedelta(seconds=40)) == 2
    subjects = [each.subject for each in mail.outbox]
    assert subjects == [f"Team: {level}% of the budget is used" for level in (80, 50)]
    began = "2026-11-30" if period == "day" else "2026-11-01"
    assert f"85.00 of 100.00 USD used since {began} (UTC)." in mail.outbox[0].body
    assert "60.00 of 100.00 USD used since 2026-12-01 (UTC)." in mail.outbox[1].body
    assert alerts.run(midnight + timedelta(minutes=2)) == 0


def test_without_an_amount_the_quota_is_the_budget(team: Account) -> None:
    alert(account=team, amount=None)
    daily = alert(account=team, amount=None, period="day", levels="100")
    spend(team, "8", day=20)
    assert alerts.run(NOW) == 0
    quota = Quota.objects.create(account=team, money_per_month=10)
    assert alerts.run(NOW) == 1
    quota.money_per_day = Decimal(8)
    quota.save()
    assert alerts.run(NOW) == 1
    assert daily.notices.get().period_began == NOW.date()


def of(scope: str) -> dict[str, Any]:
    """Whose an alert of that scope is."""
    return {
        "account": {"account": Account.objects.get(slug="team")},
        "person": {"user": User.objects.get(username="bob")},
        "site": {},
    }[scope]


@pytest.mark.parametrize(
    ("scope", "name", "to"),
    [
        ("account", "Team", "ann@example.org"),
        ("person", "bob", "bob@example.org"),
        ("site", "The whole site", "root@example.org"),
    ],
)
def test_without_addresses_those_it_concerns_are_told(
    team: Account, bob: User, scope: str, name: str, to: str
) -> None:
    User.objects.create_superuser("root", "root@example.org")
    gone = User.objects.create_superuser("gone", "gone@example.org", is_active=False)
    team.memberships.create(user=gone, role=Membership.Role.MANAGER)
    made = alert(emails="", amount=Decimal(1), **of(scope))
    spend(team, "2")
    used(bob, bob.own_account, at(6), 2_000_000)
    assert alerts.run(NOW) == 1
    assert mail.outbox[0].bcc == [to]
    assert mail.outbox[0].subject == f"{name}: 100% of the budget is used"
    User.objects.filter(email=to).update(is_active=False)
    assert alerts.recipients(made) == []


def test_one_level_is_told_by_one_of_many_processes(transactional_db: None, bob: User) -> None:
    prices()
    team = Account.objects.get(slug="team")
    alert(account=team)
    spend(team, "60")
    assert at_once(6, lambda number: alerts.run(NOW)) == []
    assert (len(mail.outbox), notices()) == (1, [("email", 50, "sent")])


def test_a_level_that_another_process_takes_meanwhile_is_taken_once(
    team: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = alert(account=team)
    spend(team, "60")
    monkeypatch.setattr(alerts, "_known", lambda *_of: set())
    for _process in range(2):
        alerts.take(made, NOW)
    assert notices() == [("email", 50, "pending")]


class Hook(http.server.BaseHTTPRequestHandler):
    """Remembers what it is sent and answers with the status it is told."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server: Any = self.server
        server.got.append((self.path, dict(self.headers), body))
        if server.status == 0:
            server.leave.wait(10)
            return
        self.send_response(server.status)
        self.send_header("Location", "https://elsewhere.example.org/")
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    tls, _client = certificate_contexts(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.got, server.status, server.leave = [], 204, threading.Event()
    server.url = f"https://localhost:{server.server_port}/hook?team=1"
    serve(server)
    yield server
    server.leave.set()
    server.shutdown()
    server.server_close()


def vouch(hook: Any) -> None:
    AllowedEndpoint.objects.create(host="localhost", port=hook.server_port)


@pytest.mark.parametrize(
    ("scope", "account", "user"),
    [("account", "team", None), ("person", None, "bob"), ("site", None, None)],
)
def test_a_webhook_is_signed_and_says_everything(
    team: Account, bob: User, hook: Any, scope: str, account: str | None, user: str | None
) -> None:
    vouch(hook)
    alert(emails="", webhook_url=hook.url, **of(scope))
    used(bob, team, at(5), 80_500_000)
    assert alerts.run(NOW) == 1
    ((path, headers, body),) = hook.got
    stamp, _, digest = headers["NextVoice-Signature"].partition(",v1=")
    signed = stamp.removeprefix("t=").encode() + b"." + body
    assert digest == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    told = json.loads(body)
    assert path == "/hook?team=1"
    assert told == {
        "type": "nextvoice.budget_alert",
        "id": str(BudgetNotice.objects.get(level=80).pk),
        "scope": scope,
        "account": account,
        "user": user,
        "period": "month",
        "period_began": "2026-11-01",
        "level": 80,
        "spent": "80.50",
        "budget": "100.00",
        "currency": "USD",
        "created": "2026-11-20T12:00:00+00:00",
    }


def test_what_fails_is_tried_again_for_days_and_shown(
    team: Account, hook: Any, caplog: pytest.LogCaptureFixture, root: Client
) -> None:
    vouch(hook)
    alert(account=team, emails="", webhook_url=hook.url, levels="50")
    spend(team, "60")
    hook.status, now = 500, NOW
    for wait in alerts.WAITS:
        assert [alerts.run(now), alerts.run(now)] == [0, 0]
        assert notices() == [("webhook", 50, "pending")]
        now += timedelta(seconds=wait)
    assert now - NOW > timedelta(days=3)
    assert "nobody was told" not in caplog.text
    alerts.run(now)
    alerts.run(now + timedelta(days=2))
    assert len(hook.got) == alerts.MOST_ATTEMPTS
    assert "nobody was told: answered with HTTP 500" in caplog.text
    notice = BudgetNotice.objects.get()
    assert (notice.state, notice.error) == ("failed", "answered with HTTP 500")
    call_command("alerts")
    notices_page = reverse("admin:realtime_budgetnotice_changelist")
    assert b"answered with HTTP 500" in root.get(notices_page).content
    # Whoever mended the way has it sent.
    hook.status = 200
    BudgetNotice.objects.update(next_try=timezone.now() + timedelta(hours=1))
    again = {"action": "send_again", "_selected_action": [notice.pk]}
    page = root.post(notices_page, again, follow=True)
    assert b"1 are tried again within a minute" in page.content
    assert (alerts.run(), notices()) == (1, [("webhook", 50, "sent")])
    # What was sent is not sent again.
    assert b"0 are tried again" in root.post(notices_page, again, follow=True).content
    assert (alerts.run(), BudgetNotice.objects.get().error) == (0, "")


def test_an_alert_whose_secret_cannot_be_read_keeps_no_other_from_being_told(
    team: Account, hook: Any
) -> None:
    vouch(hook)
    broken = alert(account=team, emails="", webhook_url=hook.url, levels="50")
    BudgetAlert.objects.update(sealed_secret="not sealed with any key there is")
    spend(team, "60")
    alerts.take(broken, NOW - timedelta(seconds=1))
    alert(account=team, levels="50")
    assert alerts.run(NOW) == 1
    assert (notices(), hook.got) == ([("email", 50, "sent"), ("webhook", 50, "pending")], [])
    assert broken.notices.get().error != ""


def test_whoever_died_over_the_last_attempt_is_not_followed_for_ever(team: Account) -> None:
    made = alert(account=team, levels="50")
    spend(team, "60")
    alerts.take(made, NOW)
    BudgetNotice.objects.update(attempts=alerts.MOST_ATTEMPTS)
    assert (alerts.run(NOW), notices(), mail.outbox) == (0, [("email", 50, "failed")], [])


def test_admins_see_on_their_first_page_what_could_not_be_sent(
    team: Account, root: Client, settings: Any
) -> None:
    made = alert(account=team, levels="50")
    spend(team, "60")
    settings.SENDS_MAIL = False
    index = reverse("admin:index")
    alerts.take(made, timezone.now())
    assert "unsent-notices" not in root.get(index).content.decode()
    made.notices.all().delete()
    alerts.run(NOW)
    made.notices.update(created=timezone.now())
    page = root.get(index).content.decode()
    assert "nobody could be told of this by email yet (EMAIL_URL names no mail server)" in page
    made.notices.update(state=BudgetNotice.State.FAILED)
    assert "nobody was told of this by email" in root.get(index).content.decode()
    made.notices.update(created=timezone.now() - timedelta(days=40))
    assert "unsent-notices" not in root.get(index).content.decode()


def test_nothing_more_is_sent_of_an_alert_that_was_switched_off(
    team: Account, settings: Any
) -> None:
    made = alert(account=team, levels="50")
    spend(team, "60")
    settings.SENDS_MAIL = False
    alerts.run(NOW)
    BudgetAlert.objects.filter(pk=made.pk).update(enabled=False, levels="50, 60")
    settings.SENDS_MAIL = True
    assert alerts.run(NOW + timedelta(hours=1)) == 0
    assert notices() == [("email", 50, "pending")]


def test_what_would_only_be_printed_is_not_sent(team: Account, settings: Any) -> None:
    alert(account=team, levels="50")
    spend(team, "60")
    settings.SENDS_MAIL = False
    assert (alerts.run(NOW), mail.outbox) == (0, [])
    assert notices() == [("email", 50, "pending")]
    assert BudgetNotice.objects.get().error == "EMAIL_URL names no mail server"
    settings.SENDS_MAIL = True
    assert (alerts.run(NOW + timedelta(seconds=alerts.WAITS[0])), len(mail.outbox)) == (1, 1)


def test_a_mail_server_that_is_away_is_named_as_what_is_wrong(team: Account, settings: Any) -> None:
    alert(account=team, levels="50")
    spend(team, "60")
    settings.EMAIL_BACKEND = "nextvoice.mail.Mail"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    assert alerts.run(NOW) == 0
    error = BudgetNotice.objects.get().error
    assert error == "the mail server is unreachable or refused: ConnectionRefusedError"


def test_one_mail_at_a_time_is_tried_while_none_can_be_sent(
    team: Account, settings: Any, hook: Any
) -> None:
    vouch(hook)
    spend(team, "60")
    for seconds in (3, 2, 1):
        each = alert(account=team, levels="50", webhook_url=hook.url)
        alerts.take(each, NOW - timedelta(seconds=seconds))
    settings.SENDS_MAIL = False
    assert alerts.run(NOW) == 3  # the webhooks
    tried = BudgetNotice.objects.filter(channel="email").order_by("-attempts")
    assert list(tried.values_list("attempts", flat=True)) == [1, 0, 0]
    settings.SENDS_MAIL = True
    assert alerts.run(NOW + timedelta(minutes=1)) == 3


def test_a_webhook_that_fails_keeps_no_mail_from_anybody(team: Account, hook: Any) -> None:
    vouch(hook)
    spend(team, "60")
    for seconds in (3, 2, 1):
        each = alert(account=team, levels="50", webhook_url=hook.url)
        alerts.take(each, NOW - timedelta(seconds=seconds))
    hook.status = 500
    assert (alerts.run(NOW), len(hook.got)) == (3, 3)


def test_mails_that_wait_are_in_no_webhooks_place(
    team: Account, settings: Any, hook: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "MOST_AT_ONCE", 3)
    vouch(hook)
    for _ in range(4):
        alert(account=team, levels="50")
    spend(team, "60")
    settings.SENDS_MAIL = False
    assert alerts.run(NOW) == 0
    alert(account=team, levels="50", emails="", webhook_url=hook.url)
    assert alerts.run(NOW + timedelta(seconds=1)) == 1
    assert len(hook.got) == 1


def test_who_has_no_address_keeps_no_mail_from_others(team: Account, bob: User) -> None:
    User.objects.update(email="")
    for emails in ("", "", "boss@example.org"):
        alert(account=team, levels="50", emails=emails)
    spend(team, "60")
    assert alerts.run(NOW) == 1
    assert mail.outbox[-1].bcc == ["boss@example.org"]


def test_what_fails_once_is_told_later(team: Account, hook: Any) -> None:
    vouch(hook)
    alert(account=team, webhook_url=hook.url, levels="50")
    spend(team, "60")
    hook.status = 503
    assert alerts.run(NOW) == 1  # the email
    hook.status = 200
    assert alerts.run(NOW + timedelta(seconds=59)) == 0
    assert alerts.run(NOW + timedelta(seconds=60)) == 1
    assert notices() == [("email", 50, "sent"), ("webhook", 50, "sent")]


def test_redirects_are_not_followed(hook: Any) -> None:
    vouch(hook)
    hook.status = 302
    with pytest.raises(NotDelivered, match="answered with HTTP 302"):
        deliver(hook.url, b"{}", SECRET, 0)
    assert len(hook.got) == 1


async def rebinding(_host: str, _port: int) -> list[str]:
    return ["203.0.114.9", "10.0.0.1"]


def test_inner_addresses_need_somebody_who_vouches(hook: Any) -> None:
    for url in (hook.url, hook.url.replace("https", "http"), "https://169.254.169.254/"):
        with pytest.raises(NotDelivered):
            deliver(url, b"{}", SECRET, 0)
    with pytest.raises(NotDelivered, match="address that is not allowed"):
        deliver("https://hooks.example.org/", b"", "", 0, resolve=rebinding)
    assert hook.got == []


def test_a_certificate_for_another_name_is_refused(
    tmp_path: Path, hook: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    vouch(hook)
    monkeypatch.setenv("SSL_CERT_FILE", ssl.get_default_verify_paths().openssl_cafile)
    with pytest.raises(NotDelivered, match="no trusted TLS connection"):
        deliver(hook.url, b"{}", SECRET, 0)
    assert hook.got == []


def test_who_does_not_answer_is_left(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    vouch(hook)
    monkeypatch.setattr(webhooks, "SECONDS", 0.3)
    hook.status = 0
    with pytest.raises(NotDelivered, match="no answer in time"):
        deliver(hook.url, b"{}", SECRET, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"levels": "0"},
        {"levels": "80, x"},
        {"levels": "1001"},
        {"emails": "nobody"},
        {"webhook_url": "http://hooks.example.org"},
        {"webhook_url": "https://user:pw@hooks.example.org"},
        {"webhook_url": "https://hooks example.org"},
        {"amount": Decimal(0)},
    ],
)
def test_what_makes_no_sense_is_refused(db: None, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        alert(**wrong)


@pytest.fixture
def root(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def filled(**fields: str) -> dict[str, str]:
    """An alert's page as an admin fills it in."""
    return {
        "period": "month",
        "levels": "50, 100",
        "amount": "10",
        "webhook_url": "https://hooks.example.org/x",
        "enabled": "on",
        "notices-TOTAL_FORMS": "0",
        "notices-INITIAL_FORMS": "0",
        **fields,
    }


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://10.0.0.1/hook",
        "https://[::1]/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://hooks.example.org:8443/",
    ],
)
def test_an_inner_webhook_is_refused_until_somebody_vouches(root: Client, url: str) -> None:
    add, form = reverse("admin:realtime_budgetalert_add"), filled(webhook_url=url)
    assert b"Only public addresses" in root.post(add, form | {"new_secret": SECRET}).content
    parts = urlsplit(url)
    AllowedEndpoint.objects.create(host=parts.hostname, port=parts.port or 443)
    assert root.post(add, form | {"new_secret": SECRET}).status_code == 302


def test_the_admin_takes_a_secret_and_never_shows_it(team: Account, root: Client) -> None:
    client, form = root, filled()
    add = reverse("admin:realtime_budgetalert_add")
    assert b"needs a secret" in client.post(add, form).content
    assert client.post(add, form | {"new_secret": SECRET}).status_code == 302
    made = BudgetAlert.objects.get()
    assert (made.secret(), SECRET in made.sealed_secret) == (SECRET, False)
    change = reverse("admin:realtime_budgetalert_change", args=[made.pk])
    assert client.post(change, form | {"levels": "90"}).status_code == 302
    made.refresh_from_db()
    assert (made.levels, made.secret()) == ("90", SECRET)
    assert SECRET.encode() not in client.get(change).content


@pytest.mark.parametrize(
    ("fields", "sends_mail", "words"),
    [
        ({}, True, ["Nobody it is for has an email address"]),
        ({"emails": "boss@example.org"}, True, []),
        ({"emails": "boss@example.org"}, False, ["No email is sent until EMAIL_URL"]),
        ({"emails": "boss@example.org", "amount": ""}, True, ["It has no budget yet"]),
        ({"webhook_url": "https://hooks.example.org/x", "new_secret": SECRET}, False, []),
    ],
)
def test_an_alert_that_nobody_would_hear_of_says_so_when_it_is_saved(
    root: Client, settings: Any, fields: dict[str, str], sends_mail: bool, words: list[str]
) -> None:
    settings.SENDS_MAIL = sends_mail
    form = filled(webhook_url="") | fields
    page = root.post(reverse("admin:realtime_budgetalert_add"), form, follow=True)
    told = [str(each) for each in page.context["messages"] if each.level_tag == "warning"]
    assert [each[: len(said)] for each, said in zip(told, words, strict=True)] == words
