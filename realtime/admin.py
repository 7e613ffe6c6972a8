"""Providers, models and calls in Django's admin. Keys go in and never come out."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from chats.admin import ReadOnly
from realtime.models import (
    AccountSettings,
    AllowedEndpoint,
    ApiToken,
    CallRecord,
    ClientSecret,
    Provider,
    VoiceModel,
)


class ProviderForm(forms.ModelForm):
    """A provider with a key that can be set or removed but never read."""

    new_key = forms.CharField(
        label=_("New key"),
        required=False,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("Leave empty to keep the key that is set."),
    )
    remove_key = forms.BooleanField(label=_("Remove the key"), required=False)

    class Meta:
        model = Provider
        fields = ["name", "account", "dialect", "url", "enabled", "allow_private"]

    def clean_new_key(self) -> str:
        key: str = self.cleaned_data["new_key"]
        # Keys travel in headers: anything else would be refused there, with the key in the error.
        if any(not 0x21 <= ord(character) <= 0x7E for character in key):
            raise forms.ValidationError(_("A key has no spaces, line breaks or accented letters."))
        return key


class VoiceModelInline(admin.TabularInline):
    model = VoiceModel
    extra = 0
    fields = ["name", "label", "voices", "transcription_model", "default", "enabled"]


@admin.register(Provider)
class ProviderAdmin(admin.ModelAdmin):
    form = ProviderForm
    list_display = ["name", "account", "dialect", "url", "key_shown", "enabled"]
    list_filter = ["enabled", "dialect", ("account", admin.EmptyFieldListFilter)]
    list_select_related = ["account"]
    search_fields = ["name", "url", "account__name"]
    autocomplete_fields = ["account"]
    readonly_fields = ["key_shown", "created"]
    inlines = [VoiceModelInline]
    fields = [
        "name",
        "account",
        "dialect",
        "url",
        "key_shown",
        "new_key",
        "remove_key",
        "enabled",
        "allow_private",
        "created",
    ]

    @admin.display(description=_("key"))
    def key_shown(self, provider: Provider) -> str:
        if not provider.sealed_key:
            return str(_("none"))
        return f"…{provider.key_end}" if provider.key_end else str(_("set"))

    def save_model(
        self, request: HttpRequest, obj: Provider, form: forms.ModelForm, change: bool
    ) -> None:
        data: dict[str, Any] = form.cleaned_data
        if data.get("remove_key"):
            obj.set_key("")
        elif data.get("new_key"):
            obj.set_key(data["new_key"])
        super().save_model(request, obj, form, change)


@admin.register(VoiceModel)
class VoiceModelAdmin(admin.ModelAdmin):
    list_display = ["__str__", "name", "provider", "default", "enabled"]
    list_filter = ["enabled", "default", "provider"]
    list_select_related = ["provider"]
    search_fields = ["name", "label", "provider__name"]
    autocomplete_fields = ["provider"]


@admin.register(CallRecord)
class CallRecordAdmin(ReadOnly):
    list_display = [
        "started",
        "user",
        "account",
        "provider_name",
        "model_name",
        "state",
        "end_reason",
        "length",
    ]
    list_filter = ["state", "end_reason", "provider_name", "account", "started"]
    list_select_related = ["user", "account"]
    search_fields = ["id", "user__username", "user__email", "conversation__id", "end_detail"]
    date_hierarchy = "started"

    @admin.display(description=_("length"), ordering="duration_ms")
    def length(self, call: CallRecord) -> str:
        seconds = call.duration_ms // 1000
        return f"{seconds // 60}:{seconds % 60:02d}"


@admin.register(AccountSettings)
class AccountSettingsAdmin(admin.ModelAdmin):
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


@admin.register(ClientSecret)
class ClientSecretAdmin(ReadOnly):
    list_display = ["token", "created", "expires"]
    list_select_related = ["token"]
    search_fields = ["token__name", "token__user__username"]
    exclude = ["digest"]
