"""What was said, as the thread shows it."""

from __future__ import annotations

from django import template

from chats.markdown import as_html
from chats.models import Message
from chats.search import around, words_of

register = template.Library()

# A function is a filter of its own name.
register.filter("markdown", as_html)


@register.filter
def formatted(message: Message | None) -> bool:
    """Whether the words are Markdown: those that an assistant wrote, not those it spoke."""
    return message is not None and Message.is_formatted(message.role, message.kind)


@register.filter
def excerpt(text: str, searched: str) -> str:
    """The part of a text where the words are that were searched for."""
    return around(text, words_of(searched))
