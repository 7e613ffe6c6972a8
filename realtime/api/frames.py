"""Larger frames for programs than for pages.

Uvicorn knows one limit for all sockets. An SDK may append as much audio at once as OpenAI takes; a
page sends a twentieth of a second of it.
"""

from __future__ import annotations

from websockets.http11 import Request

from realtime.api import API_PATHS
from realtime.bridge.sdk import MAX_FRAME
from realtime.quick import QuickProtocol

MOST = MAX_FRAME + 1024 * 1024
"""Bytes. A little more than is accepted, so that larger frames are answered by an `error`."""


class Protocol(QuickProtocol):
    """Uvicorn's WebSocket, with a limit by path."""

    def handle_connect(self, event: Request) -> None:
        if event.path.partition("?")[0].rstrip("/") in API_PATHS:
            self.conn.max_message_size = MOST
        super().handle_connect(event)
