"""The quota that a new site begins with."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.management import call_command

from realtime.models import Provider, Quota

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_new_site_has_a_limit_and_keeps_what_its_admins_make_of_it() -> None:
    call_command("setup")
    quota = Quota.objects.get()
    assert (quota.scope, quota.money_per_day, quota.call_minutes) == ("site", Decimal(50), 120)
    assert quota.unpriced_allowed
    quota.money_per_day = Decimal(7)
    quota.save()
    call_command("setup")
    assert Quota.objects.get().money_per_day == Decimal(7)
    quota.delete()
    call_command("setup")
    assert Quota.objects.count() == 0


def test_a_site_that_is_in_use_gets_no_limit_by_itself() -> None:
    Provider.objects.create(name="Ours", url="wss://example.org/v1/realtime")
    call_command("setup")
    assert Quota.objects.count() == 0
