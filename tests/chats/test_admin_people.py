"""People in the admin: only superusers give rights, somebody is always left who can administer the
site, and nobody loses their own account."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

import nextvoice.urls  # noqa: F401  (the admin is filled there)
from chats.models import Account, Membership, User

pytestmark = pytest.mark.django_db

ADMIN = {"is_active": "on", "is_staff": "on", "is_superuser": "on"}
LIST = "admin:chats_user_changelist"
ALONE = "Nobody else could administer this site"


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_superuser("boss", "boss@example.org", "boss-password")


def browser(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def change(client: Client, person: User, **fields: str) -> Any:
    """Save a person's page with these fields, and no flag but the given ones."""
    rows = {f"memberships-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL")}
    given = {"username": person.username, "email": person.email}
    joined = {"date_joined_0": "2026-11-01", "date_joined_1": "00:00"}
    url = reverse("admin:chats_user_change", args=[person.pk])
    answer = client.post(url, given | joined | rows | fields)
    person.refresh_from_db()
    return answer


def delete(client: Client, *people: User) -> Any:
    """Delete them from the list."""
    chosen = {"action": "delete_selected", "_selected_action": [each.pk for each in people]}
    return client.post(reverse(LIST), {**chosen, "post": "yes"})


@pytest.mark.parametrize("flag", ADMIN)
def test_the_only_admin_stays_one(boss: User, flag: str) -> None:
    client = browser(boss)
    others = {name: "on" for name in ADMIN if name != flag}
    assert ALONE in change(client, boss, **others).content.decode()
    assert User.admins().get() == boss
    User.objects.create_superuser("other")
    assert change(client, boss, **others).status_code == 302
    assert boss not in User.admins()


def test_the_only_admin_is_not_deleted(boss: User, ann: User) -> None:
    client = browser(boss)
    page = client.post(reverse("admin:chats_user_delete", args=[boss.pk]), {"post": "yes"})
    assert ALONE in page.content.decode()
    assert ALONE in delete(client, boss, ann).content.decode()
    assert set(User.objects.all()) == {boss, ann}
    other = User.objects.create_superuser("other")
    assert ALONE in delete(client, boss, other).content.decode()
    assert delete(client, other, ann).status_code == 302
    assert list(User.objects.all()) == [boss]


@pytest.fixture
def helper(db: None) -> User:
    """Somebody who may do everything with people, but is no superuser."""
    person = User.objects.create_user("helper", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(content_type__model="user"))
    return person


def test_only_a_superuser_gives_rights(boss: User, helper: User, ann: User) -> None:
    group = Group.objects.create(name="Everything")
    every = [str(each.pk) for each in Permission.objects.all()]
    rights: Any = {"groups": [str(group.pk)], "user_permissions": every, **ADMIN}
    for person in (helper, ann):
        held = set(person.user_permissions.all())
        answer = change(browser(helper), person, **rights, first_name="New")
        assert (answer.status_code, person.first_name) == (302, "New")
        assert (person.is_superuser, person.is_staff) == (False, person == helper)
        assert (set(person.user_permissions.all()), person.groups.count()) == (held, 0)
    assert change(browser(boss), ann, **rights).status_code == 302
    assert (ann.is_superuser, ann.is_staff, ann.groups.get()) == (True, True, group)


def test_only_a_superuser_says_what_a_group_may_do(boss: User, helper: User) -> None:
    """Whoever is in it could give themselves everything else."""
    mine = Group.objects.create(name="Helpers")
    helper.groups.add(mine)
    mine.permissions.set(Permission.objects.filter(content_type__model="group"))
    url = reverse("admin:auth_group_change", args=[mine.pk])
    every = {"name": "All", "permissions": [str(each.pk) for each in Permission.objects.all()]}
    assert browser(helper).get(url).status_code == 200
    assert browser(helper).post(url, every).status_code == 403
    assert browser(helper).post(reverse("admin:auth_group_add"), every).status_code == 403
    delete_it = reverse("admin:auth_group_delete", args=[mine.pk])
    assert browser(helper).post(delete_it, {"post": "yes"}).status_code == 403
    assert browser(boss).post(url, every).status_code == 302
    assert Group.objects.get().permissions.count() == len(every["permissions"])


@pytest.mark.parametrize("rank", ["is_superuser", "is_staff"])
def test_only_a_superuser_changes_or_deletes_who_has_rights(
    boss: User, helper: User, ann: User, rank: str
) -> None:
    theirs = User.objects.create_user("other", "other@example.org", "a-password", **{rank: True})
    client, hashed = browser(helper), theirs.password
    password = {"password1": "a-new-secret-7", "password2": "a-new-secret-7"}
    given = {**password, "usable_password": "true"}
    assert client.get(reverse("admin:chats_user_change", args=[theirs.pk])).status_code == 200
    assert change(client, theirs, email="helper@example.org").status_code == 403
    for name in ("admin:auth_user_password_change", "admin:chats_user_delete"):
        url = reverse(name, args=[theirs.pk])
        assert client.post(url, {**given, "post": "yes"}).status_code == 403
    assert delete(client, theirs, ann).status_code == 403
    theirs.refresh_from_db()
    assert (theirs.password, theirs.email) == (hashed, "other@example.org")
    ann_password = reverse("admin:auth_user_password_change", args=[ann.pk])
    assert client.post(ann_password, given).status_code == 302
    assert delete(client, ann).status_code == 302
    assert change(browser(boss), theirs, email="new@example.org").status_code == 302


def test_an_email_address_is_one_person_s_however_it_is_written(boss: User, ann: User) -> None:
    client = browser(boss)
    secret = {"password1": "a-long-password-1", "password2": "a-long-password-1"}
    for email, status in (("ANN@example.org", 200), ("", 302), ("Carol@Example.org", 302)):
        person = {"username": f"new{len(email)}", "email": email, "usable_password": "true"}
        answer = client.post(reverse("admin:chats_user_add"), person | secret)
        assert (email, answer.status_code) == (email, status)
        assert ("Someone else already uses" in answer.content.decode()) == (status == 200)
    carol = User.objects.get(email="carol@example.org")
    assert change(client, carol, **ADMIN, email="Ann@Example.org").status_code == 200
    assert change(client, carol, **ADMIN, email="CAROL@example.org").status_code == 302
    assert change(client, carol, **ADMIN, email="").status_code == 302
    User.objects.filter(pk=carol.pk).update(email=ann.email)
    carol.refresh_from_db()
    # Two that have the same one already can still be changed.
    assert change(client, carol, **ADMIN, first_name="Carol").status_code == 302


OWN = "ann owns this account"


def rows(*places: Membership, **fields: str) -> dict[str, str]:
    """The memberships on a person's or an account's page; `fields` are of the first one."""
    told = {"memberships-TOTAL_FORMS": str(len(places))}
    told["memberships-INITIAL_FORMS"] = str(len(places))
    for number, each in enumerate(places):
        kept = {"id": each.pk, "user": each.user_id, "account": each.account_id, "role": each.role}
        told |= {f"memberships-{number}-{name}": str(value) for name, value in kept.items()}
    return told | {f"memberships-0-{name}": value for name, value in fields.items()}


def test_nobody_loses_their_own_account(boss: User, ann: User) -> None:
    """Everything in it would be a 404 to them."""
    client, own = browser(boss), ann.memberships.get()
    other = Account.objects.create(name="Team", slug="team")
    url = reverse("admin:chats_membership_delete", args=[own.pk])
    assert OWN in client.get(url).content.decode()
    assert OWN in client.post(url, {"post": "yes"}).content.decode()
    chosen = {"action": "delete_selected", "_selected_action": [own.pk], "post": "yes"}
    page = client.post(reverse("admin:chats_membership_changelist"), chosen).content.decode()
    assert OWN in page and "protected related objects" not in page
    url = reverse("admin:chats_membership_change", args=[own.pk])
    same = {"user": ann.pk, "account": own.account_id, "role": "manager"}
    for changed in ({"role": "member"}, {"account": other.pk}, {"user": boss.pk}):
        assert OWN in client.post(url, {**same, **changed}).content.decode()
    assert client.post(url, same).status_code == 302
    account = reverse("admin:chats_account_change", args=[own.account_id])
    named = {"name": "Anna", "slug": "anna", "owner": str(ann.pk)}
    named |= {f"-1-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL")}  # the call settings
    for refused in ({"DELETE": "on"}, {"role": "member"}):
        assert change(client, ann, **rows(own, **refused)).content.decode().count(OWN) == 1
        assert OWN in client.post(account, named | rows(own, **refused)).content.decode()
    assert list(ann.memberships.filter(account__owner=ann)) == [own]
    assert client.post(account, named | rows(own)).status_code == 302


@pytest.mark.parametrize("way", ["deleted", "deleted from the list", "made a team's"])
def test_whose_own_account_goes_has_a_new_one(boss: User, ann: User, way: str) -> None:
    """Programs of theirs would find none."""
    client, old = browser(boss), ann.own_account
    if way == "deleted":
        url, fields = reverse("admin:chats_account_delete", args=[old.pk]), {"post": "yes"}
    elif way == "deleted from the list":
        url = reverse("admin:chats_account_changelist")
        fields = {"action": "delete_selected", "_selected_action": str(old.pk), "post": "yes"}
    else:
        url = reverse("admin:chats_account_change", args=[old.pk])
        fields = {"name": "Team", "slug": "team", "owner": ""} | rows(ann.memberships.get())
        fields |= {f"-1-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL")}
    assert client.post(url, fields).status_code == 302
    new = User.objects.get(pk=ann.pk).own_account
    assert new != old and new.memberships.get().user == ann
    assert ann.accounts.filter(owner=None).exists() == (way == "made a team's")


def test_places_in_teams_come_and_go(boss: User, ann: User) -> None:
    client, team = browser(boss), Account.objects.create(name="Team", slug="team")
    place = Membership.objects.create(account=team, user=ann)
    assert change(client, ann, **ADMIN, **rows(place, role="manager")).status_code == 302
    assert team.memberships.get(user=ann).role == "manager"
    assert change(client, ann, **ADMIN, **rows(place, DELETE="on")).status_code == 302
    assert not team.memberships.filter(user=ann).exists()


def test_setup_says_how_to_make_an_admin_where_none_is_left(boss: User) -> None:
    def said() -> str:
        out = StringIO()
        call_command("setup", stdout=out)
        return out.getvalue()

    assert "Sign in as before" in said()
    User.objects.update(is_staff=False)
    assert "createsuperuser" in said()


def test_only_a_superuser_gives_who_has_rights_another_address(
    boss: User, helper: User, ann: User, mailoutbox: list[Any]
) -> None:
    """A password can be reset by each of them."""
    helper.user_permissions.add(*Permission.objects.filter(content_type__app_label="account"))
    theirs = EmailAddress.objects.create(user=boss, email=boss.email)
    anns = EmailAddress.objects.create(user=ann, email=ann.email)

    def saved(who: User, address: EmailAddress | None, person: User, email: str) -> int:
        name, keys = ("change", [address.pk]) if address else ("add", [])
        url = reverse(f"admin:account_emailaddress_{name}", args=keys)
        return browser(who).post(url, {"user": person.pk, "email": email}).status_code

    mine = "helper@example.org"
    refused = [saved(helper, address, boss, mine) for address in (None, theirs, anns)]
    assert refused == [200, 403, 200]
    delete_theirs = reverse("admin:account_emailaddress_delete", args=[theirs.pk])
    assert browser(helper).post(delete_theirs, {"post": "yes"}).status_code == 403
    Client().post(reverse("account_reset_password"), {"email": mine})
    assert [each for each in mailoutbox if "/key/" in each.body] == []
    assert saved(helper, anns, ann, "a@example.org") == 302
    assert saved(helper, None, helper, mine) == 302
    assert saved(boss, theirs, boss, "b@example.org") == 302
