"""Finding conversations by what was said in them."""

from __future__ import annotations

import re
import time
import unicodedata
import uuid
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from django.db.backends.signals import connection_created
from django.db.models import (
    Case,
    CharField,
    Exists,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.lookups import IContains
from django.dispatch import receiver

from chats.models import Conversation, Message
from chats.paging import Slice, page, place

# Conversations are searched in portions, newest first, until a page is full or this much time has
# passed. The rest is searched when the person asks for more.
PORTION = 100
SECONDS = 1.0
# Each word is looked for on its own.
MOST_WORDS = 8
# So many characters are shown on each side of the words that were found.
AROUND = 120


@CharField.register_lookup
@TextField.register_lookup
class Holds(IContains):
    """`icontains` that ignores case in every script. SQLite itself knows the case of ASCII only."""

    lookup_name = "holds"

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return compiler.compile(IContains(self.lhs, self.rhs))

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        text, text_params = self.process_lhs(compiler, connection)
        _, params = self.process_rhs(compiler, connection)
        word = str(params[0])
        # Text is case-folded only where needed: that takes several times as long.
        folded = text if word.isascii() else f"CASEFOLD({text})"
        return f"{folded} LIKE %s ESCAPE '\\'", [*text_params, word.casefold()]


@receiver(connection_created)
def teach_sqlite(sender: object, connection: Any, **_: object) -> None:
    """Define the function that `Holds` needs in SQLite."""
    if connection.vendor == "sqlite":
        connection.connection.create_function("CASEFOLD", 1, str.casefold, deterministic=True)


class Hit(NamedTuple):
    """A message with some of the words, its text, and whether that is Markdown."""

    pk: uuid.UUID
    text: str
    formatted: bool


def words_of(text: str) -> list[str]:
    """The different words to look for, the longest first: it is the rarest."""
    words = {word.casefold(): word for word in text.split()}
    return sorted(words.values(), key=len, reverse=True)[:MOST_WORDS]


def _forms(word: str) -> list[str]:
    """A word, and how else it is written: an accent may be a sign of its own or in its letter."""
    return list(dict.fromkeys([word, *(unicodedata.normalize(to, word) for to in ("NFC", "NFD"))]))


def _held(field: str, word: str) -> Q:
    """Whether a field holds a word, however its accents are written."""
    return reduce(or_, (Q((f"{field}__holds", form)) for form in _forms(word)))


def matching(conversations: QuerySet[Conversation], words: Sequence[str]) -> QuerySet[Conversation]:
    """Those of `conversations` whose title and messages together contain all of `words`."""
    for word in words:
        said = Message.objects.filter(_held("text", word), conversation=OuterRef("pk"))
        conversations = conversations.filter(_held("title", word) | Exists(said))
    return conversations


def hits(words: Sequence[str]) -> QuerySet[Message]:
    """Messages with any of `words`: those with most of them first, then the newest."""
    each = [_held("text", word) for word in words]
    held: Combinable = Value(0, output_field=IntegerField())
    for holds in each:
        held = held + Case(When(holds, then=Value(1)), default=Value(0))
    return Message.objects.filter(reduce(or_, each)).order_by(-held, "-position", "-created")


def around(text: str, words: Sequence[str]) -> str:
    """The part of a text around the first of `words`, cut at both ends."""
    forms = ("|".join(map(re.escape, _forms(word))) for word in words)
    places = (re.search(form, text, re.IGNORECASE) for form in forms)
    found = next((place for place in places if place), None)
    at, length = (found.start(), len(found[0])) if found else (0, 0)
    begin, end = max(0, at - AROUND), at + length + AROUND
    part = " ".join(text[begin:end].split())
    return ("…" if begin else "") + part + ("…" if end < len(text) else "")


def search(
    conversations: QuerySet[Conversation], text: str, order: Sequence[str], after: str, size: int
) -> Slice[Conversation]:
    """The next conversations with all words of `text` after a place in the order. Their `hit` is
    the message that contains most of them, as a `Hit`, or None.

    Fewer than `size`, even none, when time was up; `more` then says where to go on.
    """
    words = words_of(text)
    part = _found(conversations, words, order, after, size)
    _add_hits(part.rows, words)
    return part


def _found(
    conversations: QuerySet[Conversation],
    words: Sequence[str],
    order: Sequence[str],
    after: str,
    size: int,
) -> Slice[Conversation]:
    until, found = time.monotonic() + SECONDS, list[Conversation]()
    while True:
        portion = page(conversations.only("pk", "updated"), order, after, PORTION)
        inside = conversations.filter(pk__in=[each.pk for each in portion.rows])
        found += matching(inside, words).order_by(*order)
        after = portion.more
        if len(found) > size:
            return Slice(found[:size], place(found[size - 1], order))
        if not after or len(found) == size or time.monotonic() > until:
            return Slice(found, after)


def _add_hits(found: Sequence[Conversation], words: Sequence[str]) -> None:
    """Give each conversation its `hit`."""
    best = Subquery(hits(words).filter(conversation=OuterRef("pk")).values("pk")[:1])
    shown = Conversation.objects.filter(pk__in=[each.pk for each in found])
    wanted = shown.annotate(best=best).values("best")
    columns = ("conversation", "pk", "text", "role", "kind")
    said = Message.objects.filter(pk__in=wanted).values_list(*columns)
    of = {
        conversation: Hit(pk, text, Message.is_formatted(role, kind))
        for conversation, pk, text, role, kind in said
    }
    for each in found:
        each.hit = of.get(each.pk)  # type: ignore[attr-defined]
