"""Accounts, people and tokens in Django's admin, and the admin modules of the other packages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from chats import audit
from chats.admin import AccountAdmin, ReadOnly, UserAdmin
from chats.admin_fields import Autocompletes
from chats.models import Account, User

# These register themselves.
from realtime.calls import admin as calls_admin  # noqa: F401
from realtime.models import AccountSettings, ApiToken, ClientSecret, Provider, ToolService
from realtime.money import admin as money_admin  # noqa: F401
from realtime.providers import admin as providers_admin  # noqa: F401
from realtime.tools.forms import AccountSettingsForm
from realtime.tools.services import admin as services_admin  # noqa: F401


@admin.register(AccountSettings)
class AccountSettingsAdmin(Autocompletes, admin.ModelAdmin):
    form = AccountSettingsForm
    list_display = ["account", "own_providers", "default_model"]
    list_filter = ["own_providers"]
    list_select_related = ["account", "default_model"]
    search_fields = ["account__name"]
    autocomplete_fields = ["account", "default_model"]


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnly):
    list_display = ["name", "start", "user", "record", "last_used", "expires", "revoked"]
    list_filter = [("revoked", admin.EmptyFieldListFilter), "record", "created"]
    list_select_related = ["user"]
    search_fields = ["name", "start", "user__username", "user__email"]
    actions = ["revoke"]
    exclude = ["digest"]

    @admin.action(description=_("Revoke the selected tokens"), permissions=["delete"])
    def revoke(self, request: HttpRequest, queryset: QuerySet) -> None:
        for token in queryset:
            token.revoke()
            audit.record("token.revoked", actor=request.user, target=token, request=request)


@admin.register(ClientSecret)
class ClientSecretAdmin(ReadOnly):
    list_display = ["token", "created", "expires"]
    list_select_related = ["token"]
    search_fields = ["token__name", "token__user__username"]
    exclude = ["digest"]


class AccountSettingsInline(Autocompletes, admin.StackedInline):
    model = AccountSettings
    form = AccountSettingsForm
    autocomplete_fields = ["default_model"]
    can_delete = False


# `chats` knows nothing of calls, so its pages get the rest here: what admins decide about calls,
# and what is deleted along with a person or an account.
admin.site.unregister([User, Account])


@admin.register(User)
class PersonAdmin(UserAdmin):
    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        names, counts, *rest = super().get_deleted_objects(objs, request)
        gone = _gone_with(Q(user__in=objs), Account.objects.filter(owner__in=objs))
        return names, counts | gone, *rest


@admin.register(Account)
class AccountCallsAdmin(AccountAdmin):
    inlines = [*AccountAdmin.inlines, AccountSettingsInline]

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        names, counts, *rest = super().get_deleted_objects(objs, request)
        return names, counts | _gone_with(Q(), list(objs)), *rest


def _gone_with(tokens: Q, accounts: Iterable[Account]) -> dict[str, int]:
    """How many tokens, providers and tool services are deleted along with accounts, by their names
    for people. `tokens`: those of the people who are deleted."""
    providers = Provider.objects.filter(account__in=accounts)
    gone: list[QuerySet[Any]] = [
        ApiToken.objects.filter(tokens | Q(model__provider__in=providers)),
        providers,
        ToolService.objects.filter(account__in=accounts),
    ]
    return {str(each.model._meta.verbose_name_plural): each.count() for each in gone}
