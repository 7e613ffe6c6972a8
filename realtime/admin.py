"""Providers, models and calls in Django's admin. Keys go in and never come out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from chats import audit
from chats.admin import AccountAdmin, Kept, ReadOnly, UserAdmin
from chats.admin_fields import Autocompletes
from chats.admin_lists import LongList
from chats.models import Account, User
from realtime.ended_by import EndedBy, ended_by
from realtime.live_calls import LiveCalls
from realtime.models import (
    AccountSettings,
    AllowedEndpoint,
    ApiToken,
    CallRecord,
    ClientSecret,
    Provider,
    ToolService,
    VoiceModel,
)
from realtime.models.providers import END_NEAR

# They register themselves.
from realtime.money import admin as money_admin  # noqa: F401
from realtime.providers.connection_admin import ConnectionTestAdmin
from realtime.providers.describe import end_words
from realtime.providers.forms import AdminProviderForm, dialect_labels, form_data
from realtime.providers.model_forms import ModelSet, VoiceModelForm
from realtime.providers.presets import preset_of
from realtime.tools.forms import AccountSettingsForm
from realtime.tools.services import admin as services_admin  # noqa: F401


class EndDate(admin.SimpleListFilter):
    """Models that the provider has switched off, or soon will."""

    title = _("end date")
    parameter_name = "end"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("ended", _("Switched off")),
            ("ending", _("Within 60 days")),
            ("later", _("Later")),
            ("none", _("Not known")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        today = timezone.localdate()
        near = today + END_NEAR
        chosen: dict[str, dict[str, Any]] = {
            "ended": {"ends__lte": today},
            "ending": {"ends__gt": today, "ends__lte": near},
            "later": {"ends__gt": near},
            "none": {"ends__isnull": True},
        }
        return queryset.filter(**chosen.get(self.value() or "", {}))


@admin.action(description=_("Enable"), permissions=["change"])
def enable(modeladmin: Any, request: HttpRequest, queryset: QuerySet) -> None:
    _set_enabled(modeladmin, request, queryset, True)


@admin.action(description=_("Disable: nobody can use them for new calls"), permissions=["change"])
def disable(modeladmin: Any, request: HttpRequest, queryset: QuerySet) -> None:
    _set_enabled(modeladmin, request, queryset, False)


def _set_enabled(modeladmin: Any, request: HttpRequest, queryset: QuerySet, to: bool) -> None:
    count = queryset.update(enabled=to)
    for row in queryset:
        modeladmin.log_change(request, row, [{"changed": {"fields": ["enabled"]}}])
    modeladmin.message_user(request, _("%(count)d changed.") % {"count": count})


def _make_default(modeladmin: Any, request: HttpRequest, form: Any) -> None:
    """Of the models that everybody may use one is the default: what was just ticked takes the place
    of the one before, which by its provider's name might go first."""
    model = form.instance
    if not model.default or "default" not in form.changed_data:
        return
    for_all = VoiceModel.objects.filter(
        provider__account=None, provider__accounts=None, provider__enabled=True, enabled=True
    )
    if not for_all.filter(pk=model.pk).exists():
        return
    for before in for_all.filter(default=True).exclude(pk=model.pk):
        before.default = False
        before.save(update_fields=["default"])
        modeladmin.log_change(request, before, [{"changed": {"fields": ["default"]}}])
        words = _("Calls take “%(model)s” now unless told otherwise, “%(before)s” no more.")
        modeladmin.message_user(request, words % {"model": model, "before": before})


MODEL_PARTS: Any = (
    (None, {"fields": [("name", "label"), ("default", "enabled"), "voices"]}),
    (
        _("What it can do"),
        {
            "classes": ["collapse"],
            "fields": [
                "turn_detection",
                "abilities",
                "noise_reduction",
                "transcription_model",
                "transcription_models",
                "languages",
                ("slowest", "fastest"),
                "max_output_tokens",
                ("context_tokens", "ends"),
                "instructions",
            ],
        },
    ),
)


class VoiceModelInline(admin.StackedInline):
    model = VoiceModel
    form = VoiceModelForm
    formset = ModelSet
    extra = 0
    fieldsets = MODEL_PARTS


@admin.register(Provider)
class ProviderAdmin(Autocompletes, ConnectionTestAdmin, admin.ModelAdmin):
    form = AdminProviderForm
    change_form_template = "admin/realtime/provider/change_form.html"
    list_display = [
        "name",
        "enabled",
        "whose",
        "models_shown",
        "dialect_shown",
        "host",
        "key_shown",
    ]
    list_filter = ["enabled", "own", "dialect", ("account", admin.EmptyFieldListFilter)]
    list_select_related = ["account"]
    search_fields = ["name", "url", "account__name", "models__name"]
    autocomplete_fields = ["account", "accounts"]
    readonly_fields = ["key_shown", "created"]
    inlines = [VoiceModelInline]
    actions = [enable, disable]

    def get_fieldsets(self, request: HttpRequest, obj: Provider | None = None) -> Any:
        key = ["new_key"] if obj is None else ["key_shown", "new_key"]
        if obj is not None and obj.sealed_key:
            key.append("remove_key")
        service = ["preset"] if obj is None else []
        chosen = ["models_of_preset"] if obj is None else []
        return [
            (None, {"fields": [*service, "name", "url", "dialect", *key, *chosen]}),
            (
                _("What else the service asks for"),
                {
                    "classes": ["collapse"],
                    "fields": [
                        "organization",
                        "project",
                        "workspace",
                        "deployment",
                        "api_version",
                        "extra_headers",
                        "extra_query",
                    ],
                },
            ),
            (
                _("Who may use it"),
                {"fields": ["account", "accounts", "enabled", "allow_private"]},
            ),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        queryset: QuerySet[Provider] = super().get_queryset(request)
        return queryset.prefetch_related("models")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        preset = preset_of(request.GET.get("preset", ""), inside=True)
        return initial | (preset.initial() if preset else {})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context |= form_data(inside=True)
        answer: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return answer

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        form.add_models()
        for model_form in (each for formset in formsets for each in formset.forms):
            _make_default(self, request, model_form)
        if not form.instance.models.exists():
            self.message_user(
                request,
                _("This provider has no model yet: nobody can choose it until one is added."),
                messages.WARNING,
            )

    @admin.display(description=_("host"), ordering="url")
    def host(self, provider: Provider) -> str:
        return urlsplit(provider.url).netloc or provider.url

    @admin.display(description=_("key"))
    def key_shown(self, provider: Provider) -> str:
        if not provider.sealed_key:
            return str(_("none"))
        key = f"…{provider.key_end}" if provider.key_end else str(_("set"))
        return str(_("%(key)s, refused") % {"key": key}) if provider.key_refused_at else key

    @admin.display(description=_("whose"), ordering="account")
    def whose(self, provider: Provider) -> str:
        if provider.account is None:
            return str(_("the site"))
        if provider.own:
            return str(_("%(account)s, own key") % {"account": provider.account})
        return str(provider.account)

    @admin.display(description=_("protocol"), ordering="dialect")
    def dialect_shown(self, provider: Provider) -> str:
        return dict(dialect_labels()).get(provider.dialect, provider.dialect)

    @admin.display(description=_("models"))
    def models_shown(self, provider: Provider) -> str:
        models = list(provider.models.all())
        states = [model.end_state() for model in models if model.enabled]
        words = [str(len(models))]
        if count := states.count("ended"):
            words.append(str(_("%(count)d switched off") % {"count": count}))
        if count := states.count("ending"):
            words.append(str(_("%(count)d ending soon") % {"count": count}))
        return ", ".join(words)


@admin.register(VoiceModel)
class VoiceModelAdmin(Autocompletes, admin.ModelAdmin):
    form = VoiceModelForm
    list_display = ["__str__", "name", "provider", "end_shown", "default", "enabled"]
    list_filter = [EndDate, "enabled", "default", "provider"]
    list_select_related = ["provider"]
    search_fields = ["name", "label", "provider__name"]
    autocomplete_fields = ["provider"]
    readonly_fields = ["end_shown"]
    actions = [enable, disable]

    def get_fieldsets(self, request: HttpRequest, obj: VoiceModel | None = None) -> Any:
        flag = ["end_shown"] if obj is not None and obj.end_state() else []
        return [(None, {"fields": ["provider", *flag]}), *MODEL_PARTS]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        _make_default(self, request, form)

    @admin.display(description=_("end"), ordering="ends")
    def end_shown(self, model: VoiceModel) -> str:
        return end_words(model) or (date_format(model.ends) if model.ends else "")


@admin.register(CallRecord)
class CallRecordAdmin(LiveCalls, Kept, LongList):
    """A running call is found and ended by its row; the day's minutes and reports count those that
    are over."""

    list_display = [
        "started",
        "user",
        "account",
        "provider_name",
        "model_name",
        "state",
        "ended_by",
        "length",
    ]
    list_filter = ["state", EndedBy, "started"]
    list_select_related = ["user", "account"]
    search_fields = ["id", "user__username", "user__email", "conversation__id", "end_detail"]
    date_hierarchy = "started"
    fields = [
        "conversation",
        ("user", "account"),
        ("provider", "token"),
        ("provider_name", "model_name"),
        "state",
        ("ended_by", "end_detail"),
        ("started", "connected", "ended"),
        ("duration_ms", "spoken_ms", "answered_ms"),
        ("worker", "heartbeat"),
    ]
    readonly_fields = ["ended_by"]

    @admin.display(description=_("ended by"), ordering="end_reason")
    def ended_by(self, call: CallRecord) -> str:
        return ended_by(call.end_reason)

    @admin.display(description=_("length"), ordering="duration_ms")
    def length(self, call: CallRecord) -> str:
        seconds = call.duration_ms // 1000
        return f"{seconds // 60}:{seconds % 60:02d}"


@admin.register(AccountSettings)
class AccountSettingsAdmin(Autocompletes, admin.ModelAdmin):
    form = AccountSettingsForm
    list_display = ["account", "own_providers", "default_model"]
    list_filter = ["own_providers"]
    list_select_related = ["account", "default_model"]
    search_fields = ["account__name"]
    autocomplete_fields = ["account", "default_model"]


@admin.register(AllowedEndpoint)
class AllowedEndpointAdmin(admin.ModelAdmin):
    list_display = ["__str__", "note", "created"]
    search_fields = ["host", "note"]


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


# `chats` knows nothing of calls, so what admins decide about them, and what of them goes with a
# person or an account, is added to its pages here.
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
    """How many tokens, providers and tool services are deleted with accounts, by their names for
    people. `tokens`: those of people who go."""
    providers = Provider.objects.filter(account__in=accounts)
    gone: list[QuerySet[Any]] = [
        ApiToken.objects.filter(tokens | Q(model__provider__in=providers)),
        providers,
        ToolService.objects.filter(account__in=accounts),
    ]
    return {str(each.model._meta.verbose_name_plural): each.count() for each in gone}
