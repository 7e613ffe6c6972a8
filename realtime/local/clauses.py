"""Cuts a growing text at clause ends, so that speaking starts before the text is complete."""

import re

# The first piece may be short, so that the voice starts early; later ones are whole clauses.
FIRST_MIN, NEXT_MIN, LONGEST = 12, 40, 280
_STRONG = re.compile(r"[.!?\u2026]+[\"')\]]*(?=\s)|[\u3002\uff01\uff1f]|\n+")
_WEAK = re.compile(r"[,;:\u2014](?=\s)|[\uff0c\uff1b\u3001]")
# "Dr. Smith" and "3. item" are not the end of a sentence.
_NOT_AN_END = re.compile(r"(?:\b(?:mr|mrs|ms|dr|prof|st|vs|e\.g|i\.e|etc|no)|(?:^|\s)\d+)\.$", re.I)
# Marks of Markdown that a voice reads out. A star between two spaces, or two in a power, is a sign.
_MARKS = re.compile(
    r"(^[ \t]*)(?:[*+]|\#{1,6})[ \t]+|`|~~"
    r"|(?<![\w)*])\*{1,3}(?=[^\s*])|(?<=[^\s*])\*{1,3}(?![\w(*])",
    re.MULTILINE,
)
_LINK = re.compile(r"!?\[([^\]]+)\]\([^()\s]*\)")


def plain(text: str) -> str:
    """The words of a clause, without the marks that say how to show them."""
    return _MARKS.sub(r"\1", _LINK.sub(r"\1", text))


class ClauseCutter:
    def __init__(self) -> None:
        self._text = ""
        self._first = True

    def feed(self, text: str) -> list[str]:
        """Pieces that are complete now; joined with those of `rest` they give the whole text."""
        self._text += text
        pieces = []
        while (cut := self._cut()) is not None:
            pieces.append(self._text[:cut])
            self._text = self._text[cut:]
            self._first = False
        return pieces

    def rest(self) -> list[str]:
        text, self._text = self._text, ""
        return [text] if text else []

    def _cut(self) -> int | None:
        least = FIRST_MIN if self._first else NEXT_MIN
        for pattern, minimum in ((_STRONG, 2), (_WEAK, least)):
            for found in pattern.finditer(self._text):
                if found.end() >= minimum and not _NOT_AN_END.search(self._text[: found.end()]):
                    return found.end()
        if len(self._text) > LONGEST:
            space = self._text.rfind(" ", 1, LONGEST)
            return space if space > 0 else LONGEST
        return None
