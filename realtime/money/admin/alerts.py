"""Budget alerts and the notices they gave, in Django's admin. Secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chats.admin import ReadOnly
from chats.admin_fields import Autocompletes
from realtime.bridge.guard import Forbidden
from realtime.models import BudgetAlert, BudgetNotice
from realtime.money.alerts import budget_of, recipients, send_again
from realtime.providers import endpoints

SHORTEST_SECRET = 16


class AlertForm(forms.ModelForm):
    new_secret = forms.CharField(
        label=_("Signing secret"),
        required=False,
        min_length=SHORTEST_SECRET,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Webhooks are signed with it. Empty keeps the one there is."),
    )

    class Meta:
        model = BudgetAlert
        fields = "__all__"

    def clean_webhook_url(self) -> str:
        url: str = self.cleaned_data["webhook_url"].strip()
        try:
            if url and not endpoints.vouched_url(url):
                endpoints.check_outside(url, ("http", "https"))
        except Forbidden:
            raise forms.ValidationError(
                _(
                    "Only public addresses with https:// on port 443 can be used. Add the host and "
                    "port of another one under Allowed endpoints first."
                )
            ) from None
        return url

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        new = data.get("new_secret")
        missing = not new and not self.instance.sealed_secret and "new_secret" not in self.errors
        if data.get("webhook_url") and missing:
            self.add_error("new_secret", _("A webhook needs a secret to sign with."))
        if new:
            self.instance.set_secret(new)
        return data


class NoticeInline(admin.TabularInline):
    model = BudgetNotice
    extra = 0
    max_num = 0
    can_delete = False
    readonly_fields = [
        "period_began",
        "level",
        "channel",
        "spent",
        "budget",
        "state",
        "attempts",
        "error",
    ]
    fields: ClassVar[Any] = readonly_fields
    ordering = ["-created"]

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False


@admin.register(BudgetAlert)
class BudgetAlertAdmin(Autocompletes, admin.ModelAdmin):
    form = AlertForm
    list_display = ["__str__", "amount", "levels", "webhook_shown", "enabled", "last"]
    list_filter = ["enabled", "period"]
    list_select_related = ["account", "user"]
    search_fields = ["account__name", "user__username", "emails"]
    autocomplete_fields = ["account", "user"]
    inlines = [NoticeInline]
    fields = [
        "account",
        "user",
        ("period", "amount", "levels"),
        "emails",
        "webhook_url",
        "new_secret",
        "enabled",
    ]

    def save_model(self, request: Any, obj: BudgetAlert, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        for words in _in_vain(obj):
            self.message_user(request, words, messages.WARNING)

    @admin.display(description=_("webhook"), boolean=True)
    def webhook_shown(self, alert: BudgetAlert) -> bool:
        return bool(alert.webhook_url)

    @admin.display(description=_("last notice"))
    def last(self, alert: BudgetAlert) -> str:
        notice = alert.notices.first()
        if notice is None:
            return str(_("none yet"))
        return f"{notice.level} % · {notice.period_began} · {notice.get_state_display()}"


def _in_vain(alert: BudgetAlert) -> Iterator[Any]:
    """Why nobody would be told as things are, in words."""
    if not budget_of(alert):
        yield _("It has no budget yet: enter one here, or set a money limit in a quota.")
    if alert.webhook_url and not alert.emails.strip():
        return  # nothing is mailed
    if not settings.SENDS_MAIL:
        yield _("No email is sent until EMAIL_URL names a mail server.")
    elif not recipients(alert):
        yield _("Nobody it is for has an email address: enter one here, or a webhook.")


@admin.register(BudgetNotice)
class BudgetNoticeAdmin(ReadOnly):
    list_display = ["alert", "level", "period_began", "channel", "state", "attempts", "error"]
    list_filter = ["state", "channel", "period_began"]
    list_select_related = ["alert__account", "alert__user"]
    date_hierarchy = "created"
    actions = ["send_again"]

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("realtime.change_budgetalert")

    @admin.action(description=_("Send the selected unsent notices again"), permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[BudgetNotice]) -> None:
        count = {"count": send_again(queryset, timezone.now())}
        self.message_user(request, _("%(count)d are tried again within a minute.") % count)
