"""Sealing everything again with the newest key of the ring."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import models

from realtime import rotation
from realtime.models import Provider

pytestmark = pytest.mark.django_db

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
KEY = "sk-canary-0123456789abcdef"


def providers(count: int) -> list[Provider]:
    rows = []
    for number in range(count):
        row = Provider(name=f"P{number}", url="wss://example.org")
        row.set_key(f"{KEY}{number}")
        row.set_headers({"x-token": f"{KEY}h{number}"})
        row.save()
        rows.append(row)
    return rows


def run(**options: Any) -> str:
    told = StringIO()
    call_command("rotate_keys", stdout=told, stderr=told, **options)
    return told.getvalue()


@pytest.fixture
def rotated(settings: Any) -> list[Provider]:
    """Three rows sealed with the old key; the ring now begins with a new one."""
    settings.KEY_RING = [OLD]
    rows = providers(3)
    settings.KEY_RING = [NEW, OLD]
    return rows


def secrets() -> list[tuple[str, dict[str, str]]]:
    return [(row.key(), row.headers()) for row in Provider.objects.order_by("name")]


def test_afterwards_the_old_key_can_be_removed(rotated: list[Provider], settings: Any) -> None:
    before = secrets()
    told = run(batch=2)
    assert told.startswith("6 sealed again, 0 had the newest key already, 0 cannot be opened.")
    settings.KEY_RING = [NEW]
    assert secrets() == before


def test_a_second_run_finds_nothing_to_do_and_says_so(rotated: list[Provider]) -> None:
    run()
    sealed = list(Provider.objects.values_list("sealed_key", flat=True))
    assert run() == (
        "0 sealed again, 6 had the newest key already, 0 cannot be opened.\n"
        "The older keys can be removed from KEY_RING.\n"
    )
    assert list(Provider.objects.values_list("sealed_key", flat=True)) == sealed


def test_stopped_half_way_everything_opens_and_the_next_run_goes_on(
    rotated: list[Provider], settings: Any
) -> None:
    before = secrets()
    next(rotation.rotate(batch=2))
    assert secrets() == before
    assert run(batch=2).startswith("4 sealed again, 2 had the newest key already")
    settings.KEY_RING = [NEW]
    assert secrets() == before


def test_a_key_saved_meanwhile_is_not_lost(rotated: list[Provider]) -> None:
    # The row as the rotation read it, and as a person saved it before it is written back.
    read = Provider.objects.get(pk=rotated[0].pk)
    saved = Provider.objects.get(pk=rotated[0].pk)
    saved.set_key("sk-another-key-0000")
    saved.save()
    count = rotation.Count()
    assert rotation._one(read, "sealed_key", count) == ""
    saved.refresh_from_db()
    assert (count.resealed, saved.key()) == (0, "sk-another-key-0000")


def test_what_no_key_opens_is_named_and_left_alone(
    rotated: list[Provider], settings: Any, capsys: Any
) -> None:
    lost = rotated[1]
    settings.KEY_RING = [NEW]
    Provider.objects.exclude(pk=lost.pk).delete()
    told = StringIO()
    with pytest.raises(CommandError):
        call_command("rotate_keys", stdout=told, stderr=told)
    assert "0 sealed again, 0 had the newest key already, 2 cannot be opened." in told.getvalue()
    assert f"provider 'P1' ({lost.pk}): sealed key" in told.getvalue()
    assert Provider.objects.get().sealed_key == lost.sealed_key


def test_a_check_of_the_database_reports_what_no_key_opens(
    rotated: list[Provider], settings: Any
) -> None:
    assert [m for m in run_checks(databases=["default"]) if m.id == "realtime.E002"] == []
    settings.KEY_RING = [NEW]
    found = [m.msg for m in run_checks(databases=["default"]) if m.id == "realtime.E002"]
    assert len(found) == 6
    assert {text.partition(" (")[0] for text in found} == {f"provider 'P{n}'" for n in range(3)}
    assert not any(KEY in text for text in found)
    # Without --database nothing is asked of it.
    assert [m for m in run_checks() if m.id == "realtime.E002"] == []


def test_every_sealed_column_is_found() -> None:
    named = {
        (model._meta.label, field.name)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.Field) and field.name.startswith("sealed_")
    }
    listed = {(m._meta.label, name) for m in rotation.sealed_models() for name in m.SEALED}
    assert listed == named
