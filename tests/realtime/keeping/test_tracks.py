"""The audio of calls on disk: raw while it grows, an MP3 of the right length when it is whole."""

from __future__ import annotations

import math
import os
import signal
import struct
import sys
import threading
import time
from array import array
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from realtime.bridge import audio
from realtime.keeping import mp3, tracks
from realtime.keeping.encoding import Encoder
from realtime.keeping.tracks import Encoded, Track, encode_file, live_folder, stored

FRAME_BYTES = 144  # MPEG-2 layer III, 48 kbit/s, 24 kHz
FRAME_SAMPLES = 576


def tone(ms: int) -> bytes:
    return array("h", (int(9000 * math.sin(n * 0.115)) for n in range(24 * ms))).tobytes()


def length_ms(file: bytes) -> float:
    """How long a player plays it: its frames, less what the Info header says to skip."""
    assert len(file) % FRAME_BYTES == 0
    frames = [file[at : at + FRAME_BYTES] for at in range(0, len(file), FRAME_BYTES)]
    assert {frame[:2] for frame in frames} == {b"\xff\xf3"}
    info = frames[0]
    assert info[13:17] == b"Info"
    flags, count, size = struct.unpack_from(">III", info, 17)
    assert (flags, count, size) == (3, len(frames) - 1, len(file))
    trim = int.from_bytes(info[50:53], "big")
    return (count * FRAME_SAMPLES - (trim >> 12) - (trim & 0xFFF)) / 24


def read(encoded: Encoded | None) -> bytes:
    assert encoded is not None
    with default_storage.open(encoded.name) as file:
        content: bytes = file.read()
    assert len(content) == encoded.size
    return content


def finished(track: Track, keep_ms: int | None = None) -> Encoded | None:
    """What the track became."""
    done, result = threading.Event(), []

    def take(encoded: Encoded | None) -> None:
        result.append(encoded)
        done.set()

    track.finish(keep_ms, take)
    assert done.wait(20)
    return result[0]


@pytest.mark.parametrize("ms", [1, 20, 1000, 1234, 65_000])
def test_an_mp3_says_exactly_how_long_it_is(ms: int) -> None:
    file = mp3.encode([tone(ms)])
    assert length_ms(file) == ms
    assert mp3.duration_ms(file) == ms


def test_an_mp3_has_the_rate_of_calls() -> None:
    assert mp3.RATE == audio.RATE


def test_an_mp3_made_in_pieces_is_the_same() -> None:
    pcm = tone(3000)
    pieces = [pcm[at : at + 5000] for at in range(0, len(pcm), 5000)]
    assert mp3.encode(pieces) == mp3.encode([pcm])


@pytest.mark.parametrize("content", [b"", b"ID3", bytes(500)])
def test_a_file_of_another_make_has_no_length(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a file of ours"):
        mp3.duration_ms(content)


def test_a_track_becomes_a_recording_and_leaves_nothing_behind() -> None:
    track = Track("call", "recording")
    for _ in range(150):
        track.append(tone(20))
    assert track.duration_ms == 3000
    encoded = finished(track)
    assert encoded == Encoded("recordings/re/recording.mp3", 3000, len(read(encoded)))
    assert length_ms(read(encoded)) == 3000
    assert list(live_folder("call").iterdir()) == []
    tracks.remove_folder("call")
    assert not live_folder("call").exists()


def test_only_what_was_heard_is_kept() -> None:
    track = Track("call", "recording")
    track.append(tone(3000))
    encoded = finished(track, 1250)
    assert encoded is not None
    assert (encoded.duration_ms, length_ms(read(encoded))) == (1250, 1250)


@pytest.mark.parametrize("keep_ms", [None, 0])
def test_a_track_of_nothing_is_no_recording(keep_ms: int | None) -> None:
    track = Track("call", "recording")
    if keep_ms == 0:
        track.append(tone(100))
    assert finished(track, keep_ms) is None
    assert not live_folder("call").exists() or list(live_folder("call").iterdir()) == []


def test_a_growing_track_is_on_disk_though_nobody_asks_for_it() -> None:
    track = Track("call", "recording")
    said = tone(20) * 60
    for at in range(0, len(said), 960):
        track.append(said[at : at + 960])
    kept = live_folder("call") / "recording.pcm"
    until = time.monotonic() + 20
    while not kept.exists() or kept.stat().st_size < len(said):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert kept.read_bytes() == said
    track.discard()
    tracks.settle(10)
    assert list(live_folder("call").iterdir()) == []


def test_of_many_tracks_at_once_each_is_whole_and_in_order() -> None:
    many = [Track("call", f"recording{number}") for number in range(40)]
    said = {track.recording_id: b"" for track in many}
    for number in range(500):
        for place, track in enumerate(many):
            piece = struct.pack("<II", place, number) * (1 + (place + number) % 100)
            said[track.recording_id] += piece
            track.append(memoryview(piece) if number % 2 else piece)
    for track in many[::2]:
        track.discard()
        del said[track.recording_id]
    tracks.settle(20)
    kept = {path.stem: path.read_bytes() for path in live_folder("call").iterdir()}
    assert kept == said


def test_nobody_waits_for_a_disk_that_hangs() -> None:
    """A pipe nobody reads hangs whoever opens it: the append thread, and nobody else."""
    live_folder("call").mkdir(parents=True)
    pipe = live_folder("call") / "stuck.pcm"
    os.mkfifo(pipe)
    stuck, other, told = Track("call", "stuck"), Track("call", "other"), list[str]()
    stuck.on_partial = lambda: told.append("partial")
    for _ in range(2 * tracks.MAX_PENDING_BYTES // 48_000):
        stuck.append(bytes(48_000))
        other.append(tone(20))
    # What is too much to be kept in memory is not.
    assert (stuck.partial, told, other.partial) == (True, ["partial"], False)
    with pytest.raises(TimeoutError):
        tracks.settle(0.2)
    other.finish(None, lambda encoded: told.append("other"))
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    tracks.settle(20)
    os.close(reading)
    stuck.discard()
    tracks.settle(20)
    assert told == ["partial", "other"]
    found = stored("other")
    assert found and found.duration_ms == other.duration_ms


def test_a_recording_comes_though_its_encoder_was_killed() -> None:
    for number in range(2):
        track = Track("call", f"recording{number}")
        track.append(tone(1000))
        encoded = finished(track)
        assert (encoded and encoded.duration_ms, length_ms(read(encoded))) == (1000, 1000)
        assert tracks._encoder.pid is not None
        os.kill(tracks._encoder.pid, signal.SIGKILL)


def test_without_an_encoder_the_raw_audio_stays(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    track = Track("call", "recording")
    track.append(tone(1000))
    with monkeypatch.context() as patch:
        patch.setattr(tracks, "_encoder", Encoder())
        patch.setattr(sys, "executable", "/bin/false")
        assert finished(track) is None
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "recording recording stays raw for the time being: realtime.keeping.encoder ended with 1"
    ]
    (raw,) = live_folder("call").iterdir()
    assert raw.read_bytes() == tone(1000)
    encoded = encode_file(raw, "recording")
    assert (length_ms(read(encoded)), raw.exists()) == (1000, False)


def test_a_file_cut_in_the_middle_of_a_sample_is_whole_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "a.pcm"
    path.write_bytes(tone(1000) + b"\1")
    encoded = encode_file(path, "recording")
    assert (length_ms(read(encoded)), path.exists()) == (1000, False)


def test_encoding_again_replaces_what_was_stored(tmp_path: Path) -> None:
    path = tmp_path / "a.pcm"
    for ms in (1000, 2000):
        path.write_bytes(tone(ms))
        encode_file(path, "recording")
    assert default_storage.listdir("recordings/re") == ([], ["recording.mp3"])
    found = stored("recording")
    assert (found and found.duration_ms, length_ms(read(found))) == (2000, 2000)
    assert (encode_file(path, "recording"), encode_file(path, "another")) == (found, None)


def test_a_disk_that_refuses_costs_the_recording_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "live").write_bytes(b"in the way")
    track = Track("call", "recording")
    track.append(tone(600))
    assert finished(track) is None
    assert [record.levelname for record in caplog.records][:1] == ["ERROR"]
