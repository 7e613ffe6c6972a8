"""Checks a provider's events, and fills in what they leave out from earlier ones."""

from __future__ import annotations

from collections.abc import Callable

from ..events import Event
from ..ids import new_id
from .complete import Completing
from .kept import TRANSCRIBED
from .shapes import EVENTS, Shape
from .spent import response_usage, transcription_usage
from .tidy import (
    arguments_of,
    error_of,
    is_a,
    text_or,
    tidy_item,
    tidy_limits,
    tidy_part,
    tidy_response,
    transcription_error,
)

TRANSCRIPTION_FAILED = "conversation.item.input_audio_transcription.failed"
STARTED = "input_audio_buffer.speech_started"
STOPPED = "input_audio_buffer.speech_stopped"
TIMES = {STARTED: "audio_start_ms", STOPPED: "audio_end_ms"}
LONGEST_MS = 100_000_000
ONSET_MS = 1000
"""How long before its `speech_started` event speech began, if the provider does not say when."""


class Checks:
    """The checks of one session. `completing`: completes its answers; None if the provider leaves
    nothing out. `judged` turns a provider's error into one that the tables of `errors` know.
    `heard_ms()`: how much microphone audio the provider was given."""

    def __init__(
        self,
        completing: Completing | None,
        judged: Callable[[Event], Event],
        heard_ms: Callable[[], int],
    ) -> None:
        self._completing = completing
        self._judged = judged
        self._heard_ms = heard_ms
        self._response_id = ""
        self._open: str | None = None  # the response under way, used without `completing`
        self._item_id = ""
        self._added: set[str] = set()
        self._begun = False  # `session.created` has come
        self._began_ms = 0
        self._spoke_ms: dict[str, int] = {}

    def take(self, event: Event) -> bool:
        """Correct and complete a GA event in place; False for one that is broken or repeated."""
        shape = EVENTS.get(event["type"])
        if shape is None:
            return False
        if "event_id" not in event:
            event["event_id"] = new_id("event")
        self._correct(event, shape)
        if not all(is_a(event.get(name), wanted) for name, wanted in shape.need.items()):
            return False
        if not self._tidied(event) or not self._remembered(event):
            return False
        self._fill(event, shape)
        if event["type"] == STARTED:
            self._began_ms = event["audio_start_ms"]
        elif event["type"] == STOPPED:
            self._spoke_ms[event["item_id"]] = max(0, event["audio_end_ms"] - self._began_ms)
        return True

    def _correct(self, event: Event, shape: Shape) -> None:
        """Correct fields that must not fail the check, whatever form a provider gives them."""
        kind = event["type"]
        if kind == "error":
            event["error"] = self._judged(error_of(event))
        elif "arguments" in shape.need:
            event["arguments"] = arguments_of(event)
        elif kind == "response.done" and self._under_way is not None:
            # The end of an answer is waited for, so it is accepted however little it says.
            event["response"] = event["response"] if is_a(event.get("response"), dict) else {}
        elif kind == TRANSCRIBED:
            # So is the end of a transcription, which may have been billed.
            event["transcript"] = text_or(event.get("transcript"), "")
        elif kind in TIMES:
            self._time(event, TIMES[kind])

    def _time(self, event: Event, name: str) -> None:
        """Set when speech began or ended, in whole ms: some providers leave it out, or send a
        fraction."""
        at = event.get(name)
        if at is None:
            event[name] = max(0, self._heard_ms() - (ONSET_MS if name == "audio_start_ms" else 0))
        elif isinstance(at, float) and 0 <= at < LONGEST_MS:
            event[name] = int(at)

    def _tidied(self, event: Event) -> bool:
        kind = event["type"]
        if "item" in event and "item" in EVENTS[kind].need:
            going = kind == "response.output_item.added"
            if not tidy_item(event["item"], "in_progress" if going else "completed"):
                return False
        elif kind in ("response.created", "response.done"):
            going = kind == "response.created"
            if not self._has_id(event["response"], going):
                return False
            tidy_response(event["response"], "in_progress" if going else "completed")
        elif kind.startswith("response.content_part."):
            tidy_part(event["part"])
        elif kind == TRANSCRIPTION_FAILED:
            event["error"] = transcription_error(event["error"])
        elif kind == "rate_limits.updated":
            event["rate_limits"] = tidy_limits(event["rate_limits"])
        if kind == "response.done":
            response_usage(event)
        elif kind == TRANSCRIBED:
            transcription_usage(event, self._spoke_ms.pop(event["item_id"], 0) / 1000)
        return True

    @property
    def _under_way(self) -> str | None:
        """The response that has begun and not ended."""
        return self._open if self._completing is None else self._completing.newest

    def _has_id(self, response: Event, going: bool) -> bool:
        if not response.get("id") and self._completing is not None:
            begun = None if going else self._completing.newest or self._response_id
            response["id"] = begun or new_id("resp")
        elif not response.get("id") and not going:
            response["id"] = self._open
        return isinstance(response.get("id"), str) and bool(response["id"])

    def _remembered(self, event: Event) -> bool:
        """Note the current ids; False for an item already added, or a session already begun."""
        kind = event["type"]
        if kind == "session.created":
            again, self._begun = self._begun, True
            return not again
        if kind in ("conversation.item.created", "conversation.item.added"):
            if self._completing is None:
                # Some servers keep the older name, some send both.
                event["type"] = "conversation.item.added"
            if event["item"]["id"] in self._added:
                return False
            self._added.add(event["item"]["id"])
        elif kind == "response.output_item.added":
            self._item_id = event["item"]["id"]
        elif kind == "response.created":
            self._open = self._response_id = event["response"]["id"]
            self._item_id = ""
        elif kind == "response.done" and event["response"]["id"] == self._response_id:
            self._open, self._item_id = None, ""
        return True

    def _fill(self, event: Event, shape: Shape) -> None:
        for name in shape.fill:
            value = event.get(name)
            if name in ("output_index", "content_index"):
                event[name] = value if is_a(value, int) else 0
            elif name == "previous_item_id":
                own = event["item"]["id"] if "item" in shape.need else event["item_id"]
                event[name] = text_or(value, None) if value != own else None
            elif name in ("name", "call_id"):
                event[name] = text_or(value, "")
            elif not isinstance(value, str) or not value:
                # `completing` knows an answer's calls, and finds the one arguments belong to.
                of_call = "call_id" in shape.fill and self._completing is not None
                item_id = "" if of_call else self._item_id
                event[name] = item_id if name == "item_id" else self._response_id
