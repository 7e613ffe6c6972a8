"""A person who is gone is named nowhere in the books; what was used and paid stays."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from chats.models import Account, User
from realtime.models import Usage, UsageDay
from realtime.money import anonymous, reconciling, rollups
from realtime.money.ledger import Entry, Payer, record

pytestmark = pytest.mark.django_db(transaction=True)

RAW = {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30}


def use(person: User, account: Account, key: str) -> None:
    payer = Payer(
        account_id=account.pk,
        account_name=account.name,
        user_id=person.pk,
        user_name=person.username,
        dialect="openai_ga",
    )
    record(Entry(payer, "gpt-realtime-2.1", "session", key, "response", raw=RAW))


def names(model: type[Usage] | type[UsageDay]) -> list[tuple[str, str]]:
    return sorted(model.objects.values_list("user_name", "account_name"))


@pytest.fixture
def books(ann: User, bob: User) -> None:
    team = Account.objects.get(slug="team")
    use(ann, ann.own_account, "1")
    use(ann, team, "2")
    use(bob, bob.own_account, "3")


AFTER = [("", ""), ("", "Team"), ("bob", "bob")]


def proved() -> bool:
    with pytest.raises(IntegrityError), transaction.atomic():
        Usage.objects.all().delete()
    return [each for each in reconciling.findings() if each.wrong] == []


def test_deleting_a_person_takes_the_name_out(books: None, ann: User) -> None:
    sums = list(UsageDay.objects.order_by("pk").values("pk", "cost", "rows", "user_id"))
    ann.delete()
    assert (names(Usage), names(UsageDay)) == (AFTER, AFTER)
    assert list(UsageDay.objects.order_by("pk").values("pk", "cost", "rows", "user_id")) == sums
    assert proved()
    rollups.rebuild()
    assert names(UsageDay) == AFTER


def test_what_a_crash_left_over_is_forgotten_later(
    books: None, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        # The process dies between the deletion and what follows it.
        patch.setattr(transaction, "on_commit", lambda *_args, **_kwargs: None)
        ann.delete()
    assert names(Usage) == [("ann", "Team"), ("ann", "ann"), ("bob", "bob")]
    assert [anonymous.finish(), anonymous.finish()] == [2, 0]
    assert (names(Usage), names(UsageDay)) == (AFTER, AFTER)
    assert proved()


def test_a_deletion_that_is_taken_back_keeps_the_name(books: None, ann: User) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ann.delete()
        raise ZeroDivisionError
    assert anonymous.finish() == 0
    assert names(Usage) == [("ann", "Team"), ("ann", "ann"), ("bob", "bob")]
