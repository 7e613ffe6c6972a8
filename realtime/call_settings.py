"""Call settings: kept for a conversation, and as defaults for a person's new ones.

Kept as {"model": id, "session": partial GA session}, which `nextvoice.start` takes; "page", which
only the page uses: {"manual": "hold" or "tap", "pause_ms": 0 to 600}; and "tools_off": names of
functions that the assistant is not offered.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from chats.models import Conversation, User
from chats.views import conversation_of
from realtime.bridge.events import Problem
from realtime.bridge.session import changes_of, check_name

# Instructions of 4000 characters of four bytes each, and some more.
MAX_BYTES = 24_000
MAX_PAUSE_MS = 600
MAX_OFF = 100


class NotSettings(ValueError):
    """The text is not call settings."""


@require_POST
def save(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Keep the posted `settings` (JSON) for a conversation; with `default`, for new ones too."""
    conversation = conversation_of(request, pk)
    try:
        settings = parse_settings(request.POST.get("settings", ""))
    except NotSettings as problem:
        return HttpResponse(str(problem), status=400, content_type="text/plain")
    Conversation.objects.filter(pk=conversation.pk).update(call_settings=settings)
    if request.POST.get("default"):
        # Whoever asks is the owner: nobody else is given the conversation.
        User.objects.filter(pk=conversation.owner_id).update(call_settings=settings)
    return HttpResponse(status=204)


def parse_settings(text: str) -> dict[str, Any]:
    """Read settings from JSON and check each of them. Raises NotSettings."""
    if len(text.encode()) > MAX_BYTES:
        raise NotSettings("too long")
    try:
        settings: Any = json.loads(text)
        plain = json.dumps(settings, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise NotSettings("not JSON") from None
    if b"\\u0000" in plain:
        raise NotSettings("a character that cannot be kept")
    if not isinstance(settings, dict) or not set(settings) <= {
        "model",
        "session",
        "page",
        "tools_off",
    }:
        raise NotSettings("expected model, session, page and tools_off")
    check_page(settings.get("page", {}))
    off = settings.get("tools_off", [])
    if not isinstance(off, list) or len(off) > MAX_OFF:
        raise NotSettings("tools_off: expected a list of names")
    try:
        if settings.get("model") is not None:
            check_name(settings["model"], "model")
        for name in off:
            check_name(name, "tools_off")
        session = settings.get("session", {})
        if not isinstance(session, dict):
            raise NotSettings("session is no object")
        changes_of(session)
    except Problem as problem:
        raise NotSettings(f"{problem.param}: {problem}") from None
    kept: dict[str, Any] = {name: each for name, each in settings.items() if each is not None}
    return kept


def check_page(page: object) -> None:
    """Raise NotSettings unless these are settings of the page."""
    if not isinstance(page, dict) or not set(page) <= {"manual", "pause_ms"}:
        raise NotSettings("page: expected manual and pause_ms")
    if page.get("manual", "hold") not in ("hold", "tap"):
        raise NotSettings("page.manual: expected hold or tap")
    pause = page.get("pause_ms", 0)
    if type(pause) is not int or not 0 <= pause <= MAX_PAUSE_MS:
        raise NotSettings(f"page.pause_ms: expected 0 to {MAX_PAUSE_MS}")


def settings_of(user: User, conversation: Conversation) -> dict[str, Any]:
    """What a call in the conversation starts with: its own settings, otherwise the person's."""
    settings: dict[str, Any] = conversation.call_settings or user.call_settings
    return settings
