"""How a person talks is kept for the conversation and, if wished, for new ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from chats.models import Conversation, Message, User
from realtime.features import check_features, embedded_features, turn_settings, usual_features
from realtime.models import Provider, VoiceModel

pytestmark = pytest.mark.django_db

SETTINGS: dict[str, Any] = {
    "model": "1",
    "session": {"instructions": "Be brief.", "audio": {"output": {"speed": 1.2}}},
}


def save(user: User, conversation: Conversation, settings: Any, **fields: str) -> int:
    client = Client()
    client.force_login(user)
    text = settings if isinstance(settings, str) else json.dumps(settings)
    url = reverse("call-settings", args=[conversation.pk])
    return client.post(url, {"settings": text, **fields}).status_code


def test_settings_are_kept_for_the_conversation_only(conversation: Conversation) -> None:
    assert save(conversation.owner, conversation, SETTINGS) == 204
    conversation.refresh_from_db()
    conversation.owner.refresh_from_db()
    assert (conversation.call_settings, conversation.owner.call_settings) == (SETTINGS, {})


def test_as_a_default_they_are_what_new_conversations_start_with(
    conversation: Conversation,
) -> None:
    ann = conversation.owner
    assert save(ann, conversation, SETTINGS, default="1") == 204
    client = Client()
    client.force_login(ann)
    page = client.post(reverse("conversation-new"), follow=True)
    assert page.context["call_config"]["settings"] == SETTINGS


def test_a_conversation_s_own_settings_stand_over_the_person_s(conversation: Conversation) -> None:
    ann = conversation.owner
    ann.call_settings = {"model": "2"}
    ann.save()
    save(ann, conversation, SETTINGS)
    client = Client()
    client.force_login(ann)
    page = client.get(conversation.get_absolute_url())
    assert page.context["call_config"]["settings"] == SETTINGS


def test_the_page_says_how_many_messages_a_call_is_told(conversation: Conversation) -> None:
    for position, text in enumerate(["a", "", "x" * 20_000, "b"]):
        Message.objects.create(conversation=conversation, position=position, role="user", text=text)
    client = Client()
    client.force_login(conversation.owner)
    config = client.get(conversation.get_absolute_url()).context["call_config"]
    assert (config["remembered"], config["messages"]) == (1, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "[]",
        "{",
        "[" * 10_000,
        {"spell": 1},
        {"model": 7},
        {"session": []},
        {"session": {"tools": []}},
        {"session": {"instructions": "x" * 4001}},
        {"session": {"instructions": "a\0b"}},
        {"session": {"instructions": "\ud800"}},
        json.dumps({"session": {"instructions": "ok"}}) + " " * 24_000,
    ],
)
def test_anything_else_is_refused_and_changes_nothing(
    conversation: Conversation, wrong: Any
) -> None:
    assert save(conversation.owner, conversation, wrong) == 400
    conversation.refresh_from_db()
    assert conversation.call_settings == {}


def test_a_stranger_cannot_even_tell_that_it_is_there(
    conversation: Conversation, eve: User
) -> None:
    assert save(eve, conversation, SETTINGS, default="1") == 404
    url = reverse("call-settings", args=[conversation.pk])
    assert Client().post(url, {"settings": "{}"}).status_code == 404
    eve.refresh_from_db()
    assert eve.call_settings == {}


def test_another_site_cannot_post_them(conversation: Conversation) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(conversation.owner)
    url = reverse("call-settings", args=[conversation.pk])
    assert client.post(url, {"settings": "{}"}).status_code == 403
    assert client.get(url).status_code == 405


@pytest.mark.parametrize("features", [{}, usual_features(), embedded_features()])
def test_features_as_documented_are_taken(features: dict[str, Any]) -> None:
    assert check_features(features) is None


@pytest.mark.parametrize(
    ("features", "wrong"),
    [
        ([], "features"),
        ({"magic": True}, "magic"),
        ({"turn_detection": ["telepathy"]}, "turn_detection"),
        ({"speed": [0.1, 2]}, "speed"),
        ({"speed": [1]}, "speed"),
        ({"text": "yes"}, "text"),
        ({"languages": "en"}, "languages"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"noise_reduction": [{}]}, "noise_reduction"),
    ],
)
def test_a_wrong_feature_is_named(features: Any, wrong: str) -> None:
    assert check_features(features) == wrong


def test_the_admin_refuses_wrong_features() -> None:
    provider = Provider.objects.create(name="P", url="wss://voice.example.org")
    with pytest.raises(ValidationError) as refused:
        VoiceModel(provider=provider, name="m", features={"magic": 1}).full_clean()
    assert list(refused.value.message_dict) == ["features"]


@pytest.mark.parametrize("page", [{}, {"manual": "tap", "pause_ms": 0}, {"pause_ms": 600}])
def test_what_only_the_page_knows_is_kept(conversation: Conversation, page: Any) -> None:
    assert save(conversation.owner, conversation, {"page": page}) == 204
    conversation.refresh_from_db()
    assert conversation.call_settings == {"page": page}


@pytest.mark.parametrize(
    "page",
    [[], {"x": 1}, {"manual": "shout"}, {"pause_ms": 601}, {"pause_ms": True}, {"pause_ms": -1}],
)
def test_nothing_else_of_the_page_is_kept(conversation: Conversation, page: Any) -> None:
    assert save(conversation.owner, conversation, {"page": page}) == 400


def test_what_of_turn_detection_can_be_adjusted_is_the_model_s_word_or_its_dialect_s() -> None:
    assert turn_settings({"turn_settings": ["threshold"]}, "openai_ga") == ["threshold"]
    assert "interrupt_response" in turn_settings({}, "openai_ga")
    assert "interrupt_response" not in turn_settings({}, "qwen")
