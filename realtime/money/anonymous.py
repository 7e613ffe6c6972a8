"""Removes the names of deleted people from the ledger. What was used and paid stays.

The ledger is append-only, so its triggers are lifted within one transaction, in which nobody else
reaches the table. Ids stay: otherwise the sums of deleted people could not be told apart.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.signals import post_delete
from django.dispatch import receiver

from chats.models import Account, User
from realtime import append_only
from realtime.models import Usage, UsageDay

log = logging.getLogger(__name__)

AT_ONCE = 50
# Readers may lock the ledger for a while; nobody who deletes a person waits longer than this.
PATIENCE = "5s"


@receiver(post_delete, sender=User)
def person_deleted(sender: type[User], instance: User, **_: Any) -> None:
    """Forget the name, once the deletion is committed."""
    transaction.on_commit(partial(_try_to_forget, "user", instance.pk), robust=True)


@receiver(post_delete, sender=Account)
def account_deleted(sender: type[Account], instance: Account, **_: Any) -> None:
    """A person's own account has the person's name; a team's name tells nothing about anybody."""
    if instance.owner_id:
        transaction.on_commit(partial(_try_to_forget, "account", instance.pk), robust=True)


def finish() -> int:
    """Forget those whom a crash or a busy ledger left over; returns how many."""
    person = User.objects.filter(pk=OuterRef("user_id"))
    named = UsageDay.objects.exclude(user_name="").filter(~Exists(person), user_id__gt=0)
    account = Account.objects.filter(pk=OuterRef("account_id"))
    own = named.filter(~Exists(account), account_name=F("user_name"))
    accounts = set(own.order_by().values_list("account_id", flat=True).distinct()[:AT_ONCE])
    people = set(named.order_by().values_list("user_id", flat=True).distinct()[:AT_ONCE])
    # Accounts first: they are found by the names of their people.
    for pk in accounts:
        forget("account", pk)
    for pk in people:
        forget("user", pk)
    return len(accounts) + len(people)


def forget(whose: str, pk: int) -> None:
    """Remove the name of a `user` or an `account` from the ledger and its sums.

    Raises OperationalError when the ledger stays busy.
    """
    rows, name = {f"{whose}_id": pk}, f"{whose}_name"
    with transaction.atomic():
        if Usage.objects.filter(**rows).exclude(**{name: ""}).exists():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
            with append_only.lifted(connection):
                Usage.objects.filter(**rows).update(**{name: ""})
        # Last: `finish` finds by these what is still to be done.
        UsageDay.objects.filter(**rows).update(**{name: ""})


def _try_to_forget(whose: str, pk: int) -> None:
    try:
        forget(whose, pk)
    except DatabaseError as problem:
        log.warning("the ledger still names %s %s, until the hour is over: %s", whose, pk, problem)
