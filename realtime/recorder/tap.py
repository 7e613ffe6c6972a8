"""The tap itself: what each event of a call means for its messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chats.models import Message
from realtime.bridge.heard import split_heard
from realtime.bridge.taps import EndRecord, Tap
from realtime.bridge.waiting import Tail
from realtime.keeping.store import Store
from realtime.recorder.items import Item, Items
from realtime.recorder.keeper import Keeper, Notify
from realtime.recorder.microphone import Microphone
from realtime.recorder.tools import tool_columns

# Why there are no words of a turn whose provider broke off.
CONNECTION_LOST = "connection_lost"
# Playback reports lag a little: an answer heard up to so close to its end was heard whole.
HEARD_WHOLE_MS = 150

Event = Mapping[str, Any]


class Recorder(Tap):
    """Watches one call and stores it.

    A row appears when an item appears, grows with its transcript, and is finished when the item is;
    an answer's text ends with what was heard of it.
    """

    def __init__(
        self,
        *,
        store: Store,
        conversation_id: str,
        call_id: str,
        last_position: float,
        titled: bool,
        notify: Notify,
        show: Notify = lambda event: None,
    ) -> None:
        self._keeper = Keeper(store, conversation_id, call_id, titled, notify, show)
        self._items = Items(last_position)
        self._microphone = Microphone(self._keeper.new_track)
        self._begun = False  # the provider's first session has begun

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said or written, or all of it was taken out again."""
        return not any(self._items)

    def keep_for(self, tail: Tail) -> None:
        """Keep the audio that another upstream session would be given again."""
        tail.recall = self.recall
        self._microphone.wanted = lambda: tail.wanted

    def recall(self, start: int, count: int) -> bytes:
        """Earlier audio of the turn under way; see `Microphone.recall`."""
        return self._microphone.recall(start, count)

    # --- audio --------------------------------------------------------------------------------

    def on_user_audio(self, pcm: bytes, start_sample: int) -> None:
        self._microphone.hear(pcm, start_sample)

    def on_assistant_audio(self, item_id: str, content_index: int, pcm: bytes) -> None:
        if item_id in self._items.removed:
            return
        item = self._item(item_id, Message.Role.ASSISTANT, Message.Kind.SPOKEN)
        if item.recorded:
            return
        if item.track is None:
            item.kind = Message.Kind.SPOKEN
            self._keeper.attach(item, self._keeper.new_track())
        if item.track is not None:
            item.track.append(pcm)

    def on_played(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        item = self._items.get(item_id)
        if item is None:
            return
        item.played_ms = max(item.played_ms or 0, audio_end_ms)
        self._record_when_heard(item)

    # --- events -------------------------------------------------------------------------------

    def on_client_event(self, event: Event) -> None:
        if event["type"] == "input_audio_buffer.clear":
            self._microphone.clear()

    def on_event(self, event: Event) -> None:
        handler = self._handlers.get(event["type"])
        item_id = event.get("item_id") or (event.get("item") or {}).get("id")
        if handler and item_id not in self._items.removed:
            handler(self, event)

    def _session_created(self, event: Event) -> None:
        # A later session begins with the provider's defaults, and is configured right after that.
        if not self._begun:
            self._begun = True
            self._session(event)

    def _session(self, event: Event) -> None:
        audio_in = (event["session"].get("audio") or {}).get("input") or {}
        self._microphone.detect(audio_in.get("turn_detection", {}))

    def _speech_started(self, event: Event) -> None:
        item = self._item(event["item_id"], Message.Role.USER, Message.Kind.SPOKEN)
        if item.track is None and not item.recorded:
            track = self._microphone.begin(int(event.get("audio_start_ms") or 0))
            self._keeper.attach(item, track)
            self._remove_repeated()

    def _remove_repeated(self) -> None:
        """Remove the turn that broke off with its session, if the one that begins now has all of
        it: the next session was given it again."""
        track = self._microphone.repeated
        for item in self._items if track is not None else ():
            known = item.text and item.status == Message.Status.COMPLETED
            if item.track is track and not known:
                self._remove(item)

    def _speech_stopped(self, event: Event) -> None:
        item = self._items.get(event["item_id"])
        if item is not None:
            item.own_ms = self._microphone.own_ms(item.track, int(event.get("audio_end_ms") or 0))
            self._microphone.stop(item.track)

    def _timed_out(self, event: Event) -> None:
        """Nobody spoke: remove the turn of silence with which the provider asks who is there."""
        item = self._items.get(event["item_id"])
        if item is not None:
            self._remove(item)
        self._items.removed.add(event["item_id"])

    def _committed(self, event: Event) -> None:
        item = self._item(
            event["item_id"],
            Message.Role.USER,
            Message.Kind.SPOKEN,
            after=event.get("previous_item_id"),
        )
        if item.track is None and not item.recorded:
            microphone = self._microphone
            track = microphone.take_manual() or microphone.take_untold()
            if track is not None:
                self._keeper.attach(item, track)
                self._remove_repeated()
        self._microphone.commit(item.track)
        item.complete = True
        self._keeper.record(item, item.own_ms)

    def _item_added(self, event: Event) -> None:
        added = event["item"]
        if added.get("type") != "message" or added.get("role") not in ("user", "assistant"):
            return
        content = added.get("content") or []
        words = [part.get("text") or "" for part in content]
        # An answer begins without text; one that has text was created by a program.
        spoken = (added["role"] == "assistant" and not any(words)) or any(
            part.get("type") == "input_audio" for part in content
        )
        known = self._items.get(added["id"]) is not None
        item = self._item(
            added["id"],
            added["role"],
            Message.Kind.SPOKEN if spoken else Message.Kind.TYPED,
            after=event.get("previous_item_id"),
        )
        if not known and not spoken:
            item.text = "\n".join(filter(None, words))
            item.attachments = [
                part
                for part in added.get("content") or []
                if part.get("type") == "nextvoice.attachment"
            ]
            item.complete = True
            item.status = Message.Status.COMPLETED
            self._keeper.save(item)
            self._keeper.link(item)

    def _item_done(self, event: Event) -> None:
        """Take the text of an item that has none yet: some providers send it nowhere else."""
        done, item = event["item"], self._items.get(event["item"]["id"])
        if done.get("type") != "message" or item is None or item.text.strip() or item.unheard:
            return
        parts = done.get("content") or ()
        item.text = "".join(part.get("text") or part.get("transcript") or "" for part in parts)
        if not item.text:
            return
        if item.role == Message.Role.USER:
            item.status = Message.Status.COMPLETED
        self._keeper.save(item)

    def _transcribed_delta(self, event: Event) -> None:
        item = self._item(event["item_id"], Message.Role.USER, Message.Kind.SPOKEN)
        if item.status == Message.Status.IN_PROGRESS:
            item.text += event.get("delta") or ""
            self._keeper.grow(item)

    def _transcribed(self, event: Event) -> None:
        item = self._item(event["item_id"], Message.Role.USER, Message.Kind.SPOKEN)
        item.text = (event.get("transcript") or "").strip()
        item.status = Message.Status.COMPLETED
        self._keeper.save(item)

    def _transcription_failed(self, event: Event) -> None:
        """There will be no transcript; what there is of the turn's audio is kept."""
        item = self._items.get(event["item_id"])
        if item is not None:
            if (event.get("error") or {}).get("code") == CONNECTION_LOST:
                self._microphone.uncommit(item.track)
            item.status = Message.Status.COMPLETED
            self._keeper.save(item)

    def _said(self, event: Event) -> None:
        item = self._item(event["item_id"], Message.Role.ASSISTANT, Message.Kind.SPOKEN)
        if item.cut_ms is None:
            self._tell(item, event, event.get("transcript"))

    def _wrote(self, event: Event) -> None:
        item = self._item(event["item_id"], Message.Role.ASSISTANT, Message.Kind.TYPED)
        if item.track is None:
            item.kind = Message.Kind.TYPED
        self._tell(item, event, event.get("text"))

    def _tell(self, item: Item, event: Event, whole: str | None) -> None:
        """Add to the text of a part of an answer. `whole`: all of it, as not every provider sends
        it piece by piece."""
        index = event.get("content_index") or 0
        item.parts[index] = whole or item.parts.get(index, "") + (event.get("delta") or "")
        item.text = "".join(words for _, words in sorted(item.parts.items()))
        self._keeper.grow(item)

    def _tool(self, event: Event) -> None:
        item = self._item(event["item_id"], Message.Role.ASSISTANT, Message.Kind.TOOL)
        item.status = Message.status_of_tool(event["state"])
        item.complete = item.status != Message.Status.IN_PROGRESS
        item.tool = tool_columns(event)
        item.text = str(event["shown"].get("words") or "")
        item.attachments = event["attachments"]
        self._keeper.save(item)
        self._keeper.link(item)

    def _truncated(self, event: Event) -> None:
        item = self._items.get(event["item_id"])
        if item is not None and item.role == Message.Role.ASSISTANT:
            self._cut(item, int(event.get("audio_end_ms") or 0))

    def _deleted(self, event: Event) -> None:
        item = self._items.get(event["item_id"])
        if item is not None:
            self._remove(item)

    def _response_done(self, event: Event) -> None:
        status = event["response"].get("status")
        for output in event["response"].get("output") or []:
            item = self._items.get(output.get("id"))
            if item is None or item.kind == Message.Kind.TOOL:
                continue
            item.complete = True
            if status == "failed":
                item.status = Message.Status.FAILED
            elif status in ("cancelled", "incomplete"):
                item.status = Message.Status.INTERRUPTED
                self._unsaid(item)
            elif item.cut_ms is None:
                item.status = Message.Status.COMPLETED
            if self._is_nothing(item):
                self._remove(item)
                continue
            self._keeper.save(item)
            self._record_when_heard(item)

    _handlers: dict[str, Callable[[Recorder, Event], None]] = {
        "session.created": _session_created,
        "session.updated": _session,
        "input_audio_buffer.speech_started": _speech_started,
        "input_audio_buffer.speech_stopped": _speech_stopped,
        "input_audio_buffer.timeout_triggered": _timed_out,
        "input_audio_buffer.committed": _committed,
        "conversation.item.added": _item_added,
        "conversation.item.done": _item_done,
        "conversation.item.input_audio_transcription.delta": _transcribed_delta,
        "conversation.item.input_audio_transcription.completed": _transcribed,
        "conversation.item.input_audio_transcription.failed": _transcription_failed,
        "response.output_audio_transcript.delta": _said,
        "response.output_audio_transcript.done": _said,
        "response.output_text.delta": _wrote,
        "response.output_text.done": _wrote,
        "nextvoice.tool": _tool,
        "conversation.item.truncated": _truncated,
        "conversation.item.deleted": _deleted,
        "response.done": _response_done,
    }

    def on_end(self, record: EndRecord) -> None:
        """Finish whatever is still open: the call is over, so nothing more will be heard."""
        for item in self._items:
            if item.status == Message.Status.IN_PROGRESS and self._is_nothing(item):
                self._remove(item)
                continue
            if item.role == Message.Role.ASSISTANT and not item.recorded:
                self._end_answer(item)
            elif item.role == Message.Role.USER and not item.recorded:
                self._keeper.record(item, item.own_ms)
            if item.status == Message.Status.IN_PROGRESS:
                # A turn that was committed is whole even when its transcript never came.
                whole = item.role == Message.Role.USER and item.complete
                item.status = Message.Status.COMPLETED if whole else Message.Status.INTERRUPTED
                self._unsaid(item)
                self._keeper.save(item)
        self._microphone.clear()

    # --- items --------------------------------------------------------------------------------

    def _is_nothing(self, item: Item) -> bool:
        """Whether the item is an answer that broke off before anything of it came."""
        return (
            item.role == Message.Role.ASSISTANT
            and item.status in (Message.Status.IN_PROGRESS, Message.Status.INTERRUPTED)
            and not (item.text or item.unheard or item.track or item.tool)
        )

    def _remove(self, item: Item) -> None:
        self._microphone.stop(item.track)
        self._items.remove(item)
        self._keeper.remove(item)

    def _item(self, item_id: str, role: str, kind: str, after: str | None = None) -> Item:
        """Return the item. A new one gets its row at once, a known one moves to follow `after`."""
        item = self._items.get(item_id)
        if item is None:
            item = self._items.add(item_id, role, kind, after)
            self._keeper.save(item)
        elif self._items.move(item, after):
            self._keeper.save(item)
        return item

    def _cut(self, item: Item, heard_ms: int) -> None:
        """The person heard the answer only up to `heard_ms`."""
        if item.recorded or item.cut_ms is not None:
            return
        item.cut_ms = min(heard_ms, item.total_ms)
        item.text, item.unheard = split_heard(item.text, item.cut_ms, item.total_ms)
        item.status = Message.Status.INTERRUPTED
        self._keeper.save(item)
        self._keeper.record(item, item.cut_ms)

    def _unsaid(self, item: Item) -> None:
        """Mark all text of a spoken answer as unheard if it broke off before any audio came."""
        spoken = (item.role, item.kind) == (Message.Role.ASSISTANT, Message.Kind.SPOKEN)
        if spoken and item.track is None and item.cut_ms is None:
            item.cut_ms = 0
            item.text, item.unheard = "", item.text

    def _end_answer(self, item: Item) -> None:
        """Close an answer whose playback was still going on when the call ended."""
        heard = item.played_ms
        if heard is not None and heard < item.total_ms - HEARD_WHOLE_MS:
            self._cut(item, heard)
        else:
            self._keeper.record(item)

    def _record_when_heard(self, item: Item) -> None:
        """Encode an answer once it is complete and its playback has reached the end."""
        heard = item.played_ms or 0
        if item.complete and item.track and heard >= item.total_ms - HEARD_WHOLE_MS:
            self._keeper.record(item)
