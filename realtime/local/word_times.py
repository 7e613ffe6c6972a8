"""Where each word lies in the audio of a text."""

from itertools import pairwise

from realtime.local.conversation import Word


def spread_words(text: str, ms: float) -> list[Word]:
    """Word times by length, for voices that do not tell them."""
    edges = _edges(text, [cut for cut in range(1, len(text)) if _begins(text, cut)])
    return [
        Word(text[a:b], round(ms * a / len(text)), round(ms * b / len(text)))
        for a, b in pairwise(edges)
    ]


def timed_words(text: str, places: list[list[int]], ms: float) -> list[Word]:
    """Words from espeak's (character, length, ms) events; joined they give the whole text.

    Several events inside one written word (7:25) count as its first.
    """
    starts: dict[int, int] = {}
    for character, _, at_ms in places:
        cut = min(character, len(text) - 1)
        while cut > 0 and not _begins(text, cut):
            cut -= 1
        if cut > 0:
            # The space before a word goes with it.
            edge = len(text[:cut].rstrip())
            starts.setdefault(edge, at_ms)
    edges = _edges(text, sorted(starts))
    words: list[Word] = []
    for a, b in pairwise(edges):
        begin = max(starts.get(a, 0), words[-1].start_ms if words else 0)
        words.append(Word(text[a:b], begin, round(ms)))
        if len(words) > 1:
            words[-2].end_ms = begin
    return words


def _begins(text: str, index: int) -> bool:
    """A word begins here: after a space, or at any wide character, which needs none."""
    if text[index].isspace():
        return False
    return text[index - 1].isspace() or ord(text[index]) > 0x2E80


def _edges(text: str, cuts: list[int]) -> list[int]:
    """Where pieces begin and end; a piece takes the space before its word along."""
    edges = {len(text[:cut].rstrip()) for cut in cuts}
    return sorted({0, len(text)} | {edge for edge in edges if edge > 0}) if text else []
