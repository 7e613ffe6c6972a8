"""Attachments: the pictures and documents people put into a conversation."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chats.models.conversation import Conversation
from chats.models.message import Message
from chats.models.people import User

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

NAME_LENGTH = 200


class AttachmentQuerySet(models.QuerySet["Attachment"]):
    def visible_to(self, user: User | AnonymousUser) -> AttachmentQuerySet:
        """Attachments of the conversations the person may see."""
        return self.filter(conversation__in=Conversation.objects.visible_to(user))

    def sendable_by(
        self, user: User | AnonymousUser, conversation: Conversation | uuid.UUID
    ) -> AttachmentQuerySet:
        """What the person may send to a model in this conversation: their own uploads there."""
        return self.visible_to(user).filter(owner=user.pk, conversation=conversation)

    def never_sent(self, before: datetime) -> AttachmentQuerySet:
        """Uploads from before that moment that were never sent."""
        return self.filter(message__isnull=True, created__lt=before)


class Attachment(models.Model):
    """A picture or document. Its files are stored under keys of ours, never under its name."""

    class Kind(models.TextChoices):
        IMAGE = "image", _("Picture")
        DOCUMENT = "document", _("Document")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(
        Conversation,
        on_delete=models.CASCADE,
        related_name="attachments",
        verbose_name=_("conversation"),
    )
    # Empty until the message it belongs to has been sent.
    message = models.ForeignKey(
        Message,
        on_delete=models.CASCADE,
        related_name="attachments",
        verbose_name=_("message"),
        null=True,
        blank=True,
    )
    owner = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="attachments", verbose_name=_("owner")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    # For people to read; no file is ever opened or stored by it.
    name = models.CharField(_("name"), max_length=NAME_LENGTH)
    content_type = models.CharField(_("type"), max_length=100)
    size = models.PositiveIntegerField(_("size (bytes)"), default=0)
    width = models.PositiveIntegerField(_("width"), null=True, blank=True)
    height = models.PositiveIntegerField(_("height"), null=True, blank=True)
    # The text of a document, as far as it was read; `cut` when there was more.
    text = models.TextField(_("text"), blank=True)
    cut = models.BooleanField(_("cut"), default=False)
    file = models.FileField(_("file"), upload_to="attachments/")
    thumbnail = models.FileField(_("thumbnail"), upload_to="attachments/", blank=True)
    # The picture as models get it, where that is not the file itself.
    for_model = models.FileField(_("for the model"), upload_to="attachments/", blank=True)
    created = models.DateTimeField(_("created"), default=timezone.now)

    objects = AttachmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("attachment")
        verbose_name_plural = _("attachments")
        ordering = ["created"]
        indexes = [
            models.Index(fields=["message", "created"]),
            models.Index(fields=["created"], name="attachment_created"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def url(self) -> str:
        """The private address of the file."""
        return reverse("attachment", args=[self.pk])

    @property
    def thumbnail_url(self) -> str:
        """The private address of the small picture; empty for a document."""
        return reverse("attachment-thumbnail", args=[self.pk]) if self.thumbnail else ""

    def shown(self) -> dict[str, object]:
        """What a page needs to show it."""
        return {
            "id": str(self.pk),
            "kind": self.kind,
            "name": self.name,
            "size": self.size,
            "width": self.width,
            "height": self.height,
            "url": self.url,
            "thumbnail_url": self.thumbnail_url,
            "delete_url": reverse("attachment-delete", args=[self.pk]),
        }
