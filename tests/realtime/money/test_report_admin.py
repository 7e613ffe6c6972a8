"""The cost report in the admin: who sees it, how one gets to a single row, and its files."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, Permission
from django.core.handlers.asgi import ASGIRequest
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from chats.downloads import sent
from chats.models import Account, User
from realtime.models import Usage
from realtime.money.admin import reports as report_admin
from realtime.money.admin.reports import NEXT, query_of
from realtime.money.report_files import csv_pieces, safe
from realtime.money.report_filters import Filters
from realtime.money.report_xlsx import xlsx_pieces
from realtime.money.reports import BY, lines
from tests.realtime.money.spending import at, call, prices, used

pytestmark = pytest.mark.django_db
FIRST = {"from": "2026-11-01", "to": "2026-11-30"}


@pytest.fixture
def team(bob: User) -> Account:
    prices()
    ann, team = User.objects.get(username="ann"), Account.objects.get(slug="team")
    used(ann, team, at(2), 3_000_000, call_id=call(ann, team, at(2), 90).pk)
    used(bob, team, at(9), 2_000_000, call_id=call(bob, team, at(9), 30).pk)
    used(bob, team, at(9), 1, model="w")
    return team


@pytest.fixture
def admin(team: Account) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def ask(client: Client, **query: Any) -> Any:
    return client.get(reverse("admin:usage_report"), FIRST | query)


def test_only_who_may_look_at_the_ledger_sees_it(team: Account) -> None:
    staff, client = User.objects.create_user("staff", is_staff=True), Client()
    client.force_login(staff)
    for name in ("usage_report", "usage_report_file"):
        assert client.get(reverse(f"admin:{name}")).status_code == 403
    assert b"report/" not in client.get(reverse("admin:index")).content
    staff.user_permissions.add(Permission.objects.get(codename="view_usage"))
    for name in ("usage_report", "usage_report_file"):
        assert client.get(reverse(f"admin:{name}")).status_code == 200
    assert reverse("admin:usage_report").encode() in client.get(reverse("admin:index")).content
    client.force_login(User.objects.get(username="bob"))
    for name in ("usage_report", "usage_report_file"):
        assert client.get(reverse(f"admin:{name}")).status_code == 302


@pytest.mark.parametrize("by", BY)
def test_it_shows_what_reports_say(admin: Client, by: str) -> None:
    page = ask(admin, by=by)
    expected = [(line.label, line.cost) for line in lines(by, Filters())]
    assert [(line.label, line.cost) for line, _share, _into in page.context["lines"]] == expected
    assert b"style=" not in page.content
    assert (b"no price" in page.content) == any(cost is None for _label, cost in expected)


@pytest.mark.parametrize("by", BY)
def test_a_click_on_a_line_adds_up_to_it(admin: Client, by: str) -> None:
    opened = [(line, into) for line, _share, into in ask(admin, by=by).context["lines"] if into]
    assert opened
    for line, into in opened:
        page = admin.get(f"{reverse('admin:usage_report')}?{into}")
        assert page.context["by"] == NEXT[by]
        assert [each.cost for each in page.context["totals"]] == [line.cost]


def test_a_call_ends_at_its_rows_with_what_was_said_and_the_price(admin: Client) -> None:
    row = Usage.objects.filter(user_name="ann").get()
    page = ask(admin, by="row", call=str(row.call_id))
    assert [each[0] for each in page.context["rows"]] == [row]
    text = page.content.decode()
    assert "3000000" in text and "text_in" in text and "1.000000" in text


def test_times_are_of_the_days_they_are_listed_under(admin: Client, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    ann = User.objects.get(username="ann")
    late = call(ann, ann.own_account, at(30, 23))
    used(ann, ann.own_account, at(30, 23), 1, call_id=late.pk)
    last = {"from": "2026-11-30", "to": "2026-11-30"}
    for by, time in (("call", "2026-11-30 23:00"), ("row", "2026-11-30 23:00:00")):
        page = ask(admin, by=by, **last).content.decode()
        assert f">{time}<" in page
        assert "2026-12-01" not in page


def test_names_are_understood_and_nobody_is_not_everybody(admin: Client) -> None:
    assert [each.cost for each in ask(admin, user="bob").context["totals"]] == [Decimal(2)]
    page = ask(admin, user="nobody")
    assert page.context["problems"] == ["Nobody is called “nobody”."]
    assert [each.cost for each in page.context["totals"]] == [0]
    assert b"nothing-used" in page.content
    page = ask(admin, call="x", **{"from": "yesterday"})
    assert len(page.context["problems"]) == 2


def test_a_query_means_what_it_was_made_from(admin: Client) -> None:
    wanted = Filters(account=3, user=4, provider="", model="m", kind="probe", source="estimated")
    page = admin.get(f"{reverse('admin:usage_report')}?{query_of('model', wanted)}")
    assert (page.context["by"], page.context["filters"]) == ("model", wanted)


def test_days_the_wrong_way_round_are_said_and_make_no_file(admin: Client) -> None:
    days = {"from": "2026-11-30", "to": "2026-11-01"}
    said = "The last day is before the first one."
    assert ask(admin, **days).context["problems"] == [said]
    answer = admin.get(reverse("admin:usage_report_file"), days)
    assert (answer.status_code, answer.content.decode()) == (400, said)


def file(client: Client, **query: Any) -> bytes:
    answer: Any = client.get(reverse("admin:usage_report_file"), FIRST | query)
    return b"".join(answer.streaming_content)


@pytest.mark.parametrize("format", ["csv", "xlsx"])
@pytest.mark.parametrize("name", ["from", "to", "user", "call", "provider", "kind", "source"])
def test_no_file_is_made_of_what_is_not_understood(admin: Client, name: str, format: str) -> None:
    query = FIRST | {"format": format, name: "bad"}
    answer = admin.get(reverse("admin:usage_report_file"), query)
    assert answer.status_code == 400
    assert [answer.content.decode()] == ask(admin, **{name: "bad"}).context["problems"]
    assert "“bad”" in answer.content.decode()


@pytest.mark.parametrize("by", [*BY, "row"])
def test_the_last_day_may_be_the_last_that_there_is(admin: Client, by: str) -> None:
    span = {"from": "0001-01-01", "to": "9999-12-31", "by": by}
    page = ask(admin, **span)
    assert [line.cost for line in page.context["totals"]] == [5]
    assert file(admin, format="csv", **span).count(b"\r\n") > 1
    assert load_workbook(io.BytesIO(file(admin, format="xlsx", **span))).active.max_row > 1
    what_if = admin.get(reverse("admin:realtime_price_what_if"), span)
    assert len(what_if.context["groups"]) == 2


@pytest.mark.parametrize("by", [*BY, "row"])
def test_files_have_every_digit(admin: Client, by: str) -> None:
    ann = User.objects.get(username="ann")
    used(ann, ann.own_account, at(3), 1)
    text = file(admin, by=by, format="csv").decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    book = load_workbook(io.BytesIO(file(admin, by=by, format="xlsx")))
    head, *found = book.active.iter_rows(values_only=True)
    place = head.index("cost")
    costs = [Decimal(str(row[place])) for row in found if row[place] is not None]
    assert costs == [Decimal(row["cost"]) for row in rows if row["cost"]]
    assert sum(costs) == Decimal("5.000001")


def xlsx(head: list[str], row: list[Any]) -> io.BytesIO:
    return io.BytesIO(b"".join(xlsx_pieces("x", head, [row])))


def test_a_file_of_rows_is_read_a_few_at_a_time_and_has_each_once(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_admin, "AT_ONCE", 2)
    ann = User.objects.get(username="ann")
    for _ in range(4):
        used(ann, ann.own_account, at(9), 1)
    text = file(admin, by="row", format="csv").decode("utf-8-sig")
    found = [(row["created"], row["id"]) for row in csv.DictReader(io.StringIO(text))]
    expected = Usage.objects.order_by("created", "pk").values_list("created", "pk")
    assert found == [(created.isoformat(), str(pk)) for created, pk in expected]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_is_a_formula(start: str) -> None:
    evil = f"{start}1+cmd|' /C calc'!A0"
    assert safe(evil) == f"'{evil}"
    text = b"".join(csv_pieces(["name"], [[evil]])).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text, newline="")))[1] == [f"'{evil}"]
    book = load_workbook(xlsx(["name"], [evil]))
    cell = book.active["A2"]
    assert (cell.data_type, cell.value[0]) == ("s", "'")


@pytest.mark.parametrize("between", [";", ";; ", '; "', ";'", "\t", "\n"])
@pytest.mark.parametrize("start", "=+-@")
def test_no_part_of_a_cell_is_a_formula_with_other_separators(start: str, between: str) -> None:
    """Where a comma is in numbers, spreadsheets read a file with semicolons."""
    text = b"".join(csv_pieces(["name"], [[f"a{between}{start}1+1"]])).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text, newline="")))[1] == [f"a{between}'{start}1+1"]
    assert csv_pieces_of("x - y; z", "a;b=c") == b"x - y; z,a;b=c\r\n"


def csv_pieces_of(*cells: str) -> bytes:
    return [*csv_pieces(["a"] * len(cells), [cells])][1]


def test_a_number_below_nothing_is_a_number() -> None:
    assert safe(Decimal("-0.5")) == "-0.50"
    assert [*csv_pieces(["a"], [[Decimal("-0.5")]])][1] == b"-0.50\r\n"


def test_an_amount_is_a_number_however_many_digits_it_has() -> None:
    """A spreadsheet keeps 15 of them, but would leave text out of its sums without a word."""
    long = Decimal("1234567.123456789012")
    file = xlsx(["a", "b", "c"], [long, Decimal("0.1"), 10**15])
    cells = load_workbook(file).active[2]
    assert [cell.value for cell in cells] == [1234567.123456789, 0.1, "1000000000000000"]


@pytest.mark.django_db(transaction=True)  # its audit event is written in another thread
async def test_under_asgi_a_file_is_made_while_it_is_sent() -> None:
    made = []

    def rows() -> Any:
        for n in range(1000):
            made.append(n)
            yield [n]

    request: Any = ASGIRequest({"type": "http", "method": "GET", "path": "/"}, io.BytesIO())
    request.user = AnonymousUser()
    pieces = csv_pieces(["n"], rows())
    answer = await sync_to_async(sent)(request, pieces, "n.csv", "text/csv", "usage.exported")
    taken = aiter(answer)
    await anext(taken)
    await anext(taken)
    assert len(made) == 200
    assert sum([1 async for _ in taken]) == 4
