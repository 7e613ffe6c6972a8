"""What people see of a tool's result: text, a table, notes and links, each of a limited size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .tools import fitted

MAX_OUTPUT = 16_000
"""Bytes of text."""
MAX_LABEL = 2_000
MAX_ROWS = 200
MAX_COLUMNS = 20
MAX_LINKS = 50
SCHEMES = ("https://", "http://")


def shown_of(shown: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a result that can be shown to people; malformed ones are left out."""
    kept: dict[str, Any] = {}
    if isinstance(text := shown.get("text"), str) and text.strip():
        kept["text"] = fitted(text, MAX_OUTPUT)
    table = shown.get("table")
    if isinstance(table, Mapping) and isinstance(table.get("rows"), list):
        columns = list(table.get("columns") or ())
        rows = [_cells(row) for row in table["rows"][:MAX_ROWS] if isinstance(row, list | tuple)]
        kept["table"] = {"columns": _cells(columns), "rows": rows}
    if notes := [str(note)[:MAX_LABEL] for note in shown.get("notes") or ()]:
        kept["notes"] = notes
    links = [_link(each) for each in (shown.get("links") or ())[:MAX_LINKS]]
    if any(links):
        kept["links"] = [link for link in links if link is not None]
    return kept


def _cells(row: list[Any] | tuple[Any, ...]) -> list[str]:
    return [str(cell)[:MAX_LABEL] for cell in row[:MAX_COLUMNS]]


def _link(link: object) -> dict[str, str] | None:
    if not isinstance(link, Mapping) or not safe_url(url := str(link.get("url") or "")):
        return None
    title, text = str(link.get("title") or url), str(link.get("text") or "")
    return {"url": url, "title": title[:MAX_LABEL], "text": text[:MAX_LABEL]}


def safe_url(url: str) -> bool:
    """Whether a link may lead there: to the web, or to a page of this site."""
    if not url.isprintable() or "\\" in url or len(url) > MAX_LABEL:
        return False
    own = url.startswith("/") and not url.startswith("//")
    return own or url.lower().startswith(SCHEMES)
