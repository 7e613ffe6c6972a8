"""The pages of providers: what one may use, and keys that a person or a team brings.

A member sees which models there are. An account's managers (everybody, of their own account) see
and change its own keys, which reach public addresses only. What one may not manage is 404.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.forms import inlineformset_factory
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chats import audit
from chats.asking import about, person_of
from chats.models import Account, User
from realtime.models import AccountSettings, Provider, VoiceModel
from realtime.models.providers import model_id
from realtime.providers.availability import (
    allowed_own_providers,
    managed_account,
    managed_accounts,
    may_bring_keys,
    models_for,
    own_providers,
)
from realtime.providers.describe import Card, cards
from realtime.providers.forms import OwnProviderForm, form_data
from realtime.providers.model_forms import ModelSet, OwnModelForm
from realtime.providers.presets import preset_of

MOST_PER_ACCOUNT = 50
OwnModelSet = inlineformset_factory(
    Provider, VoiceModel, OwnModelForm, ModelSet, extra=1, max_num=100, absolute_max=100
)


@dataclass(frozen=True)
class Row:
    """A provider on the page. `yours`: the person may manage it; `usable`: it is on and allowed."""

    provider: Provider
    cards: list[Card]
    yours: bool
    usable: bool


@dataclass(frozen=True)
class Section:
    """The providers of one account; `account` is None for those of the site."""

    account: Account | None
    rows: list[Row]
    manages: bool = False
    may_bring: bool = False
    choices: tuple[tuple[int, str], ...] = ()
    default: int | None = None


@login_required
def providers(request: HttpRequest) -> HttpResponse:
    """Everything the person may use, account by account."""
    person = person_of(request)
    available = list(VoiceModel.objects.available_to(person))
    managed = set(managed_accounts(person).values_list("pk", flat=True))
    sections = [
        _section(person, account, available, manages=account.pk in managed)
        for account in Account.objects.of(person)
    ]
    site = _rows([model for model in available if model.provider.account_id is None])
    return render(
        request,
        "realtime/providers/list.html",
        {"sections": sections, "site": Section(None, site) if site else None},
    )


@login_required
def add(request: HttpRequest, slug: str) -> HttpResponse:
    """A new provider for an account; `?preset=` fills the form."""
    account = managed_account(request, slug)
    if not may_bring_keys(account):
        raise Http404
    if Provider.objects.filter(account=account, own=True).count() >= MOST_PER_ACCOUNT:
        messages.error(request, _("You cannot have more providers. Delete one first."))
        return redirect("providers")
    preset = preset_of(request.GET.get("preset", ""), inside=False)
    return _edit(request, Provider(account=account, own=True), preset.initial() if preset else {})


@login_required
def change(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """An own key and its models."""
    provider = get_object_or_404(allowed_own_providers(person_of(request)), pk=pk)
    return _edit(request, provider, {})


@login_required
def delete(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask, then remove an own key for good, even one that admins have forbidden since."""
    provider = get_object_or_404(own_providers(person_of(request)), pk=pk)
    if request.method != "POST":
        return render(request, "realtime/providers/delete.html", {"provider": provider})
    _audit(request, "provider.deleted", provider)
    provider.delete()
    messages.success(request, _("“%(name)s” and its key were deleted.") % {"name": provider})
    return redirect("providers")


@login_required
@require_POST
def enable(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Switch an own key on with the posted `enabled`, off without it."""
    provider = get_object_or_404(allowed_own_providers(person_of(request)), pk=pk)
    provider.enabled = bool(request.POST.get("enabled"))
    provider.save(update_fields=["enabled"])
    _audit(request, "provider.changed", provider, enabled=provider.enabled)
    said = _("“%(name)s” can be used.") if provider.enabled else _("“%(name)s” is switched off.")
    messages.success(request, said % {"name": provider})
    return redirect("providers")


@login_required
@require_POST
def default(request: HttpRequest, slug: str) -> HttpResponse:
    """Make the posted `model` the default of an account's calls; empty leaves it to the site."""
    account = managed_account(request, slug)
    wanted = request.POST.get("model", "")
    model = get_object_or_404(models_for(account), pk=model_id(wanted)) if wanted else None
    AccountSettings.objects.update_or_create(account=account, defaults={"default_model": model})
    audit.record(
        "account.default_changed",
        actor=request.user,
        account=account,
        target=model,
        request=request,
    )
    messages.success(request, _("New calls use it unless another one is chosen."))
    return redirect("providers")


def _edit(request: HttpRequest, provider: Provider, initial: dict[str, Any]) -> HttpResponse:
    about(account=provider.account_id)
    data = request.POST if request.method == "POST" else None
    is_new = provider._state.adding
    form = OwnProviderForm(data, instance=provider, initial=initial)
    models = OwnModelSet(data, instance=provider, prefix="models")
    # Both, so that all errors are shown at once.
    if data is not None and all([form.is_valid(), models.is_valid()]):
        with transaction.atomic():
            form.save()
            models.save()
            form.add_models()
        changed = [*form.changed_data, *(["models"] if models.has_changed() else [])]
        _audit(
            request, "provider.added" if is_new else "provider.changed", provider, fields=changed
        )
        _tell_saved(request, provider)
        return redirect("providers")
    context = {"form": form, "models": models, "provider": provider, "is_new": is_new}
    return render(request, "realtime/providers/form.html", context | form_data(inside=False))


def _audit(request: HttpRequest, action: str, provider: Provider, **detail: Any) -> None:
    account = provider.account
    audit.record(
        action, actor=request.user, account=account, target=provider, request=request, **detail
    )


def _tell_saved(request: HttpRequest, provider: Provider) -> None:
    name = {"name": provider}
    if provider.models.exists():
        messages.success(request, _("“%(name)s” was saved.") % name)
    else:
        messages.warning(
            request, _("“%(name)s” was saved, but nobody can use it until it has a model.") % name
        )


def _section(
    person: User, account: Account, available: list[VoiceModel], *, manages: bool
) -> Section:
    models = [model for model in available if model.provider.account_id == account.pk]
    if not manages:
        return Section(account, _rows(models))
    usable = {model.provider_id for model in models}
    own = own_providers(person).filter(account=account).prefetch_related("models")
    rows = [
        Row(provider, cards(provider.models.all()), True, provider.pk in usable) for provider in own
    ]
    given = [model for model in models if not model.provider.own]
    settings = AccountSettings.objects.filter(account=account).first()
    return Section(
        account,
        [*rows, *_rows(given)],
        manages=True,
        may_bring=may_bring_keys(account),
        choices=tuple((model.pk, f"{model} · {model.provider}") for model in models_for(account)),
        default=settings.default_model_id if settings else None,
    )


def _rows(models: list[VoiceModel]) -> list[Row]:
    """The providers of `models`, with only these."""
    found: dict[uuid.UUID, Row] = {}
    for model, card in zip(models, cards(models), strict=True):
        row = found.setdefault(model.provider_id, Row(model.provider, [], False, True))
        row.cards.append(card)
    return sorted(found.values(), key=lambda row: row.provider.name.lower())
