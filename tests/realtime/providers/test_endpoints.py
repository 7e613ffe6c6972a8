"""Endpoints that admins and operators vouch for."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ValidationError

from realtime.models import AllowedEndpoint, Provider, VoiceModel
from realtime.providers import endpoints
from realtime.providers.targets import target_for

pytestmark = pytest.mark.django_db


def may_be_private(url: str, **fields: Any) -> bool:
    provider = Provider.objects.create(**{"name": "Own", "url": url, "own": True, **fields})
    return target_for(VoiceModel.objects.create(provider=provider, name="m")).allow_private


def allow(host: str, port: int) -> AllowedEndpoint:
    row = AllowedEndpoint(host=host, port=port)
    row.full_clean()
    row.save()
    return row


@pytest.mark.parametrize(
    "url",
    [
        "ws://voice.internal:8000/v1/realtime",
        "wss://VOICE.internal.:8000/v1",
        "wss://voice.internal:8000",
    ],
)
def test_an_own_key_reaches_what_an_admin_allowed(url: str) -> None:
    allow(" Voice.Internal. ", 8000)
    assert may_be_private(url) is True


@pytest.mark.parametrize(
    "url",
    [
        "ws://voice.internal/v1",
        "ws://voice.internal:8001/v1",
        "ws://other.internal:8000/v1",
        "ws://voice.internal.example.org:8000/v1",
        "ws://x@voice.internal:8000/v1",
        "ws://other:8000/voice.internal:8000",
    ],
)
def test_nothing_else_is_allowed_by_it(url: str) -> None:
    allow("voice.internal", 8000)
    assert may_be_private(url) is False


def test_an_operator_allows_by_the_environment(settings: Any) -> None:
    settings.ALLOWED_ENDPOINTS = ["10.0.0.5:8000", "[fd12:0::1]:8000"]
    assert may_be_private("ws://10.0.0.5:8000/v1") is True
    assert may_be_private("ws://[fd12::1]:8000/v1", name="Other") is True
    assert may_be_private("ws://10.0.0.6:8000/v1", name="Third") is False


def test_an_own_key_is_never_private_by_a_tick() -> None:
    assert may_be_private("ws://10.0.0.5:8000/v1", allow_private=True) is False


def test_a_wrong_entry_of_the_environment_is_reported(settings: Any) -> None:
    settings.ALLOWED_ENDPOINTS = ["10.0.0.5", "http://x:80", "ok.example:443", "x:y", "x:80/path"]
    found = [m.msg for m in run_checks() if m.id == "realtime.E001"]
    assert len(found) == 4
    assert endpoints.of_operator() == {("ok.example", 443)}


@pytest.mark.parametrize(
    "host",
    [
        "",
        "http://x",
        "a b",
        "x/y",
        "u@x",
        "10.0.0.0/8",
        "*",
        "é.org",
        "10.0.0.6:8000",
        "x.example.org:443",
        "[::1]:80",
    ],
)
def test_a_row_names_one_host(host: str) -> None:
    with pytest.raises(ValidationError):
        allow(host, 443)


@pytest.mark.parametrize(
    ("written", "kept"), [("[FD12:0::1]", "fd12::1"), ("Voice.Example.ORG.", "voice.example.org")]
)
def test_a_host_is_kept_in_one_spelling(written: str, kept: str) -> None:
    assert allow(written, 443).host == kept
