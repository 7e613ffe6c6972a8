"""The browser leg of a call: a Channels consumer with a receive loop of its own.

Channels' stock loop hands every frame to one process-wide thread first, skips `disconnect()` when
a handler fails or a browser vanishes, and awaits handlers while nobody reads the socket. Here the
bridge reads, and everything that a call owns lives in its task group and ends with it.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import orjson
from channels.consumer import AsyncConsumer
from django.utils import timezone
from django.utils.translation import gettext

from chats.models import Conversation, User
from realtime import live, tracks
from realtime.bridge import Call, EndRecord, Gone, Tap, receive_start, run_call
from realtime.bridge.ends import ENDS, End
from realtime.bridge.limits import Limits
from realtime.bridge.start import Start
from realtime.db import in_database
from realtime.janitor import HEARTBEAT_SECONDS
from realtime.models import CallRecord
from realtime.opening import Opening, Refused, find_conversation, may_go_on, open_call
from realtime.recorder import Recorder
from realtime.store import store

log = logging.getLogger(__name__)

# How soon a call notices that its person was signed out or lost the conversation.
RECHECK_SECONDS = 5
SETTLE_SECONDS = 4.0
CLOSE_SECONDS = 1.0

Message = dict[str, Any]
NOT_FOUND = 4404


class BrowserSocket:
    """The ASGI socket as the bridge wants it."""

    def __init__(
        self,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        self._receive = receive
        self._send = send
        self._gone: Gone | None = None

    async def receive(self) -> bytes | str | Gone:
        """The next frame, or Gone for ever once the browser has left."""
        if self._gone is not None:
            return self._gone
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._gone = Gone(message.get("code"))
            return self._gone
        text = message.get("text")
        return text if text is not None else message.get("bytes") or b""

    async def send(self, frame: bytes | str, /) -> None:
        """Send one frame; raises once the browser has left."""
        key = "text" if isinstance(frame, str) else "bytes"
        await self._send({"type": "websocket.send", key: frame})

    async def tell_and_close(self, event: Message, code: int) -> None:
        """Say why, then close. A browser that left meanwhile is no error."""
        with suppress(Exception):
            await self.send(orjson.dumps(event).decode())
        await self.close(code)

    async def close(self, code: int) -> None:
        """Close with `code`, in bounded time and however the browser behaves."""
        if self._gone is None:
            with suppress(Exception):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._send({"type": "websocket.close", "code": code})


class CallConsumer(AsyncConsumer):  # type: ignore[misc]
    """One browser socket: who it is, which conversation, then the call itself."""

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        await receive()  # websocket.connect
        browser = BrowserSocket(receive, send)
        try:
            await send({"type": "websocket.accept"})
            await self._serve(browser, scope)
        except OSError as problem:
            # What servers raise for sending to a browser that has left. No call runs by then.
            log.warning("a call did not begin: %s", type(problem).__name__)
            await self._refuse(browser, "internal_error")
        except Exception:
            log.exception("a call could not be opened")
            await self._refuse(browser, "internal_error")

    async def _serve(self, browser: BrowserSocket, scope: Message) -> None:
        user = scope["user"]
        if not user.is_authenticated:
            await self._refuse(browser, "signed_out")
            return
        pk = scope["url_route"]["kwargs"]["conversation"]
        conversation = await in_database(find_conversation, user, pk)
        if conversation is None:
            await browser.close(NOT_FOUND)
            return
        start = await receive_start(browser)
        if isinstance(start, End):
            await self._refuse(browser, start.reason)
            return
        await self._open(browser, scope, conversation, start)

    async def _open(
        self, browser: BrowserSocket, scope: Message, conversation: Conversation, start: Start
    ) -> None:
        try:
            if live.stopping():
                raise Refused("server_stopping", "the process is ending")
            opening = await in_database(open_call, scope["user"], conversation, start)
        except Refused as refused:
            log.warning("a call was refused: %s: %s", refused.reason, refused)
            await self._refuse(browser, refused.reason)
            return
        session = scope.get("session")
        key = session.session_key if session is not None else None
        running = RunningCall(browser, scope["user"], opening, key)
        record = await running.run()
        await browser.close(record.close_code)

    async def _refuse(self, browser: BrowserSocket, reason: str) -> None:
        end = ENDS[reason]
        await browser.tell_and_close(ended_event(end), end.close_code)


class Connected(Tap):
    """Notes when the provider was first there."""

    def __init__(self, save: Callable[..., None]) -> None:
        self._save: Callable[..., None] | None = save

    def on_event(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "session.created" and self._save is not None:
            self._save(connected=timezone.now())
            self._save = None


class RunningCall:
    """A call while it runs: the bridge, its recorder, its row and its watchers."""

    def __init__(
        self, browser: BrowserSocket, user: User, opening: Opening, session_key: str | None
    ) -> None:
        self._browser = browser
        self._user = user
        self._opening = opening
        self._session_key = session_key
        self._loop = asyncio.get_running_loop()
        self._call: Call | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._store = store()
        self._recorder = Recorder(
            store=self._store,
            conversation_id=opening.conversation_id,
            call_id=opening.call_id,
            last_position=opening.last_position,
            titled=opening.titled,
            notify=self._notify,
        )

    async def run(self) -> EndRecord:
        """Run the call and leave its row ended, whatever happens."""
        from django.conf import settings

        opening = self._opening
        self._watcher = asyncio.create_task(self._watch())
        try:
            record = await run_call(
                self._browser,
                opening.target,
                opening.session,
                taps=[self._recorder, _Connected(self._save)],
                history=opening.history,
                ready=opening.ready,
                limits=Limits(idle_seconds=settings.CALL_IDLE_SECONDS),
                translate=gettext,
                on_call=self._enter,
                finalise=self._finalise,
            )
        finally:
            self._watcher.cancel()
            live.leave(opening.call_id)
        if record.detail and record.end.severity == "error":
            log.warning("call %s: %s: %s", opening.call_id, record.reason, record.detail)
        return record

    def _enter(self, call: Call) -> None:
        self._call = call
        live.enter(self._opening.call_id, self._opening.conversation_id, call.end)

    def _notify(self, event: Message) -> None:
        # Called from the store's and the encoder's threads; after the call nobody listens.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._tell, event)

    def _tell(self, event: Message) -> None:
        if self._call is not None:
            self._call.tell(event)

    async def _watch(self) -> None:
        """Show the row that this call lives, and end it when the person may not go on."""
        opening = self._opening
        since = HEARTBEAT_SECONDS
        while True:
            if since >= HEARTBEAT_SECONDS:
                since = 0
                self._save(state=CallRecord.State.LIVE, heartbeat=timezone.now())
            await asyncio.sleep(RECHECK_SECONDS)
            since += RECHECK_SECONDS
            try:
                allowed = await in_database(
                    may_go_on,
                    self._user.pk,
                    uuid.UUID(opening.conversation_id),
                    self._session_key,
                )
            except Exception as problem:
                # A database that is away ends no call.
                log.warning("call %s cannot be checked: %s", opening.call_id, problem)
                continue
            if not allowed and self._call is not None:
                self._call.end("signed_out")

    async def _finalise(self, record: EndRecord) -> None:
        """Let the recordings and rows of the call reach disk and database before its last word."""
        if self._watcher is not None:
            # It would write that the call lives.
            self._watcher.cancel()
        self._save(
            state=CallRecord.State.ENDED,
            end_reason=record.reason,
            end_detail=(record.detail or "")[:500],
            ended=timezone.now(),
            duration_ms=record.duration_ms,
            spoken_ms=record.user_ms,
            answered_ms=record.assistant_ms,
        )
        await asyncio.to_thread(self._settle)

    def _settle(self) -> None:
        with suppress(TimeoutError):
            tracks.settle(SETTLE_SECONDS / 2)
        self._store.flush(SETTLE_SECONDS / 2)
        tracks.remove_folder(self._opening.call_id)

    def _save(self, **fields: Any) -> None:
        self._store.put("realtime.CallRecord", self._opening.call_id, fields)


class _Connected(Tap):
    """Writes down when the provider's session began."""

    def __init__(self, save: Callable[..., None]) -> None:
        self._save = save

    def on_event(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "session.created":
            self._save(connected=timezone.now())


def ended_event(end: End) -> Message:
    """The `nextvoice.ended` event of a call that never ran."""
    return {
        "type": "nextvoice.ended",
        "reason": end.reason,
        "message": gettext(end.message),
        "remedy": gettext(end.remedy) if end.remedy else "",
        "duration_ms": 0,
    }
