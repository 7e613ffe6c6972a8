"""Answers in Markdown: while they are generated, when stored, and with attacks in them."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open, picture, wording
from tests.e2e.provider import opened, scripted
from tests.e2e.test_options import ANSWER_MS, new_conversation
from tests.scripted import Expect, Send, item_added, response_created, response_done
from tests.site import Site
from tests.xss import CORPUS

RICH = """## Speeds

Light is **fast**, see [here](https://example.org):

| what | km/s |
|---|---|
| light | 299792 |
| sound | 0.34 |

- one
- two

```python
answer = "a line of code that is much too long for a phone, so it has to scroll by itself, really"
```
"""

# What the page tells screen readers of the call, each time that it changes.
HEARD = """() => {
  window.heard = [];
  const place = document.querySelector("[data-call-announce]");
  const note = () => place.textContent && window.heard.push(place.textContent);
  new MutationObserver(note).observe(place, { childList: true });
}"""


def written(text: str) -> list[Any]:
    """A script that answers the first question with this text, in pieces."""
    place = {"response_id": "resp_1", "item_id": "item_a", "output_index": 0, "content_index": 0}
    pieces = [text[at : at + 40] for at in range(0, len(text), 40)]
    item = {"id": "item_a", "type": "message", "role": "assistant", "status": "completed"}
    return opened(
        Expect("response.create", seconds=20),
        Send(
            response_created(),
            item_added("item_a", None, "assistant"),
            *({"type": "response.output_text.delta", **place, "delta": each} for each in pieces),
            {"type": "response.output_text.done", **place, "text": text},
            response_done(output=[item]),
        ),
        Expect("session.update", seconds=30),
    )


def copied(page: Page, message: Any) -> list[str]:
    """What a copy of the message is, as text and as HTML."""
    message.get_by_label("Copy text").click()
    told = page.locator(".toast")
    expect(told).to_contain_text("Copied")
    told.get_by_label("Dismiss").click()
    kinds: list[str] = page.evaluate("""async () => {
      const [item] = await navigator.clipboard.read();
      const kinds = ["text/plain", "text/html"].map((kind) => item.getType(kind));
      return Promise.all(kinds.map(async (each) => (await each).text()));
    }""")
    return kinds


def ask(page: Page) -> Any:
    new_conversation(page)
    page.get_by_test_id("composer-text").fill("Well?")
    page.keyboard.press("Enter")
    return page.locator(".message[data-role=assistant]")


def test_markdown_is_formatted_as_it_is_written_and_the_same_afterwards(
    visit: Open, site: Site
) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    clipboard = ["clipboard-read", "clipboard-write"]
    with scripted(site, written(RICH)), visit(None, permissions=clipboard, **phone) as page:
        answer = ask(page)
        expect(answer.locator("td").first).to_have_text("light", timeout=ANSWER_MS)
        expect(answer.locator("pre")).to_contain_text("really", timeout=ANSWER_MS)
        expect(answer).to_have_attribute("data-status", "completed", timeout=ANSWER_MS)
        expect(answer.locator("a")).to_have_attribute("rel", "noopener noreferrer nofollow")
        # The code scrolls, the page does not.
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        scrolls = "(pre) => pre.scrollWidth > pre.clientWidth"
        assert answer.locator("pre").evaluate(scrolls)
        picture(page, "phone_markdown")
        before = answer.locator("[data-message-text]").inner_html()
        live = copied(page, answer)
        page.reload()
        assert answer.locator("[data-message-text]").inner_html().strip() == before.strip()
        # What is copied keeps its form, in places that take any and in those that do not.
        text, html = copied(page, answer)
        assert [text, html] == live
        assert text.strip() == RICH.strip()
        assert "<strong>fast</strong>" in html


BOTH_WAYS = "مرحبا:\n\n```\nprint(1);\n```\n\nIn English (too).\n\nشكرا (جدا)."
BOTH_WAYS += "\n- In English (too).\n- شكرا (جدا)."
# Whether the first letter of each part of an answer stands before its last one, from the left.
FROM_LEFT = """(answer) => [...answer.querySelectorAll("p, pre, li")].map((part) => {
  const words = document.createTreeWalker(part, NodeFilter.SHOW_TEXT).nextNode();
  const left = (at) => {
    const range = document.createRange();
    range.setStart(words, at);
    range.setEnd(words, at + 1);
    return range.getBoundingClientRect().left;
  };
  return left(0) < left(words.data.trim().length - 1);
})"""


def answered(site: Site, text: str, title: str = "") -> str:
    """A conversation of Ann's in which the assistant wrote this; its id."""
    thread: str = site.run(
        "from chats.models import User\n"
        "ann = User.objects.get(username='ann')\n"
        f"thread = ann.conversations.create(account=ann.own_account, title={title!r})\n"
        "thread.messages.create(position=1, role='assistant', kind='typed', status='completed',"
        f" text={text!r})\n"
        "tell(str(thread.pk))"
    )
    return thread


def test_each_part_of_an_answer_is_written_in_its_own_direction(visit: Open, site: Site) -> None:
    thread = answered(site, BOTH_WAYS)
    with visit(None) as page:
        page.goto(f"{site.url}/c/{thread}/")
        answer = wording(page.get_by_test_id("message"))
        assert answer.evaluate(FROM_LEFT) == [False, True, True, False, True, False]


WIDE = "wide " * 60
ON_PAPER = f"```\n{WIDE}\n```\n\n| a | b |\n|---|---|\n| {'wide' * 60} | {WIDE} |"


def test_on_paper_code_tables_and_a_long_title_are_whole(visit: Open, site: Site) -> None:
    thread = answered(site, ON_PAPER, title="wide" * 30)
    cut = "all => all.map((one) => one.scrollWidth > one.clientWidth)"
    with visit(None, viewport={"width": 600, "height": 800}) as page:
        page.goto(f"{site.url}/c/{thread}/")
        parts = page.locator("[data-message-text] pre, .table, [data-conversation-title]")
        assert parts.evaluate_all(cut) == [True] * 3
        page.emulate_media(media="print")
        assert parts.evaluate_all(cut) == [False] * 3
        assert page.evaluate("document.documentElement.scrollWidth") <= 600


def test_the_day_of_what_was_said_is_told_once_it_is_over(visit: Open) -> None:
    with visit(None) as page:
        page.clock.install()
        new_conversation(page)
        page.get_by_test_id("composer-text").fill("hello")
        page.keyboard.press("Enter")
        messages = page.get_by_test_id("message")
        expect(messages).to_have_count(2, timeout=ANSWER_MS)
        assert messages.first.get_attribute("data-day") is None
        page.clock.fast_forward("24:00:00")
        expect(messages.first).to_have_attribute("data-day", "Yesterday")


FRAME = """(box) => {
  const { outlineStyle, outlineColor, color } = getComputedStyle(box.parentElement);
  return outlineStyle === "solid" && outlineColor === color;
}"""


def test_where_colours_are_the_devices_the_box_that_is_written_in_has_a_frame(visit: Open) -> None:
    with visit(None, forced_colors="active") as page:
        new_conversation(page)
        box = page.get_by_test_id("composer-text")
        box.focus()
        assert box.evaluate(FRAME)
        page.keyboard.press("Tab")
        assert not box.evaluate(FRAME)


def test_an_answer_that_is_being_written_can_be_stopped(visit: Open, site: Site) -> None:
    place = {"response_id": "resp_1", "item_id": "item_a", "output_index": 0, "content_index": 0}
    begun = opened(
        Expect("response.create", seconds=20),
        Send(
            response_created(),
            item_added("item_a", None, "assistant"),
            {"type": "response.output_text.delta", **place, "delta": "Once upon a time"},
        ),
        Expect("response.cancel", seconds=20),
        Send(response_done(status="cancelled")),
        Expect("session.update", seconds=30),
    )
    with scripted(site, begun), visit(None) as page:
        answer, stop = ask(page), page.get_by_test_id("composer-stop")
        expect(answer).to_contain_text("Once upon a time", timeout=ANSWER_MS)
        expect(page.get_by_test_id("composer-send")).to_be_hidden()
        # What is typed meanwhile is sent by the same place's button, which stops the answer too.
        page.get_by_test_id("composer-text").fill("Wait")
        expect(stop).to_be_hidden()
        page.get_by_test_id("composer-text").fill("")
        stop.click()
        expect(answer).to_have_attribute("data-status", "interrupted", timeout=ANSWER_MS)
        expect(stop).to_be_hidden()
        expect(page.get_by_test_id("composer-text")).to_be_focused()


def test_an_answer_is_told_to_screen_readers_as_often_as_it_comes(visit: Open) -> None:
    with visit(None) as page:
        new_conversation(page)
        told = page.get_by_role("status").filter(has_text="4 plus 4 is 8.")
        answers = page.locator(".message[data-role=assistant][data-status=completed]")
        page.evaluate(HEARD)
        for count in (1, 2):
            page.get_by_test_id("composer-text").fill("What is 4 plus 4?")
            page.keyboard.press("Enter")
            expect(answers).to_have_count(count, timeout=ANSWER_MS)
            expect(told).to_have_count(1)
        assert page.evaluate("window.heard") == ["4 plus 4 is 8."] * 2


def test_no_attack_in_an_answer_runs_or_loads_anything(visit: Open, site: Site) -> None:
    asked: list[str] = []
    with scripted(site, written("\n\n".join(CORPUS))), visit(None) as page:
        page.on("request", lambda request: asked.append(request.url))
        answer = ask(page)
        expect(answer).to_have_attribute("data-status", "completed", timeout=ANSWER_MS)
        for _ in range(2):
            found = answer.locator(
                "[data-message-text] :is(script, img, svg, iframe, style, form, object, base, meta)"
            )
            expect(found).to_have_count(0)
            for link in answer.locator("[data-message-text] a").all():
                # As the browser understands it, which is what counts; ":" is no address at all.
                assert link.evaluate("(a) => a.protocol") in ("http:", "https:", "mailto:", ":")
            assert page.evaluate("window.hit") is None
            page.reload()
        assert [url for url in asked if "example.org" in url] == []
