"""The core of a call: synchronous, without I/O.

Frames and events go in by a plain call and come out by plain calls to the two legs, which never
block. Nothing here awaits, so a test drives it without an event loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from .client_side import ClientSide
from .core import Core, Leg
from .dialects.base import Dialect
from .events import Event
from .ids import new_id
from .provider_side import ProviderSide
from .writer import Frame

__all__ = ["Call", "Leg"]


class Call(Core):
    """One call. `session` is the GA configuration to open upstream sessions with, `ready` what
    `nextvoice.ready` tells besides the session (call_id, conversation_id, model, provider).
    `on_end(end)` is called once, when something ends the call; the owner then lets go of both
    legs and calls `finish`.

    A call may use several upstream sessions in turn: `attach` gives it one, `detach` takes it
    away, and what the browser sends in between is kept for the next.
    """

    @cached_property
    def _client(self) -> ClientSide:
        return ClientSide(self)

    @cached_property
    def _provider(self) -> ProviderSide:
        return ProviderSide(self)

    def attach(
        self,
        upstream: Leg,
        dialect: Dialect,
        first: Iterable[Event] = (),
        history: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Go on with a new upstream session. `first`: the events already decoded from it, its
        `session.created` among them; `history`: GA items that open the conversation."""
        first = list(first)
        created = [event["session"] for event in first if event["type"] == "session.created"]
        self.plug(upstream, dialect)
        self.say_ready(created[0] if created else {})
        self._provider.take(first)
        items = [{**item, "id": item.get("id") or new_id("item")} for item in history]
        self.replayed.update(item["id"] for item in items)
        for frame in dialect.opening(self.settings.session, items):
            self.send(frame)
        if (held := self.answering.next()) is not None:
            self.ask(held)
        self._client.flush()

    def detach(self) -> None:
        """The upstream session is gone. An answer under way is closed as incomplete, without
        usage; what the browser sends from here on waits for `attach`."""
        self.unplug()
        self._provider.lost()

    def from_browser_audio(self, pcm: bytes) -> None:
        """One binary frame of the browser: microphone audio."""
        self._client.take_audio(pcm)

    def from_browser_text(self, text: str) -> None:
        """One text frame of the browser: a client event."""
        self._client.take_text(text)

    def from_upstream(self, frame: Frame) -> None:
        """One frame of the attached upstream session."""
        if self.dialect is not None:
            self._provider.take(self.dialect.decode(frame))

    def cancel_answer(self) -> bool:
        """Ask the provider to stop an answer under way; False when there is none."""
        if self.upstream is None or self.answering.active is None:
            return False
        self.to_upstream({"type": "response.cancel"}, response_id=self.answering.active)
        return True
