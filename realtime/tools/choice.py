"""Which functions a call offers: what an account allows, less what the person switched off."""

from __future__ import annotations

from typing import Any

from chats.models import Account, Conversation, User
from realtime.bridge.dialects import traits_of
from realtime.call_settings import settings_of
from realtime.models import AccountSettings, VoiceModel
from realtime.tools.box import SiteToolbox
from realtime.tools.registry import TOOLS, Tool, Where


def uses_tools(model: VoiceModel) -> bool:
    """Whether a model can call functions, and its dialect say so."""
    return bool(model.features.get("tools")) and traits_of(model.provider.dialect).tools


def allowed(account: Account) -> list[Tool]:
    """The functions that the account's admins have left on."""
    settings = AccountSettings.objects.filter(account=account).first()
    off = settings.tools_off if settings is not None else []
    return [tool for name, tool in TOOLS.items() if name not in off]


def shown(account: Account) -> list[dict[str, Any]]:
    """They as the options of a call list them."""
    return [
        {"name": tool.name, "label": str(tool.label), "about": str(tool.about)}
        for tool in allowed(account)
    ]


def toolbox_for(
    user: User, conversation: Conversation, account: Account, model: VoiceModel
) -> SiteToolbox | None:
    """What a call of the person in the conversation may use; None when that is nothing."""
    if not uses_tools(model):
        return None
    off = settings_of(user, conversation).get("tools_off", [])
    names = [tool.name for tool in allowed(account) if tool.name not in off]
    return SiteToolbox(Where(user.pk, conversation.pk), names) if names else None
