from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
import uvicorn

from realtime.calls import live
from realtime.keeping.store import store
from tests.people import ann, bob, conversation, eve, own_data
from tests.site import DATABASE, INHERITED, migrated

__all__ = ["ann", "bob", "conversation", "eve", "here", "own_data"]


class Server(uvicorn.Server):
    """Uvicorn inside a test's event loop, which owns the signals."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


@pytest.fixture
async def here(transactional_db: None) -> AsyncIterator[str]:
    """The site's address, served in this very event loop as `manage.py serve` configures it."""
    from realtime.serving.worker import config_of_server

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = Server(config_of_server())
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            await serving
    assert live.count() == 0
    assert await asyncio.to_thread(store().flush, 10)


@pytest.fixture
def site_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one in a file, of the site whose settings are in the environment: for programs."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    # Not the tests' own, which are in a database of the tests.
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", INHERITED["DJANGO_SETTINGS_MODULE"])
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return Path(shutil.copy(migrated(), tmp_path / DATABASE))
