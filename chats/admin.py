"""People, accounts and conversations in Django's admin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from allauth.account.admin import EmailAddressAdmin
from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from chats import audit
from chats.admin_fields import Autocompletes
from chats.admin_lists import DeletesMuch, LongList
from chats.admin_people import (
    ADMIN_FLAGS,
    LAST_ADMIN,
    RIGHTS,
    NewPersonForm,
    PersonForm,
    PlaceForm,
    PlacesFormSet,
    are_last_admins,
    may_touch,
    own_places,
    touchable,
)
from chats.models import (
    Account,
    Attachment,
    AuditEvent,
    Conversation,
    DoomedFile,
    Membership,
    Message,
    Recording,
    User,
)


class MembershipInline(Autocompletes, admin.TabularInline):
    model = Membership
    form = PlaceForm
    formset = PlacesFormSet
    extra = 0
    autocomplete_fields = ["user", "account"]


@admin.register(User)
class UserAdmin(DeletesMuch, DjangoUserAdmin):
    form = PersonForm
    add_form = NewPersonForm
    list_display = [
        "username",
        "email",
        "first_name",
        "last_name",
        "is_active",
        "is_staff",
        "last_login",
    ]
    list_filter = ["is_active", "is_staff", "is_superuser"]
    search_fields = [*DjangoUserAdmin.search_fields, "accounts__name"]
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("username", "email", "usable_password", "password1", "password2"),
            },
        ),
    )

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and may_touch(request.user, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed: bool = super().has_delete_permission(request, obj)
        return allowed and may_touch(request.user, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        # Otherwise, whoever may change people could give themselves every right.
        rights = () if request.user.is_superuser else RIGHTS
        return [*super().get_readonly_fields(request, obj), *rights]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if given := {flag: getattr(obj, flag) for flag in ADMIN_FLAGS if flag in form.changed_data}:
            audit.record(
                "user.rights_changed",
                actor=request.user,
                target=obj,
                request=request,
                pk=str(obj.pk),
                **given,
            )

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[type[Any]]:
        # A new person gets an own account on the first save; teams come after that.
        return [MembershipInline] if obj else []

    def conversations_of(self, objects: Sequence[Any]) -> QuerySet[Conversation]:
        theirs = Q(owner__in=objects) | Q(account__owner__in=objects)
        return Conversation.objects.filter(theirs)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[Any], list[str]]:
        names, counts, missing, protected = super().get_deleted_objects(objs, request)
        if are_last_admins(User.objects.filter(pk__in=[each.pk for each in objs])):
            protected = [str(LAST_ADMIN)]
        return names, counts, missing, protected


admin.site.unregister(Group)


@admin.register(Group)
class RightsAdmin(GroupAdmin):
    """A group's rights are those of all its members: only superusers grant them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)


# allauth has registered its own admin by now. An address is a way to reset a password.
admin.site.unregister(EmailAddress)


@admin.register(EmailAddress)
class AddressAdmin(EmailAddressAdmin):  # type: ignore[misc]
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and may_touch(request.user, obj and obj.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed: bool = super().has_delete_permission(request, obj)
        return allowed and may_touch(request.user, obj and obj.user)

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "user":
            kwargs["queryset"] = touchable(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


@admin.register(Account)
class AccountAdmin(Autocompletes, DeletesMuch):
    list_display = ["name", "slug", "kind", "people", "created"]
    list_filter = [("owner", admin.EmptyFieldListFilter), "created"]
    ordering = ["name", "pk"]  # the model's own is lost with the count of people
    search_fields = ["name", "slug", "owner__username", "owner__email"]
    prepopulated_fields = {"slug": ["name"]}
    autocomplete_fields = ["owner"]
    inlines = [MembershipInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        queryset: QuerySet[Account] = super().get_queryset(request)
        return queryset.annotate(people_=Count("memberships"))

    def conversations_of(self, objects: Sequence[Any]) -> QuerySet[Conversation]:
        return Conversation.objects.filter(account__in=objects)

    # Everybody has an account of their own, even if it was deleted or became a team's.

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        before = _owners([obj])
        super().save_model(request, obj, form, change)
        _have_own(before)

    def delete_model(self, request: HttpRequest, obj: Account) -> None:
        before = _owners([obj])
        super().delete_model(request, obj)
        _have_own(before)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Account]) -> None:
        before = _owners(queryset)
        super().delete_queryset(request, queryset)
        _have_own(before)

    @admin.display(description=_("kind"), ordering="owner")
    def kind(self, account: Account) -> str:
        return str(_("own") if account.owner_id else _("team"))

    @admin.display(description=_("people"), ordering="people_")
    def people(self, account: Account) -> int:
        return int(getattr(account, "people_", 0))


def _owners(accounts: Iterable[Account]) -> list[User]:
    """The people whose accounts these are now."""
    return list(User.objects.filter(own_account__in=[each.pk for each in accounts]))


def _have_own(people: list[User]) -> None:
    for person in people:
        Account.objects.own(person)


@admin.register(Membership)
class MembershipAdmin(Autocompletes, admin.ModelAdmin):
    form = PlaceForm
    list_display = ["user", "account", "role", "created"]
    list_filter = ["role"]
    search_fields = ["user__username", "user__email", "account__name"]
    autocomplete_fields = ["user", "account"]
    list_select_related = ["user", "account"]
    # They say exactly what is in the way, if anything is.
    delete_confirmation_template = "admin/chats/user/delete_confirmation.html"
    delete_selected_confirmation_template = "admin/chats/user/delete_selected_confirmation.html"

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        names, counts, missing, protected = super().get_deleted_objects(objs, request)
        chosen = Membership.objects.filter(pk__in=[each.pk for each in objs])
        return names, counts, missing, [*protected, *own_places(chosen)]


class ReadOnly(admin.ModelAdmin):
    """What people said stays as it was: admins may look at it and delete it, never change it."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class Kept(ReadOnly):
    """Rows that are neither changed nor deleted."""

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class Private(ReadOnly):
    """What people said, wrote or sent. Looking at it is audited: who listed or searched what, and
    whose row they opened."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        answer = super().changelist_view(request, extra_context)
        if request.method == "GET":
            self._note(request, "listed", search=request.GET.get("q", "")[:200])
        return answer

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        answer = super().change_view(request, object_id, form_url, extra_context)
        if answer.status_code == 200:
            self._note(request, "viewed", object_id)
        return answer

    def _note(self, request: HttpRequest, did: str, target: str = "", **detail: Any) -> None:
        action = f"{self.opts.model_name}.{did}"
        audit.record(action, actor=request.user, target=target, request=request, **detail)


@admin.register(Conversation)
class ConversationAdmin(DeletesMuch, Private, LongList):
    list_display = ["__str__", "owner", "account", "messages_", "updated", "deleted"]
    list_filter = ["updated", ("deleted", admin.EmptyFieldListFilter)]
    search_fields = ["title", "owner__username", "owner__email", "account__name", "id"]
    list_select_related = ["owner", "account"]
    date_hierarchy = "updated"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        queryset: QuerySet[Conversation] = super().get_queryset(request)
        inside = Message.objects.filter(conversation=OuterRef("pk")).order_by()
        count = inside.values("conversation").annotate(n=Count("*")).values("n")
        # Counted for the rows of one page; a join would count every conversation there is.
        return queryset.annotate(messages__=Coalesce(Subquery(count), 0))

    def conversations_of(self, objects: Sequence[Any]) -> QuerySet[Conversation]:
        return Conversation.objects.filter(pk__in=[each.pk for each in objects])

    @admin.display(description=_("messages"))
    def messages_(self, conversation: Conversation) -> int:
        return int(getattr(conversation, "messages__", 0))


@admin.register(Message)
class MessageAdmin(Private, LongList):
    ordering = ["-created"]
    list_display = ["__str__", "role", "kind", "status", "conversation", "created"]
    list_filter = ["role", "kind", "status", "created"]
    search_fields = ["text", "conversation__id", "conversation__owner__username", "call_id"]
    list_select_related = ["conversation"]
    date_hierarchy = "created"


@admin.register(Recording)
class RecordingAdmin(Private, LongList):
    list_display = ["id", "message", "state", "seconds", "size", "created"]
    list_filter = ["state", "message__role", "created"]
    search_fields = ["id", "message__conversation__id", "message__conversation__owner__username"]
    list_select_related = ["message"]
    # The file's path helps nobody here; the thread plays the recording to those who may hear it.
    exclude = ["file"]

    @admin.display(description=_("seconds"), ordering="duration_ms")
    def seconds(self, recording: Recording) -> str:
        return f"{recording.duration_ms / 1000:.1f}"


@admin.register(Attachment)
class AttachmentAdmin(Private, LongList):
    ordering = ["-created"]
    list_display = ["name", "kind", "content_type", "size", "owner", "conversation", "created"]
    list_filter = ["kind", "content_type", "created"]
    search_fields = ["name", "id", "conversation__id", "owner__username", "owner__email"]
    list_select_related = ["owner", "conversation"]
    date_hierarchy = "created"
    # As with recordings: the thread shows them to those who may see them.
    exclude = ["file", "thumbnail", "for_model"]


@admin.register(AuditEvent)
class AuditEventAdmin(Kept, LongList):
    list_display = ["at", "action", "actor_name", "account", "target", "address"]
    list_filter = ["action", "at"]
    search_fields = ["actor_name", "target", "action", "address"]
    list_select_related = ["account"]
    date_hierarchy = "at"


@admin.register(DoomedFile)
class DoomedFileAdmin(Kept, LongList):
    """A row that stays here means that the storage refuses to remove the file. Without the row, the
    file would be forgotten."""

    list_display = ["name", "next_try"]
    ordering = ["next_try"]
