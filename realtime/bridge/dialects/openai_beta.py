"""OpenAI's beta API, off at OpenAI itself since May 2026, and self-hosted servers.

A server whose `session.created` has GA's form (LocalAI, Hugging Face speech-to-speech) is sent GA
events, one with the beta's form (Speaches) beta events. Either way, what it leaves out is filled
in: items' ends, parts, ids, usage. Source: openai-python, types/beta/realtime.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ..events import Event
from ..words import gettext_noop as _
from .aliases import Aliases
from .beta import (
    EVENT_NAMES,
    item_to_beta,
    item_to_ga,
    response_to_beta,
    response_to_ga,
    session_to_beta,
    session_to_ga,
)
from .json_dialect import JsonDialect
from .traits import Traits

SESSIONS = ("session.created", "session.updated")


class Beta(JsonDialect):
    """What all beta-like dialects share."""

    def told(self, event: Event) -> Iterable[Event]:
        kind = event["type"]
        if kind == "session.update":
            event["session"] = self.session(event["session"])
        elif kind == "conversation.item.create":
            event["item"] = self.item(event["item"])
        elif kind == "response.create" and isinstance(event.get("response"), Mapping):
            event["response"] = self.response(event["response"])
        return (event,)

    def session(self, session: Mapping[str, Any]) -> Event:
        """A GA configuration, already reduced to the traits, in the provider's form."""
        return session_to_beta(session)

    def response(self, response: Mapping[str, Any]) -> Event:
        """The body of a GA `response.create` in the provider's form."""
        return response_to_beta(response)

    def item(self, item: Mapping[str, Any]) -> Event:
        """A GA item in the provider's form."""
        return item_to_beta(item)

    def translated(self, event: Event) -> Iterable[Event]:
        kind = event["type"]
        event["type"] = EVENT_NAMES.get(kind, kind)
        if isinstance(event.get("item"), Mapping):
            event["item"] = item_to_ga(event["item"])
        if isinstance(event.get("response"), Mapping):
            event["response"] = response_to_ga(event["response"])
        if kind in SESSIONS and isinstance(event.get("session"), Mapping):
            event["session"] = session_to_ga(event["session"])
        if kind.endswith("transcript.done") and "transcript" not in event:
            event["transcript"] = event.get("text")  # as StepFun has it
        return (event,)


class OpenAIBeta(Beta):
    """The beta API as OpenAI had it, for servers that still speak it, or nearly GA."""

    name: ClassVar[str] = "openai_beta"
    traits: ClassVar[Traits] = Traits(
        label=_("OpenAI beta, and self-hosted servers"),
        url_hint="wss://HOST/v1/realtime",
        auth="Authorization: Bearer KEY",
        formats=("audio/pcm", "audio/pcmu", "audio/pcma"),
        noise_reduction=True,
        speed=True,
        retrieve=False,
        truncate=True,
        usage="tokens, where the server counts them",
        note=_(
            "For Speaches, LocalAI, Hugging Face speech-to-speech and gateways. OpenAI itself "
            "no longer speaks it: choose OpenAI there."
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self._speaks_ga = False
        self._aliases = Aliases()

    def translated(self, event: Event) -> Iterable[Event]:
        if not self._aliases.rename(event):
            return ()
        session = event.get("session")
        if event["type"] == "session.created" and isinstance(session, Mapping):
            self._speaks_ga = (
                isinstance(session.get("audio"), Mapping) or "modalities" not in session
            )
            self._speaks_ga = self._speaks_ga and session.get("input_audio_format") is None
        return super().translated(event)

    def told(self, event: Event) -> Iterable[Event]:
        for name in ("item_id", "previous_item_id"):
            if name in event:
                event[name] = self._aliases.theirs(event[name])
        return (event,) if self._speaks_ga else super().told(event)
