"""The synthesiser process: espeak-ng through ctypes, with word times.

espeak-ng is GPL-licensed: it is a separate optional program, run in a process of its own and
spoken to over pipes. Nothing of it is loaded into the server.

In: Q {"text", "voice", "rate", "gap", "pitch"}.  Out: R ready, S speech, F failed, X cannot run.
Speech is a JSON line {"words": [[start, length, ms]...]} (characters), then PCM16 at 24 kHz.
"""

import ctypes
import json
import sys
from typing import Any

from realtime.local.audio import RATE, resampler
from realtime.local.frames import WorkerPipe

SYNCHRONOUS, UTF8, BY_CHARACTER, WORD = 2, 1, 1, 1
PARAMETERS = {"rate": 1, "pitch": 3, "gap": 7}


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """The library has global state: one instance, one request at a time."""

    def __init__(self) -> None:
        import espeakng_loader

        self._lib: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self.rate = int(self._lib.espeak_Initialize(SYNCHRONOUS, 200, data, 0))
        if self.rate <= 0:
            raise RuntimeError("espeak-ng could not be initialised")
        self._pcm = bytearray()
        self._words: list[tuple[int, int, int]] = []
        self._callback = _Callback(self._on_audio)
        self._lib.espeak_SetSynthCallback(self._callback)

    def _on_audio(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._pcm += ctypes.string_at(samples, count * 2)
        index = 0
        while events and events[index].type:
            if events[index].type == WORD:
                entry = events[index]
                self._words.append((entry.text_position - 1, entry.length, entry.audio_position))
            index += 1
        return 0

    def say(self, request: dict[str, Any]) -> tuple[list[tuple[int, int, int]], bytes]:
        """Word places (character, length, ms) and PCM16 at 24 kHz."""
        self._pcm.clear()
        self._words = []
        if self._lib.espeak_SetVoiceByName(request["voice"].encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {request['voice']}")
        for name, number in PARAMETERS.items():
            self._lib.espeak_SetParameter(number, int(request[name]), 0)
        text = request["text"].replace("\0", " ").encode()
        failed = self._lib.espeak_Synth(text, len(text) + 1, 0, BY_CHARACTER, 0, UTF8, None, None)
        if failed:
            raise RuntimeError(f"espeak-ng failed with {failed}")
        convert = resampler(self.rate, RATE)
        return self._words, convert.feed(bytes(self._pcm)) + convert.flush()


def main() -> None:
    pipe = WorkerPipe()
    try:
        espeak = Espeak()
        # The first words load the resampler; nobody should wait for that.
        espeak.say({"text": "ready", "voice": "en-us", "rate": 170, "pitch": 50, "gap": 0})
    except Exception as problem:
        pipe.write(b"X", 0, str(problem).encode())
        sys.exit(1)
    pipe.write(b"R", 0)
    while (message := pipe.read()) is not None:
        _, job, payload = message
        try:
            words, pcm = espeak.say(json.loads(payload))
        except Exception as problem:
            pipe.write(b"F", job, str(problem).encode())
        else:
            pipe.write(b"S", job, json.dumps({"words": words}).encode() + b"\n" + pcm)


if __name__ == "__main__":
    main()
