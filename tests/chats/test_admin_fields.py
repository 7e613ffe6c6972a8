"""The admin's fields that are chosen by typing, filled in by hand."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

import nextvoice.urls  # noqa: F401  (the admin is filled there)
from chats.models import Account
from realtime.models import Quota

pytestmark = pytest.mark.django_db

FIELDS = [
    (model._meta, field)
    for model, each in admin.site._registry.items()
    for field in each.autocomplete_fields
]


@pytest.mark.parametrize(("opts", "field"), FIELDS, ids=lambda each: getattr(each, "label", each))
@pytest.mark.parametrize("chosen", ["none", "1; DROP TABLE", "\u0661\u0662", "-1", "9" * 30])
def test_what_is_no_id_is_a_wrong_choice(
    admin_client: Client, opts: Any, field: str, chosen: str
) -> None:
    add = reverse(f"admin:{opts.app_label}_{opts.model_name}_add")
    assert admin_client.get(add, {field: chosen}).status_code == 200
    assert admin_client.post(add, {field: chosen}).status_code == 200


def test_accounts_are_offered_by_name(admin_client: Client) -> None:
    for name in ("Zoo", "Ark", "Bee"):
        Account.objects.create(name=name, slug=name.lower())
    of = {"app_label": "realtime", "model_name": "quota", "field_name": "account"}
    found = admin_client.get(reverse("admin:autocomplete"), of | {"term": ""}).json()["results"]
    names = [each["text"] for each in found]
    assert names == sorted(names) and {"Ark", "Bee", "Zoo"} <= {*names}


def test_a_quota_of_nobody_is_not_kept(admin_client: Client) -> None:
    add = reverse("admin:realtime_quota_add")
    answer = admin_client.post(add, {"account": "none", "calls_at_once": "1"})
    assert list(answer.context["adminform"].form.errors) == ["account"]
    assert Quota.objects.count() == 0
