"""Everybody has an account of their own."""

import pytest

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
