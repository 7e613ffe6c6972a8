"""A conversation as a text to read, file and pass on: Markdown, made while it is sent."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, tzinfo
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.text import get_valid_filename
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from chats.downloads import sent
from chats.models import Conversation, Message
from chats.paging import every
from chats.views import conversation_of

ROWS_AT_A_TIME = 200


@login_required
@require_safe
def download(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The conversation's transcript; `?zone=` names the time zone its times are told in."""
    found = conversation_of(request, pk)
    zone = _zone(request.GET.get("zone", ""))
    day = timezone.localdate(found.created, zone)
    name = get_valid_filename(f"{found} {day}.md")
    answer: HttpResponseBase = sent(
        request,
        transcript(found, zone),
        name,
        "text/markdown; charset=utf-8",
        "conversation.downloaded",
    )
    return answer


def transcript(conversation: Conversation, zone: tzinfo = UTC) -> Iterator[bytes]:
    """Who said what and when, as Markdown, message by message; times are those of `zone`."""
    yield f"# {conversation}\n\n{_('Times: %(zone)s') % {'zone': zone}}\n".encode()
    messages = conversation.messages.prefetch_related("attachments")
    day: date | None = None
    for message in every(messages, ("position", "created", "pk"), ROWS_AT_A_TIME):
        when = message.created.astimezone(zone)
        if when.date() != day:
            day = when.date()
            yield f"\n## {day}\n".encode()
        parts = [f"**{_who(message, conversation)}** {when:%H:%M}", *_content(message)]
        yield ("\n" + "\n\n".join(parts) + "\n").encode("utf-8", "replace")


def _who(message: Message, conversation: Conversation) -> str:
    if message.tool:
        return _("Tool: %(name)s") % {"name": message.tool.get("label") or message.tool["name"]}
    if message.role == Message.Role.ASSISTANT:
        return _("Assistant")
    return conversation.owner.get_full_name() or conversation.owner.get_username()


def _content(message: Message) -> Iterator[str]:
    for attachment in message.attachments.all():
        yield _("Attached: %(name)s") % {"name": attachment.name}
    if message.text:
        yield message.text
    if message.unheard:
        yield _("*Interrupted here. Not heard:* %(text)s") % {"text": message.unheard}
    elif message.status == Message.Status.INTERRUPTED and not message.tool:
        yield _("*Interrupted here.*")
    elif message.status == Message.Status.FAILED:
        yield _("*Failed.*")


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        return UTC
