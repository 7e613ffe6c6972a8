"""Which part of a transcript was heard when playback stopped."""

from __future__ import annotations


def split_heard(text: str, heard_ms: int, total_ms: int) -> tuple[str, str]:
    """Split a transcript into what was heard and what was not, at the end of the last word begun.

    Providers do not say when each word sounds, so speech is assumed to be even. Scripts written
    without spaces (Chinese, Japanese, Thai) are split between two characters.
    """
    if total_ms <= 0 or heard_ms >= total_ms:
        return text, ""
    at = round(len(text) * max(0, heard_ms) / total_ms)
    while 0 < at < len(text) and _inside_word(text[at - 1], text[at]):
        at += 1
    return text[:at].rstrip(), text[at:].lstrip()


def _inside_word(before: str, after: str) -> bool:
    return not after.isspace() and not (_unspaced(before) or _unspaced(after))


def _unspaced(letter: str) -> bool:
    """Whether the script puts no spaces between words."""
    return (
        "\u0e00" <= letter <= "\u0eff"
        or "\u2e80" <= letter <= "\u9fff"
        or (
            "\uf900" <= letter <= "\ufaff"
            or "\uff00" <= letter <= "\uffef"
            or letter >= "\U00020000"
        )
    )
