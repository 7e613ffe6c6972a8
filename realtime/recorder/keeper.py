"""Writes the messages of one call and their recordings, and tells the browser what is kept."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from chats.markdown import as_html
from chats.models import Message, Recording
from chats.models.conversation import title_from
from realtime.bridge.notices import notice_event
from realtime.keeping.store import Store
from realtime.keeping.tracks import Encoded, Track, recording_columns
from realtime.recorder.items import Item

MAX_ID = Message._meta.get_field("item_id").max_length
"""How many characters of an item's id are stored: providers and programs choose their length."""
GROWING = 4000
"""Answers up to this length are formatted while more of them comes."""

Notify = Callable[[dict[str, Any]], None]


class Keeper:
    """Stores the items of a call. `notify` sends events about that to the call's own page, `show`
    to everybody else who has the conversation open; both must be safe to call from any thread."""

    def __init__(
        self,
        store: Store,
        conversation_id: str,
        call_id: str,
        titled: bool,
        notify: Notify,
        show: Notify,
    ) -> None:
        self._store = store
        self._conversation_id = conversation_id
        self._call_id = call_id
        self._titled = titled
        self._notify = notify
        self._show = show
        self._told_partial = False

    def new_track(self) -> Track:
        """A track for audio that begins now."""
        return Track(self._call_id, str(uuid.uuid4()))

    def save(self, item: Item) -> None:
        """Write the item's message as it stands, and that its conversation has changed."""
        columns = self._columns(item)
        self._store.put(
            "chats.Message", item.message_id, columns, lambda: self._kept(item, columns)
        )
        self._save_conversation(item)

    def grow(self, item: Item) -> None:
        """Write the item's message soon, with everything that comes until then."""
        if item.growing:
            return
        item.growing = True
        columns = dict[str, Any]()

        def now() -> dict[str, Any]:
            columns.update(self._columns(item))
            return columns

        def written() -> None:
            if columns:  # empty if the item was saved as a whole meanwhile
                self._kept(item, columns)

        going = item.status == Message.Status.IN_PROGRESS
        self._store.put_growing(
            "chats.Message",
            item.message_id,
            now,
            written,
            going and item.kept is not None,
        )

    def _columns(self, item: Item) -> dict[str, Any]:
        """The item's row as it stands."""
        # Before the rest is read, so that whatever comes later schedules another write.
        item.growing = False
        columns = {
            "conversation_id": self._conversation_id,
            "call_id": self._call_id,
            "item_id": item.item_id[:MAX_ID],
            "position": item.position,
            "role": item.role,
            "kind": item.kind,
            "status": item.status,
            "text": item.text,
            "unheard": item.unheard,
            "heard_ms": item.cut_ms,
        }
        return columns if item.tool is None else columns | {"tool": item.tool}

    def remove(self, item: Item) -> None:
        """Drop the item: nothing of it is worth keeping."""
        if item.track is not None:
            item.track.discard()
            self._store.remove("chats.Recording", item.track.recording_id)
        self._store.remove("chats.Message", item.message_id)
        item.removed = True
        self._tell(removed_event(item))

    def _kept(self, item: Item, columns: dict[str, Any]) -> None:
        """Called in the store's thread: the row has been written with these columns."""
        item.kept = columns
        if item.removed:
            return
        event = saved_event(item)
        self._show(event)
        # Unfinished answers are shown formatted too; that is done here, in the store's thread.
        if columns["status"] != Message.Status.IN_PROGRESS or event["html"] or event["card"]:
            self._notify(event)

    def link(self, item: Item) -> None:
        """Link the item's attachments to its message, which is already saved."""
        for attachment in item.attachments:
            # One that was deleted meanwhile stays deleted.
            self._store.put("chats.Attachment", attachment["id"], {"message_id": item.message_id})

    def attach(self, item: Item, track: Track) -> None:
        """Give the item its track, and make a row for the recording while that still grows."""
        item.track = track
        self._store.put(
            "chats.Recording",
            track.recording_id,
            {"message_id": item.message_id, "state": Recording.State.LIVE},
        )
        track.on_partial = lambda: self._partial(item, track)
        if track.partial:
            self._partial(item, track)

    def _partial(self, item: Item, track: Track) -> None:
        """Some of the track is lost: mark its recording at once, and tell the person once per
        call."""
        row = {"message_id": item.message_id, "partial": True}
        self._store.put("chats.Recording", track.recording_id, row)
        if not self._told_partial:
            self._told_partial = True
            self._notify(notice_event("recording_partial", gettext))

    def record(self, item: Item, keep_ms: int | None = None) -> None:
        """Encode the item's audio, once; only the first `keep_ms` of it when given."""
        if item.recorded:
            return
        item.recorded = True
        track = item.track
        if track is not None:
            track.finish(keep_ms, lambda encoded: self._recorded(item, track, encoded))

    def _recorded(self, item: Item, track: Track, encoded: Encoded | None) -> None:
        """Called in the encoder's thread: write the finished recording, then tell the browser. If
        the item was removed meanwhile, do neither; `chats.orphans` finds its file."""
        if item.removed:
            return

        def written() -> None:
            if item.removed:
                return
            # Only now: a page that is told of it may ask for it.
            if encoded is not None:
                item.recording = {
                    "url": reverse("recording", args=[track.recording_id]),
                    "duration_ms": encoded.duration_ms,
                    "partial": track.partial,
                }
            self._tell(saved_event(item))

        self._store.put(
            "chats.Recording",
            track.recording_id,
            {"message_id": item.message_id, **recording_columns(encoded)},
            written,
        )

    def _save_conversation(self, item: Item) -> None:
        fields: dict[str, Any] = {"updated": timezone.now()}
        given = item.attachments if item.tool is None else []
        about = item.text or ", ".join(each["name"] for each in given)
        if not self._titled and about and item.status == Message.Status.COMPLETED:
            self._titled = True
            fields["title"] = title_from(about)
            self._tell({"type": "nextvoice.title", "title": fields["title"]})
        self._store.put("chats.Conversation", self._conversation_id, fields)

    def _tell(self, event: dict[str, Any]) -> None:
        self._show(event)
        self._notify(event)


def saved_event(item: Item) -> dict[str, Any]:
    """The `nextvoice.saved` event of an item: what is stored of it, and nothing newer."""
    kept = item.kept or {}
    kind, status = kept.get("kind", item.kind), kept.get("status", Message.Status.IN_PROGRESS)
    text = kept.get("text", "")
    return {
        "type": "nextvoice.saved",
        "item_id": item.item_id,
        "message_id": item.message_id,
        "position": kept.get("position", item.position),
        "role": item.role,
        "kind": kind,
        "status": status,
        "text": text,
        "html": html_of(item.role, kind, status, text),
        "card": card_of(kept.get("tool"), kept.get("status", "")),
        "unheard": kept.get("unheard", ""),
        "heard_ms": kept.get("heard_ms"),
        "recording": item.recording,
        "attachments": item.attachments,
    }


def newest_events(most: int, **of: Any) -> list[dict[str, Any]]:
    """The newest `most` messages of a conversation or a call as `stored_event`s, oldest first."""
    found = Message.objects.filter(**of).select_related("recording")
    found = found.prefetch_related("attachments")
    rows = list(found.order_by("-position", "-created")[:most])
    return [stored_event(row) for row in reversed(rows)]


def stored_event(message: Message) -> dict[str, Any]:
    """The `nextvoice.saved` event of a message as it is in the database, with its recording."""
    recording: Recording | None = getattr(message, "recording", None)
    ready = recording is not None and recording.state == Recording.State.READY
    return {
        "type": "nextvoice.saved",
        "item_id": message.item_id,
        "message_id": str(message.pk),
        "call_id": str(message.call_id) if message.call_id else "",
        "position": message.position,
        "role": message.role,
        "kind": message.kind,
        "status": message.status,
        "created": message.created.isoformat(),
        "text": message.text,
        "html": html_of(message.role, message.kind, message.status, message.text),
        "card": card_of(message.tool, message.status),
        "unheard": message.unheard,
        "heard_ms": message.heard_ms,
        "recording": {
            "url": recording.url,
            "duration_ms": recording.duration_ms,
            "partial": recording.partial,
        }
        if recording is not None and ready
        else None,
        "attachments": [attachment.shown() for attachment in message.attachments.all()],
    }


def card_of(tool: dict[str, Any] | None, status: str) -> str | None:
    """A function call as safe HTML, as the thread shows it; None for anything else."""
    if tool is None:
        return None
    state = Message.state_of_tool(tool, status)
    return render_to_string("chats/_tool.html", {"tool": tool, "state": state})


def html_of(role: str, kind: str, status: str, text: str) -> str | None:
    """A text as safe HTML; None if it is not shown formatted. Long texts are formatted only once
    they are complete, since that would be done again with every piece."""
    growing = status == Message.Status.IN_PROGRESS
    if not text or not Message.is_formatted(role, kind) or (growing and len(text) > GROWING):
        return None
    return as_html(text)


def removed_event(item: Item) -> dict[str, Any]:
    """The `nextvoice.removed` event of an item."""
    return {
        "type": "nextvoice.removed",
        "item_id": item.item_id,
        "message_id": item.message_id,
    }
