"""Markdown as models write it, as HTML that is safe to put into a page.

Two walls: the parser takes no HTML, and whatever it makes goes through an allow-list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from nh3 import Cleaner

# Answers nest a few levels; thousands of brackets are an attack.
MAX_NESTING = 20
# The worst text takes a second per 20 000 characters, during which calls wait for the interpreter.
MAX_LENGTH = 20_000
HIGHEST_HEADING = 3
REMEMBERED = 256  # texts, which pages show again and again
TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "a", "ul", "ol", "li"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}
LINK = {"link_open", "link_close"}

_LINKS = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_AROUND = re.compile(r"\*\*|~~|`+")
_BETWEEN = re.compile(r"(?<!\S)(?:#{1,6}|[>*+|-]|[:|-]{3,})(?!\S)")
_HEADING = re.compile(r"(</?h)([1-6])>")
_parser = MarkdownIt(
    "commonmark", {"html": False, "maxNesting": MAX_NESTING, "breaks": True}
).enable(["table", "strikethrough"])


def _link_pictures(state: StateCore) -> None:
    """Render pictures as links: loading one would tell another site who reads this, and when."""
    for block in state.tokens:
        if block.type == "inline":
            block.children = list(_without_pictures(block.children or []))


def _without_pictures(tokens: list[Token]) -> Iterator[Token]:
    linked = False
    for token in tokens:
        if token.type in LINK:
            linked = token.type == "link_open"
        if token.type != "image":
            yield token
            continue
        source = str(token.attrs["src"])
        words = [each for each in token.children or [] if each.type not in LINK | {"image"}]
        words = words or [Token("text", "", 0, content=source)]
        # Inside a link, the text of the link is used.
        if linked:
            yield from words
        else:
            titled = {name: value for name, value in token.attrs.items() if name == "title"}
            yield Token("link_open", "a", 1, attrs={"href": source, **titled})
            yield from words
            yield Token("link_close", "a", -1)


_parser.core.ruler.after("inline", "link_pictures", _link_pictures)
_cleaner = Cleaner(
    tags=TAGS,
    attributes={"a": {"href", "title"}, "ol": {"start"}},
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},
)


def as_html(text: str) -> SafeString:
    """Markdown as HTML. Text beyond about `MAX_LENGTH` characters is shown as it is."""
    end = len(text)
    if end > MAX_LENGTH:
        end = text.rfind("\n", 0, MAX_LENGTH) + 1 or MAX_LENGTH
    return mark_safe(_formatted(text[:end]) + _plain(text[end:]))


@lru_cache(maxsize=REMEMBERED)
def without_marks(part: str) -> str:
    """A line cut out of Markdown, such as a search result, without most of its marks. Only for
    short texts."""
    words = _AROUND.sub("", _LINKS.sub(r"\1", part))
    return " ".join(_BETWEEN.sub(" ", words).split())


def _formatted(text: str) -> str:
    made = _cleaner.clean(_parser.render(text))
    # Wide tables scroll by themselves, like code.
    made = made.replace("<table>", '<div class="table" tabindex="0"><table>')
    made = made.replace("<pre>", '<pre tabindex="0">')
    return _under_its_message(made.replace("</table>", "</table></div>"))


def _under_its_message(html: str) -> str:
    """The same with its headings one level below a message's, so that screen readers can step
    through them."""
    levels = [int(level) for _, level in _HEADING.findall(html)]
    lower = HIGHEST_HEADING - min(levels, default=HIGHEST_HEADING)
    return _HEADING.sub(lambda found: f"{found[1]}{min(int(found[2]) + lower, 6)}>", html)


def _plain(text: str) -> str:
    lines = "<br>\n".join(escape(text.strip()).splitlines())
    return f"<p>{lines}</p>\n" if lines else ""
