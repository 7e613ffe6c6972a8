"""What the pages of `chats` need of calls: the call panel, and the choice of model and account."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.dispatch import receiver
from django.http import HttpRequest
from django.urls import reverse

from chats.models import Account, Conversation
from chats.signals import conversation_begun, conversation_in_use, conversation_page, home_page
from realtime.call_settings import settings_of
from realtime.calls.attachments import sees_pictures
from realtime.calls.history import opening_items, worth_telling
from realtime.features import turn_settings
from realtime.models import CallRecord, VoiceModel
from realtime.models.providers import model_id
from realtime.providers.availability import default_model
from realtime.providers.describe import Card, cards
from realtime.tools.choice import shown, uses_tools


@receiver(conversation_page)
def add_lengths(sender: type[Conversation], messages: list[Any], **_: Any) -> dict[str, Any]:
    """Give each message the length of its call, once that is over."""
    calls = CallRecord.objects.filter(pk__in={m.call_id for m in messages if m.call_id})
    lengths = dict(calls.values_list("pk", "duration_ms"))
    for message in messages:
        message.call_duration_ms = lengths.get(message.call_id, 0)
    return {}


@receiver(conversation_page)
def add_call(
    sender: type[Conversation], request: HttpRequest, conversation: Conversation, **_: Any
) -> dict[str, Any]:
    """Give the template `call_config`: the socket, the models and the options."""
    if not request.user.is_authenticated:
        return {}
    models = list(VoiceModel.objects.available_to(request.user))
    usual = default_model(request.user, conversation.account)
    return {
        "call_config": {
            "ws_url": f"/ws/call/{conversation.pk}/",
            "watch_url": f"/ws/watch/{conversation.pk}/",
            "models": [_offered(*each) for each in zip(models, cards(models), strict=True)],
            "default_model": str(usual.pk) if usual else None,
            "tools": shown(conversation.account),
            "settings": settings_of(request.user, conversation),
            "settings_url": reverse("call-settings", args=[conversation.pk]),
            # How many messages of the thread a new call is told.
            "remembered": len(opening_items(conversation)),
            "messages": worth_telling(conversation).count(),
            "upload_url": reverse("attachment-upload", args=[conversation.pk]),
            "upload_most": settings.ATTACHMENT_MAX_MB * 1024 * 1024,
        }
    }


def _offered(model: VoiceModel, card: Card) -> dict[str, Any]:
    """What the call panel needs of a model."""
    return {
        "id": str(model.pk),
        "name": str(model),
        "provider": model.provider.name,
        "voices": model.voices,
        "features": model.features,
        "sees": sees_pictures(model),
        "uses_tools": uses_tools(model),
        "turn_settings": turn_settings(model.features, model.provider.dialect),
        "transcription_models": model.transcription_models,
        "default": model.default,
        "offers": card.chips,
        "cost": card.cost,
        "end": card.end_words,
        "end_short": card.end_short,
    }


@receiver(home_page)
def add_picker(sender: type[Conversation], request: HttpRequest, **_: Any) -> dict[str, Any]:
    """Give the front page `picker`: the models for a new conversation, and who pays; None when
    there is nothing to choose."""
    if not request.user.is_authenticated:
        return {}
    person = request.user
    models = cards(VoiceModel.objects.available_to(person))
    accounts = list(Account.objects.of(person))
    if len(models) < 2 and len(accounts) < 2:
        return {"picker": None}
    usual = default_model(person, Account.objects.own(person))
    chosen = next((each for each in models if usual and each.id == str(usual.pk)), None)
    return {"picker": {"models": models, "chosen": chosen, "accounts": accounts}}


@receiver(conversation_in_use)
def is_called_in(sender: type[Conversation], conversation: Conversation, **_: Any) -> bool:
    """Whether there was a call."""
    return CallRecord.objects.filter(conversation=conversation).exists()


@receiver(conversation_begun)
def keep_model(
    sender: type[Conversation], request: HttpRequest, conversation: Conversation, **_: Any
) -> None:
    """Keep the posted `model` for the conversation, unless it is gone by now."""
    person, wanted = request.user, model_id(request.POST.get("model", ""))
    if not person.is_authenticated or wanted is None:
        return
    usual = default_model(person, conversation.account)
    known = VoiceModel.objects.available_to(person).filter(pk=wanted).exists()
    # The default is not kept, so that a later change of it counts.
    if known and not (usual and usual.pk == wanted):
        conversation.call_settings = {**person.call_settings, "model": str(wanted)}
        conversation.save(update_fields=["call_settings"])
