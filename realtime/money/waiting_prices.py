"""Warnings about a price that no model has: meant for a future one, or mistyped."""

from __future__ import annotations

from difflib import get_close_matches

from django.db.models import Q
from django.utils.translation import gettext as _

from realtime.models import Price, ToolService, UsageDay, VoiceModel
from realtime.money.prices import matches

CLOSE = 3
"""How many names are suggested for an unknown one."""


def waits(price: Price) -> str:
    """What people should know of a price without a model; "" when it has one."""
    known = _names(price, price.kind)
    if _has(price, known):
        return ""
    said = {"model": price.model, "kind": price.get_kind_display()}
    for other in Price.Kind:
        if _has(price, _names(price, other)):
            words = _("“%(model)s” is known here, but not for %(kind)s: it is for %(other)s.")
            return words % {**said, "other": other.label}
    words = _("No model “%(model)s” is known here: the price is kept for when there is one.")
    close = get_close_matches(price.model, sorted(known), CLOSE)
    if close:
        words += " " + _("Close to it: %(names)s.")
    return words % {**said, "names": ", ".join(close)}


def _has(price: Price, names: set[str]) -> bool:
    return any(matches(price.model, name) for name in names)


def _names(price: Price, kind: str) -> set[str]:
    """The models that the price could be for, and those that were used."""
    models, used = VoiceModel.objects.all(), UsageDay.objects.all()
    if price.provider is not None:
        models = models.filter(provider=price.provider)
        used = used.filter(provider_key=str(price.provider.pk))
    if price.dialect:
        models = models.filter(provider__dialect=price.dialect)
    writing = Q(kind=Price.Kind.TRANSCRIPTION) | Q(corrects=Price.Kind.TRANSCRIPTION)
    if kind == Price.Kind.TRANSCRIPTION:
        names = {name for model in models for name in model.transcription_models}
        used = used.filter(writing)
    else:
        images = ToolService.objects.filter(kind=ToolService.Kind.IMAGES)
        names = {each.name for each in models} | {each.model or each.name for each in images}
        used = used.exclude(writing)
    return names.union(used.values_list("model", flat=True).distinct())
