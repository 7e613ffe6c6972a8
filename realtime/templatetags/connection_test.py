"""`{% connection_test provider %}`: the button that tests a provider, and where the steps go."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import RequestContext
from django.urls import reverse

from realtime.models import Provider
from realtime.providers.connection_test import model_of

register = template.Library()


@register.inclusion_tag("realtime/_connection_test.html", takes_context=True)
def connection_test(
    context: RequestContext, provider: Provider, where: str = "provider-test"
) -> dict[str, Any]:
    """`where`: the URL name of the test's view. Steps of a test that was run are taken from the
    page's `steps`, `works` and `verdict`."""
    chosen = context.get("model") or model_of(provider)
    names = ("steps", "works", "verdict", "too_often", "csrf_token")
    return {
        **{name: context.get(name) for name in names},
        "url": reverse(where, args=[provider.pk]),
        "models": list(provider.models.order_by("-default", "-enabled", "name")),
        "chosen": chosen,
    }
