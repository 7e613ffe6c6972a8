"""Markdown as models write it, as HTML that is safe to put into a page.

Two walls: the parser takes no HTML, and whatever it makes goes through an allow-list.
"""

from __future__ import annotations

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from nh3 import Cleaner

# An answer nests a few levels; thousands of brackets are an attack.
MAX_NESTING = 20
MAX_LENGTH = 200_000
TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "a", "ul", "ol", "li"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}

_parser = (
    MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING, "breaks": True})
    .enable(["table", "strikethrough"])
    # A picture would tell another site who reads this, and when.
    .disable(["image"])
)
_cleaner = Cleaner(
    tags=TAGS,
    attributes={"a": {"href", "title"}, "ol": {"start"}},
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},
)


def as_html(text: str) -> SafeString:
    """Markdown as HTML. Of a text that is longer than `MAX_LENGTH` the rest is left out."""
    made = _cleaner.clean(_parser.render(text[:MAX_LENGTH]))
    # Wide tables scroll by themselves, as code does.
    made = made.replace("<table>", '<div class="table" tabindex="0"><table>')
    made = made.replace("<pre>", '<pre tabindex="0">')
    return mark_safe(made.replace("</table>", "</table></div>"))
