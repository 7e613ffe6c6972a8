"""Queries whose SQL is made once give what the plain ones give."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.models import BigIntegerField, CharField, Max, UUIDField
from django.test.utils import CaptureQueriesContext

from chats.models import Account, Conversation, User
from realtime.prepared import Given, Prepared

pytestmark = pytest.mark.django_db


def test_it_finds_by_the_values_of_each_time(conversation: Conversation, eve: User) -> None:
    by_owner = Prepared(
        lambda: Conversation.objects.filter(owner=Given("owner", BigIntegerField()))
    )
    assert by_owner.all(owner=conversation.owner_id) == [conversation]
    assert by_owner.all(owner=eve.pk) == []
    assert (by_owner.first(owner=eve.pk), by_owner.first(owner=None)) == (None, None)


def test_its_sql_is_made_once(conversation: Conversation) -> None:
    made = []

    def make() -> Any:
        made.append(1)
        return Conversation.objects.filter(pk=Given("pk", UUIDField()))

    found = Prepared(make)
    for _time in range(2):
        assert found.first(pk=conversation.pk) == conversation
    assert made == [1]


def test_objects_come_whole_with_those_selected_with_them(
    conversation: Conversation, django_assert_num_queries: Any
) -> None:
    plain = Conversation.objects.select_related("owner", "account__owner")
    found = Prepared(lambda: plain.filter(pk=Given("pk", UUIDField()))).first(pk=conversation.pk)
    assert found is not None
    with django_assert_num_queries(0):
        assert (found.owner.username, found.account.owner) == ("ann", conversation.owner)
    same = plain.get(pk=conversation.pk)
    for one, other in ((found, same), (found.owner, same.owner), (found.account, same.account)):
        fields = [field.attname for field in type(one)._meta.concrete_fields]
        assert [getattr(one, name) for name in fields] == [getattr(other, name) for name in fields]
    found.title = "Venice"
    found.save(update_fields=["title"])
    assert plain.get(pk=conversation.pk).title == "Venice"


def test_an_object_of_no_row_is_none(ann: User) -> None:
    team = Account.objects.create(name="Team", slug="team")
    plain = Account.objects.select_related("owner")
    found = Prepared(lambda: plain.filter(pk=Given("pk", BigIntegerField())))
    owners = [getattr(found.first(pk=pk), "owner", "?") for pk in (team.pk, ann.own_account.pk)]
    assert owners == [None, ann]


@pytest.mark.parametrize("names", [[], ["ann"], ["ann", "eve", "nobody"]])
def test_collections_may_have_any_size(ann: User, eve: User, names: list[str]) -> None:
    people = Prepared(
        lambda: (
            User.objects.filter(username__in=Given("names", CharField(), many=True))
            .order_by("username")
            .values_list("username", "pk")
        )
    )
    known = {"ann": ann.pk, "eve": eve.pk}
    assert people.all(names=names) == [(name, known[name]) for name in names if name in known]


def test_sums_and_signs_that_are_no_places_are_left_alone(conversation: Conversation) -> None:
    title = CharField()
    newest = Prepared(
        lambda: (
            Conversation.objects.filter(owner__username__contains="%s", title="%s")
            .filter(title=Given("title", title))
            .values_list("title")
            .annotate(Max("created"))
            .order_by()
        )
    )
    User.objects.filter(pk=conversation.owner_id).update(username="a%sb")
    Conversation.objects.update(title="%s")
    assert newest.all(title="%s") == [("%s", conversation.created)]
    assert newest.all(title="Rome") == []


def test_what_is_given_is_a_parameter_and_no_sql(conversation: Conversation) -> None:
    by_title = Prepared(lambda: Conversation.objects.filter(title=Given("title", CharField())))
    with CaptureQueriesContext(connection) as queries:
        assert by_title.all(title="' OR 1=1 --") == []
    assert len(queries) == 1
    assert Conversation.objects.exists()
