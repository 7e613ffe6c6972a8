"""The items of a call as its provider described them, for `conversation.item.retrieve`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..events import Event
from ..newest import Newest
from ..taps import Tap

MOST = 1000
"""How many items are kept; the oldest are dropped first."""


class Kept(Tap):
    """Follows a call's items and their text; never their audio."""

    def __init__(self) -> None:
        self._items = Newest(MOST)
        self._calls: set[str] = set()  # ids of function calls made in the session in use
        self._asked = Newest(MOST)  # by such ids, from all sessions: the ids of the calls' items
        self.last: str | None = None
        """The item that was placed last."""

    def get(self, item_id: str) -> Event | None:
        """The item as it stands, if it is kept."""
        return self._items.get(item_id)

    def asked_before(self, call_id: str) -> Event | None:
        """The function call with this id, if the session that asked for it is gone."""
        asked = None if call_id in self._calls else self._asked.get(call_id)
        return self.get(asked["id"]) if asked is not None else None

    def on_event(self, event: Mapping[str, Any]) -> None:
        match event["type"]:
            case "session.created":
                self._calls.clear()
            case "conversation.item.added" | "conversation.item.done":
                self.last = event["item"]["id"]
                self._take(event["item"])
            case "response.output_item.added" | "response.output_item.done":
                self._take(event["item"])
            case "conversation.item.input_audio_transcription.completed":
                self._say(event, "input_audio", transcript=event["transcript"])
            case "response.output_audio_transcript.done":
                self._say(event, "output_audio", transcript=event["transcript"])
            case "response.output_text.done":
                self._say(event, "output_text", text=event["text"])
            case "conversation.item.truncated":
                # Nobody knows which words were heard, so a provider drops the transcript.
                self._say(event, "output_audio", transcript=None)
            case "conversation.item.deleted":
                self._items.pop(event["item_id"])

    def _take(self, item: Mapping[str, Any]) -> None:
        if item.get("type") == "function_call":
            self._calls.add(item["call_id"])
            self._asked.put(item["call_id"], {"id": item["id"]})
        known = self._items.get(item["id"]) or {}
        told = {name: value for name, value in item.items() if name != "content"}
        content = item.get("content") or known.get("content") or []
        if item.get("type") == "message":
            told["content"] = [_without_audio(part) for part in content]
        self._items.put(item["id"], known | told)

    def _say(self, event: Mapping[str, Any], kind: str, **words: str | None) -> None:
        item = self._items.get(event["item_id"])
        if item is None or item.get("type") != "message":
            return
        content, index = item["content"], event["content_index"]
        if index == len(content):
            content.append({"type": kind})
        if index < len(content):
            content[index] = content[index] | words


def _without_audio(part: Mapping[str, Any]) -> Event:
    return {name: value for name, value in part.items() if name != "audio"}
