"""What the call panel on a conversation's page needs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.dispatch import receiver
from django.http import HttpRequest
from django.urls import reverse

from chats.models import Conversation
from chats.signals import conversation_page
from realtime.attachments import sees_pictures
from realtime.call_settings import settings_of
from realtime.features import turn_settings
from realtime.history import opening_items, worth_telling
from realtime.models import VoiceModel


@receiver(conversation_page)
def add_call(
    sender: type[Conversation], request: HttpRequest, conversation: Conversation, **_: Any
) -> dict[str, Any]:
    """Give the template `call_config`: the socket, the models and the options."""
    if not request.user.is_authenticated:
        return {}
    models = list(VoiceModel.objects.available_to(request.user))
    return {
        "call_config": {
            "ws_url": f"/ws/call/{conversation.pk}/",
            "models": [
                {
                    "id": str(model.pk),
                    "name": str(model),
                    "provider": model.provider.name,
                    "voices": model.voices,
                    "features": model.features,
                    "sees": sees_pictures(model),
                    "turn_settings": turn_settings(model.features, model.provider.dialect),
                    "transcription_models": model.transcription_models,
                    "default": model.default,
                }
                for model in models
            ],
            "default_model": str(models[0].pk) if models else None,
            "settings": settings_of(request.user, conversation),
            "settings_url": reverse("call-settings", args=[conversation.pk]),
            # How many messages of the thread a new call is told.
            "remembered": len(opening_items(conversation)),
            "messages": worth_telling(conversation).count(),
            "upload_url": reverse("attachment-upload", args=[conversation.pk]),
            "upload_most": settings.ATTACHMENT_MAX_MB * 1024 * 1024,
        }
    }
