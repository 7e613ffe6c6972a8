"""What ended a call, in words for who looks at other people's calls."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from realtime.bridge.ends import ENDS

WORDS = {
    # What `ENDS` says of these is for the person who was in the call.
    "hang_up": _("It was hung up."),
    "signed_out": _("The person was signed out."),
    "slow_reader": _("The person's connection was too slow for it."),
    "internal_error": _("Something went wrong in this site."),
    # What the janitor found.
    "process_died": _("The process that it ran in died."),
}


def ended_by(reason: str) -> str:
    """What ended a call; the reason itself where it is of a version that knew another one."""
    if reason in WORDS:
        return str(WORDS[reason])
    return gettext(ENDS[reason].message) if reason in ENDS else reason


class EndedBy(admin.SimpleListFilter):
    """Calls that ended for one reason."""

    title = _("ended by")
    parameter_name = "end_reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(reason, ended_by(reason)) for reason in dict.fromkeys((*ENDS, *WORDS))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(end_reason=self.value()) if self.value() else queryset
