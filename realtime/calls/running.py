"""A call while it runs: the bridge, its recorder, its row, its watchers and its browser's sockets.

It lives in a task of its own, so that neither the end of a socket nor a server that cancels its
consumer ends the call.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext

from chats.asking import about
from chats.models import User
from realtime import metrics
from realtime.bridge import Call, EndRecord, ResumableBrowser, Tap, run_call
from realtime.bridge.browser import Browser, Resume
from realtime.bridge.ends import End
from realtime.bridge.limits import Limits
from realtime.calls import live, past_calls
from realtime.calls.attaching import AttachingBrowser, look_up
from realtime.calls.audience import Audience, person_of, provider_of
from realtime.calls.going_on import Answer, Pass, Question
from realtime.calls.lookout import lookout
from realtime.calls.opening import Opening, is_spoken
from realtime.calls.past_calls import PastCall
from realtime.calls.provider_health import ProviderHealth
from realtime.db import in_database
from realtime.keeping import tracks
from realtime.keeping.store import store
from realtime.logs import why
from realtime.models import CallRecord, Usage
from realtime.money.allowance import Allowance
from realtime.money.keeper import keeper
from realtime.money.meter import Meter
from realtime.money.quota_words import withdrawn_words
from realtime.money.terms import Terms
from realtime.recorder import Recorder
from realtime.recorder.keeper import newest_events
from realtime.tools.trail import Trail
from realtime.unawaited import begin

log = logging.getLogger(__name__)
outage = logging.getLogger("nextvoice.outage")

# The bridge gives finalising 5 s in all, of which waiting for an answer's cost takes 1.5.
SETTLE_SECONDS = 3.0
DRAIN_SECONDS = 1.0
# How long a call goes on without its browser.
RESUME_SECONDS = 15.0

# How many messages of a call that was taken over may be new to the page.
LAST_WORDS = 10

# The close code of a socket whose call goes on over another one, or without any.
REPLACED = 4409

Message = dict[str, Any]


def _idle_seconds(terms: Terms) -> float:
    """How long the bridge lets a call be silent. A quota longer than the site's setting counts; a
    shorter one is enforced by the allowance."""
    quota = terms.idle.total_seconds() if terms.idle else 0.0
    return max(float(settings.CALL_IDLE_SECONDS), quota)


class RunningCall:
    """A call while it runs: the bridge, its recorder, its row and its watchers.

    The call may go on while `person_pass` is valid. `call_type` is the class of the call: what
    language is spoken at `socket`; `limits` are that language's.
    """

    def __init__(
        self,
        socket: Browser,
        user: User,
        opening: Opening,
        person_pass: Pass,
        *,
        call_type: Callable[..., Call] = Call,
        limits: Limits | None = None,
    ) -> None:
        self._limits = replace(
            limits or Limits(),
            idle_seconds=_idle_seconds(opening.terms),
            resume_seconds=RESUME_SECONDS,
        )
        self._call_type = call_type
        self._browser = ResumableBrowser(socket, self._limits)
        self._record: EndRecord | None = None
        self._over = asyncio.Event()
        self._user = user
        self._opening = opening
        self._call_id = uuid.UUID(opening.call_id)
        self._person_pass = person_pass
        self._loop = asyncio.get_running_loop()
        self._call: Call | None = None
        self._store = store()
        self._closing: asyncio.Task[None] | None = None
        self._meter = self._new_meter()
        self._allowance = self._new_allowance()
        self._health = ProviderHealth(opening, self._connected)
        # The ledger before all else: nobody may know of an answer that is not in it.
        self._taps: list[Tap] = [self._meter, self._allowance, self._health]
        self._audience = self._new_audience()
        self._recorder: Recorder | None = None
        if opening.conversation_id is not None:
            self._recorder = self._new_recorder(opening.conversation_id)
            self._taps += [self._recorder, Trail(user, opening.conversation_id)]

    def _new_meter(self) -> Meter:
        opening = self._opening
        return Meter(
            store=self._store,
            payer=opening.pays,
            call_id=opening.call_id,
            model=opening.target.model,
            by_time=opening.tariff.by_time,
            session=opening.session,
            history=opening.history,
            save=self._save,
            tell=self._tell,
            on_row=self._on_row,
        )

    def _new_allowance(self) -> Allowance:
        opening = self._opening
        return Allowance(
            call_id=self._call_id,
            account_id=opening.pays.account_id,
            user_id=opening.pays.user_id,
            own=opening.pays.own,
            tariff=opening.tariff,
            terms=opening.terms,
            under_way=self._meter.under_way,
            unsettled=self._meter.settling.names,
            idle_seconds=self._idle_seconds,
            end=self._stop,
            tell=self._tell,
        )

    def _new_audience(self) -> Audience:
        opening = self._opening
        depends_on = [person_of(self._user.pk)]
        if opening.pays.provider_id is not None:
            depends_on.append(provider_of(opening.pays.provider_id))
        return Audience(
            opening.conversation_id,
            opening.call_id,
            is_spoken(opening.session),
            self._stop,
            depends_on=depends_on,
            look=partial(lookout().ask, self._call_id),
            tell=self._tell,
            left=self._show_last_words,
        )

    def _stop(self, reason: str, words: tuple[str, str] | None = None) -> None:
        if self._call is not None:
            self._call.end(reason, words=words)

    def _on_row(self, name: str, row: Usage) -> None:
        self._allowance.costs(name, row)
        metrics.costs(row.cost, row.currency)

    def _idle_seconds(self) -> float:
        return self._loop.time() - self._call.active_at if self._call is not None else 0.0

    def _new_recorder(self, conversation_id: str) -> Recorder:
        return Recorder(
            store=self._store,
            conversation_id=conversation_id,
            call_id=self._opening.call_id,
            last_position=self._opening.last_position,
            titled=self._opening.titled,
            notify=self._notify,
            show=self._audience.show,
        )

    @property
    def ending(self) -> bool:
        """Whether it has been ended and is only winding down."""
        return self._call is not None and self._call.ended is not None

    @property
    def end(self) -> End | None:
        """Why the call ended; None while it runs, and when something of ours failed."""
        return self._record.end if self._record else None

    @property
    def is_empty(self) -> bool:
        """Whether it has left nothing in its conversation, or has none."""
        return self._recorder is None or self._recorder.is_empty

    def start(self) -> None:
        """Run the call from now on; its row ends whatever happens."""
        begin(self._run())

    def resume(self, socket: Browser, user: User, conversation_id: str, wish: Resume) -> bool:
        """Go on over this socket, if it is the same person's, in the same conversation, with the
        call's token. `serve` it then."""
        return (
            user.pk == self._user.pk
            and conversation_id == self._opening.conversation_id
            and self._browser.resume(socket, wish.token, wish.received)
        )

    async def serve(self, socket: Browser) -> int | None:
        """Give the call this socket until one of them is done with the other. Returns the code to
        close it with; None when something of ours failed. Cancelling it takes the socket away from
        the call."""
        try:
            await self._browser.until_let_go(socket)
        finally:
            self._browser.lose(socket)
        if not self._browser.over:
            return REPLACED
        await self._over.wait()
        return self._record.close_code if self._record else None

    async def _run(self) -> None:
        opening = self._opening
        about(
            call=opening.call_id,
            conversation=opening.conversation_id,
            account=opening.pays.account_id,
            user=self._user.pk,
        )
        try:
            self._record = await self._call_to_its_end()
        except Exception:
            log.exception("a call failed")
        finally:
            if self._closing is None:
                self._ended(self._record)
            try:
                if self._closing is not None:
                    await self._closing
            finally:
                live.leave(self._opening.call_id)
                # Its reservation is kept until the ledger has what it cost.
                leave = partial(keeper().leave, self._call_id)
                self._meter.settling.when_settled(leave)

    def _ended(self, record: EndRecord | None) -> None:
        """The browser has been told everything; the cost of an answer may still be waited for."""
        self._record = record
        self._over.set()
        self._closing = asyncio.create_task(self._let_go())

    async def _let_go(self) -> None:
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):
                    await self._browser.drain()
            await self._browser.close()
        finally:
            await self._audience.close(self._record.duration_ms if self._record else 0)
            self._remember()

    def _remember(self) -> None:
        if self._record is not None:
            place, token = self._opening.conversation_id, self._browser.token
            past = PastCall(self._user.pk, place, token, self._record.end)
            past_calls.remember(self._opening.call_id, past)

    async def _call_to_its_end(self) -> EndRecord:
        opening = self._opening
        self._save(state=CallRecord.State.LIVE)
        lookout().join(self._call_id, self)
        try:
            record = await run_call(
                self._leg(),
                opening.target,
                opening.session,
                taps=self._taps,
                history=opening.history,
                ready={**opening.ready, "resume": self._browser.terms},
                offered=opening.offered,
                limits=self._limits,
                translate=gettext,
                on_call=self._enter,
                finalise=self._finalise,
                on_ended=self._ended,
                on_failed=self._health.failed,
                hold=self._meter.settling.hold,
                toolbox=opening.toolbox,
                call_type=self._call_type,
            )
        finally:
            lookout().leave(self._call_id)
        metrics.ended.labels(record.reason).inc()
        if record.detail and record.end.severity == "error":
            log.warning("call %s: %s: %s", opening.call_id, record.reason, record.detail)
        return record

    def _leg(self) -> Browser:
        """The browser's side; in a conversation its messages may have attachments."""
        if self._opening.conversation_id is None:
            return self._browser
        place, sees = uuid.UUID(self._opening.conversation_id), self._opening.sees
        look = partial(look_up, self._user, place, sees)
        return AttachingBrowser(
            self._browser, lambda content: in_database(look, content), self._put, self._tell
        )

    def _put(self, event: Message, shown: list[Message]) -> None:
        if self._call is not None:
            self._call.put(event, shown)

    def _enter(self, call: Call) -> None:
        self._call = call
        call.on_received = self._browser.arrived
        call.memory.elsewhere = self._opening.taken
        if self._recorder is not None:
            self._recorder.keep_for(call.tail)
        keeper().join(self._call_id, self._allowance)
        live.enter(self._opening.call_id, self._opening.conversation_id, call.end, self)
        metrics.started.inc()
        metrics.sampler.start()
        self._audience.start()

    def _notify(self, event: Message) -> None:
        # Called from the store's and the encoder's threads; after the call nobody listens.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._tell, event)

    def _tell(self, event: Message) -> None:
        if self._call is not None:
            self._call.tell(event)

    def _show_last_words(self, call_id: str, duration_ms: int) -> None:
        """Show the page what another call left: it stopped watching when its own call began."""
        over = {"call_id": call_id, "live": False, "duration_ms": duration_ms}
        begin(self._tell_last_words({"type": "nextvoice.call", **over}))

    async def _tell_last_words(self, over: Message) -> None:
        try:
            events = await in_database(newest_events, LAST_WORDS, call_id=over["call_id"])
        except Exception as problem:
            outage.warning("a page is not told of the call before: %s", why(problem))
            return
        for event in [*events, over]:
            self._tell(event)

    # What the lookout asks and tells

    @property
    def question(self) -> Question:
        """What its going on depends on."""
        opening = self._opening
        return Question(self._call_id, self._user.pk, opening.model_id, self._person_pass)

    def beat(self) -> None:
        """Count connected time, and show watchers that there is a call."""
        self._meter.tick()
        self._audience.show_call()

    def told(self, answer: Answer) -> None:
        """End it if it may not go on."""
        if not answer.allowed:
            # Somebody who cannot see the conversation because it was deleted is still signed in.
            self._stop(answer.asked or "signed_out")
        elif answer.tariff is None:
            self._stop("provider_unknown_model", withdrawn_words())
        elif answer.asked:
            # The hint of another process was lost.
            self._stop(answer.asked)
        else:
            self._allowance.costs_now(answer.tariff)
            self._meter.bills_time(answer.tariff.by_time)

    async def _finalise(self, record: EndRecord) -> None:
        """Let the recordings and rows of the call reach disk and database before its last event."""
        # It would write a heartbeat.
        lookout().leave(self._call_id)
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

    def _connected(self) -> None:
        self._save(connected=timezone.now())

    def _save(self, **fields: Any) -> None:
        self._store.put("realtime.CallRecord", self._opening.call_id, fields)
