"""Searching the person's other conversations, and notes."""

from __future__ import annotations

from typing import Any

import orjson
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chats.models import Conversation, Message, User
from chats.search import around, hits, matching, words_of
from realtime.bridge.tools import Result, ToolFailed
from realtime.tools.registry import Where, tool

MOST = 10


@tool("search_conversations", _("Search"), _("Looks for words in your other conversations."))
def search_conversations(where: Where, words: str, most: int = 5) -> Result:
    """Search what was said or noted in the person's other conversations.

    words: what to look for, as it was said; all of them must be there, so one or two find most
    most: how many conversations to tell of, at most 10
    """
    wanted = words_of(words)
    if not wanted:
        raise ToolFailed("Say which words to look for.")
    user = User.objects.filter(pk=where.user_pk, is_active=True).first()
    if user is None:
        raise ToolFailed("There is nobody to search for.")
    others = Conversation.objects.visible_to(user)
    if where.conversation_id is not None:
        others = others.exclude(pk=where.conversation_id)
    found = matching(others, wanted).order_by("-updated")[: max(1, min(most, MOST))]
    told = [_told(conversation, wanted) for conversation in found]
    if not told:
        return Result('{"found": []}', {"text": str(_("Nothing found."))})
    links = [
        {"url": conversation.get_absolute_url(), "title": each["title"], "text": each["said"]}
        for conversation, each in zip(found, told, strict=True)
    ]
    return Result(orjson.dumps({"found": told}).decode(), {"links": links})


def _told(conversation: Conversation, wanted: list[str]) -> dict[str, Any]:
    said = hits(wanted).filter(conversation=conversation).first()
    who = "" if said is None else _who(said)
    return {
        "title": conversation.title,
        "date": f"{timezone.localtime(conversation.updated):%Y-%m-%d}",
        "who": who,
        "said": "" if said is None else around(said.text, wanted),
    }


def _who(message: Message) -> str:
    return "the person" if message.role == Message.Role.USER else "the assistant"


@tool("note", _("Note"), _("Writes notes into the conversation."))
def note(where: Where, text: str) -> Result:
    """Write a note down for the person. It stays in this conversation, where they can read, copy
    and find it again.

    text: the note, complete
    """
    written = text.strip()
    if not written:
        raise ToolFailed("The note is empty.")
    return Result('{"noted": true}', {"text": written, "words": written})
