"""Personal tokens: the page, the command, and what is kept of them."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from chats.models import User
from realtime.api import token_views
from realtime.models import ApiToken
from realtime.models.tokens import digest
from tests.api.help import make_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(ann: User) -> Client:
    client = Client()
    client.force_login(ann)
    return client


def made_on(browser: Client, **fields: Any) -> tuple[ApiToken, str, str]:
    """Make a token on the page: its row, its text and the page that shows it."""
    answer = browser.post("/tokens/", {"name": "Robot", "days": "90", "record": "on"} | fields)
    assert (answer.status_code, answer["Location"]) == (302, "/tokens/made/")
    page = browser.get("/tokens/made/").content.decode()
    found = re.search(r"nv_[\w-]{43}", page)
    assert found, page
    return ApiToken.objects.get(), found[0], page


def test_the_page_is_for_people_who_are_signed_in() -> None:
    for path in ("/tokens/", "/tokens/made/", "/tokens/1/revoke/"):
        answer = Client().get(path)
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/accounts/login/")


def test_without_tokens_the_page_says_what_to_do(browser: Client) -> None:
    page = browser.get("/tokens/").content.decode()
    assert 'data-testid="no-tokens"' in page
    assert "http://testserver/v1" in page


def test_a_new_token_is_shown_once_with_what_to_paste(browser: Client, ann: User) -> None:
    make_model("wss://example.org/v1/realtime")
    token, raw, page = made_on(browser)
    assert (token.user, token.name, token.start, token.digest) == (
        ann,
        "Robot",
        raw[:9],
        digest(raw),
    )
    assert token.expires is not None
    assert abs(token.expires - timezone.now() - timedelta(days=90)) < timedelta(minutes=1)
    # The token itself and three examples.
    assert page.count(raw) == 4
    assert page.count("ws://testserver/v1/realtime?model=scripted-1") == 1
    for path in ("/tokens/", "/tokens/made/"):
        again = browser.get(path, follow=True)
        assert [way for way, _status in again.redirect_chain] == ["/tokens/"] * (path != "/tokens/")
        said = again.content.decode()
        assert (raw in said, token.start in said) == (False, True)
    assert ApiToken.objects.count() == 1


def test_a_token_is_nowhere_in_the_database(browser: Client) -> None:
    browser.post("/tokens/", {"name": "Robot", "days": "90", "record": "on"})
    waiting = [str(session.get_decoded()) for session in Session.objects.all()]
    assert ["token_made" in each for each in waiting] == [True]
    raw = re.search(r"nv_[\w-]{43}", browser.get("/tokens/made/").content.decode())
    assert raw is not None
    shown = [str(session.get_decoded()) for session in Session.objects.all()]
    values = [str(value) for value in ApiToken.objects.values_list().get()]
    assert [value for value in (*values, *waiting, *shown) if raw[0] in value] == []
    assert ["token_made" in each for each in shown] == [False]


def test_a_new_token_that_was_revoked_meanwhile_is_not_shown(browser: Client) -> None:
    browser.post("/tokens/", {"name": "Robot", "days": "90", "record": "on"})
    ApiToken.objects.get().revoke()
    assert browser.get("/tokens/made/")["Location"] == "/tokens/"


def test_tokens_that_have_expired_take_no_room(
    browser: Client, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_views, "MOST", 1)
    ApiToken.objects.make(ann, "old", expires=timezone.now() - timedelta(seconds=1))
    asked = {"name": "Robot", "days": "90"}
    assert browser.post("/tokens/", asked).status_code == 302
    answer = browser.post("/tokens/", asked)
    assert answer.context["form"].non_field_errors() == [
        "You cannot have more tokens. Revoke one first."
    ]
    assert ApiToken.objects.count() == 2


def test_a_form_with_mistakes_makes_nothing_and_names_them(browser: Client) -> None:
    answer = browser.post("/tokens/", {"name": " ", "days": "7"})
    assert answer.context["form"].errors.keys() == {"name", "days"}
    assert ApiToken.objects.count() == 0


def test_a_token_may_be_for_a_model_one_may_use_and_no_other(browser: Client, eve: User) -> None:
    model = make_model("wss://example.org/v1/realtime")
    model.provider.account = eve.own_account
    model.provider.save()
    answer = browser.post("/tokens/", {"name": "Robot", "days": "30", "model": model.pk})
    assert answer.context["form"].errors.keys() == {"model"}
    model.provider.account = None
    model.provider.save()
    assert made_on(browser, model=model.pk)[0].model == model


def test_revoking_is_asked_for_and_then_final(browser: Client) -> None:
    token, raw, _page = made_on(browser)
    asked = browser.get(f"/tokens/{token.pk}/revoke/")
    assert asked.status_code == 200
    assert ApiToken.objects.find(raw) == token
    assert browser.post(f"/tokens/{token.pk}/revoke/").status_code == 302
    assert ApiToken.objects.find(raw) is None
    assert token.start not in browser.get("/tokens/").content.decode()


def test_a_strangers_token_is_not_there(browser: Client, eve: User) -> None:
    token, raw = ApiToken.objects.make(eve, "hers")
    for answer in (
        browser.get(f"/tokens/{token.pk}/revoke/"),
        browser.post(f"/tokens/{token.pk}/revoke/"),
    ):
        assert answer.status_code == 404
    assert ApiToken.objects.find(raw) == token
    assert "hers" not in browser.get("/tokens/").content.decode()


def test_last_used_is_coarse(ann: User) -> None:
    token, _raw = ApiToken.objects.make(ann, "robot")
    token.used()
    first = token.last_used
    token.used()
    assert (first is not None, token.last_used) == (True, first)
    token.last_used = timezone.now() - timedelta(minutes=6)
    token.used()
    assert token.last_used > first


def command(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("token", *arguments, stdout=out, stderr=err)
    return out.getvalue().strip(), err.getvalue()


def test_the_command_prints_a_token_that_works_and_nothing_else(ann: User) -> None:
    raw, _note = command("ann", "--name", "cron", "--days", "30", "--no-record")
    token = ApiToken.objects.find(raw)
    assert token is not None
    assert (token.user, token.name, token.record) == (ann, "cron", False)
    assert token.expires is not None and token.expires > timezone.now() + timedelta(days=29)


def test_the_command_lists_without_showing_and_revokes(ann: User) -> None:
    raw, _note = command("ann", "--name", "cron")
    listed, _ = command("ann", "--list")
    assert (raw in listed, raw[:9] in listed, "works" in listed) == (False, True, True)
    command("ann", "--revoke", raw[:9])
    assert ApiToken.objects.find(raw) is None
    assert "revoked" in command("ann", "--list")[0]


def test_the_command_takes_no_name_for_that_of_who_has_no_address(ann: User) -> None:
    User.objects.create_superuser("boss")
    with pytest.raises(CommandError, match="no one person ''"):
        command("", "--name", "x")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nobody", "--name", "x"),
        ("ann",),
        ("ann", "--name", "x", "--days", "0"),
        ("ann", "--name", "x", "--model", "nothing"),
        ("ann", "--revoke", "999"),
    ],
)
def test_the_command_says_what_is_wrong(ann: User, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        command(*arguments)
    assert ApiToken.objects.count() == 0
