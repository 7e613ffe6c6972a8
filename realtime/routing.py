"""The site's WebSockets."""

from typing import Any

from channels.routing import URLRouter
from django.urls import path, re_path

from realtime.api import API_PATHS
from realtime.api.socket import RealtimeSocket
from realtime.consumers import NOT_FOUND, CallConsumer
from realtime.watching import WatchConsumer

websocket_urlpatterns = [
    path("ws/call/<uuid:conversation>/", CallConsumer.as_asgi(), name="call"),
    path("ws/watch/<uuid:conversation>/", WatchConsumer.as_asgi(), name="watch"),
]


async def nothing(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Refuse unknown paths before the socket opens. Channels would raise an error for each one."""
    await receive()
    await send({"type": "websocket.close", "code": NOT_FOUND})


page_sockets = URLRouter([*websocket_urlpatterns, re_path("", nothing)])  # type: ignore[arg-type]


class ByAuthority:
    """Separates sockets that bring a token from those that bring a cookie.

    A token is enough from wherever it is used. The rules that keep other sites from using a
    person's cookie apply to `pages`, and no cookie counts for tokens.
    """

    def __init__(self, pages: Any) -> None:
        self._pages = pages
        self._api = RealtimeSocket()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        api = scope["path"].rstrip("/") in API_PATHS
        await (self._api if api else self._pages)(scope, receive, send)
