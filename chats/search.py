"""Finding conversations by what was said in them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from django.db.models import Exists, OuterRef, Q, QuerySet

from chats.models import Conversation, Message
from chats.paging import Slice, page, place

# Conversations are looked through in portions, newest first, until a page is full or this much
# time has passed; the rest is looked through when the person asks for more.
PORTION = 100
SECONDS = 1.0


def matching(conversations: QuerySet[Conversation], words: str) -> QuerySet[Conversation]:
    """Those of `conversations` whose title or messages hold `words`, in any case."""
    said = Message.objects.filter(conversation=OuterRef("pk"), text__icontains=words)
    return conversations.filter(Q(title__icontains=words) | Exists(said))


def search(
    conversations: QuerySet[Conversation], words: str, order: Sequence[str], after: str, size: int
) -> Slice[Conversation]:
    """The next conversations with `words` after a place in the order.

    Fewer than `size`, even none, when time was up; `more` then says where to go on.
    """
    until = time.monotonic() + SECONDS
    found: list[Conversation] = []
    while True:
        portion = page(conversations.only("pk", "updated"), order, after, PORTION)
        inside = conversations.filter(pk__in=[each.pk for each in portion.rows])
        found += matching(inside, words).order_by(*order)
        after = portion.more
        if len(found) > size:
            return Slice(found[:size], place(found[size - 1], order))
        if not after or len(found) == size or time.monotonic() > until:
            return Slice(found, after)
