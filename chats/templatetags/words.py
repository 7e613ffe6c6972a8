"""Template filters for what was said."""

from __future__ import annotations

from django import template

from chats.markdown import as_html, without_marks
from chats.models import Message
from chats.search import Hit, around, words_of

register = template.Library()

# Registered under its own name.
register.filter("markdown", as_html)


@register.filter
def formatted(message: Message | None) -> bool:
    """Whether the text is Markdown: what an assistant wrote, not what it spoke."""
    return message is not None and Message.is_formatted(message.role, message.kind)


@register.filter
def excerpt(hit: Hit, searched: str) -> str:
    """The part of a found text around the words that were searched for, as plain text."""
    part = around(hit.text, words_of(searched))
    return without_marks(part) if hit.formatted else part
