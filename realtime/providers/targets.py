"""From a model's row to what an upstream connection needs."""

from __future__ import annotations

from dataclasses import replace

from realtime import embedded
from realtime.bridge.dialects import Target
from realtime.models import VoiceModel
from realtime.providers import endpoints
from realtime.sealing import SealBroken


class Refused(Exception):
    """The call cannot start. `reason` is an end reason, the text is for operators; `words`, message
    and remedy, are for the person, where there are better ones than the reason's."""

    def __init__(self, reason: str, detail: str, words: tuple[str, str] | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.words = words


def target_for(model: VoiceModel) -> Target:
    """Where and how to reach `model`, with its key in the clear. Raises Refused.

    Blocks: it may query the database and start the embedded provider.
    """
    provider = model.provider
    if provider.embedded and provider.own:
        raise Refused("provider_unreachable", "an own key cannot use the embedded provider")
    try:
        target = Target(
            name=provider.name,
            url=embedded.url() if provider.embedded else provider.url,
            model=model.name,
            key=provider.key(),
            dialect=provider.dialect,
            headers=provider.headers(),
            query=provider.query(),
            organization=provider.organization,
            project=provider.project,
            workspace=provider.workspace,
            deployment=provider.deployment,
            api_version=provider.api_version,
            allow_private=provider.may_be_private,
        )
        vouched = target.allow_private or endpoints.is_allowed(target)
        return replace(target, allow_private=vouched)
    except embedded.NotAvailable as problem:
        raise Refused("provider_unreachable", f"the embedded provider: {problem}") from None
    except SealBroken as problem:
        raise Refused("provider_refused_key", f"the key cannot be opened: {problem}") from None
    except ValueError as problem:
        raise Refused("provider_error", str(problem)) from None
