"""The provider's half of a program's call: passes on GA events, errors included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..answers import received_ms, take_audio
from ..core import Core
from ..dialects.base import AUDIO_DELTA, OPENING
from ..events import Event
from ..ids import new_id
from ..provider_side import AUDIO_PLACE, ProviderSide, incomplete
from .side import SdkSide

Show = Callable[[Event], Event]


class SdkProviderSide(ProviderSide):
    """Passes on what a page need not know, such as benign errors, since a program follows the
    session itself.

    An answer that comes as text where audio was asked for is left as it is.
    """

    def __init__(self, core: Core, side: SdkSide, show: Show) -> None:
        super().__init__(core)
        self._side = side
        self._show = show
        self._opening = False  # our own first configuration is not confirmed yet
        self._aside: set[str] = set()  # responses outside the conversation
        self._spoken: dict[str, int] = {}  # content index of answers' audio, by item

    def _take(self, event: Event) -> None:
        own = self._core.own_turns
        for each in (event,) if own is None else own.sift(event):
            self._follow(each)

    def lost(self) -> None:
        super().lost()
        self._side.aside.clear()
        for response_id in sorted(self._aside):
            # They cost something too, though nobody will ever say how much.
            response = incomplete(response_id, [])
            done = {"type": "response.done", "event_id": new_id("event"), "response": response}
            self._pass_aside(done)

    def _follow(self, event: Event) -> None:
        if self._is_aside(event):
            self._pass_aside(event)
        else:
            super()._follow(event)

    def _is_aside(self, event: Event) -> bool:
        kind = event["type"]
        if kind == "response.created" and self._side.aside:
            response = event["response"]
            if response.get("conversation_id") is None:
                self._side.aside.pop(0)
                self._aside.add(response["id"])
        if kind in ("response.created", "response.done"):
            return event["response"]["id"] in self._aside
        return event.get("response_id") in self._aside

    def _pass_aside(self, event: Event) -> None:
        """Handle an event of a response outside the conversation: for the program, and for the taps
        only its audio and end, to count them."""
        core, kind = self._core, event["type"]
        core.active_at = core.clock()
        if kind == AUDIO_DELTA:
            pcm = take_audio(core.items.touch(event["item_id"]), 0, event["delta"])
            over = core.ended is not None
            core.taps.on_aside_audio(event["response_id"], pcm)
            if not over:
                self._play(event, pcm)
            return
        if kind == "response.done":
            self._aside.discard(event["response"]["id"])
            core.taps.on_event(event)
            event.pop("raw_usage", None)
            core.shut()
        core.tell(event)

    def _play(self, event: Event, pcm: bytes) -> None:
        self._announced = tuple(event[name] for name in AUDIO_PLACE)
        place = dict(zip(AUDIO_PLACE, self._announced, strict=True))
        self._core.tell({"type": "nextvoice.audio", **place})
        self._core.send_to_browser(pcm)

    def _audio(self, event: Event) -> None:
        self._spoken[event["item_id"]] = event["content_index"]
        super()._audio(event)

    def _session(self, event: Event) -> None:
        core = self._core
        core.taps.on_event(event)
        if event["type"] == "session.created":
            # The program got a `session.created` at the start; it need not know of later sessions.
            self._opening = True
            return
        core.settings.accepted()
        opening, self._opening = self._opening, False
        # While `updating`, it is the dialect's own immediate answer to the program's change.
        if opening and not self._side.updating:
            return
        core.tell(event | {"session": self._show(event["session"])})

    def _response_created(self, event: Event) -> None:
        # Programs do not report how far they have played: what was not cut by now was heard.
        for item_id, index in self._spoken.items():
            item = self._core.items.touch(item_id)
            if index not in item.truncated_ms:
                self._core.taps.on_played(item_id, index, received_ms(item, index))
        self._spoken.clear()
        super()._response_created(event)

    def _benign(self, event: Event) -> None:
        self._side.sound.refused(event["error"]["event_id"])
        self._core.settings.refused(event["error"]["event_id"])
        self._core.tell(event)

    def _error(self, event: Event) -> None:
        about = event["error"]["event_id"]
        if about == OPENING:
            self._opening = False
        self._side.refused(event["error"])
        self._side.sound.refused(about)
        super()._error(event)

    def _open_without(self, param: object) -> bool:
        self._opening = super()._open_without(param)
        return self._opening


def without_ours(error: Event, ours: str) -> Event:
    """An error object, without its event id if that is one that we made up."""
    about: Any = error.get("event_id")
    return (
        error | {"event_id": None} if isinstance(about, str) and about.startswith(ours) else error
    )
