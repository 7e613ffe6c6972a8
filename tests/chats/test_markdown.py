"""What models write as Markdown becomes HTML that can do no harm."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.template import Context, Template
from hypothesis import given
from hypothesis import strategies as st

from chats.markdown import MAX_LENGTH, TAGS, as_html
from chats.models import Message
from tests.xss import CORPUS

ALLOWED_ATTRIBUTES = {"href", "title", "rel", "target", "start", "tabindex", "class"}


class Found(HTMLParser):
    """Every tag and attribute that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attributes]


def found(html: str) -> Found:
    parser = Found()
    parser.feed(html)
    return parser


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**a** *b* ~~c~~", "<p><strong>a</strong> <em>b</em> <s>c</s></p>\n"),
        ("one\ntwo", "<p>one<br>\ntwo</p>\n"),
        ("`a < b`", "<p><code>a &lt; b</code></p>\n"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
        ("3. a", '<ol start="3">\n<li>a</li>\n</ol>\n'),
        ("```\nx\n```", '<pre tabindex="0"><code>x\n</code></pre>\n'),
        ("<b>no</b>", "<p>&lt;b&gt;no&lt;/b&gt;</p>\n"),
        ("2 * 3 * 4", "<p>2 * 3 * 4</p>\n"),
        ("# a\n## b", "<h3>a</h3>\n<h4>b</h4>\n"),
        ("### a\n###### b\n`<h1>`", "<h3>a</h3>\n<h6>b</h6>\n<p><code>&lt;h1&gt;</code></p>\n"),
    ],
)
def test_what_models_write_is_shown_as_they_mean_it(text: str, html: str) -> None:
    assert as_html(text) == html


def test_a_table_scrolls_by_itself() -> None:
    html = as_html("| a | b |\n|---|--:|\n| 1 | 2 |")
    assert html.startswith('<div class="table" tabindex="0"><table>')
    assert re.findall(r"<t[hd]>(\w)", html) == ["a", "b", "1", "2"]
    assert "style" not in html


def test_a_link_opens_apart_and_tells_nothing_of_us() -> None:
    assert as_html("[a](https://example.org)") == (
        '<p><a href="https://example.org" target="_blank" rel="noopener noreferrer nofollow">a</a>'
        "</p>\n"
    )


def test_pictures_are_not_fetched() -> None:
    assert "<img" not in as_html("![a](https://example.org/a.png)")


@pytest.mark.parametrize(
    ("text", "shown", "leads_to"),
    [
        ("![A *small* cat](https://a.org/b.png)", "A <em>small</em> cat", "https://a.org/b.png"),
        ("![](https://a.org/b.png)", "https://a.org/b.png", "https://a.org/b.png"),
        ("![two\nlines](https://a.org/b.png)", "two<br>\nlines", "https://a.org/b.png"),
        ("![a \\* b](https://a.org/b.png)", "a * b", "https://a.org/b.png"),
        ("[![cat](https://a.org/b.png)](https://a.org/)", "cat", "https://a.org/"),
        ("![see [this](https://a.org/)](https://a.org/b.png)", "see this", "https://a.org/b.png"),
    ],
)
def test_a_picture_is_a_link_to_it(text: str, shown: str, leads_to: str) -> None:
    assert as_html(text) == as_html(f"[x]({leads_to})").replace(">x<", f">{shown}<")


def test_a_picture_with_a_title_is_a_link_with_one() -> None:
    html = as_html('![cat](https://a.org/b.png "A \\"cat\\"") ![](https://a.org/ "")')
    assert [a for a in found(html).attributes if a[0] == "title"] == [("title", 'A "cat"')]


def test_what_is_no_picture_stays_as_it_is() -> None:
    assert as_html("Wow![1] and ![a](javascript:b)") == ("<p>Wow![1] and ![a](javascript:b)</p>\n")


@pytest.mark.parametrize("text", CORPUS)
def test_no_attack_gets_through(text: str) -> None:
    check(text)


@given(st.text(max_size=300))
def test_nothing_at_all_gets_through(text: str) -> None:
    check(text)


def check(text: str) -> None:
    seen = found(as_html(text))
    assert seen.tags <= TAGS | {"div"}
    assert {name for name, _ in seen.attributes} <= ALLOWED_ATTRIBUTES
    links = [value for name, value in seen.attributes if name == "href"]
    schemes = [re.match(r"\s*([a-z][a-z0-9+.-]*):", link, re.I) for link in links]
    assert {match[1].lower() for match in schemes if match} <= {"http", "https", "mailto"}


def test_an_endless_nest_ends() -> None:
    assert len(as_html(">" * 50_000 + "[" * 50_000)) > 0


@pytest.mark.parametrize(
    ("role", "kind", "shown"),
    [
        ("assistant", "typed", "<strong>a</strong>"),
        ("assistant", "spoken", "**a**"),
        ("user", "typed", "**a**"),
    ],
)
def test_only_what_an_assistant_wrote_is_formatted(role: Any, kind: Any, shown: str) -> None:
    template = Template(
        "{% load words %}{% if message|formatted %}{{ message.text|markdown }}{% else %}"
        "{{ message.text }}{% endif %}"
    )
    message = Message(role=role, kind=kind, text="**a**")
    assert shown in template.render(Context({"message": message}))


def test_what_is_too_long_to_format_is_all_there_as_it_is() -> None:
    whole = "**a** [\n" * (MAX_LENGTH // 8 + 2) + "</script>**b**"
    html = as_html(whole)
    assert html.count("<strong>a</strong>") == MAX_LENGTH // 8
    assert html.endswith("<p>**a** [<br>\n**a** [<br>\n&lt;/script&gt;**b**</p>\n")
    assert as_html("x" * (MAX_LENGTH + 1)) == f"<p>{'x' * MAX_LENGTH}</p>\n<p>x</p>\n"
