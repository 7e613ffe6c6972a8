"""The recorder: from what happens in a call to messages, recordings and their order."""

from __future__ import annotations

import math
import struct
import uuid
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chats.models import Conversation, Message, Recording
from realtime.bridge.ends import ENDS
from realtime.bridge.heard import split_heard
from realtime.bridge.taps import EndRecord
from realtime.keeping import tracks
from realtime.keeping.store import Store
from realtime.recorder import Recorder
from tests.bridge.doubles import Rig

pytestmark = pytest.mark.django_db(transaction=True)


def tone(ms: int) -> bytes:
    return b"".join(
        struct.pack("<h", int(9000 * math.sin(2 * math.pi * 440 * n / 24000)))
        for n in range(24 * ms)
    )


class Call:
    """Drives a recorder the way a call does, and waits for what it wrote."""

    def __init__(self, conversation: Conversation, folder: Path) -> None:
        self.told: list[dict[str, Any]] = []
        self.store = Store(folder / "journal")
        self.sent = 0
        self.recorder = Recorder(
            store=self.store,
            conversation_id=str(conversation.pk),
            call_id=str(uuid.uuid4()),
            last_position=0.0,
            titled=False,
            notify=self.told.append,
        )

    def speak(self, ms: int) -> None:
        for _ in range(ms // 20):
            self.recorder.on_user_audio(tone(20), self.sent)
            self.sent += 480

    def event(self, type_: str, **fields: Any) -> None:
        self.recorder.on_event({"type": type_, "event_id": "event_1", **fields})

    def turn(self, item_id: str, start: int, stop: int, after: str | None = None) -> None:
        self.event("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=start)
        self.speak(stop - self.sent // 24)
        self.event("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=stop)
        self.event("input_audio_buffer.committed", item_id=item_id, previous_item_id=after)

    def transcribe(self, item_id: str, text: str) -> None:
        self.event(
            "conversation.item.input_audio_transcription.completed",
            item_id=item_id,
            content_index=0,
            transcript=text,
        )

    def answer(self, item_id: str, ms: int, text: str, after: str | None = None) -> None:
        item = {"id": item_id, "type": "message", "role": "assistant", "content": []}
        self.event("conversation.item.added", item=item, previous_item_id=after)
        for word in text.split(" "):
            self.event("response.output_audio_transcript.delta", item_id=item_id, delta=word + " ")
        if ms:
            self.recorder.on_assistant_audio(item_id, 0, tone(ms))

    def done(self, item_id: str, status: str = "completed") -> None:
        self.event("response.done", response={"status": status, "output": [{"id": item_id}]})

    def end(self, reason: str = "hang_up") -> None:
        self.recorder.on_end(EndRecord(ENDS[reason]))
        self.wait()

    def wait(self) -> None:
        tracks.settle(10)
        assert self.store.flush(10)


@pytest.fixture
def call(conversation: Conversation, tmp_path: Path) -> Call:
    return Call(conversation, tmp_path)


def thread() -> list[tuple[str, str, str]]:
    return [(m.role, m.status, m.text.strip()) for m in Message.objects.all()]


def lengths() -> list[int]:
    return [r.duration_ms for r in Recording.objects.order_by("message__position")]


def test_a_spoken_turn_and_its_answer_become_two_messages_with_recordings(call: Call) -> None:
    call.speak(1000)
    call.turn("u1", 700, 2000)
    call.answer("a1", 1500, "It is noon.", after="u1")
    call.transcribe("u1", "What time is it?")
    call.done("a1")
    call.recorder.on_played("a1", 0, 1500)
    call.wait()
    assert thread() == [
        ("user", "completed", "What time is it?"),
        ("assistant", "completed", "It is noon."),
    ]
    assert lengths() == [1300, 1500]
    assert [r.state for r in Recording.objects.all()] == ["ready", "ready"]
    saved = [e for e in call.told if e["type"] == "nextvoice.saved" and e["recording"]]
    assert {e["item_id"]: e["recording"]["duration_ms"] for e in saved} == {"u1": 1300, "a1": 1500}


def test_rows_appear_while_the_call_runs(call: Call) -> None:
    call.event("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)
    call.wait()
    assert thread() == [("user", "in_progress", "")]
    assert Recording.objects.get().state == "live"


def test_raw_audio_is_on_disk_while_it_is_spoken(call: Call, tmp_path: Path) -> None:
    call.event("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)
    call.speak(1100)
    call.wait()
    (raw,) = tmp_path.glob("live/*/*.pcm")
    assert raw.stat().st_size == 1100 * 48


def test_an_interrupted_answer_ends_where_it_was_heard(call: Call) -> None:
    call.answer("a1", 4000, "one two three four five six seven eight")
    call.event("conversation.item.truncated", item_id="a1", content_index=0, audio_end_ms=2000)
    call.done("a1", "cancelled")
    call.wait()
    message = Message.objects.get()
    assert (message.status, message.heard_ms) == ("interrupted", 2000)
    assert (message.text, message.unheard.strip()) == ("one two three four five", "six seven eight")
    assert lengths() == [2000]


def test_nothing_was_heard_of_an_answer_that_was_stopped_before_its_sound_came(call: Call) -> None:
    call.answer("a1", 0, "one two three")
    call.done("a1", "cancelled")
    call.event("conversation.item.truncated", item_id="a1", audio_end_ms=0)
    call.answer("a2", 500, "four")
    call.done("a2", "cancelled")
    call.event("response.output_text.done", item_id="a3", text="five")
    call.done("a3", "cancelled")
    call.wait()
    stored = {m.item_id: (m.text.strip(), m.unheard.strip()) for m in Message.objects.all()}
    assert stored == {"a1": ("", "one two three"), "a2": ("four", ""), "a3": ("five", "")}
    assert {status for _, status, _ in thread()} == {"interrupted"}


def test_text_and_audio_after_the_cut_are_not_kept(call: Call) -> None:
    call.answer("a1", 1000, "heard words")
    call.event("conversation.item.truncated", item_id="a1", content_index=0, audio_end_ms=1000)
    call.recorder.on_assistant_audio("a1", 0, tone(1000))
    call.event("response.output_audio_transcript.delta", item_id="a1", delta=" unheard")
    call.wait()
    assert (Message.objects.get().text.strip(), lengths()) == ("heard words", [1000])


def test_an_answer_is_cut_once_and_not_when_it_was_heard_whole(call: Call) -> None:
    call.answer("a1", 4000, "one two three four five six seven eight")
    call.answer("a2", 1000, "all of it was heard")
    call.done("a2")
    call.recorder.on_played("a2", 0, 1000)
    for item_id, at in (("a1", 2000), ("a1", 1000), ("a2", 500)):
        call.event("conversation.item.truncated", item_id=item_id, audio_end_ms=at)
    call.wait()
    stored = {m.item_id: (m.text.strip(), m.unheard.strip()) for m in Message.objects.all()}
    heard = ("one two three four five", "six seven eight")
    assert stored == {"a1": heard, "a2": ("all of it was heard", "")}
    assert lengths() == [2000, 1000]


SAID = "response.output_audio_transcript"


@pytest.mark.parametrize("before", ["Sure, how", ""])
def test_an_answer_has_the_words_that_only_its_end_tells(call: Call, before: str) -> None:
    call.event(f"{SAID}.delta", item_id="a1", content_index=0, delta=before)
    call.event(f"{SAID}.done", item_id="a1", content_index=0, transcript="Sure, how can I help? ")
    call.event(f"{SAID}.delta", item_id="a1", content_index=1, delta="Or")
    call.event(f"{SAID}.done", item_id="a1", content_index=1, transcript="Or not?")
    call.event(f"{SAID}.done", item_id="a1", content_index=1, transcript="")
    call.done("a1")
    call.wait()
    assert thread() == [("assistant", "completed", "Sure, how can I help? Or not?")]


def test_words_that_only_an_item_has_are_its_own(call: Call) -> None:
    call.answer("a1", 1000, "")
    call.event("response.output_text.done", item_id="a2", content_index=0, text="Written.")
    call.event("input_audio_buffer.committed", item_id="u1", previous_item_id=None)
    told = {"u1": ("user", "Hello"), "a1": ("assistant", "Said."), "a2": ("assistant", "Not this")}
    for item_id, (role, words) in told.items():
        item = {"id": item_id, "type": "message", "role": role, "content": [{"transcript": words}]}
        call.event("conversation.item.done", item=item, previous_item_id=None)
    call.done("a1")
    call.done("a2")
    call.wait()
    assert {words for _, _, words in thread()} == {"Hello", "Said.", "Written."}
    assert {status for _, status, _ in thread()} == {"completed"}


def test_hanging_up_in_an_answer_cuts_it_where_playback_was(call: Call) -> None:
    call.answer("a1", 3000, "a long answer that goes on")
    call.done("a1")
    call.recorder.on_played("a1", 0, 1000)
    call.end()
    message = Message.objects.get()
    assert (message.status, message.heard_ms, lengths()) == ("interrupted", 1000, [1000])


def test_hanging_up_when_all_that_came_of_an_answer_was_heard_keeps_all_of_it(call: Call) -> None:
    call.answer("a1", 3000, "a long answer that goes on")
    call.recorder.on_played("a1", 0, 2900)
    call.end()
    message = Message.objects.get()
    assert (message.text.strip(), message.unheard) == ("a long answer that goes on", "")
    assert (message.heard_ms, lengths()) == (None, [3000])


def test_a_turn_that_is_taken_out_while_it_is_spoken_leaves_no_sound(
    call: Call, tmp_path: Path
) -> None:
    call.event("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)
    call.speak(600)
    call.event("conversation.item.deleted", item_id="u1")
    call.speak(1400)
    call.wait()
    assert (list(tmp_path.glob("live/*/*.pcm")), thread()) == ([], [])


def test_words_that_a_program_puts_into_the_assistant_s_mouth_are_kept(call: Call) -> None:
    content = [{"type": "output_text", "text": "Put there."}]
    item = {"id": "a1", "type": "message", "role": "assistant", "content": content}
    call.event("conversation.item.added", item=item, previous_item_id=None)
    call.wait()
    assert thread() == [("assistant", "completed", "Put there.")]


def test_that_some_sound_could_not_be_kept_is_written_and_told_once(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracks, "MAX_PENDING_BYTES", -1)  # as if the disk were too slow for any
    call.speak(1000)
    call.turn("u1", 700, 2000)
    call.answer("a1", 500, "unheard of")
    call.wait()
    assert list(Recording.objects.values_list("partial", flat=True)) == [True, True]
    told = [event["code"] for event in call.told if event["type"] == "nextvoice.notice"]
    assert told == ["recording_partial"]


def test_hanging_up_in_the_middle_of_a_sentence_keeps_it(call: Call) -> None:
    call.event("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)
    call.speak(600)
    call.end("browser_gone")
    assert (thread(), lengths()) == ([("user", "interrupted", "")], [600])


def test_a_turn_whose_transcript_never_comes_is_whole(call: Call) -> None:
    call.turn("u1", 0, 500)
    call.end()
    assert (thread(), lengths()) == ([("user", "completed", "")], [500])


def test_nothing_is_told_of_a_turn_that_was_removed_while_it_was_encoded(call: Call) -> None:
    call.turn("u1", 0, 2000)
    assert call.store.flush(10)
    call.event("conversation.item.deleted", item_id="u1")
    call.wait()
    call.wait()  # for what the encoder handed over at last
    assert [event["type"] for event in call.told][-1] == "nextvoice.removed"
    assert (Message.objects.count(), Recording.objects.count()) == (0, 0)


@pytest.mark.parametrize("settled", [False, True])
def test_a_turn_may_begin_in_what_was_taken_for_the_one_before(call: Call, settled: bool) -> None:
    call.event("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)
    call.speak(4000)
    if settled:
        tracks.settle(10)
    call.event("input_audio_buffer.speech_started", item_id="u2", audio_start_ms=1500)
    call.speak(500)
    assert call.recorder.recall(48 * 1500, 200_000) == (tone(20) * 225)[48 * 1500 :]
    call.event("input_audio_buffer.committed", item_id="u1", previous_item_id=None)
    call.event("input_audio_buffer.committed", item_id="u2", previous_item_id="u1")
    call.wait()
    assert lengths() == [4000, 3000]


@pytest.mark.parametrize(
    ("padding", "late"),
    [
        pytest.param(300, 2300, id="usual"),
        pytest.param(5000, 7000, id="the longest"),
        pytest.param(None, 3000, id="not said"),
        pytest.param("?", 3000, id="nonsense"),
    ],
)
def test_a_turn_is_whole_however_far_it_is_dated_back(call: Call, padding: Any, late: int) -> None:
    turns = {"type": "server_vad", "prefix_padding_ms": padding}
    session = {"type": "realtime", "audio": {"input": {"turn_detection": turns}}}
    call.event("session.updated", session=session)
    call.speak(9000)
    call.turn("u1", 9000 - late, 9400)
    call.end()
    assert lengths() == [late + 400]


def test_a_turn_that_is_not_told_before_it_is_over_has_its_sound(call: Call) -> None:
    def say(item_id: str, quiet: int, loud: int) -> None:
        for pcm, ms in ((bytes(9600), quiet), (tone(200), loud)):
            for _ in range(ms // 200):
                call.recorder.on_user_audio(pcm, call.sent)
                call.sent += 4800
        call.event("input_audio_buffer.committed", item_id=item_id, previous_item_id=None)

    say("u1", 10_000, 2000)
    say("u2", 0, 1000)
    say("u3", 20_000, 8000)
    say("u4", 4000, 0)
    call.end()
    assert lengths() == [2200, 1000, 8200]


def test_words_that_come_before_their_turn_are_kept(call: Call) -> None:
    words = "conversation.item.input_audio_transcription.delta"
    call.event(words, item_id="u1", content_index=0, delta="Hello")
    call.event("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)
    call.end()
    assert thread() == [("user", "interrupted", "Hello")]


def test_late_items_find_their_place(call: Call) -> None:
    call.answer("a1", 100, "first answer")
    call.turn("u2", 0, 100, after="a1")
    call.turn("u1", 100, 200)
    call.transcribe("u1", "first question")
    call.transcribe("u2", "second question")
    item = {"id": "a0", "type": "message", "role": "assistant", "content": []}
    call.event("conversation.item.added", item=item, previous_item_id="a1")
    call.event("response.output_audio_transcript.delta", item_id="a0", delta="So")
    call.end()
    assert [m.item_id for m in Message.objects.all()] == ["a1", "a0", "u2", "u1"]


def test_the_turn_that_is_spoken_can_be_had_again_and_no_other(call: Call) -> None:
    call.speak(1000)
    call.event("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=400)
    call.speak(3000)
    tracks.settle(10)
    call.speak(1000)  # which is not on the disk yet, or just so
    whole = tone(20) * 250
    assert call.recorder.recall(48 * 600, 96_000) == whole[48 * 600 :][:96_000]
    assert call.recorder.recall(48 * 600, 200_000) == whole[48 * 600 :][:200_000]
    assert call.recorder.recall(48 * 4500, 96_000) == whole[48 * 4500 :]
    assert call.recorder.recall(48 * 399, 96_000) == b""
    call.event("input_audio_buffer.committed", item_id="u1", previous_item_id=None)
    assert call.recorder.recall(48 * 600, 96_000) == b""


def recorded(call: Call) -> Rig:
    """A call of the bridge that is recorded."""
    rig = Rig(taps=[call.recorder])
    call.recorder.keep_for(rig.call.tail)
    return rig


BY_HAND = {"audio": {"input": {"turn_detection": None}}}


def recorded_by_hand(call: Call) -> Rig:
    """The same, in which the person says where turns end."""
    rig = recorded(call)
    rig.page({"type": "session.update", "session": BY_HAND})
    rig.provider({"type": "session.updated", "session": BY_HAND})
    return rig


def speak(rig: Rig, ms: int) -> None:
    for _ in range(ms // 20):
        rig.clock.now += 0.02
        rig.call.from_browser(tone(20))


def heard_again(rig: Rig) -> int:
    """How many ms of the microphone another session is given when this one breaks off."""
    rig.call.detach()
    rig.upstream.take()
    rig.attach("sess_2")
    again = [f for f in rig.upstream.frames if f["type"] == "input_audio_buffer.append"]
    return sum(len(b64decode(each["audio"])) for each in again) // 48


def test_a_word_that_may_just_have_begun_is_heard_again(call: Call) -> None:
    rig = recorded(call)
    speak(rig, 3000)
    assert heard_again(rig) == 500
    speak(rig, 1000)
    assert heard_again(rig) == 500


def test_what_a_silent_provider_was_told_is_heard_again_and_kept_whole(call: Call) -> None:
    rig = recorded(call)
    rig.call.proven = 0
    speak(rig, 5000)
    rig.call.proven = rig.call.samples
    speak(rig, 9000)
    assert heard_again(rig) == 9500
    speak(rig, 1000)
    at = {"item_id": "u1", "previous_item_id": None, "audio_start_ms": 800, "audio_end_ms": 9800}
    for kind in ("speech_started", "speech_stopped", "committed"):
        rig.provider({**at, "type": f"input_audio_buffer.{kind}"})
    rig.call.finish()
    call.wait()
    assert lengths() == [9000]


def test_a_turn_by_hand_is_kept_whole_over_a_break(call: Call) -> None:
    rig = recorded_by_hand(call)
    speak(rig, 4000)
    assert heard_again(rig) == 4000
    rig.provider({"type": "session.updated", "session": BY_HAND})
    speak(rig, 1000)
    committed = {"item_id": "u1", "previous_item_id": None}
    rig.provider({"type": "input_audio_buffer.committed", **committed})
    rig.call.finish()
    call.wait()
    assert lengths() == [5000]


def test_a_turn_by_hand_that_no_provider_took_is_kept_once_when_the_next_has_it(call: Call) -> None:
    rig = recorded_by_hand(call)
    speak(rig, 4000)
    rig.page({"type": "input_audio_buffer.commit"})
    assert heard_again(rig) == 4000
    committed = {"item_id": "u1", "previous_item_id": None}
    rig.provider({"type": "input_audio_buffer.committed", **committed})
    call.transcribe("u1", "What time is it?")
    rig.call.finish()
    call.wait()
    assert (thread(), lengths()) == ([("user", "completed", "What time is it?")], [4000])


def test_a_turn_by_hand_of_which_nothing_came_is_heard_again_and_kept_once(call: Call) -> None:
    rig = recorded_by_hand(call)
    committed = {"type": "input_audio_buffer.committed", "previous_item_id": None}
    speak(rig, 4000)
    rig.page({"type": "input_audio_buffer.commit"}, {"type": "response.create"})
    rig.provider({**committed, "item_id": "u1"})
    call.wait()  # its sound has been encoded
    assert heard_again(rig) == 4000
    asked = ["input_audio_buffer.commit", "response.create"]
    assert rig.upstream.types()[-2:] == asked
    # Should it break again before anything is said of it, it is no other turn.
    assert heard_again(rig) == 4000
    rig.provider({**committed, "item_id": "u2"})
    call.transcribe("u2", "What time is it?")
    assert "nextvoice.notice" not in rig.browser.types()
    rig.call.finish()
    call.wait()
    assert (thread(), lengths()) == ([("user", "completed", "What time is it?")], [4000])


def test_a_turn_by_hand_is_not_heard_again_when_the_next_has_begun(call: Call) -> None:
    rig = recorded_by_hand(call)
    speak(rig, 4000)
    rig.page({"type": "input_audio_buffer.commit"}, {"type": "response.create"})
    committed = {"item_id": "u1", "previous_item_id": None}
    rig.provider({"type": "input_audio_buffer.committed", **committed})
    speak(rig, 1000)
    assert heard_again(rig) == 1000
    assert [f["code"] for f in rig.browser.frames if "code" in f] == ["turn_lost"]
    assert "input_audio_buffer.commit" not in rig.upstream.types()


def test_a_long_turn_that_breaks_off_is_heard_again_whole(call: Call) -> None:
    rig = recorded(call)
    started = {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0}
    rig.provider({**started, "item_id": "u1"})
    speak(rig, 25_000)
    tracks.settle(10)
    assert heard_again(rig) == 25_000
    sizes = [len(f["audio"]) for f in rig.upstream.frames if "audio" in f]
    assert max(sizes) <= 64_000
    rig.provider({**started, "item_id": "u2"})
    rig.call.finish()
    call.wait()
    assert [(m.item_id, m.recording.duration_ms) for m in Message.objects.all()] == [("u2", 25_000)]


def test_a_turn_that_breaks_off_is_heard_again_from_its_beginning(call: Call) -> None:
    rig = recorded(call)
    at = {"item_id": "u1", "previous_item_id": None, "audio_end_ms": 0, "audio_start_ms": 0}
    speak(rig, 3000)
    rig.provider({**at, "type": "input_audio_buffer.speech_started", "audio_start_ms": 2700})
    speak(rig, 3000)
    assert heard_again(rig) == 3300
    at["item_id"] = "u2"
    rig.provider({**at, "type": "input_audio_buffer.speech_started"})
    speak(rig, 1000)
    rig.provider({**at, "type": "input_audio_buffer.speech_stopped", "audio_end_ms": 4300})
    rig.provider({**at, "type": "input_audio_buffer.committed"})
    call.transcribe("u2", "What time is it in Rome?")
    rig.call.finish()
    call.wait()
    assert thread() == [("user", "completed", "What time is it in Rome?")]
    assert lengths() == [4300]


def test_a_turn_is_whole_though_the_next_provider_breaks_before_it_says_a_word(call: Call) -> None:
    rig = recorded(call)
    at = {"item_id": "u1", "previous_item_id": None, "audio_end_ms": 0, "audio_start_ms": 0}
    speak(rig, 3000)
    rig.provider({**at, "type": "input_audio_buffer.speech_started", "audio_start_ms": 2700})
    speak(rig, 3000)
    assert heard_again(rig) == 3300
    speak(rig, 400)
    assert heard_again(rig) == 3700
    at["item_id"] = "u2"
    rig.provider({**at, "type": "input_audio_buffer.speech_started"})
    rig.provider({**at, "type": "input_audio_buffer.speech_stopped", "audio_end_ms": 3700})
    rig.provider({**at, "type": "input_audio_buffer.committed"})
    rig.call.finish()
    call.wait()
    assert [(m.item_id, m.recording.duration_ms) for m in Message.objects.all()] == [("u2", 3700)]


def test_a_turn_of_which_nothing_came_is_there_once_when_it_is_heard_again(call: Call) -> None:
    rig = recorded(call)
    at = {"item_id": "u1", "previous_item_id": None, "audio_start_ms": 2700, "audio_end_ms": 5500}
    kinds = ("speech_started", "speech_stopped", "committed")
    speak(rig, 3000)
    rig.provider({**at, "type": f"input_audio_buffer.{kinds[0]}"})
    speak(rig, 3000)
    rig.provider(*({**at, "type": f"input_audio_buffer.{kind}"} for kind in kinds[1:]))
    call.wait()  # its sound has been encoded
    speak(rig, 400)
    assert heard_again(rig) == 3700
    again = {"item_id": "u2", "audio_start_ms": 0, "audio_end_ms": 3000}
    rig.provider(*({**at, **again, "type": f"input_audio_buffer.{kind}"} for kind in kinds))
    call.transcribe("u2", "What time is it?")
    rig.call.finish()
    call.wait()
    assert (thread(), lengths()) == ([("user", "completed", "What time is it?")], [3000])


def test_what_is_said_without_a_provider_is_kept_from_its_beginning(call: Call) -> None:
    rig = recorded(call)
    rig.call.detach()
    speak(rig, 10_000)
    rig.attach("sess_2")
    speak(rig, 40)
    at = {"item_id": "u1", "previous_item_id": None, "audio_start_ms": 1000, "audio_end_ms": 9000}
    for kind in ("speech_started", "speech_stopped", "committed"):
        rig.provider({**at, "type": f"input_audio_buffer.{kind}"})
    rig.call.finish()
    call.wait()
    assert lengths() == [8000]


@pytest.mark.parametrize("slower", [1, 6])
def test_turns_that_come_all_at_once_have_their_own_sound_each(call: Call, slower: int) -> None:
    rig = recorded(call)
    speak(rig, 2000 * slower)
    for item_id, before, start, stop in (("u1", None, 200, 700), ("u2", "u1", 900, 1500)):
        at = {"item_id": item_id, "previous_item_id": before}
        at |= {"audio_start_ms": start * slower, "audio_end_ms": stop * slower}
        for kind in ("speech_started", "speech_stopped", "committed"):
            rig.provider({**at, "type": f"input_audio_buffer.{kind}"})
        speak(rig, 20)
    rig.call.finish()
    call.wait()
    assert lengths() == [500 * slower, 600 * slower]


def test_of_a_very_long_id_as_much_is_kept_as_there_is_room_for(call: Call) -> None:
    call.answer("a" * 250, 100, "Hello")
    call.end()
    assert Message.objects.get().item_id == "a" * 128


def test_a_repeated_item_makes_no_second_row(call: Call) -> None:
    for _ in range(3):
        call.turn("u1", 0, 200)
        call.transcribe("u1", "once")
    call.end()
    assert thread() == [("user", "completed", "once")]


def test_a_typed_question_and_a_written_answer_have_no_recording(call: Call) -> None:
    content = [{"type": "input_text", "text": "Hello"}]
    item = {"id": "u1", "type": "message", "role": "user", "content": content}
    call.event("conversation.item.added", item=item, previous_item_id=None)
    item = {"id": "a1", "type": "message", "role": "assistant", "content": []}
    call.event("conversation.item.added", item=item, previous_item_id="u1")
    call.event("response.output_text.delta", item_id="a1", delta="Hi!")
    call.done("a1")
    call.end()
    assert [(m.kind, m.text) for m in Message.objects.all()] == [
        ("typed", "Hello"),
        ("typed", "Hi!"),
    ]
    assert Recording.objects.count() == 0


def test_with_turn_detection_off_a_turn_is_what_was_sent_since_the_last(call: Call) -> None:
    call.event("session.updated", session={"audio": {"input": {"turn_detection": None}}})
    call.speak(400)
    call.recorder.on_client_event({"type": "input_audio_buffer.clear"})
    call.speak(600)
    call.event("input_audio_buffer.committed", item_id="u1", previous_item_id=None)
    call.speak(300)
    call.event("input_audio_buffer.committed", item_id="u2", previous_item_id="u1")
    call.end()
    assert lengths() == [600, 300]


def test_a_failed_response_is_marked(call: Call) -> None:
    call.answer("a1", 100, "I")
    call.done("a1", "failed")
    call.end()
    assert thread() == [("assistant", "failed", "I")]


def test_an_untitled_conversation_is_named_after_the_first_words(
    call: Call, conversation: Conversation
) -> None:
    call.turn("u1", 0, 100)
    call.transcribe("u1", "Plan a trip to Rome")
    call.end()
    conversation.refresh_from_db()
    assert conversation.title == "Plan a trip to Rome"
    assert {"type": "nextvoice.title", "title": "Plan a trip to Rome"} in call.told


@pytest.mark.parametrize(
    ("heard", "total", "parts"),
    [
        (0, 1000, ("", "one two")),
        (300, 1000, ("one", "two")),
        (1000, 1000, ("one two", "")),
        (5, 0, ("one two", "")),
    ],
)
def test_a_transcript_is_split_after_a_whole_word(
    heard: int, total: int, parts: tuple[str, str]
) -> None:
    assert split_heard("one two", heard, total) == parts


def test_scripts_without_spaces_are_split_between_letters() -> None:
    assert split_heard("今天天气很好", 500, 1000) == ("今天天", "气很好")


def test_a_turn_that_is_taken_back_leaves_nothing_and_does_not_return(call: Call) -> None:
    call.turn("u1", 0, 400)
    call.wait()
    assert (Message.objects.count(), Recording.objects.count()) == (1, 1)
    call.event("conversation.item.deleted", item_id="u1")
    call.transcribe("u1", "Ahem.")
    call.end()
    assert (Message.objects.count(), Recording.objects.count()) == (0, 0)


def test_an_answer_that_broke_off_before_its_first_word_leaves_nothing(call: Call) -> None:
    call.turn("u1", 0, 1000)
    call.transcribe("u1", "Hello.")
    item = {"id": "a1", "type": "message", "role": "assistant", "content": []}
    call.event("conversation.item.added", item=item, previous_item_id="u1")
    call.done("a1", "incomplete")
    item = {"id": "a2", "type": "message", "role": "assistant", "content": []}
    call.event("conversation.item.added", item=item, previous_item_id="u1")
    call.end()
    assert thread() == [("user", "completed", "Hello.")]


@pytest.mark.parametrize("told", [True, False])
def test_of_an_answer_that_broke_off_before_its_sound_came_nothing_was_heard(
    call: Call, told: bool
) -> None:
    call.answer("a1", 0, "Once upon a time")
    if told:
        call.done("a1", "cancelled")
    call.end()
    found = Message.objects.get()
    assert (found.status, found.text, found.heard_ms) == ("interrupted", "", 0)
    assert found.unheard.strip() == "Once upon a time"


@pytest.mark.parametrize("begun", [False, True])
def test_silence_after_which_the_provider_asks_who_is_there_is_no_message(
    call: Call, begun: bool
) -> None:
    if begun:
        call.event("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)
    call.speak(5000)
    silence = {"audio_start_ms": 0, "audio_end_ms": 5000}
    call.event("input_audio_buffer.timeout_triggered", item_id="u1", **silence)
    call.event("input_audio_buffer.committed", item_id="u1", previous_item_id=None)
    part = {"type": "input_audio", "transcript": None}
    item = {"id": "u1", "type": "message", "role": "user", "content": [part]}
    call.event("conversation.item.added", item=item, previous_item_id=None)
    call.answer("a1", 500, "Are you there?", after="u1")
    call.done("a1")
    call.end()
    assert thread() == [("assistant", "completed", "Are you there?")]
    told = [event["type"] for event in call.told if event.get("item_id") not in (None, "a1")]
    assert told == (["nextvoice.removed"] if begun else [])


def test_a_turn_whose_provider_broke_mid_word_is_there_once_when_the_next_hears_it(
    call: Call,
) -> None:
    call.event("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)
    call.speak(500)
    call.event("input_audio_buffer.speech_stopped", item_id="u1", audio_end_ms=500)
    call.event("conversation.item.input_audio_transcription.failed", item_id="u1", error={})
    call.turn("u2", 100, 1000)
    call.turn("u3", 1000, 1500, after="u2")
    call.end()
    assert (thread(), lengths()) == ([("user", "completed", "")] * 2, [900, 500])
    removed = [event for event in call.told if event["type"] == "nextvoice.removed"]
    assert [event["item_id"] for event in removed] == ["u1"]


def test_a_turn_whose_words_are_known_is_kept_wherever_the_next_is_said_to_begin(
    call: Call,
) -> None:
    for item_id, text in (("u1", "Hello."), ("u2", "And you?")):
        call.event("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=0)
        call.speak(500)
        call.event("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=500)
        call.transcribe(item_id, text)
    call.end()
    assert thread() == [("user", "completed", "Hello."), ("user", "completed", "And you?")]


def test_a_turn_whose_provider_broke_mid_word_is_kept_when_nobody_hears_it_again(
    call: Call,
) -> None:
    call.event("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)
    call.speak(500)
    call.event("input_audio_buffer.speech_stopped", item_id="u1", audio_end_ms=500)
    call.turn("u2", 500, 1000)
    call.end()
    statuses = [status for _, status, _ in thread()]
    assert (statuses, lengths()) == (["interrupted", "completed"], [500, 500])


def test_a_turn_keeps_its_sound_when_it_is_told_first_that_it_has_no_words(call: Call) -> None:
    call.event("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)
    call.speak(1000)
    call.event("input_audio_buffer.speech_stopped", item_id="u1", audio_end_ms=1000)
    error = {"type": "server_error", "code": "audio_unintelligible", "message": "?"}
    call.event("conversation.item.input_audio_transcription.failed", item_id="u1", error=error)
    call.event("input_audio_buffer.committed", item_id="u1", previous_item_id=None)
    call.wait()
    assert (thread(), lengths()) == ([("user", "completed", "")], [1000])


def test_a_whole_turn_without_a_transcript_keeps_its_sound(call: Call) -> None:
    call.turn("u1", 0, 1000)
    call.event("conversation.item.input_audio_transcription.failed", item_id="u1", error={})
    call.end()
    assert (thread(), lengths()) == ([("user", "completed", "")], [1000])


def test_a_conversation_is_touched_by_messages_not_by_each_word(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[str] = []
    for name in ("put", "put_growing"):
        monkeypatch.setattr(call.store, name, noted(getattr(call.store, name), handed))
    call.answer("a1", 500, "one two three four five six seven eight nine ten")
    call.done("a1")
    call.wait()
    assert handed.count("chats.Conversation") == 2
    # Its beginning, its words once for all that came together, its end.
    assert 3 <= handed.count("chats.Message") < 10
    assert thread() == [
        ("assistant", "completed", "one two three four five six seven eight nine ten")
    ]


def noted(put: Callable[..., None], handed: list[str]) -> Callable[..., None]:
    """`put`, which notes the models of what is handed to it."""

    def noting(model: str, *rest: Any) -> None:
        handed.append(model)
        put(model, *rest)

    return noting
