"""What a new call is told of the conversation so far."""

import pytest

from chats.models import Conversation, Message
from realtime.calls.attachments import tokens
from realtime.calls.history import opening_items

pytestmark = pytest.mark.django_db


def say(conversation: Conversation, position: float, role: str, text: str, **fields: str) -> None:
    Message.objects.create(
        conversation=conversation, position=position, role=role, text=text, **fields
    )


def test_both_sides_are_items_in_the_order_of_the_thread(conversation: Conversation) -> None:
    say(conversation, 2, "assistant", "Nice to meet you, Ann. ")
    say(conversation, 1, "user", "My name is Ann.")
    assert opening_items(conversation) == [
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "My name is Ann."}],
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Nice to meet you, Ann."}],
        },
    ]


def test_an_interrupted_answer_is_remembered_as_far_as_it_was_heard(
    conversation: Conversation,
) -> None:
    say(conversation, 1, "assistant", "Once", unheard="upon a time", status="interrupted")
    assert [i["content"][0]["text"] for i in opening_items(conversation)] == ["Once"]


def test_messages_without_words_are_left_out(conversation: Conversation) -> None:
    say(conversation, 1, "user", "", kind="spoken")
    say(conversation, 2, "user", " \n", kind="spoken")
    say(conversation, 3, "assistant", "Pardon?")
    assert [item["role"] for item in opening_items(conversation)] == ["assistant"]


def test_the_newest_fit_the_budget(conversation: Conversation) -> None:
    for number in range(10):
        say(conversation, number, "user", f"message {number}")
    each = tokens("message 0")
    items = opening_items(conversation, budget=3 * each)
    assert [i["content"][0]["text"] for i in items] == ["message 7", "message 8", "message 9"]


def test_a_letter_of_chinese_counts_as_a_token() -> None:
    assert (tokens("abcd"), tokens("你好")) == (5, 6)
