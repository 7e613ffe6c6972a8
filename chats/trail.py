"""What is audited automatically: signing in and out, passwords, and everything done in the admin.
Other pages record their events themselves."""

from __future__ import annotations

import json
from typing import Any

from allauth.account import signals as allauth
from django.contrib.admin import AdminSite
from django.contrib.admin.actions import delete_selected as delete_chosen
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth import signals
from django.db.models import QuerySet
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from chats import audit

MOST_NAMED = 200
"""Of things deleted together, this many are named one by one."""


@receiver(signals.user_logged_in)
def _signed_in(request: HttpRequest, user: Any, **_signal: Any) -> None:
    audit.record("user.signed_in", actor=user, request=request)


@receiver(signals.user_logged_out)
def _signed_out(request: HttpRequest, user: Any, **_signal: Any) -> None:
    if user is not None:
        audit.record("user.signed_out", actor=user, request=request)


@receiver(signals.user_login_failed)
def _not_signed_in(
    credentials: dict[str, Any], request: HttpRequest | None = None, **_signal: Any
) -> None:
    tried = credentials.get("username") or credentials.get("email") or ""
    audit.record("user.sign_in_failed", target=tried, request=request)


@receiver([allauth.password_changed, allauth.password_set, allauth.password_reset])
def _new_password(request: HttpRequest, user: Any, **_signal: Any) -> None:
    audit.record("user.password_changed", actor=user, request=request)


@receiver(allauth.user_signed_up)
def _signed_up(request: HttpRequest, user: Any, **_signal: Any) -> None:
    audit.record("user.signed_up", actor=user, request=request)


@receiver([allauth.email_added, allauth.email_changed, allauth.email_removed])
def _other_address(request: HttpRequest, user: Any, **_signal: Any) -> None:
    """An email address is a way to set a new password."""
    audit.record("user.email_changed", actor=user, request=request)


@receiver(post_save, sender=LogEntry)
def _in_admin(instance: LogEntry, created: bool, **_signal: Any) -> None:
    if created:
        did = {ADDITION: "added", CHANGE: "changed"}.get(instance.action_flag, "deleted")
        audit.record(
            f"{_kind(instance)}.{did}",
            actor=instance.user,
            target=instance.object_repr,
            pk=str(instance.object_id),
            **_changes(instance),
        )


def _kind(entry: LogEntry) -> str:
    return entry.content_type.model if entry.content_type else "thing"


def _changes(entry: LogEntry) -> dict[str, Any]:
    """The names of the changed fields; never their values."""
    try:
        changes = json.loads(entry.change_message or "null")
    except ValueError:
        changes = entry.change_message
    return {"changes": changes} if changes else {}


def delete_selected(
    modeladmin: Any, request: HttpRequest, queryset: QuerySet[Any]
) -> TemplateResponse | None:
    """Django's own action, audited here: for several rows at once Django's log sends no signals."""
    names = [(each.pk, str(each)) for each in queryset[:MOST_NAMED]]
    count = queryset.count()
    page: TemplateResponse | None = delete_chosen(modeladmin, request, queryset)
    if page is None and count > 1:
        kind = modeladmin.model._meta.model_name
        for pk, name in names:
            audit.record(
                f"{kind}.deleted",
                actor=request.user,
                target=name,
                request=request,
                pk=str(pk),
                together=count,
            )
    return page


delete_selected.short_description = _("Delete selected %(verbose_name_plural)s")  # type: ignore[attr-defined]
delete_selected.allowed_permissions = ("delete",)  # type: ignore[attr-defined]


def watch(site: AdminSite) -> None:
    """Put the admin's action that deletes several objects on the trail."""
    site.add_action(delete_selected)
