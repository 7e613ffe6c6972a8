"""The text of documents: plain text, PDF and Word, within limits. No archive is unpacked."""

from __future__ import annotations

import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse
from pypdf import PdfReader
from pypdf.errors import PyPdfError

from chats.attachments.sniff import DOCX, Refused, decoded

MAX_LETTERS = 200_000
"""Characters of a document's text that are kept."""
MAX_PAGES = 400
PDF_SECONDS = 12.0
"""After this long, only the pages read so far are kept."""
MAX_ENTRIES = 5_000
MAX_XML = 40_000_000
"""Bytes of a Word document's main part, unpacked."""

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def extract(path: Path, content_type: str) -> dict[str, Any]:
    """The text of a document, whether there was more of it, and a note for people (a key of
    `words.NOTES`). Raises `Refused`."""
    if content_type == "application/pdf":
        pieces = _pdf(path)
    elif content_type == DOCX:
        pieces = _docx(path)
    else:
        pieces = _text(path)
    text, cut = _bounded(pieces)
    return {
        "kind": "document",
        "content_type": content_type,
        "text": text,
        "cut": cut,
        "note": "" if text else "no_text",
    }


def _bounded(pieces: Iterable[str | None]) -> tuple[str, bool]:
    """The pieces as one text of at most `MAX_LETTERS`; None stands for pieces that are missing."""
    kept: list[str] = []
    left, cut = MAX_LETTERS, False
    for piece in pieces:
        if piece is None:
            cut = True
            break
        piece = piece.replace("\0", "")
        kept.append(piece[:left])
        left -= len(piece)
        if left < 0:
            cut = True
            break
    # Lone surrogates cannot be stored.
    return "".join(kept).encode("utf-8", "replace").decode().strip(), cut


def _text(path: Path) -> Iterator[str]:
    words = decoded(path.read_bytes())
    if words is None:
        raise Refused("unknown")
    yield words.replace("\r\n", "\n")


def _pdf(path: Path) -> Iterator[str | None]:
    until = time.monotonic() + PDF_SECONDS
    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Refused("locked")
        for number in range(len(reader.pages)):
            if number >= MAX_PAGES or time.monotonic() > until:
                yield None
                return
            yield _page(reader, number)
    except (PyPdfError, NotImplementedError):
        raise Refused("broken") from None
    except Refused:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OSError, RecursionError):
        # A PDF may contain anything anywhere, and the library fails in many ways.
        raise Refused("broken") from None


def _page(reader: PdfReader, number: int) -> str:
    try:
        return reader.pages[number].extract_text() + "\n\n"
    except MemoryError:
        raise
    except Exception:
        # A broken page does not spoil the others.
        return ""


def _docx(path: Path) -> Iterator[str]:
    try:
        with zipfile.ZipFile(path) as package:
            names = package.namelist()
            if len(names) > MAX_ENTRIES or "word/document.xml" not in names:
                raise Refused("archive")
            with package.open("word/document.xml") as body:
                yield from _words(_Bounded(body, MAX_XML))
    except (zipfile.BadZipFile, zlib.error, ParseError, DefusedXmlException, EOFError, OSError):
        raise Refused("broken") from None
    except (NotImplementedError, RuntimeError):
        # An unusual compression, or a password.
        raise Refused("locked") from None


class _Bounded:
    """A file that is refused once more than `most` bytes of it were read."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file = file
        self._left = most

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(min(size, 65_536) if size > 0 else 65_536)
        self._left -= len(piece)
        if self._left < 0:
            raise Refused("too_large_inside")
        return piece


def _words(file: _Bounded) -> Iterator[str]:
    """Paragraphs as lines, table cells separated by tabs."""
    for _event, element in iterparse(file, events=("end",), forbid_dtd=True):
        if element.tag == f"{_W}t":
            yield element.text or ""
        elif element.tag == f"{_W}tab":
            yield "\t"
        elif element.tag in (f"{_W}br", f"{_W}p", f"{_W}tr"):
            yield "\n"
        elif element.tag == f"{_W}tc":
            yield "\t"
        if element.tag in (f"{_W}p", f"{_W}tr", f"{_W}tbl"):
            element.clear()
