"""Sockets open for the site's own pages only."""

from typing import Any

import pytest

from realtime.origin import SameOrigin, allowed


def scope(*origins: str, host: str = "localhost:8000", scheme: str = "ws") -> dict[str, Any]:
    headers = [(b"host", host.encode()), *((b"origin", origin.encode()) for origin in origins)]
    return {"type": "websocket", "scheme": scheme, "headers": headers}


def test_the_page_s_own_origin_is_let_in() -> None:
    assert allowed(scope("http://localhost:8000"))
    assert allowed(scope("https://localhost", host="localhost", scheme="wss"))
    assert allowed(scope("http://[::1]:8000", host="[::1]:8000"))


@pytest.mark.parametrize(
    "origins",
    [
        [],
        ["null"],
        ["http://localhost"],
        ["http://localhost:9000"],
        ["https://localhost:8000"],
        ["http://evil.example"],
        ["http://localhost:8000.evil.example"],
        ["http://user@localhost:8000"],
        ["http://localhost:8000", "http://evil.example"],
    ],
)
def test_any_other_origin_is_not(origins: list[str]) -> None:
    assert not allowed(scope(*origins))


def test_a_host_the_site_does_not_serve_is_refused_with_its_own_origin() -> None:
    assert not allowed(scope("http://evil.example", host="evil.example"))
    assert not allowed(scope("http://[", host="["))


def test_trusted_origins_are_let_in(settings: Any) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://voice.example.org"]
    assert allowed(scope("https://voice.example.org"))


async def test_a_refused_socket_is_closed_before_anything_else_sees_it() -> None:
    sent: list[dict[str, Any]] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it got through")

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await SameOrigin(inner)(scope("http://evil.example"), receive, send)
    assert sent == [{"type": "websocket.close", "code": 4403}]
