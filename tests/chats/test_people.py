"""Everybody has an account of their own, and a way back to it."""

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from chats.models import Account, Membership, User

pytestmark = pytest.mark.django_db


def test_a_new_person_gets_an_own_account_they_manage(ann: User) -> None:
    membership = Membership.objects.get(user=ann)
    assert (membership.account, membership.role) == (ann.own_account, "manager")


def test_saving_a_person_again_makes_no_second_account(ann: User) -> None:
    ann.first_name = "Ann"
    ann.save()
    assert Account.objects.filter(owner=ann).count() == 1


def test_an_own_account_comes_before_teams(ann: User, bob: User) -> None:
    assert [account.name for account in Account.objects.of(ann)] == ["ann", "Team"]


def test_people_whose_names_have_no_latin_letters_get_an_account(db: None) -> None:
    person = User.objects.create_user("李雷")
    assert person.own_account.slug == f"person-{person.pk}"


def test_a_password_manager_is_told_that_names_sign_in(db: None) -> None:
    page = Client().get(reverse("account_login")).content.decode()
    (field,) = re.findall(r'<input[^>]* name="login"[^>]*>', page)
    assert 'autocomplete="username"' in field


def test_without_mail_who_forgot_their_password_is_told_whom_to_ask(ann: User) -> None:
    client = Client()
    for name in ("account_reset_password", "account_reset_password_done"):
        page = client.get(reverse(name)).content.decode()
        assert "Ask the people who run it for a new password." in page
        assert ("<form" in page, reverse("account_login") in page) == (False, True)
    client.force_login(ann)
    assert reverse("account_email") not in client.get("/").content.decode()


def test_with_mail_a_link_is_sent_in_the_site_s_name(settings: Any, ann: User) -> None:
    settings.SENDS_MAIL = True
    client = Client(headers={"host": "127.0.0.1"})
    sent = client.post(reverse("account_reset_password"), {"email": ann.email}, follow=True)
    assert "a link to choose a new password is on its way" in sent.content.decode()
    (letter,) = mail.outbox
    assert letter.subject.startswith("[NextVoice] ")
    assert letter.body.startswith("Hello from NextVoice!")
    (link,) = re.findall(r"http://127\.0\.0\.1(/accounts/password/reset/key/\S+)", letter.body)
    form = client.get(link, follow=True).redirect_chain[-1][0]
    passwords = {"password1": "a-new-one-9", "password2": "a-new-one-9"}
    changed = client.post(form, passwords, follow=True).content.decode()
    assert ("Your password has been changed" in changed, reverse("account_login") in changed) == (
        True,
        True,
    )
    client.force_login(User.objects.get(pk=ann.pk))
    assert reverse("account_email") in client.get("/").content.decode()


def test_a_field_that_is_not_right_names_what_is_said_of_it(ann: User) -> None:
    client = Client()
    client.force_login(ann)
    wrong = {"oldpassword": "no", "password1": "1", "password2": "1"}
    page = client.post(reverse("account_change_password"), wrong).content.decode()
    named = re.findall(r'aria-describedby="([^"]+)"', page)
    assert len(named) == 2
    assert [each for ids in named for each in ids.split() if f'id="{each}"' not in page] == []
