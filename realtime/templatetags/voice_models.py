"""What templates say about voice models."""

from __future__ import annotations

from django import template
from django.db.models import QuerySet
from django.utils import timezone

from realtime.models import VoiceModel
from realtime.models.providers import END_NEAR
from realtime.providers import describe

register = template.Library()


@register.simple_tag
def models_ending() -> QuerySet[VoiceModel]:
    """Models the site's admins look after that were or soon will be switched off, soonest first."""
    near = timezone.localdate() + END_NEAR
    used = VoiceModel.objects.filter(
        enabled=True, provider__enabled=True, provider__own=False, ends__lte=near
    )
    return used.select_related("provider").order_by("ends")


@register.filter
def end_words(model: VoiceModel) -> str:
    """Until when there is the model, if that is soon."""
    return describe.end_words(model)
