"""The users of most tests: Ann owns things, Bob is in her team, Eve is a stranger.

Imported by the `conftest.py` of each folder whose tests use Django.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def ann(db: None) -> Any:
    return _person("ann")


@pytest.fixture
def bob(db: None, ann: Any) -> Any:
    from chats.models import Account, Membership

    person = _person("bob")
    team = Account.objects.create(name="Team", slug="team")
    for member in (ann, person):
        Membership.objects.create(account=team, user=member)
    return person


@pytest.fixture
def eve(db: None) -> Any:
    return _person("eve")


@pytest.fixture
def conversation(ann: Any) -> Any:
    from chats.models import Conversation

    return Conversation.objects.create(owner=ann, account=ann.own_account, title="Rome")


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, settings: Any) -> None:
    """Each test has its own folder for audio and journals."""
    settings.DATA_DIR = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": settings.STORAGES["default"]["OPTIONS"]
            | {"location": str(tmp_path / "media")},
        }
    }


def _person(name: str) -> Any:
    from chats.models import User

    return User.objects.create_user(name, f"{name}@example.org", f"{name}-password")
