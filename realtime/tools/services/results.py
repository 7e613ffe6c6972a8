"""A service's answer as a result: data for the model, something for people to see, files.

Everything here was written by strangers. It is passed on as text, cells and files, never as HTML,
and never with the secret that the service was called with.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import orjson

from realtime.bridge.dialects.target import SECRET_LENGTH
from realtime.bridge.redact import hide, shown_message
from realtime.bridge.tools import Produced, Result, ToolFailed
from realtime.outbound import Answer

MOST_ROWS = 200
MOST_COLUMNS = 20
MOST_TEXT = 1024 * 1024
"""Characters of text that are looked at; the model gets less of it."""

MAGIC = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"%PDF-": "application/pdf",
}
TEXTUAL = ("xml", "yaml", "javascript", "ndjson")
"""Endings of content types that are text too, and written for programs."""
ENDINGS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "application/pdf": "pdf",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "text/csv": "csv",
    "application/zip": "zip",
}


class ServiceFailed(ToolFailed):
    """A service could not do it. `reason`: why, in words for operators that contain nothing of what
    was asked or answered."""

    def __init__(self, reason: str, words: str = "") -> None:
        super().__init__(words or f"The service failed: {reason}.")
        self.reason = reason


def result_of(answer: Answer, secrets: Iterable[str]) -> Result:
    """An HTTP answer as a result. Raises ServiceFailed for an error."""
    hidden = forms_of(secrets)
    if not 200 <= answer.status < 300:
        raise _refused(answer, hidden)
    if not answer.data:
        return Result('{"done": true}', {})
    if _is_json(answer.content_type):
        return of_json(json_of(answer.data, "it said JSON and sent none"), hidden)
    if _is_text(answer.content_type, answer.data) and not type_of(answer.data):
        return of_text(answer.data.decode("utf-8", "replace"), hidden)
    return of_files([file_of(answer.data, answer.content_type, hidden)])


def forms_of(secrets: Iterable[str]) -> tuple[str, ...]:
    """Secrets, and the forms in which an answer may repeat them, longest first."""
    found = set[str]()
    for each in secrets:
        if len(each) >= SECRET_LENGTH:
            found |= {each, quote(each), quote(each, safe=""), html.escape(each)}
            found.add(json.dumps(each)[1:-1])
    return tuple(sorted(found, key=len, reverse=True))


def of_json(value: Any, hidden: tuple[str, ...]) -> Result:
    """JSON as compact text; a list of flat objects is shown as a table."""
    text = hide(_written(value), hidden)[:MOST_TEXT]
    try:
        table = table_of(orjson.loads(text))
    except ValueError:  # cut, above
        table = None
    return Result(text, {"table": table} if table else {"text": text})


def of_text(text: str, hidden: tuple[str, ...]) -> Result:
    """Text as it is."""
    words = hide(text.replace("\0", ""), hidden)[:MOST_TEXT].strip()
    return Result(words or '{"done": true}', {"text": words} if words else {})


def of_files(files: list[Produced]) -> Result:
    """Files; the model is told what they are."""
    told = [
        {"file": each.name, "type": each.content_type, "bytes": len(each.data)} for each in files
    ]
    words = "They are shown to the person."
    return Result(orjson.dumps({"files": told, "note": words}).decode(), {}, tuple(files))


def file_of(data: bytes, content_type: str, hidden: tuple[str, ...], name: str = "") -> Produced:
    """A file of the type that its first bytes show, otherwise of the declared one. Raises
    ServiceFailed if it contains a secret."""
    if any(form.encode() in data for form in hidden):
        raise ServiceFailed("the answer held the service's own secret")
    kind = type_of(data) or content_type or "application/octet-stream"
    return Produced(name or f"result.{ENDINGS.get(kind, 'bin')}", kind, data)


def type_of(data: bytes) -> str:
    """The type that the first bytes show; empty if they do not tell."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in MAGIC.items() if data.startswith(start)), "")


def table_of(value: Any) -> dict[str, list[Any]] | None:
    """A list of flat objects, alone or as the only list of an object, as columns and rows."""
    if isinstance(value, dict):
        lists = [each for each in value.values() if isinstance(each, list)]
        value = lists[0] if len(lists) == 1 else None
    if not isinstance(value, list) or not value or not all(map(_is_flat, value)):
        return None
    columns = list(dict.fromkeys(name for row in value for name in row))[:MOST_COLUMNS]
    rows = [[_cell(row.get(name)) for name in columns] for row in value[:MOST_ROWS]]
    return {"columns": columns, "rows": rows}


def _is_flat(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and bool(row)
        and not any(isinstance(each, dict | list) for each in row.values())
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refused(answer: Answer, hidden: tuple[str, ...]) -> ServiceFailed:
    reason = f"HTTP {answer.status}"
    if 300 <= answer.status < 400:
        return ServiceFailed(f"{reason}, a redirect, which is not followed")
    piece = shown_message(_said(answer), hidden)
    words = f"The service answered with {reason}" + (f": {piece}" if piece else ".")
    return ServiceFailed(reason, words)


def _said(answer: Answer) -> str:
    """The text of an error. JSON is rewritten, because it can spell a secret in many ways."""
    if answer.content_type.startswith("text/"):
        return answer.data.decode("utf-8", "replace")
    if not _is_json(answer.content_type):
        return ""
    try:
        return orjson.dumps(orjson.loads(answer.data)).decode()
    except ValueError:
        return ""


def _is_json(kind: str) -> bool:
    return kind == "application/json" or kind.endswith("+json")


def json_of(data: bytes, otherwise: str) -> Any:
    """What a service wrote as JSON. Raises ServiceFailed, with this reason."""
    try:
        return orjson.loads(data)
    except ValueError:
        pass
    try:
        return json.loads(data)  # with a byte order mark, or NaN, as some write it
    except (ValueError, RecursionError):
        raise ServiceFailed(otherwise) from None


def _written(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # such as a number of more than 64 bits
        return json.dumps(value)


def _is_text(kind: str, data: bytes) -> bool:
    if kind:
        text = kind.startswith("text/") and kind != "text/csv"
        return text or (kind.startswith("application/") and kind.endswith(TEXTUAL))
    try:
        return "\0" not in data.decode()
    except ValueError:
        return False
