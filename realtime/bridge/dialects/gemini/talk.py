"""Translates Gemini's messages to GA events: speech, answers, usage, and the session's end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...answers import STOPPED, TALKED_OVER
from ...audio import decode_base64
from ...events import Event
from ...ids import new_id
from ..base import RENEW, SPENT, TAKEN_BACK
from .answer import Answer, event
from .turn import Person
from .usage import added, usage_of

FILTERED = ("PROHIBITED", "SAFETY", "BLOCKLIST", "RESPONSE_REJECTED", "CELEBRITY", "NCII", "MINORS")
LONGEST_CALL_ID = 32
GOING_AWAY_SECONDS = 10.0
"""How soon Gemini leaves if its `goAway` does not say when."""


class Talk:
    """Follows one session's messages. It keeps only what is needed to translate the next ones."""

    def __init__(self) -> None:
        self.person = Person()
        self.answer: Answer | None = None
        self.written = False
        """Whether the next answer is wanted in writing."""
        self.calls: dict[str, tuple[str, str]] = {}
        """Function calls that wait for their output: Gemini's id and the name, by call id."""
        self.unwanted: list[tuple[str, str]] = []
        """The same for calls of an answer that was stopped: Gemini still waits for their output."""
        self.handle: str | None = None
        """The handle with which another session can go on from here; None while it does not yet
        cover something that was said."""
        self.last_item_id: str | None = None
        self._stopped: str | None = None  # the answer that was stopped: its rest is dropped
        self._interrupted = False
        self._usage: Event | None = None  # of the turn under way, as Gemini said it
        self._owed: list[Event] = []  # usage that came after the end of its answer
        self._unpaid: tuple[str, str] | None = None  # an answer just ended without, and its status
        self._called: str | None = None  # one that ended with a call in this turn, without usage
        self._handlers: dict[str, Callable[[Any], Iterator[Event]]] = {
            "serverContent": self._content,
            "toolCall": self._tool_call,
            "toolCallCancellation": self._cancellation,
            "sessionResumptionUpdate": self._resumption,
            "goAway": self._go_away,
            "voiceActivity": self._activity,
            "error": self._error,
        }

    def take(self, message: Mapping[str, Any]) -> Iterator[Event]:
        """The events of one message. Malformed parts of it are skipped."""
        if isinstance(raw := message.get("usageMetadata"), dict):
            yield from self._told(raw, message)
        for name, handler in self._handlers.items():
            if isinstance(inner := message.get(name), dict):
                yield from handler(inner)

    def knows(self, message: Mapping[str, Any]) -> bool:
        """Whether the message has anything that is handled here."""
        return "usageMetadata" in message or any(name in message for name in self._handlers)

    def changed(self) -> None:
        """Something was said that the handle does not cover."""
        self.handle = None

    def stop(self) -> Iterator[Event]:
        """Stop the answer under way. Gemini cannot be told, so the rest of it is dropped. Its usage
        is reported once Gemini does so (`SPENT`), and added to the GA usage of the next answer."""
        if self.answer is not None:
            self._stopped = self.answer.id
            yield from self._end("cancelled", STOPPED)

    # --- its content ---------------------------------------------------------------------------

    def _content(self, content: Mapping[str, Any]) -> Iterator[Event]:
        self._unpaid = None
        yield from self._heard(content.get("inputTranscription"))
        if content.get("interrupted") is True and self._stopped is None:
            yield from self._interrupt()
        turn = content.get("modelTurn")
        parts = turn.get("parts") if isinstance(turn, dict) else None
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict) and part.get("thought") is not True:
                yield from self._part(part)
        if (text := _text(content.get("outputTranscription"))) and not self._interrupted:
            yield from self._say(lambda answer: answer.words(text))
        if content.get("generationComplete") is True:
            yield from self.person.transcribed()
            if self.answer is not None:
                yield from self.answer.end_audio()
        if content.get("turnComplete") is True:
            yield from self._turn_complete(str(content.get("turnCompleteReason") or ""))

    def _heard(self, transcription: object) -> Iterator[Event]:
        text = _text(transcription)
        if not text:
            return
        self.changed()
        if self.person.item_id is None and not self.person.is_late:
            yield from self.person.started()
        yield from self.person.said(text)

    def _part(self, part: Mapping[str, Any]) -> Iterator[Event]:
        if self._interrupted:
            return
        blob, text = part.get("inlineData"), part.get("text")
        if isinstance(blob, dict) and _string(blob.get("mimeType")).startswith("audio/pcm"):
            try:
                pcm = decode_base64(blob.get("data") or "")
            except (ValueError, TypeError):
                return
            if pcm:
                yield from self._say(lambda answer: answer.audio(pcm))
        elif isinstance(text, str) and text:
            yield from self._say(lambda answer: answer.text(text))

    def _say(self, what: Callable[[Answer], Iterator[Event]]) -> Iterator[Event]:
        self.changed()
        if self._stopped is None:
            yield from self._begin()
            assert self.answer is not None
            yield from self._following(self.answer, what(self.answer))

    def _following(self, answer: Answer, events: Iterator[Event]) -> Iterator[Event]:
        """Pass on the events, and note the item that is then the conversation's last."""
        before = answer.last_item_id
        yield from events
        if answer.last_item_id != before:
            self.last_item_id = answer.last_item_id

    def _begin(self) -> Iterator[Event]:
        if self.answer is not None:
            return
        yield from self._end_turn()
        self._called = None
        self.answer = Answer(written=self.written, after=self.last_item_id)
        yield from self.answer.begin()

    def _end_turn(self) -> Iterator[Event]:
        item_id = self.person.item_id
        yield from self.person.ended(self.last_item_id)
        self.last_item_id = item_id or self.last_item_id

    def _interrupt(self) -> Iterator[Event]:
        yield from self.person.started()
        self._interrupted = self.answer is not None

    def _turn_complete(self, reason: str) -> Iterator[Event]:
        stopped, self._stopped = self._stopped, None
        interrupted, self._interrupted = self._interrupted, False
        called, self._called = self._called, None
        self.unwanted.clear()
        if self.answer is not None:
            if not interrupted:
                yield from self.person.transcribed()
            status, details = _ending(interrupted, reason)
            if self._usage is None:
                self._unpaid = self.answer.id, status
            yield from self._end(status, details)
        elif stopped is not None:
            yield from self._owe(stopped, "cancelled")
        else:
            if self.person.has_words and self.person.item_id is not None:
                yield from self._end_turn()  # which is not to be answered
                yield from self.person.transcribed()
            # Reading a turn that is not answered costs something too.
            yield from self._owe(called or new_id("resp"), "completed")

    def _end(self, status: str, details: Event | None) -> Iterator[Event]:
        answer, self.answer = self.answer, None
        assert answer is not None
        usage = self._settled() if self._stopped is None else {"usage": None}
        yield from answer.end(status, details, **usage)

    # --- what it costs -------------------------------------------------------------------------

    def _told(self, raw: Event, message: Mapping[str, Any]) -> Iterator[Event]:
        """Take usage: of the turn under way or, if it comes alone, of the one that just ended."""
        self._usage = raw
        unpaid, self._unpaid = self._unpaid, None
        if unpaid is not None and "serverContent" not in message and "toolCall" not in message:
            self._called = None
            yield from self._owe(*unpaid)

    def _owe(self, response_id: str, status: str) -> Iterator[Event]:
        """Report the last usage as that of an answer that has ended; if there is none, it may still
        come."""
        raw, self._usage = self._usage, None
        if raw is None:
            self._unpaid = response_id, status
        else:
            self._owed.append(raw)
            yield event(SPENT, response_id=response_id, status=status, raw_usage=raw)

    def _settled(self) -> Event:
        """The usage of an answer that ends now, plus that of earlier ones not yet counted."""
        raw, self._usage = self._usage, None
        owed, self._owed = self._owed, []
        if raw is None and not owed:
            return {"usage": None}
        usage = usage_of(raw or {})
        for each in owed:
            usage = added(usage, usage_of(each))
        whole = {"usageMetadata": raw, "stopped": owed}
        return {"usage": usage, "raw_usage": whole if owed else raw}

    # --- all else ------------------------------------------------------------------------------

    def _tool_call(self, call: Mapping[str, Any]) -> Iterator[Event]:
        calls = call.get("functionCalls")
        named = [
            each
            for each in (calls if isinstance(calls, list) else ())
            if isinstance(each, dict) and isinstance(each.get("name"), str)
        ]
        if not named:
            return
        self.changed()
        if self._stopped is not None:
            self.unwanted += [(_string(each.get("id")), each["name"]) for each in named]
            return
        yield from self._begin()
        assert self.answer is not None
        for each in named:
            theirs = _string(each.get("id"))
            fits = 0 < len(theirs) <= LONGEST_CALL_ID
            call_id = theirs if fits else new_id("call")
            self.calls[call_id] = (theirs, each["name"])
            said = self.answer.call(call_id, each["name"], each.get("args") or {})
            yield from self._following(self.answer, said)
        # In GA a function call ends the answer, and its output leads to another one.
        yield from self.person.transcribed()
        if self._usage is None:
            self._called = self.answer.id
            self._unpaid = self.answer.id, "completed"
        yield from self._end("completed", None)

    def _cancellation(self, cancelled: Mapping[str, Any]) -> Iterator[Event]:
        ids = cancelled.get("ids")
        gone = set(ids) if isinstance(ids, list) and all(isinstance(i, str) for i in ids) else set()
        ours = [call_id for call_id, (theirs, _) in self.calls.items() if theirs in gone]
        for call_id in ours:
            del self.calls[call_id]
        self.unwanted = [each for each in self.unwanted if each[0] not in gone]
        if ours:
            yield event(TAKEN_BACK, call_ids=ours)

    def _resumption(self, update: Mapping[str, Any]) -> Iterator[Event]:
        handle = update.get("newHandle")
        if update.get("resumable") is True and isinstance(handle, str) and handle:
            self.handle = handle
        else:
            self.handle = None
        yield from ()

    def _go_away(self, going: Mapping[str, Any]) -> Iterator[Event]:
        try:
            seconds = float(str(going.get("timeLeft")).removesuffix("s"))
        except ValueError:
            seconds = GOING_AWAY_SECONDS
        yield event(RENEW, seconds=max(0.0, seconds))

    def _activity(self, activity: Mapping[str, Any]) -> Iterator[Event]:
        if activity.get("voiceActivityType") == "ACTIVITY_START":
            yield from self.person.started()

    def _error(self, error: Mapping[str, Any]) -> Iterator[Event]:
        told = {name: error.get(name) for name in ("status", "message")}
        words = {name: _string(each) for name, each in told.items()}
        yield event(
            "error",
            error={
                "type": "server_error",
                "code": words["status"].lower() or None,
                "message": words["message"],
                "param": None,
                "event_id": None,
            },
        )


def _ending(interrupted: bool, reason: str) -> tuple[str, Event | None]:
    if interrupted:
        return "cancelled", TALKED_OVER
    if any(word in reason for word in FILTERED):
        return "incomplete", {"type": "incomplete", "reason": "content_filter"}
    if reason == "MALFORMED_FUNCTION_CALL":
        error = {"type": "server_error", "code": "malformed_function_call"}
        return "failed", {"type": "failed", "error": error}
    return "completed", None


def _text(transcription: object) -> str:
    return _string(transcription.get("text")) if isinstance(transcription, dict) else ""


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
