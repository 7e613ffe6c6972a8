"""What calls add to the pages of what people keep."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone

from chats.models import Conversation, Message
from realtime.models import CallRecord

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("took", "shown"), [(65_000, ["65000"]), (0, [""])])
def test_a_call_in_the_thread_tells_how_long_it_took(
    conversation: Conversation, client: Client, took: int, shown: list[str]
) -> None:
    now = timezone.now()
    call = CallRecord.objects.create(
        conversation=conversation, started=now, heartbeat=now, duration_ms=took
    )
    for position in (1, 2):
        Message.objects.create(
            conversation=conversation, position=position, role="user", text="a", call_id=call.pk
        )
    client.force_login(conversation.owner)
    page = client.get(conversation.get_absolute_url()).content.decode()
    thread = page.partition("data-messages")[2].partition("</ol>")[0]
    assert re.findall(r'data-duration-ms="(\d*)" data-call-duration', thread) == shown
