"""Which functions a call offers: what its account allows, without what the person switched off."""

from __future__ import annotations

import uuid
from typing import Any

from chats.models import Account, Conversation, User
from realtime.bridge.dialects import traits_of
from realtime.call_settings import settings_of
from realtime.models import VoiceModel
from realtime.providers.availability import account_settings
from realtime.tools.box import SiteToolbox, Usable
from realtime.tools.registry import TOOLS, Where
from realtime.tools.services.remote import is_passed_on, servers_of
from realtime.tools.services.run import offered_to


def uses_tools(model: VoiceModel) -> bool:
    """Whether a model can call functions: both it and its dialect must say so."""
    return bool(model.features.get("tools")) and traits_of(model.provider.dialect).tools


def usable(account: Account | None) -> list[Usable]:
    """The site's own functions, then those of services for an account; None: for any."""
    return [*TOOLS.values(), *offered_to(account)]


def allowed(account: Account) -> list[Usable]:
    """Those that the account's admins have left on."""
    off = account_settings(account).tools_off
    return [tool for tool in usable(account) if tool.name not in off]


def shown(account: Account) -> list[dict[str, Any]]:
    """The functions as the options of a call list them; `group`: the service's name, empty for
    ours."""
    return [
        {
            "name": tool.name,
            "label": str(tool.label),
            "about": str(tool.about),
            "group": tool.group,
        }
        for tool in allowed(account)
    ]


def toolbox_for(
    user: User,
    conversation: Conversation,
    account: Account,
    model: VoiceModel,
    call_id: uuid.UUID | None = None,
    time_zone: str = "",
) -> SiteToolbox | None:
    """The functions for a call of the person in the conversation; None if there are none.
    `time_zone` as in `Where`."""
    if not uses_tools(model):
        return None
    off = settings_of(user, conversation).get("tools_off", [])
    tools = [tool for tool in allowed(account) if tool.name not in off]
    provider = model.provider
    # Somebody's own key may lead to a server of their own, which must not get our secrets.
    passes_on = traits_of(provider.dialect).mcp and not (provider.own or provider.embedded)
    passed_on = [tool for tool in tools if passes_on and is_passed_on(tool)]
    own = [tool for tool in tools if tool not in passed_on]
    where = Where(user.pk, conversation.pk, call_id, time_zone)
    return SiteToolbox(where, own, servers_of(passed_on)) if tools else None
