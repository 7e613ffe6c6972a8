"""The pages of Test connection: for site administrators, and for people with own keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
from asgiref.sync import async_to_sync
from django.contrib.auth.decorators import login_required
from django.http import (
    Http404,
    HttpRequest,
    HttpResponseBase,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.utils.translation import get_language, gettext, override
from django.views.decorators.http import require_http_methods

from chats.asking import person_of
from chats.models import User
from realtime.models import Provider
from realtime.models.providers import model_id
from realtime.providers.availability import allowed_own_providers
from realtime.providers.connection_test import (
    Test,
    TooOften,
    count_for,
    model_of,
    prepare,
    told,
    verdict,
)

LINES = "application/x-ndjson"


@require_http_methods(["GET", "POST"])
@login_required
def provider_test(request: HttpRequest, pk: Any) -> HttpResponseBase:
    """Test an own key of an account the person manages; 404 for everybody else."""
    provider = allowed_own_providers(person_of(request)).filter(pk=pk).first()
    if provider is None:
        raise Http404
    return answer(request, provider, "realtime/provider_test.html", {}, candid=False)


def answer(
    request: HttpRequest,
    provider: Provider,
    template: str,
    context: dict[str, Any],
    *,
    candid: bool,
) -> HttpResponseBase:
    """POST runs the test: its steps as lines of JSON while it runs, or the finished page without
    JavaScript. GET shows the page with its button."""
    person = person_of(request)
    lines = not request.accepts("text/html")
    known = model_id(request.POST.get("model", ""))
    model = model_of(provider) if known is None else model_of(provider, pk=known)
    context = {**context, "provider": provider, "model": model}
    if request.method == "GET":
        return render(request, template, context)
    try:
        count_for(person)
    except TooOften:
        text = gettext("That was tested many times just now. Wait a minute.")
        if lines:
            return JsonResponse({"message": text}, status=429)
        return render(request, template, {**context, "too_often": text}, status=429)
    test = prepare(model)
    if lines:
        response = StreamingHttpResponse(_lines(test, candid, person), content_type=LINES)
        response["Cache-Control"] = "no-store"
        response["X-Accel-Buffering"] = "no"
        return response
    steps = async_to_sync(_all)(test, candid, person)
    context |= {"steps": steps, "works": steps[-1]["ok"], "verdict": verdict(steps[-1]["ok"])}
    return render(request, template, context)


async def _lines(test: Test, candid: bool, user: User) -> AsyncIterator[bytes]:
    language, ok = get_language(), False
    async for step in test.steps(candid=candid, user=user):
        ok = step.ok
        with override(language):
            yield orjson.dumps(told(step)) + b"\n"
    with override(language):
        yield orjson.dumps({"works": ok, "verdict": verdict(ok)}) + b"\n"


async def _all(test: Test, candid: bool, user: User) -> list[dict[str, Any]]:
    return [told(step) async for step in test.steps(candid=candid, user=user)]
