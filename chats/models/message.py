"""Messages and their recordings."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chats.models.conversation import Conversation
from chats.models.people import User

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser


class Message(models.Model):
    """One thing said or typed by either side. Written while the call runs."""

    class Role(models.TextChoices):
        USER = "user", _("Person")
        ASSISTANT = "assistant", _("Assistant")

    class Kind(models.TextChoices):
        SPOKEN = "spoken", _("Spoken")
        TYPED = "typed", _("Typed")
        TOOL = "tool", _("Tool")

    class Status(models.TextChoices):
        IN_PROGRESS = "in_progress", _("In progress")
        COMPLETED = "completed", _("Completed")
        INTERRUPTED = "interrupted", _("Interrupted")
        FAILED = "failed", _("Failed")

    TOOL_STATES: ClassVar[dict[str, Status]] = {
        "awaiting_approval": Status.IN_PROGRESS,
        "declined": Status.INTERRUPTED,
    }
    """States of function calls that are not statuses themselves, with the status each has."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(
        Conversation,
        on_delete=models.CASCADE,
        related_name="messages",
        verbose_name=_("conversation"),
    )
    # A plain id, because `chats` knows nothing of calls.
    call_id = models.UUIDField(_("call"), null=True, blank=True, db_index=True)
    item_id = models.CharField(_("item"), max_length=128, blank=True)
    # A float, so that a late item fits between two others without moving them.
    position = models.FloatField(_("position"))
    role = models.CharField(_("role"), max_length=10, choices=Role)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.SPOKEN)
    status = models.CharField(
        _("status"), max_length=12, choices=Status, default=Status.IN_PROGRESS
    )
    text = models.TextField(_("text"), blank=True)
    # The part of an interrupted answer that was not heard.
    unheard = models.TextField(_("unheard"), blank=True)
    heard_ms = models.PositiveIntegerField(_("heard (ms)"), null=True, blank=True)
    # Of a function that the assistant called: {"name", "label" and "about" for people, "server" of
    # MCP where there is one, "state", "arguments" as text, "output" as the model was told, "shown":
    # {"text", "table": {"columns", "rows"}, "links": [{"url", "title", "text"}], "notes"},
    # "duration_ms"}. Files that it made are attachments.
    tool = models.JSONField(_("tool"), null=True, blank=True)
    created = models.DateTimeField(_("created"), default=timezone.now)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["position", "created"]
        indexes = [
            models.Index(fields=["conversation", "position"]),
            models.Index(fields=["created"], name="message_created"),
        ]

    @classmethod
    def is_formatted(cls, role: str, kind: str) -> bool:
        """Whether the text is Markdown: what an assistant wrote, not what it spoke."""
        return role == cls.Role.ASSISTANT and kind == cls.Kind.TYPED

    @classmethod
    def status_of_tool(cls, state: str) -> str:
        """The status of a function call in this state."""
        return cls.TOOL_STATES.get(state) or cls.Status(state)

    @classmethod
    def state_of_tool(cls, tool: Mapping[str, Any] | None, status: str) -> str:
        """The state of a function call: its status, or something more exact. A call that was cut
        short has the status of one, whatever it was doing."""
        state = str((tool or {}).get("state"))
        return state if cls.TOOL_STATES.get(state) == status else status

    @property
    def tool_state(self) -> str:
        """How a function call stands."""
        return self.state_of_tool(self.tool, self.status)

    def __str__(self) -> str:
        if self.tool:
            return f"{self.tool.get('name', '')} ({self.status})"
        return self.text[:80] or f"{self.role} {self.status}"


class RecordingQuerySet(models.QuerySet["Recording"]):
    def visible_to(self, user: User | AnonymousUser) -> RecordingQuerySet:
        """Recordings of the conversations the person may see."""
        return self.filter(message__conversation__in=Conversation.objects.visible_to(user))


class Recording(models.Model):
    """The audio of one spoken message: what the person said, or what was heard of an answer."""

    class State(models.TextChoices):
        LIVE = "live", _("Being recorded")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")
        EXPIRED = "expired", _("Removed at the end of its retention time")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    message = models.OneToOneField(
        Message, on_delete=models.CASCADE, related_name="recording", verbose_name=_("message")
    )
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.LIVE)
    file = models.FileField(_("file"), upload_to="recordings/", blank=True)
    content_type = models.CharField(_("type"), max_length=40, default="audio/mpeg")
    duration_ms = models.PositiveIntegerField(_("duration (ms)"), default=0)
    size = models.PositiveIntegerField(_("size (bytes)"), default=0)
    # The disk did not take all of it: some audio is missing.
    partial = models.BooleanField(_("partial"), default=False)
    # After how many days an expired one was removed.
    kept_days = models.PositiveSmallIntegerField(_("kept (days)"), null=True, editable=False)
    created = models.DateTimeField(_("created"), default=timezone.now)

    objects = RecordingQuerySet.as_manager()

    class Meta:
        verbose_name = _("recording")
        verbose_name_plural = _("recordings")
        indexes = [models.Index(fields=["state", "created"], name="recording_state_created")]

    def __str__(self) -> str:
        return f"{self.duration_ms / 1000:.1f} s, {self.state}"

    @property
    def url(self) -> str:
        """The private address of the audio, served with Range to those who may see it."""
        return reverse("recording", args=[self.pk])
