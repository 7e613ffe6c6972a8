"""Parts that run without worker processes, and `require` for those that need them."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.util import find_spec

import pytest

from tests.local.fake_http import FakeHttp
from tests.local.room import Room, quick_engine

Rooms = Callable[..., Room]


def require(*modules: str) -> None:
    """Skip where an extra is missing; where CI=true it must be there."""
    gone = [name for name in modules if find_spec(name) is None]
    if not gone:
        return
    reason = f"needs the voice extra: {', '.join(gone)} not installed"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
async def rooms() -> AsyncIterator[Rooms]:
    """Makes sessions without a socket: `rooms(engine=..., lasts_s=...)`."""
    made: list[Room] = []

    def make(**options: object) -> Room:
        engine = options.pop("engine", None) or quick_engine()
        room = Room(engine, **options)  # type: ignore[arg-type]
        made.append(room)
        return room

    yield make
    for room in made:
        room.session.close()


@pytest.fixture
async def fake_http() -> AsyncIterator[Callable[[], Awaitable[FakeHttp]]]:
    """Starts scripted HTTP servers on loopback."""
    made: list[FakeHttp] = []

    async def start() -> FakeHttp:
        server = FakeHttp()
        await server.start()
        made.append(server)
        return server

    yield start
    for server in made:
        await server.close()
