"""The core of a call: synchronous, without I/O.

Frames and events go in through plain method calls, and come out as plain calls to the two legs,
which never block. Nothing here awaits, so tests can drive it without an event loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..hearing.vad import Vad
from .audio import RATE
from .client_side import ClientSide
from .core import Core
from .dialects.base import OPENING, Dialect
from .events import Event
from .gate import Leg
from .memory import packed
from .own_turns import OwnTurns
from .provider_side import ProviderSide
from .writer import Frame

UNSURE_SAMPLES = 3 * RATE
"""How long a provider may take to say whether it heard anybody in audio that it was given at
once."""


class Call(Core):
    """One call. `session`: the GA configuration to open upstream sessions with; `ready`: what
    `nextvoice.ready` contains besides the session (call_id, conversation_id, model, provider).
    `on_end(end)` is called once, when something ends the call; the owner then lets go of both
    legs and calls `finish`.

    A call may use several upstream sessions in turn: `attach` gives it one, `detach` takes it
    away, and what the browser sends in between is kept for the next. Later sessions are told the
    conversation so far.
    """

    __slots__ = ("_client", "_provider")

    def __init__(self, browser: Leg, session: Mapping[str, Any], **options: Any) -> None:
        super().__init__(browser, session, **options)
        self._client, self._provider = self.sides()

    def sides(self) -> tuple[ClientSide, ProviderSide]:
        """The handler of the client's frames, and that of the provider's events."""
        return ClientSide(self), ProviderSide(self)

    def opened(self) -> None:
        """The client is there and the call begins, without a provider yet."""

    def listen_with(self, vad: Vad) -> None:
        """Detect turns here, because the provider does not."""
        # Only the audio of turns is sent then, which nobody else keeps by itself.
        self.tail.recall = None
        provider = self._provider
        self.own_turns = OwnTurns(self, vad, provider.make, provider.take_no_more)

    def attach(
        self,
        upstream: Leg,
        dialect: Dialect,
        first: Iterable[Event] = (),
        history: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Go on with a new upstream session. `first`: the events already decoded from it, including
        its `session.created`; `history`: GA items that open the call's first session."""
        first = list(first)
        created = [event["session"] for event in first if event["type"] == "session.created"]
        again = self.ready_at is not None
        if not again:
            self.memory.opens_with(history)
        self.plug(upstream, dialect)
        dialect.taken(self.memory.taken())
        self.settings.opens(OPENING)
        self.say_ready(created[0] if created else {})
        self._provider.take(first)
        for frame in dialect.opening(self.settings.session, self._conversation()):
            self.send(frame)
        for pcm in self.tail:
            for frame in dialect.audio(pcm):
                self.send(frame)
        if self.tail.asks_again:
            # For who keeps what is said: a turn that was over begins again.
            self.taps.on_user_audio(b"".join(self.tail), self.samples_before)
        if self.own_turns is not None:
            self.own_turns.resume()
        self._ask_again(again, self._commit_again())
        self._client.flush()
        if self.unsure:
            self.unsure_until = self.samples + UNSURE_SAMPLES

    def _conversation(self) -> list[Event]:
        """The history for opening a session. The turn to be answered is never packed into a
        message."""
        items, last = self.memory.conversation(), self.memory.last()
        known = [item for item in items if self.memory.is_known(item["id"])]
        if self.packed:
            packable = [item for item in known if item["id"] != last or item.get("role") != "user"]
            whole, ids = packed(packable), {item["id"] for item in packable}
            items = whole + [item for item in items if item["id"] not in ids]
            known += whole
        self.replayed.update(item["id"] for item in known)
        return items

    def _commit_again(self) -> bool:
        """End again the turn whose end the last session may not have received; False if there is
        none."""
        commit = self.tail.commit
        if commit is not None:
            self.to_upstream(commit)
        return commit is not None

    def _ask_again(self, again: bool, committed: bool) -> None:
        """Ask for the answer whose request waits, or that the last session owed when it broke.
        `committed`: the turn to be answered has been committed to this session."""
        if (held := self.answering.next()) is not None:
            self.ask(held)
        elif again and self.answering.owed:
            last = self.memory.last()
            known = last and self.memory.role(last) == "user" and self.memory.has_words(last)
            if known or committed:
                self.ask({"type": "response.create"})
            else:
                self.answering.forget()
                if not self.tail.asks_again:
                    self.notice("turn_lost")

    def reconnect(self) -> int:
        """Another attempt at an upstream session begins; the browser is told. Returns its number,
        from 1."""
        self.reconnecting += 1
        self.tell({"type": "nextvoice.reconnecting", "attempt": self.reconnecting})
        return self.reconnecting

    def detach(self) -> None:
        """The upstream session is gone. An answer under way is closed as incomplete, without
        usage, and so is a turn of the person; what the browser sends from here on waits for
        `attach`."""
        self.unplug()
        self._provider.lost()

    def take_answers(self, events: Sequence[Event]) -> None:
        self._provider.take(events)

    def from_browser(self, frame: Frame) -> None:
        """One frame of the browser: binary ones are microphone audio, text ones client events."""
        if isinstance(frame, bytes):
            self._client.take_audio(frame)
        else:
            self._client.take_text(frame)

    def put(self, event: Event, shown: list[Event]) -> None:
        """A `conversation.item.create` that the site makes for the browser: its item has an id,
        and its content may hold pictures. `shown`: the content as everybody else sees it."""
        self._client.put(event, shown)

    def announce(self, kind: str, **fields: Any) -> None:
        """Tell page and taps an event of our own, as if it came from the provider."""
        self._provider.make(kind, **fields)

    def from_upstream(self, frame: Frame) -> None:
        """One frame of the attached upstream session."""
        dialect = self.dialect
        if dialect is None:
            return
        more = dialect.more_audio(frame)
        if more is not None:
            self._provider.take_more(more[0], more[1])
        else:
            self._provider.take(dialect.decode(frame))

    def hurry(self) -> None:
        """Send the request that waits for an answer to end, if that answer has been silent for a
        while. Called some time after `answering.on_held`."""
        if self.ended is not None or self.upstream is None or not self.answering.waits:
            return
        if not self.is_silent():
            self.answering.on_held()
        elif (held := self.answering.next()) is not None:
            self.ask(held)

    def tell_late(self) -> None:
        """Tell the person if an answer is still owed. To be called some time after
        `answering.on_owed` was."""
        if self.ended is None and self.upstream is not None and self.answering.owed:
            self.notice("answer_late")

    def cancel_answer(self) -> bool:
        """Ask the provider to cancel the answer under way; False if there is none."""
        if self.upstream is None or self.answering.active is None:
            return False
        self.to_upstream({"type": "response.cancel"}, response_id=self.answering.active)
        return True
