"""Which models a person may use, whose keys they may manage, and who pays.

A person sees the models of the site's providers (all, or those meant for one of their accounts) and
of the providers of all accounts they are in, their own among them: see
`VoiceModel.objects.available_to`. Which account a conversation belongs to does not matter for that.

Who pays (`payer`): a call over an account's own provider is paid by that account, whose key is
charged; a call over one of the site's providers by the conversation's account. So somebody in
several accounts chooses when they begin a conversation, and a team's managers see every use of the
team's key.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from django.conf import settings
from django.db.models import BigIntegerField, Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from chats.asking import about, person_of
from chats.models import Account, Membership, User
from realtime.models import AccountSettings, Provider, VoiceModel
from realtime.models.providers import model_id, own_allowed
from realtime.prepared import Given, Prepared

PK = BigIntegerField()
ANYBODY = User(pk=Given("user", PK))

_settings_of = Prepared(lambda: AccountSettings.objects.filter(account=Given("account", PK)))
_known = Prepared(
    lambda: VoiceModel.objects.filter(pk__in=Given("pks", PK, many=True)).select_related("provider")
)


# Their SQL depends on the setting that `own_allowed` reads.
@cache
def _all(own_providers: str) -> Prepared[VoiceModel]:
    models = VoiceModel.objects
    return Prepared(lambda: models.available_to(ANYBODY).select_related("provider__account"))


@cache
def _one(own_providers: str) -> Prepared[VoiceModel]:
    models = VoiceModel.objects.filter(pk=Given("model", PK))
    return Prepared(lambda: models.available_to(ANYBODY).select_related("provider__account"))


@cache
def _people(own_providers: str) -> Prepared[tuple[int]]:
    # They are referred to in subqueries of a subquery.
    each = User(pk=OuterRef(OuterRef("pk")))
    models = VoiceModel.objects.filter(pk=Given("model", PK))
    people = User.objects.filter(pk__in=Given("people", PK, many=True), is_active=True)
    return Prepared(
        lambda: people.filter(Exists(models.available_to(each))).values_list("pk").order_by()
    )


def account_settings(account: Account) -> AccountSettings:
    """What was decided about an account's calls; the defaults, unsaved, when nothing was."""
    return _settings_of.first(account=account.pk) or AccountSettings(account=account)


def model_of(user: User, pk: int) -> VoiceModel | None:
    """The model, if the person may use it; with its provider and that one's account."""
    return _one(settings.OWN_PROVIDERS).first(user=user.pk, model=pk) if user.is_active else None


def models_by_id(pks: Collection[int]) -> dict[int, VoiceModel]:
    """These models with their providers, whoever may use them."""
    return {model.pk: model for model in _known.all(pks=pks)}


def who_may_use(model_pk: int, people: Collection[int]) -> set[int]:
    """Which of these people may use a model."""
    found = _people(settings.OWN_PROVIDERS).all(model=model_pk, people=people)
    return {pk for (pk,) in found}


def payer(model: VoiceModel, account: Account) -> Account:
    """The account that pays for a call over `model` in a conversation of `account`."""
    return model.provider.account or account


def default_model(user: User, account: Account) -> VoiceModel | None:
    """The model of a call in a conversation of `account` when none was chosen: the person's
    default, otherwise the account's, otherwise the site's."""
    if not user.is_active:
        return None
    found = {model.pk: model for model in _all(settings.OWN_PROVIDERS).all(user=user.pk)}
    usual = model_id(user.call_settings.get("model"))
    if usual in found:
        return found[usual]
    usual = account_settings(account).default_model_id
    return found[usual] if usual in found else next(iter(found.values()), None)


def models_for(account: Account) -> QuerySet[VoiceModel]:
    """Models that all members of an account may use because they are members."""
    for_some = Provider.objects.filter(accounts__isnull=False).values("pk")
    for_this = Provider.objects.filter(accounts=account).values("pk")
    of_site = Q(provider__account__isnull=True) & (
        ~Q(provider__in=for_some) | Q(provider__in=for_this)
    )
    of_account = Q(provider__account=account) & own_allowed("provider__")
    return (
        VoiceModel.objects.filter(of_site | of_account, enabled=True, provider__enabled=True)
        .select_related("provider")
        .order_by("provider__name", "name")
    )


def managed_accounts(user: User) -> QuerySet[Account]:
    """Accounts whose providers the person may manage, their own first."""
    if not user.is_active:
        return Account.objects.none()
    managed = Membership.objects.filter(user=user, role=Membership.Role.MANAGER)
    return Account.objects.of(user).filter(pk__in=managed.values("account"))


def managed_account(request: HttpRequest, slug: str) -> Account:
    """The account of this slug, if the person may manage its providers. Raises Http404."""
    account = get_object_or_404(managed_accounts(person_of(request)), slug=slug)
    about(account=account.pk)
    return account


def own_providers(user: User) -> QuerySet[Provider]:
    """Own keys that the person may manage, forbidden ones included: those can still be removed."""
    return Provider.objects.filter(own=True, account__in=managed_accounts(user).values("pk"))


def allowed_own_providers(user: User) -> QuerySet[Provider]:
    """Own keys that the person may manage and that the site's admins allow."""
    return own_providers(user).filter(own_allowed())


def may_bring_keys(account: Account) -> bool:
    """Whether the site's admins let this account bring keys of its own."""
    kind = "personal" if account.owner_id else "accounts"
    if settings.OWN_PROVIDERS not in ("all", kind):
        return False
    return not AccountSettings.objects.filter(account=account, own_providers=False).exists()
