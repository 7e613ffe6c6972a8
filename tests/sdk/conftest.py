"""A whole site with the embedded provider and a beta-like one, and the official Node clients."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sdk.beta import BETA_MODEL, beta_thread
from tests.servers import require
from tests.site import Site

HERE = Path(__file__).parent
DEMO = "nextvoice-demo"


SETUP = """
from chats.models import User
from realtime.models import ApiToken, Provider, VoiceModel
ann = User.objects.create_user('ann')
p = Provider.objects.create(name='B', url={url!r}, dialect='openai_beta', allow_private=True)
VoiceModel.objects.create(provider=p, name={model!r})
tell(ApiToken.objects.make(ann, 'sdk')[1])
"""


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    """One site for all clients, with both kinds of provider, and a token of Ann's."""
    with beta_thread() as url:
        with Site(tmp_path_factory.mktemp("site"), voice=True) as running:
            yield running, running.run(SETUP.format(url=url, model=BETA_MODEL))


@pytest.fixture
def site(served: tuple[Site, str]) -> Site:
    return served[0]


@pytest.fixture
def key(served: tuple[Site, str]) -> str:
    """A token of Ann's."""
    return served[1]


@pytest.fixture(params=[DEMO, BETA_MODEL])
def model(request: pytest.FixtureRequest) -> str:
    """A model of the embedded provider, and one of the beta kind."""
    return str(request.param)


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
