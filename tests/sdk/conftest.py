"""A whole site with the embedded provider, and the official Node clients."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import require
from tests.site import Site

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site"), voice=True) as running:
        running.run("from chats.models import User; User.objects.create_user('ann')")
        yield running


@pytest.fixture(scope="module")
def key(site: Site) -> str:
    """A token of Ann's."""
    raw: str = site.run(
        "from chats.models import User\n"
        "from realtime.models import ApiToken\n"
        "tell(ApiToken.objects.make(User.objects.get(username='ann'), 'sdk')[1])"
    )
    return raw


@pytest.fixture(scope="session")
def node_clients() -> None:
    """The Node packages of the lock file, installed once."""
    require("node", "npm")
    done = HERE / "node_modules" / ".package-lock.json"
    lock = HERE / "package-lock.json"
    if done.exists() and done.stat().st_mtime >= lock.stat().st_mtime:
        return
    installed = subprocess.run(["npm", "ci"], cwd=HERE, capture_output=True, text=True, timeout=300)
    if installed.returncode:
        shutil.rmtree(HERE / "node_modules", ignore_errors=True)
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say(f"npm ci could not install the official clients: {installed.stderr[-500:]}")
