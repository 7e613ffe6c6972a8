"""Template filters for what was said."""

from __future__ import annotations

from django import template

from chats.markdown import as_html
from chats.models import Message
from chats.search import around, words_of

register = template.Library()

# Registered under its own name.
register.filter("markdown", as_html)


@register.filter
def formatted(message: Message | None) -> bool:
    """Whether the text is Markdown: what an assistant wrote, not what it spoke."""
    return message is not None and Message.is_formatted(message.role, message.kind)


@register.filter
def excerpt(text: str, searched: str) -> str:
    """The part of a text around the words that were searched for."""
    return around(text, words_of(searched))
