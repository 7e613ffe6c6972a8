"""Tests a connection: every step of a call's beginning, and one tiny answer, timed and explained.

The steps up to the session are taken by `open_upstream` itself, exactly as for a call.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from .connect import Resolve, UpstreamFailed, resolve
from .dialects import DIALECTS
from .dialects.base import AUDIO_DELTA
from .dialects.target import Target
from .errors import judge
from .events import Event
from .faults import advice, close_fault, error_fault
from .progress import Passed, Progress, StepName
from .redact import shown_message
from .upstream import Closed, Upstream, open_upstream
from .words import gettext_noop as _
from .writer import Frame

ANSWER_SECONDS = 15.0
CONFIRM_SECONDS = 5.0
"""How long to wait for `session.updated`; some services never send it."""
QUESTION = "Say only: OK."

STEPS: dict[StepName, str] = {
    "setup": _("What is set up"),
    "dns": _("Name lookup"),
    "tcp": _("Connection"),
    "tls": _("Encryption (TLS)"),
    "handshake": _("WebSocket handshake"),
    "session": _("Session"),
    "update": _("Settings"),
    "answer": _("Answer"),
}
"""All steps in order, by name, with English labels marked for translation. `setup` fails if no
`Target` can be made of the settings."""

BEFORE_A_CONNECTION = ("dns", "tcp")
CLOSED = ("address_forbidden", "refused", "no_route", "broken")
DELTAS = ("response.output_text.delta", "response.output_audio_transcript.delta")


@dataclass(frozen=True, slots=True)
class Step:
    """The result of one step. `detail`: what was found (addresses, TLS version, model, answer).

    `seconds`: None if withheld. If not `ok`: `fault` is a name of `faults.FAULTS`, `message` and
    `remedy` are its English texts, marked for translation, and `said` holds the service's own words
    with the key removed. `done`: the answer's `response.done`, whose usage costs money;
    `session_id`: the service's session.
    """

    name: StepName
    ok: bool
    seconds: float | None
    detail: str = ""
    fault: str = ""
    message: str = ""
    remedy: str = ""
    said: str = ""
    done: Event | None = field(default=None, repr=False)
    session_id: str = ""

    @property
    def ms(self) -> int | None:
        """How long it took, in milliseconds."""
        return None if self.seconds is None else round(self.seconds * 1000)


async def probe(
    target: Target,
    session: Mapping[str, Any],
    *,
    candid: bool = False,
    resolve: Resolve = resolve,
    tls: ssl.SSLContext | None = None,
    answer_seconds: float = ANSWER_SECONDS,
    confirm_seconds: float = CONFIRM_SECONDS,
) -> AsyncIterator[Step]:
    """Try `target` with this GA session configuration; yields each step as it ends, the first that
    fails being the last. Takes `target.timeouts.total` and `answer_seconds` at most.

    `candid`: say which addresses were found, and tell a forbidden address from a closed port, which
    only people who administer the site may learn.
    """
    steps: asyncio.Queue[Step | None] = asyncio.Queue()
    attempt = Attempt(target, session, steps, candid, (answer_seconds, confirm_seconds))
    running = asyncio.create_task(attempt.run(resolve, tls))
    running.add_done_callback(lambda _task: steps.put_nowait(None))
    try:
        while (step := await steps.get()) is not None:
            yield step
        running.result()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait({running})


class Attempt:
    """One test of a connection."""

    def __init__(
        self,
        target: Target,
        session: Mapping[str, Any],
        steps: asyncio.Queue[Step | None],
        candid: bool,
        seconds: tuple[float, float],
    ) -> None:
        self._target = target
        self._session = session
        self._steps = steps
        self._candid = candid
        self._answer_seconds, self._confirm_seconds = seconds
        self._progress = Progress(self._passed)
        self._session_id = ""
        self._words = ""
        self._audio_bytes = 0

    async def run(self, resolve: Resolve, tls: ssl.SSLContext | None) -> None:
        """Take the steps and put their results into the queue."""
        try:
            upstream = await open_upstream(
                self._target, self._session, resolve=resolve, tls=tls, progress=self._progress
            )
        except UpstreamFailed as failed:
            self._failed(failed.fault, failed.provider_message or "")
            return
        try:
            await self._use(upstream)
        finally:
            await upstream.close()

    async def _use(self, upstream: Upstream) -> None:
        created = next(e for e in reversed(upstream.first) if e["type"] == "session.created")
        self._session_id = str(created["session"].get("id") or "")
        if _is_beta(created["session"], self._target.dialect):
            self._failed("beta_events", "")
            return
        self._progress.begin("update", str(created["session"].get("model") or ""))
        events: asyncio.Queue[Event | Closed] = asyncio.Queue()

        def take(frame: Frame) -> None:
            for event in upstream.dialect.decode(frame):
                events.put_nowait(event)

        reading = asyncio.create_task(upstream.read(take))
        reading.add_done_callback(lambda task: _tell_end(task, events))
        try:
            async with asyncio.timeout(self._answer_seconds):
                if await self._updated(upstream, events):
                    await self._answered(upstream, events)
        except TimeoutError:
            self._failed("timeout_answer", "")
        finally:
            reading.cancel()

    async def _updated(self, upstream: Upstream, events: asyncio.Queue[Event | Closed]) -> bool:
        """Send the session's settings and wait until the service confirms them."""
        if not _send(upstream, upstream.dialect.opening(self._session, ()), events):
            # The greeting contained the settings, and the session began with them.
            self._progress.begin("answer")
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(self._confirm_seconds):
                while True:
                    event = await events.get()
                    if self._is_end(event, "settings_refused"):
                        return False
                    if not isinstance(event, Closed) and event["type"] == "session.updated":
                        break
        self._progress.begin("answer")
        return True

    async def _answered(self, upstream: Upstream, events: asyncio.Queue[Event | Closed]) -> None:
        """Ask for one tiny answer and wait for it."""
        for asked in _question(self._target.dialect):
            _send(upstream, upstream.dialect.encode(asked), events)
        while True:
            event = await events.get()
            if self._is_end(event, "answer_failed"):
                return
            if isinstance(event, Closed):
                continue
            if event["type"] in DELTAS:
                self._words += event["delta"]
            elif event["type"] == AUDIO_DELTA:
                self._audio_bytes += len(event["delta"])
            elif event["type"] == "response.done":
                self._done(event)
                return

    def _done(self, event: Event) -> None:
        response = event["response"]
        details = response.get("status_details")
        error = details.get("error") if isinstance(details, dict) else None
        if response.get("status") == "failed":
            error = error if isinstance(error, dict) else {}
            fault = error_fault(error) if error else "answer_failed"
            fault = "answer_failed" if fault == "session_refused" else fault
            self._failed(fault, str(error.get("message") or ""), event)
        elif not self._words.strip() and not self._audio_bytes and not _has_output(response):
            self._failed("answer_empty", "", event)
        else:
            self._passed(Passed("answer", self._progress.seconds, self._words.strip()[:80]), event)

    def _is_end(self, event: Event | Closed, fault: str) -> bool:
        """Whether this ends the test: an error that matters, or the end of the connection."""
        if isinstance(event, Closed):
            known = close_fault(event.reason, event.end_reason)
            self._failed("answer_closed" if known == "session_closed" else known, event.reason)
            return True
        if event["type"] != "error" or judge(event["error"]).kind == "benign":
            return False
        known = error_fault(event["error"])
        self._failed(fault if known == "session_refused" else known, event["error"]["message"])
        return True

    def _passed(self, passed: Passed, done: Event | None = None) -> None:
        hidden = not self._candid and passed.step in BEFORE_A_CONNECTION
        detail = "" if hidden else shown_message(passed.detail, self._target.secrets())
        step = Step(passed.step, True, passed.seconds, detail, done=done)
        self._steps.put_nowait(replace(step, session_id=self._session_id if done else ""))

    def _failed(self, fault: str, said: str, done: Event | None = None) -> None:
        step, seconds = self._progress.step, self._progress.seconds
        told: float | None = seconds
        if not self._candid and step in BEFORE_A_CONNECTION and fault in CLOSED:
            # A forbidden address has to look like a closed port; its time would give it away.
            if step == "dns":
                self._steps.put_nowait(Step("dns", True, seconds))
            step, fault, told = "tcp", "closed", None
        words = advice(fault, self._target)
        said = shown_message(said, self._target.secrets())
        failed = Step(step, False, told, "", fault, words.message, words.remedy, said, done)
        self._steps.put_nowait(replace(failed, session_id=self._session_id if done else ""))


def _question(dialect: str) -> Iterable[Event]:
    """The client events that ask for a tiny answer, as cheap as the dialect allows."""
    traits = DIALECTS[dialect].traits
    if traits.item_create:
        content = [{"type": "input_text", "text": QUESTION}]
        item = {"type": "message", "role": "user", "content": content}
        yield {"type": "conversation.item.create", "item": item}
    response: dict[str, Any] = {"output_modalities": ["text" if traits.text else "audio"]}
    if traits.instructions:
        response["instructions"] = QUESTION
    yield {"type": "response.create", "response": response}


def _send(
    upstream: Upstream, frames: Iterable[Frame], events: asyncio.Queue[Event | Closed]
) -> int:
    """Send the frames, and handle what the dialect answers itself; returns how many frames there
    were."""
    count = 0
    for frame in frames:
        count += 1
        upstream.send(frame)
    for event in upstream.dialect.answers():
        events.put_nowait(event)
    return count


def _tell_end(reading: asyncio.Task[Closed], events: asyncio.Queue[Event | Closed]) -> None:
    if not reading.cancelled():
        events.put_nowait(reading.result())


def _is_beta(session: Mapping[str, Any], dialect: str) -> bool:
    """Whether a GA dialect met a service with the flat session of the beta."""
    flat = "modalities" in session or "input_audio_format" in session
    nested = "output_modalities" in session or "audio" in session
    return dialect in ("openai_ga", "azure_ga") and flat and not nested


def _has_output(response: Mapping[str, Any]) -> bool:
    output = response.get("output")
    items = output if isinstance(output, list) else []
    return any(item.get("content") for item in items if isinstance(item, dict))
