"""Conversations: the ordered threads that people keep."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chats.models.people import Account, Membership, User

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

TITLE_LENGTH = 60


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def owned_by(self, user: User | AnonymousUser) -> ConversationQuerySet:
        """Conversations of active people who are still in the account, deleted ones included."""
        if not user.is_active:
            return self.none()
        return self._owned().filter(owner=user)

    def visible_to(self, user: User | AnonymousUser) -> ConversationQuerySet:
        """The conversations that the person may see. Everything else is 404."""
        return self.owned_by(user).filter(deleted__isnull=True)

    def visible(self) -> ConversationQuerySet:
        """The conversations that their owners may see: `visible_to` for everybody together."""
        return self._owned().filter(owner__is_active=True, deleted__isnull=True)

    def _owned(self) -> ConversationQuerySet:
        member = Membership.objects.filter(user=OuterRef("owner"), account=OuterRef("account"))
        return self.filter(Exists(member))


class Conversation(models.Model):
    """An ordered thread of messages, text and spoken alike."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="conversations", verbose_name=_("owner")
    )
    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="conversations", verbose_name=_("account")
    )
    title = models.CharField(_("title"), max_length=120, blank=True)
    # How people talk in this conversation, if not as its owner usually does; see `realtime`.
    call_settings = models.JSONField(_("call settings"), default=dict, blank=True, editable=False)
    # The name of the API token it was made with; empty when a person made it on the site.
    via = models.CharField(_("made through"), max_length=80, blank=True, editable=False)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    updated = models.DateTimeField(_("updated"), default=timezone.now)
    deleted = models.DateTimeField(_("deleted"), null=True, blank=True)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        ordering = ["-updated"]
        indexes = [
            models.Index(fields=["owner", "deleted", "-updated"]),
            models.Index(fields=["updated"], name="conversation_updated"),
            models.Index(
                fields=["deleted"],
                name="conversation_deleted",
                condition=models.Q(deleted__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.title or str(_("New conversation"))

    def get_absolute_url(self) -> str:
        return reverse("conversation", args=[self.pk])


def title_from(text: str) -> str:
    """Return a title of at most `TITLE_LENGTH` characters from the first words said."""
    words = " ".join(text.split())
    if len(words) <= TITLE_LENGTH:
        return words
    return words[:TITLE_LENGTH].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"
