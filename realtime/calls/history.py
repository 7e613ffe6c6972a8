"""What a new call remembers: the conversation so far as Realtime items, within a budget.

Documents are remembered by their text as far as it fits. The newest few pictures are shown again to
a model that can see; all others are only named.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import (
    Exists,
    OuterRef,
    Q,
    QuerySet,
    UUIDField,
    prefetch_related_objects,
)

from chats.models import Attachment, Conversation, Message
from realtime.calls.attachments import PICTURE_TOKENS, part_of, tokens, told, unseen
from realtime.prepared import Given, Prepared

# History is sent, and billed, with every response of a call.
BUDGET_TOKENS = 4000
# How much of it one document, and all pictures, may take.
DOCUMENT_TOKENS = 2000
PICTURES = 2
MAX_MESSAGES = 200


def opening_items(
    conversation: Conversation, budget: int = BUDGET_TOKENS, sees: bool = False
) -> list[dict[str, Any]]:
    """Return the newest messages as GA `message` items, oldest first, at most `budget` tokens.

    An interrupted answer is remembered as far as it was heard. Assistant audio cannot be given to a
    provider again, and a person's is not, because it costs audio tokens in each response. `sees`:
    the model can be shown pictures.
    """
    newest = _newest.all(conversation=conversation.pk)
    prefetch_related_objects(newest, "attachments")
    memory = _Budget(budget, PICTURES if sees else 0)
    chosen: list[dict[str, Any]] = []
    for message in newest:
        attachments = message.attachments.all() if message.role == Message.Role.USER else ()
        if not message.text.strip() and not attachments:
            continue  # spoken, but without a transcript
        content = memory.words(message) + [memory.part(each) for each in attachments]
        if memory.left < 0:
            break
        chosen.append({"type": "message", "role": message.role, "content": content})
    return chosen[::-1]


def worth_telling(conversation: Conversation) -> QuerySet[Message]:
    """The messages of a conversation that have words or attachments.

    Function calls and their outputs are left out: their results were said in words.
    """
    return _worth_telling(conversation.pk)


def _worth_telling(conversation: uuid.UUID | Given) -> QuerySet[Message]:
    attached = Attachment.objects.filter(message=OuterRef("pk"))
    told = Message.objects.filter(conversation=conversation).exclude(kind=Message.Kind.TOOL)
    return told.filter(~Q(text="") | Exists(attached))


_newest = Prepared(
    lambda: _worth_telling(Given("conversation", UUIDField())).order_by("-position", "-created")[
        :MAX_MESSAGES
    ]
)


class _Budget:
    """How much more can be remembered."""

    def __init__(self, left: int, pictures: int) -> None:
        self.left = left
        self._sees = pictures > 0
        self._pictures = pictures

    def words(self, message: Message) -> list[dict[str, Any]]:
        """The text of a message as content."""
        text = message.text.strip()
        if not text:
            return []
        self.left -= tokens(text)
        kind = "output_text" if message.role == Message.Role.ASSISTANT else "input_text"
        return [{"type": kind, "text": text}]

    def part(self, attachment: Attachment) -> dict[str, Any]:
        """An attachment as a content part: whole, cut, or only named."""
        picture = attachment.kind == Attachment.Kind.IMAGE
        shown = picture and self._pictures > 0 and self.left >= PICTURE_TOKENS
        if shown:
            self._pictures -= 1
        if picture and not shown:
            text = told(attachment) if self._sees else unseen(attachment)
            given, cost = {"type": "input_text", "text": text}, tokens(text)
        else:
            given, cost = part_of(attachment, shown, max(0, min(self.left, DOCUMENT_TOKENS)))
        self.left -= cost
        return given
