"""The page of personal tokens: make one, see it once, revoke it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from chats import audit
from chats.asking import person_of
from realtime.api.keys import Key
from realtime.api.models import models_of
from realtime.api.token_forms import TokenForm
from realtime.models import ApiToken
from realtime.sealing import seal, unseal

MOST = 100
"""Valid tokens of one person at the same time."""
SHOWN_ONCE = "token_made"
"""In the session, until shown: the key of a new token, and its text, sealed."""


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """The person's tokens. POST makes a new one, whose text the next page shows once."""
    person = person_of(request)
    form = TokenForm(person, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        if ApiToken.objects.valid().filter(user=person).count() < MOST:
            return _make(request, form)
        form.add_error(None, _("You cannot have more tokens. Revoke one first."))
    mine = person.api_tokens.filter(revoked__isnull=True).select_related("model")
    return render(
        request,
        "realtime/tokens/list.html",
        {"form": form, "tokens": mine, "base_url": _base_url(request)},
    )


def _make(request: HttpRequest, form: TokenForm) -> HttpResponse:
    token, raw = form.make()
    audit.record("token.created", actor=token.user, target=token, request=request)
    # A page that answers a form directly would make another token each time it is reloaded.
    request.session[SHOWN_ONCE] = [token.pk, seal(raw, str(token.pk))]
    return redirect("token-made")


@login_required
@never_cache
@require_GET
def made(request: HttpRequest) -> HttpResponse:
    """The text of a new token, shown once; after that, redirects to the tokens."""
    pk, sealed = request.session.pop(SHOWN_ONCE, (None, ""))
    token = person_of(request).api_tokens.filter(pk=pk, revoked__isnull=True).first()
    if token is None:
        return redirect("tokens")
    raw = unseal(sealed, str(token.pk))
    names = list(models_of(Key(token)))
    base_url = _base_url(request)
    context = {
        "token": token,
        "raw": raw,
        "base_url": base_url,
        "ws_url": base_url.replace("http", "ws", 1) + "/realtime",
        # The default comes first; a site without models still gets snippets to fill in.
        "model": names[0] if names else "MODEL",
        "secure": request.is_secure(),
    }
    return render(request, "realtime/tokens/made.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for confirmation, then revoke a token for good."""
    token = get_object_or_404(person_of(request).api_tokens.filter(revoked__isnull=True), pk=pk)
    if request.method != "POST":
        return render(request, "realtime/tokens/revoke.html", {"token": token})
    token.revoke()
    audit.record("token.revoked", actor=token.user, target=token, request=request)
    messages.success(request, _("“%(name)s” is revoked.") % {"name": token.name})
    return redirect("tokens")


def _base_url(request: HttpRequest) -> str:
    return request.build_absolute_uri("/v1")
