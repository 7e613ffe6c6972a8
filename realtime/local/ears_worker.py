"""The recogniser process: pocketsphinx with a phrase grammar and a language model together.

Run by the server as its own process, because the decoder holds the interpreter lock for up
to 0.7 s. Both decoders hear the same audio while the person speaks. The grammar's answer is
taken when both sound alike (phoneme edit distance), else the free text of the language model.

In: S start, A audio (PCM16, 16 kHz), E end, C cancel.  Out: R ready, K audio done,
F final {"text", "from"}, D cancelled, X why it cannot run.
"""

import json
import sys
from typing import Any

from realtime.local.frames import WorkerPipe
from realtime.local.grammar import phrase_grammar

# From synthetic voices only (22 known phrases and 19 other sentences, two voices each): 43 of 44
# known phrases pass, and 6 of 38 others, all near to a phrase. Not tuned on people.
AGREEMENT = 0.58
LENGTH_RATIO = 0.7
FILLERS = {"<s>", "</s>", "<sil>", "[NOISE]", "[SPEECH]"}


def edit_distance(left: list[str], right: list[str]) -> float:
    """Edits between two phoneme lists, divided by the longer length: 0.0 to 1.0."""
    above = list(range(len(right) + 1))
    for row, one in enumerate(left, 1):
        line = [row]
        for column, other in enumerate(right, 1):
            swap = above[column - 1] + (one != other)
            line.append(min(above[column] + 1, line[-1] + 1, swap))
        above = line
    return above[-1] / max(1, len(left), len(right))


def agree(phrase: list[str], free: list[str]) -> bool:
    """The two decoders heard the same sounds."""
    shorter, longer = sorted((len(phrase), len(free)))
    return shorter >= LENGTH_RATIO * longer and edit_distance(phrase, free) <= AGREEMENT


class Recogniser:
    """Two decoders over one utterance."""

    def __init__(self) -> None:
        import pocketsphinx

        model = pocketsphinx.get_model_path()
        shared: dict[str, Any] = {
            "hmm": f"{model}/en-us/en-us",
            "dict": f"{model}/en-us/cmudict-en-us.dict",
            "loglevel": "FATAL",
            # The second pass costs 75-250 ms at the end for about the same words.
            "fwdflat": False,
            # Nor does the best path: 67 ms at the end of a phrase, and the same words.
            "bestpath": False,
            # Half the work of the defaults (0.16 instead of 0.35 s per s) for equal words.
            "maxhmmpf": 3000,
            "maxwpf": 10,
            "pl_window": 10,
        }
        self._free: Any = pocketsphinx.Decoder(lm=f"{model}/en-us/en-us.lm.bin", **shared)
        self._phrases: Any = pocketsphinx.Decoder(lm=None, **shared)
        self._phrases.add_jsgf_string("phrases", phrase_grammar())
        self._phrases.activate_search("phrases")
        self._open: list[Any] = []

    def knows(self, word: str) -> bool:
        return self._free.lookup_word(word) is not None

    def start(self) -> None:
        self.stop()
        self._open = [self._free, self._phrases]
        for decoder in self._open:
            decoder.start_utt()

    def stop(self) -> None:
        while self._open:
            self._open.pop().end_utt()

    def feed(self, pcm: bytes) -> None:
        for decoder in self._open:
            decoder.process_raw(pcm)

    def finish(self) -> dict[str, str]:
        """What was said. The free decoder is left open: ending it costs 40 ms and changes no
        word once some quiet was heard, so the answer goes out first and `stop` comes after."""
        if self._phrases in self._open:
            self._open.remove(self._phrases)
            self._phrases.end_utt()
        free, phrase = self._words(self._free), self._words(self._phrases)
        alike = bool(phrase) and agree(self._phones(phrase), self._phones(free))
        chosen = phrase if alike else free
        return {"text": " ".join(chosen), "from": "phrases" if alike else "free"}

    @staticmethod
    def _words(decoder: Any) -> list[str]:
        found = decoder.hyp()
        words = found.hypstr.split() if found else []
        return [word.split("(")[0] for word in words if word not in FILLERS]

    def _phones(self, words: list[str]) -> list[str]:
        return [phone for word in words for phone in (self._free.lookup_word(word) or "").split()]


def main() -> None:
    pipe = WorkerPipe()
    try:
        recogniser = Recogniser()
    except Exception as problem:
        pipe.write(b"X", 0, str(problem).encode())
        sys.exit(1)
    pipe.write(b"R", 0)
    current = 0
    while (message := pipe.read()) is not None:
        kind, job, payload = message
        if kind == b"S":
            recogniser.start()
            current = job
        elif job != current:
            continue
        elif kind == b"A":
            recogniser.feed(payload)
            pipe.write(b"K", job, len(payload).to_bytes(4, "big"))
        elif kind == b"E":
            pipe.write(b"F", job, json.dumps(recogniser.finish()).encode())
            recogniser.stop()
        elif kind == b"C":
            recogniser.stop()
            pipe.write(b"D", job)


if __name__ == "__main__":
    main()
