"""Which models a person may use, whose keys they may manage, and who pays.

A person sees the models of the site's providers (all, or those meant for one of their accounts) and
of the providers of every account they are in, their own among them: see
`VoiceModel.objects.available_to`. It does not matter for that which account a conversation is in.

Who pays (`payer`): a call over an account's own provider is that account's, whose key is charged;
a call over a provider of the site is the conversation's account's. So somebody in several accounts
decides by the account they begin a conversation for, and a team's managers see every use of the
team's key.
"""

from __future__ import annotations

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from chats.asking import about
from chats.models import Account, Membership, User
from realtime.models import AccountSettings, Provider, VoiceModel
from realtime.models.providers import model_id, own_allowed


def payer(model: VoiceModel, account: Account) -> Account:
    """The account that a call over `model` in a conversation of `account` is counted to."""
    return model.provider.account or account


def default_model(user: User, account: Account) -> VoiceModel | None:
    """What a call in a conversation of `account` takes when nothing was chosen: the person's
    usual model, else the account's, else the site's."""
    available = VoiceModel.objects.available_to(user)
    wanted = [
        model_id(user.call_settings.get("model")),
        AccountSettings.objects.filter(account=account)
        .values_list("default_model", flat=True)
        .first(),
    ]
    found = {model.pk: model for model in available}
    for pk in wanted:
        if pk in found:
            return found[pk]
    return next(iter(found.values()), None)


def models_for(account: Account) -> QuerySet[VoiceModel]:
    """Models that every member of an account may use, as far as the account gives them."""
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
    assert isinstance(request.user, User)
    account = get_object_or_404(managed_accounts(request.user), slug=slug)
    about(account=account.pk)
    return account


def own_providers(user: User) -> QuerySet[Provider]:
    """Own keys that the person may manage, forbidden ones too: those can still be removed."""
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
