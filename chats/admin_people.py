"""The rules for people in the admin: only superusers grant rights or change anybody who has some,
somebody can always administer the site, and nobody loses their own account."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.core.exceptions import ValidationError
from django.db.models import F, Q, QuerySet
from django.forms import BaseInlineFormSet, ModelForm
from django.utils.translation import gettext_lazy as _

from chats.models import Membership, User

ADMIN_FLAGS = ("is_active", "is_staff", "is_superuser")
RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")
"""Rights that only a superuser may grant and revoke."""
LAST_ADMIN = _(
    "Nobody else could administer this site: first make another active person staff and superuser."
)

OWN_ACCOUNT = _(
    "%(person)s owns this account and stays its manager: otherwise they would lose everything they "
    "said there."
)


def may_touch(who: Any, person: User | None) -> bool:
    """Whether somebody may change or delete a person. Staff and superusers can be changed by
    superusers and by themselves only: setting somebody's password gives you all their rights."""
    if person is None or who.is_superuser or person == who:
        return True
    return not (person.is_staff or person.is_superuser)


def touchable(who: Any) -> QuerySet[User]:
    """The people whom somebody may change, as `may_touch` says."""
    plain = Q(is_staff=False, is_superuser=False)
    return User.objects.all() if who.is_superuser else User.objects.filter(plain | Q(pk=who.pk))


def are_last_admins(people: QuerySet[User]) -> bool:
    """Whether nobody could administer the site without these people, though somebody can now."""
    admins = User.admins()
    others = admins.exclude(pk__in=people.values("pk"))
    return admins.filter(pk__in=people.values("pk")).exists() and not others.exists()


def own_places(places: QuerySet[Membership]) -> list[str]:
    """Reasons why memberships of people in their own accounts must stay, one text each."""
    own = places.filter(account__owner=F("user")).select_related("user")
    return [str(OWN_ACCOUNT) % {"person": each.user} for each in own]


class PlaceForm(ModelForm):  # type: ignore[type-arg]
    """Changes a membership."""

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.instance.pk and self.has_changed() and not data.get("DELETE"):
            _refuse_own([self.instance.pk])
        return data


class PlacesFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    """The memberships of a person, or of an account."""

    def clean(self) -> None:
        super().clean()
        _refuse_own([form.instance.pk for form in self.deleted_forms])


def _refuse_own(keys: list[int]) -> None:
    if told := own_places(Membership.objects.filter(pk__in=keys)):
        raise ValidationError(told)


class _OwnAddress:
    """Form mixin: an email address belongs to one person, whatever its case. It is kept in lower
    case, as signing in looks for it."""

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].lower()  # type: ignore[attr-defined]
        theirs = Q(email__iexact=email) | Q(emailaddress__email__iexact=email)
        others = User.objects.filter(theirs).exclude(pk=self.instance.pk)  # type: ignore[attr-defined]
        if email and "email" in self.changed_data and others.exists():  # type: ignore[attr-defined]
            raise ValidationError(_("Someone else already uses this email address."))
        return email


class NewPersonForm(_OwnAddress, AdminUserCreationForm):  # type: ignore[type-arg]
    """Makes a person."""


class PersonForm(_OwnAddress, UserChangeForm):  # type: ignore[type-arg]
    """Changes a person."""

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        kept = all(data.get(flag, True) for flag in ADMIN_FLAGS)
        if not kept and are_last_admins(User.objects.filter(pk=self.instance.pk)):
            raise ValidationError(LAST_ADMIN)
        return data
