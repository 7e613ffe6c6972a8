"""Which usage a report is about."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import Q, QuerySet

from realtime.models import CallRecord, Usage, UsageDay


@dataclass(frozen=True, slots=True)
class Filters:
    """Which usage to look at; None means any. Both days are included.

    `kind` also finds the corrections of that kind. `provider` is its id as text, "" for rows that
    name none; `call` likewise.
    """

    since: date | None = None
    until: date | None = None
    account: int | None = None
    user: int | None = None
    provider: str | None = None
    model: str | None = None
    kind: str | None = None
    status: str | None = None
    source: str | None = None
    call: uuid.UUID | None = None

    @property
    def of_rows(self) -> bool:
        """Whether only some of a call's rows are wanted, so that calls cannot be counted."""
        return bool(self.kind or self.status or self.source)

    def days(self) -> QuerySet[UsageDay]:
        """The daily sums."""
        q = self._common()
        if self.since:
            q &= Q(day__gte=self.since)
        if self.until:
            q &= Q(day__lte=self.until)
        if self.provider is not None:
            q &= Q(provider_key=self.provider)
        return UsageDay.objects.filter(q).order_by()

    def ledger(self) -> QuerySet[Usage]:
        """The ledger rows."""
        q = self._common() & self._between("created")
        if self.provider is not None:
            q &= Q(provider_id=self.provider or None)
        if self.call is not None:
            q &= Q(call_id=self.call)
        return Usage.objects.filter(q).order_by()

    def calls(self) -> QuerySet[CallRecord]:
        """The calls that began then."""
        q = self._between("started")
        for name, value in (("account_id", self.account), ("user_id", self.user)):
            if value is not None:
                q &= Q(**{name: value or None})
        if self.provider is not None:
            q &= Q(provider_id=self.provider or None)
        if self.model is not None:
            q &= Q(model_name=self.model)
        if self.call is not None:
            q &= Q(pk=self.call)
        return CallRecord.objects.filter(q).order_by()

    def _common(self) -> Q:
        q = Q()
        for name, value in (
            ("account_id", self.account),
            ("user_id", self.user),
            ("model", self.model),
            ("status", self.status or None),
            ("source", self.source or None),
        ):
            if value is not None:
                q &= Q(**{name: value})
        return q & (Q(kind=self.kind) | Q(corrects=self.kind)) if self.kind else q

    def _between(self, column: str) -> Q:
        q = Q()
        if self.since:
            q &= Q(**{f"{column}__gte": midnight(self.since)})
        if self.until:
            q &= Q(**{f"{column}__lt": day_after(self.until)})
        return q


def midnight(day: date) -> datetime:
    """The first moment of a UTC day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def day_after(day: date) -> datetime:
    """The first moment after a UTC day; of the last possible day, its last moment."""
    if day == date.max:
        return datetime.max.replace(tzinfo=UTC)
    return midnight(day + timedelta(days=1))
