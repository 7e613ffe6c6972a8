"""What a new call remembers: the conversation so far as Realtime items, within a budget."""

from __future__ import annotations

from typing import Any

from chats.models import Conversation, Message

# History is sent, and billed, with every response of a call.
BUDGET_TOKENS = 4000
# A rough measure that errs high for English; scripts of one token a letter count their letters.
ASCII_PER_TOKEN = 4
MAX_MESSAGES = 200


def opening_items(conversation: Conversation, budget: int = BUDGET_TOKENS) -> list[dict[str, Any]]:
    """Return the newest messages as GA `message` items, oldest first, at most `budget` tokens.

    An interrupted answer is remembered as far as it was heard. Assistant audio cannot be given to
    a provider again, and a person's is not, because it costs audio tokens in each response.
    """
    newest = conversation.messages.exclude(text="").order_by("-position", "-created")
    chosen: list[dict[str, Any]] = []
    for message in newest[:MAX_MESSAGES]:
        if not message.text.strip():
            continue  # spoken, but nobody has words for it
        budget -= tokens(message.text)
        if budget < 0:
            break
        chosen.append(_item(message))
    return chosen[::-1]


def tokens(text: str) -> int:
    """Estimate how many tokens a text costs, a few more for the item around it."""
    ascii_letters = sum(character.isascii() for character in text)
    return -(-ascii_letters // ASCII_PER_TOKEN) + len(text) - ascii_letters + 4


def _item(message: Message) -> dict[str, Any]:
    kind = "output_text" if message.role == Message.Role.ASSISTANT else "input_text"
    return {
        "type": "message",
        "role": message.role,
        "content": [{"type": kind, "text": message.text.strip()}],
    }
