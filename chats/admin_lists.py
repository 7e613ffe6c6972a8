"""Admin lists of tables that grow without limit, and deleting rows that much depends on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from chats.models import Conversation, Message
from chats.retention import remove_conversations

MOST = 10_000


class CountedSoFar(Paginator):
    """Counts to ten thousand and no further: nobody turns that many pages; filters find more."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[:MOST].count())


class LongList(admin.ModelAdmin):
    """A list that opens as fast with a hundred million rows as with ten."""

    paginator = CountedSoFar
    show_full_result_count = False


class DeletesMuch(admin.ModelAdmin):
    """Deletes objects that conversations depend on: conversations first, a batch at a time.

    Django's own page would load each message and recording to list them, and again to delete them.
    """

    def conversations_of(self, objects: Sequence[Any]) -> QuerySet[Conversation]:
        """All conversations that go with these objects."""
        raise NotImplementedError

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[Any], list[str]]:
        """What the confirmation page says: names, and how many rows go with them."""
        gone, objects = self.conversations_of(list(objs)), list(objs)
        said = Message.objects.filter(conversation__in=gone.values("pk"))
        counts = {
            str(self.opts.verbose_name_plural): len(objects),
            str(Conversation._meta.verbose_name_plural): gone.count(),
            str(Message._meta.verbose_name_plural): said.count(),
        }
        allowed = all(self.has_delete_permission(request, each) for each in objects)
        missing = set() if allowed else {str(self.opts.verbose_name)}
        return [str(each) for each in objects], counts, missing, []

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        remove_conversations(self.conversations_of([obj]))
        # Nothing of the conversations is left by then.
        type(obj)._default_manager.filter(pk=obj.pk).delete()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        keys = list(queryset.values_list("pk", flat=True))
        found = self.model._default_manager.filter(pk__in=keys)
        remove_conversations(self.conversations_of(list(found)))
        found.delete()
