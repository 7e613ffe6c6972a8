"""Autocomplete fields for the admin's forms."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.widgets import (
    AutocompleteMixin,
    AutocompleteSelect,
    AutocompleteSelectMultiple,
)
from django.core.exceptions import ValidationError
from django.db.models import ForeignKey, ManyToManyField
from django.forms import ModelMultipleChoiceField
from django.http import HttpRequest


class _Known(AutocompleteMixin):
    """Ignores values that cannot be ids; Django's own widget queries the database with them and
    fails."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        field: Any = self.field
        known = [each for each in value if _may_be(field.remote_field.model, each)]
        return super().optgroups(name, known, attr)


class _One(_Known, AutocompleteSelect):
    pass


class _Several(_Known, AutocompleteSelectMultiple):
    pass


def _may_be(model: Any, value: str) -> bool:
    try:
        model._meta.pk.clean(value, None)
    except ValidationError:
        return False
    return True


class _Choices(ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Rejects values that cannot be ids, such as numbers too large for the database. Django's own
    field queries the database with them and fails."""

    def clean(self, value: Any) -> Any:
        choices: Any = self.queryset
        wrong = [each for each in value or () if not _may_be(choices.model, each)]
        if wrong:
            text = self.error_messages["invalid_pk_value"]
            raise ValidationError(text, code="invalid_pk_value", params={"pk": wrong[0]})
        return super().clean(value)


class Autocompletes(BaseModelAdmin):  # type: ignore[type-arg]
    """Gives `autocomplete_fields` widgets that treat nonsense in a hand-made form as a wrong
    choice."""

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", _One(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", _Several(db_field, self.admin_site))
            kwargs.setdefault("form_class", _Choices)
        return super().formfield_for_manytomany(db_field, request, **kwargs)
