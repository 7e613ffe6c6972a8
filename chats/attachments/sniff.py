"""What kind of file it is, by its content. The name alone never decides; it can only make us
refuse."""

from __future__ import annotations

import codecs
import re
from pathlib import PurePath

HEAD = 4096
"""How many bytes of a file are looked at."""

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PICTURES = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
}
"""Content types of pictures, with what Pillow calls them."""
TEXTS = {".md": "text/markdown", ".markdown": "text/markdown", ".csv": "text/csv"}
"""Plain text has no signature; here the name may say which kind it is."""
BINARY_NAMES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif"}
    | {".pdf", ".docx", ".doc", ".xlsx", ".xls", ".pptx", ".ppt", ".odt", ".zip", ".gz", ".7z"}
    | {".rar", ".exe", ".dll", ".mp3", ".mp4", ".wav", ".ogg", ".webm", ".mov"}
)
"""Names that no text has."""

_HEIF = re.compile(rb"....ftyp(heic|heix|hevc|hevx|heim|heis|mif1|msf1)", re.DOTALL)
_AVIF = re.compile(rb"....ftyp(avif|avis)", re.DOTALL)
_MARKUP = re.compile(
    r"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?P<tag>!doctype\s+(?:html|svg)|html|svg|head|body"
    r"|script|iframe)\b",
    re.IGNORECASE | re.DOTALL,
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


class Refused(Exception):
    """The file cannot be attached. `code` is a key of `words.REFUSALS`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def content_type(head: bytes, name: str) -> str:
    """The content type of a file that begins with `head`. Raises `Refused`."""
    if not head:
        raise Refused("empty")
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if _HEIF.match(head):
        raise Refused("heic")
    if _AVIF.match(head):
        raise Refused("other_picture")
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    if head.startswith(b"PK\x03\x04"):
        if suffix(name) == ".docx":
            return DOCX
        raise Refused("archive")
    if head.startswith((b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"PK\x05\x06", b"BZh", b"\xfd7zXZ")):
        raise Refused("archive")
    return _text_type(head, name)


def suffix(name: str) -> str:
    """The extension of a name, in lower case, with its dot."""
    return PurePath(name).suffix.lower()


def _text_type(head: bytes, name: str) -> str:
    words = decoded(head, whole=False)
    if words is None:
        raise Refused("unknown")
    if _MARKUP.match(words):
        raise Refused("markup")
    if suffix(name) in BINARY_NAMES:
        raise Refused("not_what_it_says")
    return TEXTS.get(suffix(name), "text/plain")


def decoded(content: bytes, whole: bool = True) -> str | None:
    """The bytes as text; None if they are not text. `whole=False`: they may be cut off anywhere."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if content.startswith(mark):
            return _plain(_decode(content[len(mark) :], encoding, whole))
    words = _decode(content, "utf-8", whole)
    # Windows-1252, from old programs. Every byte is valid there, so it has to look like words.
    return _plain(words if words is not None else _decode(content, "cp1252", whole))


def _decode(content: bytes, encoding: str, whole: bool) -> str | None:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(content, whole)
    except UnicodeDecodeError:
        return None


def _plain(words: str | None) -> str | None:
    return None if words is None or _CONTROL.search(words) else words
