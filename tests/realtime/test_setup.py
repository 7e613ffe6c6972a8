"""What setting a site up says."""

from __future__ import annotations

import io

import pytest
from django.core.management import call_command

from realtime.models import Provider

pytestmark = pytest.mark.django_db


def told() -> str:
    out = io.StringIO()
    call_command("setup", stdout=out)
    return out.getvalue()


def test_a_demo_voice_without_a_recogniser_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a Python that is newer than the recogniser's packages."""
    monkeypatch.setattr("realtime.local.ears.find_spec", lambda name: None)
    assert "pip install pocketsphinx" in told()
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("NEXTVOICE_ASR_URL", "http://127.0.0.1:9000/v1")
        assert "pocketsphinx" not in told()
    Provider.objects.all().delete()
    Provider.objects.create(name="Another", url="wss://voice.example/v1")
    assert "pocketsphinx" not in told()


def test_where_there_is_one_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.local.ears.find_spec", lambda name: object())
    assert "pocketsphinx" not in told()
