"""Providers, models and allowed endpoints in Django's admin. Keys go in and never come out."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from chats.admin_fields import Autocompletes
from realtime.models import AllowedEndpoint, Provider, VoiceModel
from realtime.models.providers import END_NEAR
from realtime.providers import connection_views
from realtime.providers.describe import end_words
from realtime.providers.forms import AdminProviderForm, dialect_labels, form_data
from realtime.providers.model_forms import ModelSet, VoiceModelForm
from realtime.providers.presets import preset_of


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
    """There is one default among the models that everybody may use: the one just ticked replaces
    the one before, which otherwise might come first by its provider's name."""
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
        words = _("Calls now use “%(model)s” by default, no longer “%(before)s”.")
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
class ProviderAdmin(Autocompletes, admin.ModelAdmin):
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
                _("What else the service needs"),
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

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_http_methods(["GET", "POST"])(self.test_view))
        ours = path("<uuid:pk>/test/", view, name="realtime_provider_test")
        return [ours, *super().get_urls()]

    def test_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
        """Test connection: GET shows the page, POST runs the test."""
        provider = self.get_queryset(request).filter(pk=pk).first()
        if provider is None:
            raise Http404
        if not self.has_change_permission(request, provider):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Test connection"),
            "subtitle": str(provider),
            "opts": self.opts,
        }
        template = "admin/realtime/provider/test.html"
        return connection_views.answer(request, provider, template, context, candid=True)

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


@admin.register(AllowedEndpoint)
class AllowedEndpointAdmin(admin.ModelAdmin):
    list_display = ["__str__", "note", "created"]
    search_fields = ["host", "note"]
