"""The WebSocket at `/v1/realtime`: who it is, which model, then the same call as a page's.

A wrong key is an HTTP 401 with a JSON body, except for browsers: they cannot read one, so they
are let in, told by an `error` event, and closed with 1008.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import orjson
from django.utils.translation import gettext

from chats.asking import about
from realtime import metrics
from realtime.api.keys import SUBPROTOCOL, Key, address_of, check_key, presented
from realtime.api.opening import TokenPass, open_session, tidy_up
from realtime.api.shapes import REQUEST, ApiError
from realtime.bridge.ends import ENDS
from realtime.bridge.sdk import SDK_LIMITS, SdkCall, closing
from realtime.bridge.sdk.ends import ending_event, error
from realtime.calls.opening import check_room
from realtime.calls.running import RunningCall
from realtime.consumers import BrowserSocket
from realtime.db import in_database, is_away
from realtime.providers.targets import Refused

log = logging.getLogger(__name__)

Message = dict[str, Any]
POLICY = 1008
INTERNAL = 1011
BETA = 4000
"""OpenAI's close code since it switched the beta off."""
WHOLE = 1000


class RealtimeSocket:
    """The ASGI application for one socket."""

    async def __call__(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        await receive()  # websocket.connect
        visit = Visit(scope, receive, send)
        try:
            await self._serve(visit)
        except Exception as problem:
            # The last message goes to clients that are still there.
            log.warning("a client left before it was told: %s", type(problem).__name__)

    async def _serve(self, visit: Visit) -> None:
        try:
            await visit.serve()
        except ApiError as refused:
            await visit.refuse(refused)
        except Exception as problem:
            if isinstance(problem, OSError) or is_away(problem):
                log.warning("a session did not begin: %s", type(problem).__name__)
            else:
                log.exception("a session could not be opened")
            await visit.fail()


class Visit:
    """One socket from its handshake to its close."""

    def __init__(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        self._scope = scope
        self._send = send
        self._socket = BrowserSocket(receive, send, scope)
        self._accepted = False
        self._offered: list[str] = list(scope.get("subprotocols") or [])
        # Of repeated headers the last one counts. None of these is ever logged.
        self._headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope.get("headers") or []
        }
        # The same goes for repeated parameters.
        self._query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))

    async def serve(self) -> None:
        """Check the key, open the call and run it to its end. Raises `ApiError`."""
        raw = presented(self._headers, self._offered)
        key = await in_database(check_key, raw, self._address())
        about(user=key.token.user_id)
        if "realtime=v1" in self._headers.get("openai-beta", ""):
            await self._say_and_close(_beta_event(), BETA)
            return
        self._check_kind()
        await self._accept()
        try:
            check_room()
            opening, terms = await in_database(open_session, key, self._model())
        except Refused as refused:
            metrics.refused.labels(refused.reason).inc()
            log.warning("a session was refused: %s: %s", refused.reason, refused)
            await self._end(refused.reason, refused.words)
            return
        running = RunningCall(
            self._socket,
            key.token.user,
            opening,
            TokenPass(key.token.pk, opening.conversation_id),
            call_type=partial(SdkCall, terms=terms),
            limits=SDK_LIMITS,
        )
        running.start()
        try:
            await running.serve(self._socket)
        finally:
            await self._close(running, opening.conversation_id)

    async def _close(self, running: RunningCall, conversation_pk: str | None) -> None:
        await self._socket.close(closing(running.end) if running.end else INTERNAL)
        # The call knows what may not be in the database yet.
        if running.end is not None and running.is_empty:
            await asyncio.shield(in_database(tidy_up, conversation_pk))

    def _model(self) -> str | None:
        """The model's name; Azure-style clients call it a deployment."""
        return self._query.get("model") or self._query.get("deployment")

    def _check_kind(self) -> None:
        if self._query.get("intent", "conversation") != "conversation":
            raise ApiError(
                400, "unsupported_value", "Only realtime conversations are offered.", param="intent"
            )
        if "call_id" in self._query:
            raise ApiError(
                400,
                "unsupported_value",
                "There are no WebRTC or SIP calls to join here. Connect by WebSocket.",
                param="call_id",
            )

    def _address(self) -> str:
        client = self._scope.get("client") or ["unknown"]
        return address_of(str(client[0]), self._headers.get("x-forwarded-for", ""))

    async def _accept(self) -> None:
        accept: Message = {"type": "websocket.accept"}
        if "realtime" in self._offered:
            # Never another subprotocol that was offered: the key is one of them.
            accept["subprotocol"] = "realtime"
        await self._send(accept)
        self._accepted = True

    async def refuse(self, refused: ApiError) -> None:
        """Refuse, in a way that this client can notice."""
        by_name = any(name.startswith(SUBPROTOCOL) for name in self._offered)
        if self._accepted or by_name or "realtime" in self._offered:
            told = refused.body["error"]
            event = error(told["type"], told["code"], told["message"], param=told["param"])
            await self._say_and_close(event, POLICY)
        elif "websocket.http.response" in (self._scope.get("extensions") or {}):
            await self._answer(refused)
        else:
            await self._send({"type": "websocket.close", "code": POLICY})

    async def _answer(self, refused: ApiError) -> None:
        headers = [(b"content-type", b"application/json")]
        if refused.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if refused.status == 429:
            headers.append((b"retry-after", b"60"))
        start = {"type": "websocket.http.response.start", "status": refused.status}
        await self._send(start | {"headers": headers})
        body = {"type": "websocket.http.response.body", "body": orjson.dumps(refused.body)}
        await self._send(body)

    async def fail(self) -> None:
        """Something of ours failed before a call ran."""
        if self._accepted:
            await self._end("internal_error")
        else:
            await self._socket.close(INTERNAL)

    async def _end(self, reason: str, words: tuple[str, str] | None = None) -> None:
        end = ENDS[reason]
        event = ending_event(end, " ".join(words) if words else gettext(end.message))
        await self._say_and_close(event, closing(end))

    async def _say_and_close(self, event: Message | None, code: int) -> None:
        if not self._accepted:
            await self._accept()
        if event is None:
            await self._socket.close(code)
        else:
            await self._socket.tell_and_close(event, code)


def _beta_event() -> Message:
    return error(
        REQUEST,
        "beta_api_shape_disabled",
        "The Realtime Beta API is not offered. Use the GA API: leave out the OpenAI-Beta header "
        "and send GA events.",
    )


__all__ = ["Key", "RealtimeSocket"]
