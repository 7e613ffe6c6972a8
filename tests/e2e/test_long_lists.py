"""Scrolling through a thread of 1,000 messages and a list of 1,500 conversations."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open, picture, wording
from tests.e2e.provider import opened, scripted
from tests.e2e.test_errors_speak import SILENT, STAY
from tests.e2e.test_options import ANSWER_MS, PHONE, new_conversation, until
from tests.site import Site

MESSAGES, CONVERSATIONS = 1_000, 1_500
MOST = 600 + 60
FILL = f"""
import uuid
from datetime import timedelta
from django.utils import timezone
from chats.models import Account, Conversation, Message, Recording, User
ann = User.objects.get(username="ann")
Account.objects.filter(owner=ann).update(keep_audio_days=30)
now = timezone.now()
Conversation.objects.bulk_create(
    Conversation(owner=ann, account=ann.own_account, title=f"Conversation {{n}}",
                 updated=now - timedelta(days=1, minutes=n)) for n in range({CONVERSATIONS}))
thread = Conversation.objects.create(owner=ann, account=ann.own_account, title="A long thread")
calls = [uuid.uuid4() for _ in range(4)]
said = [Message(conversation=thread, position=n, role=("user", "assistant")[n % 2],
                call_id=calls[n // 250], status="completed", created=now - timedelta(days=40),
                text=f"This is number {{n}} of what was said. " * (1 + n % 4))
        for n in range({MESSAGES})]
Message.objects.bulk_create(said)
Recording.objects.bulk_create(
    Recording(message=each, state="expired", kept_days=30) for each in said[::5])
tell(str(thread.pk))
"""


@pytest.fixture(scope="module")
def thread(site: Site) -> str:
    return str(site.run(FILL))


def numbers(page: Page) -> list[int]:
    """The numbers of the messages on the page, in order."""
    found: list[int] = page.evaluate(
        "[...document.querySelectorAll('[data-testid=message] [data-message-text]')]"
        ".map((one) => Number(one.textContent.match(/number (\\d+)/)?.[1] ?? -1))"
    )
    return found


def up(page: Page) -> None:
    page.evaluate("document.querySelector('[data-thread]').scrollTop = 0")


def dividers(page: Page) -> int:
    return page.locator("[data-messages] > .call-divider").count()


def test_a_thread_is_read_back_to_its_first_word_and_stays_small(
    visit: Open, site: Site, thread: str
) -> None:
    with visit(None) as page:
        page.goto(f"{site.url}/c/{thread}/")
        expect(page.get_by_test_id("message").last).to_be_in_viewport()
        assert numbers(page) == list(range(940, 1000))
        largest = 0

        def at_most() -> int:
            nonlocal largest
            shown = numbers(page)
            # Whatever is shown is one whole piece of the thread.
            assert shown == list(range(shown[0], shown[-1] + 1))
            largest = max(largest, len(shown))
            return shown[0]

        def came_before(first: int) -> bool:
            return at_most() < first

        while at_most() > 400:
            first = at_most()
            top = page.locator(f"[data-message-text]:has-text('number {first} ')").first
            up(page)
            until(page, partial(came_before, first))
            # What the reader looked at is still there, not scrolled away.
            expect(top).to_be_in_viewport()
        assert (at_most(), dividers(page)) == (400, 3)
        # The page is full: what comes before is a page of its own, by keyboard as well.
        page.wait_for_timeout(300)
        assert at_most() == 400
        link = page.get_by_role("link", name="Show what was said before")
        link.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/?before=*")
        while at_most() > 0:
            first = at_most()
            up(page)
            until(page, partial(came_before, first))
        assert (at_most(), numbers(page)[-1]) == (0, 399)
        expect(link).to_have_count(0)
        expect(page.get_by_text("Recordings are kept for 30 days.").first).to_be_attached()
        assert largest <= MOST
        nodes = page.evaluate("document.querySelectorAll('*').length")
        assert nodes < 40 * MOST


def test_who_writes_in_an_old_part_is_brought_to_the_end(
    visit: Open, site: Site, thread: str
) -> None:
    with visit(None) as page:
        page.goto(f"{site.url}/c/{thread}/")
        before = page.get_by_role("link", name="Show what was said before")
        page.goto(f"{site.url}/c/{thread}/{before.get_attribute('href')}")
        assert numbers(page) == list(range(880, 940))
        page.get_by_test_id("composer-text").fill("What is 4 plus 4?")
        page.keyboard.press("Enter")
        messages = page.get_by_test_id("message")
        expect(wording(messages.last)).to_contain_text("8", timeout=ANSWER_MS)
        until(page, lambda: numbers(page) == [*range(940, 1000), -1, -1])
        expect(messages.nth(60)).to_contain_text("4 plus 4")


@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_a_search_opens_a_thread_where_the_words_are(
    visit: Open, site: Site, thread: str, size: str
) -> None:
    viewport = PHONE if size == "phone" else {"width": 1280, "height": 800}
    scheme = "dark" if size == "phone" else "light"
    with visit(None, viewport=viewport, color_scheme=scheme) as page:
        page.get_by_role("searchbox").fill("number 321 of")
        page.keyboard.press("Enter")
        page.locator("main").get_by_role("link", name="A long thread").click()
        page.wait_for_url("**/?at=*")
        found = page.locator("[data-message-text]:has-text('number 321 ')")
        expect(found).to_be_in_viewport()
        picture(page, f"found-{size}")
        assert numbers(page)[0] < 321 < numbers(page)[-1] < 350
        assert page.evaluate("document.activeElement.matches('.message[data-wanted]')")
        # From here the thread is read on, either way.
        page.get_by_role("button", name="Latest").click()
        until(page, lambda: 999 in numbers(page))
        # There they are, then, when they load the page again.
        page.reload()
        assert 999 in numbers(page)
        expect(page.get_by_test_id("message").last).to_be_in_viewport()


def test_a_search_of_a_short_thread_shows_the_words_and_its_end(visit: Open, site: Site) -> None:
    short = """
from chats.models import User
ann = User.objects.get(username="ann")
thread = ann.conversations.create(account=ann.own_account, title="Short")
thread.messages.create(position=1, role="user", kind="typed", status="completed", text="A needle?")
"""
    site.run(short)
    with visit(None) as page:
        page.goto(f"{site.url}/?q=needle")
        page.locator("main").get_by_role("link", name="Short").first.click()
        expect(page.locator(".message[data-wanted]")).to_contain_text("A needle?")
        picture(page, "found-short")
        expect(page.get_by_role("button", name="Latest")).to_be_hidden()


def test_each_day_of_a_thread_is_told_once(visit: Open, site: Site) -> None:
    old = """
from datetime import timedelta
from django.utils import timezone
from chats.models import Conversation, User
ann = User.objects.get(username="ann")
make = ann.conversations.create
make(account=ann.own_account, title="Newest", updated=timezone.now())
thread = make(account=ann.own_account, title="Days",
              updated=timezone.now() - timedelta(days=1, minutes=20))
noon = timezone.now().replace(hour=12)
for n, days in enumerate((400, 400, 2, 1, 1)):
    thread.messages.create(position=n, role="user", kind="typed", status="completed", text=str(n),
                           created=noon - timedelta(days=days))
tell(str(thread.pk))
"""
    with visit(None, timezone_id="UTC") as page:
        page.goto(f"{site.url}/c/{site.run(old)}/")
        days = "[...document.querySelectorAll('.message')].map((one) => one.dataset.day ?? '')"
        told = page.evaluate(days)
        assert [bool(day) for day in told] == [True, False, True, True, False]
        assert told[3] == "Yesterday"
        # It is not the newest conversation, and in sight in the list all the same.
        assert entries(page)[0] == "Newest"
        current = page.locator(".sidebar [aria-current=page]")
        expect(current).to_be_in_viewport()
        page.get_by_test_id("composer-text").fill("What is 4 plus 4?")
        page.keyboard.press("Enter")
        expect(wording(page.get_by_test_id("message").last)).to_contain_text("8", timeout=ANSWER_MS)
        assert page.evaluate(days)[5:] == ["Today", ""]
        # Now it is the newest.
        until(page, lambda: entries(page)[0] == "Days")


def entries(page: Page) -> list[str]:
    found: list[str] = page.locator(
        "[data-conversation-list] .conversation-item__title"
    ).all_inner_texts()
    return found


def test_the_list_goes_on_as_it_is_scrolled_and_stays_small(
    visit: Open, site: Site, thread: str
) -> None:
    with visit(None, viewport=PHONE) as page:
        assert len(entries(page)) == 30
        expect(page.get_by_text("Recordings are kept for 30 days.")).to_be_visible()

        def more() -> Any:
            count = len(entries(page))
            page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
            page.evaluate("document.querySelector('#main').scrollTop = 1e9")
            return count >= 600 or None

        until(page, more)
        page.wait_for_timeout(300)
        shown = entries(page)
        assert 600 <= len(shown) <= 630
        assert len(set(shown[2:])) == len(shown[2:])
        page.get_by_role("link", name="Show more").click()
        page.wait_for_url("**/?after=*")
        last = int(shown[-1].removeprefix("Conversation "))
        assert entries(page)[0] == f"Conversation {last + 1}"
        page.get_by_role("link", name="Back to the newest conversations").click()
        expect(page.get_by_test_id("start-talking")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_it_fits(visit: Open, site: Site, thread: str, scheme: str, size: str) -> None:
    viewport = PHONE if size == "phone" else {"width": 1280, "height": 800}
    with visit(None, viewport=viewport, color_scheme=scheme) as page:
        page.goto(f"{site.url}/c/{thread}/")
        page.evaluate("document.querySelector('[data-thread]').scrollTop -= 900")
        expect(page.get_by_text("Audio removed after 30 days").first).to_be_attached()
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0
        # The thread scrolls, the page does not.
        below = page.evaluate("document.documentElement.scrollHeight - innerHeight")
        assert below <= 0


# What a thread consists of goes, and something else comes before the browser tells that the end
# has moved.
CHANGES = """async () => {
  const list = document.querySelector("[data-messages]");
  const frame = () => new Promise(requestAnimationFrame);
  const block = () => {
    const made = document.createElement("li");
    made.style.blockSize = "1000px";
    list.append(made);
    return made;
  };
  const first = block();
  for (let n = 0; n < 3; n++) await frame();
  const shorter = new Promise((resolve) => {
    const observer = new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.height >= before) return;
      observer.disconnect();
      setTimeout(resolve);
    });
    const before = list.getBoundingClientRect().height;
    observer.observe(list);
  });
  first.remove();
  await shorter;
  block();
  for (let n = 0; n < 3; n++) await frame();
  const { scrollTop, scrollHeight, clientHeight } = document.querySelector("[data-thread]");
  return scrollHeight - scrollTop - clientHeight;
}"""


def test_who_reads_at_the_end_stays_there_whatever_goes_and_comes(visit: Open) -> None:
    with visit(None) as page:
        new_conversation(page)
        assert abs(page.evaluate(CHANGES)) < 2
        expect(page.locator("[data-jump-latest]")).to_be_hidden()


def test_on_paper_is_all_that_the_page_holds(visit: Open, site: Site, thread: str) -> None:
    with visit(None, color_scheme="dark") as page:
        page.goto(f"{site.url}/c/{thread}/")
        page.emulate_media(media="print", color_scheme="dark")
        messages = page.get_by_test_id("message")
        first, last = messages.first.bounding_box(), messages.last.bounding_box()
        assert first is not None and last is not None
        assert 0 < first["y"] < last["y"] < page.evaluate("document.body.scrollHeight")
        expect(page.get_by_test_id("composer-text")).to_be_hidden()
        expect(page.get_by_role("heading", name="A long thread")).to_be_visible()
        # The ink is dark, whatever the screen is.
        ink = page.evaluate("getComputedStyle(document.querySelector('[data-message-text]')).color")
        assert ink == "rgb(20, 33, 30)"


def test_who_comes_back_to_the_list_during_a_call_finds_their_place(
    visit: Open, site: Site, thread: str
) -> None:
    with visit(None, script=SILENT) as page:
        with scripted(site, opened(STAY)):
            page.get_by_test_id("start-talking").click()
            panel = page.get_by_test_id("call-panel")
            expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
            page.go_back()
            expect(page.get_by_test_id("start-talking")).to_be_visible()
            titles = page.locator("main .conversation-item__title")
            wanted = titles.filter(has_text=re.compile("^Conversation 100$"))
            until(page, lambda: down(page) and wanted.count())
            wanted.scroll_into_view_if_needed()
            top = scrolled(page)
            wanted.click()
            expect(page.locator("[data-conversation-title]")).to_have_text("Conversation 100")
            for _ in range(2):
                page.go_back()
                expect(wanted).to_be_in_viewport()
                assert scrolled(page) == pytest.approx(top, abs=2)
                page.go_forward()
                expect(page.locator("[data-conversation-title]")).to_have_text("Conversation 100")
            page.go_back()
            expect(wanted).to_be_in_viewport()
            # It goes on from there, with each one once.
            shown = len(entries(page))
            until(page, lambda: down(page) and len(entries(page)) > shown)
            found = entries(page)
            assert len(set(found)) == len(found)
            # What is opened anew begins at its beginning.
            page.locator(".topbar a[href='/']").click()
            until(page, lambda: scrolled(page) == 0)
            expect(wanted).to_have_count(0)
            page.get_by_test_id("hang-up").click()


# Browsers keep a page as it was left, for who goes back to it.
KEPT = "void dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"


def test_who_comes_back_to_the_list_sees_what_is_new_and_finds_their_place(
    visit: Open, site: Site, thread: str
) -> None:
    with visit(None, expected=("ERR_FAILED",)) as page:
        titles = page.locator("main .conversation-item__title")
        wanted = titles.filter(has_text=re.compile("^Conversation 40$"))
        until(page, lambda: down(page) and wanted.count())
        wanted.scroll_into_view_if_needed()
        link = page.get_by_role("link", name="Conversation 40 ")
        link.focus()
        top = scrolled(page)
        new = site.run(
            "from chats.models import User\n"
            "ann = User.objects.get(username='ann')\n"
            "thread = ann.conversations.create(account=ann.own_account, title='Just now')\n"
            "tell(str(thread.pk))"
        )
        page.evaluate(KEPT)
        expect(titles.first).to_have_text("Just now")
        expect(link).to_be_focused()
        expect(wanted).to_be_in_viewport()
        assert scrolled(page) == pytest.approx(top, abs=2)
        site.run(
            "from chats.models import Conversation\n"
            f"Conversation.objects.filter(pk={new!r}).delete()"
        )
        page.evaluate(KEPT)
        expect(titles.first).not_to_have_text("Just now")
        # Where it cannot be had anew it stays.
        page.route("**/", lambda route: route.abort())
        with page.expect_event("requestfailed"):
            page.evaluate(KEPT)
        expect(wanted).to_be_in_viewport()


def test_what_is_deleted_during_a_call_does_not_come_back_with_the_list(
    visit: Open, site: Site, thread: str
) -> None:
    with visit(None, script=SILENT, expected=("404",)) as page:
        with scripted(site, opened(STAY)):
            page.get_by_test_id("start-talking").click()
            panel = page.get_by_test_id("call-panel")
            expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
            page.go_back()
            titles = page.locator("main .conversation-item__title")
            mine = titles.filter(has_text=re.compile("^Conversation 70$"))
            until(page, lambda: down(page) and mine.count())
            mine.click()
            page.get_by_label("Conversation menu").click()
            page.get_by_role("button", name="Delete").click()
            undo = page.get_by_role("button", name="Undo")
            expect(undo).to_be_visible()
            told = page.get_by_text("It is no longer there.")
            expect(told).to_have_count(0)
            # Another tab, or device, deletes as well.
            site.run(
                "from chats.models import Conversation\n"
                "from django.utils import timezone\n"
                "found = Conversation.objects.filter(title='Conversation 7')\n"
                "found.update(deleted=timezone.now())"
            )
            # What is gone is told, and stands in nobody's way back.
            page.go_back()
            expect(told).to_be_visible()
            page.go_back()
            next_one = titles.filter(has_text=re.compile("^Conversation 71$"))
            expect(next_one).to_be_in_viewport()
            gone = titles.filter(has_text=re.compile("^Conversation (7|70)$"))
            expect(gone.filter(visible=True)).to_have_count(0)
            undo.click()
            expect(page.locator("[data-conversation-title]")).to_have_text("Conversation 70")
            page.go_back()
            expect(mine).to_be_in_viewport()
            page.get_by_test_id("hang-up").click()


def scrolled(page: Page) -> float:
    return float(page.evaluate("document.querySelector('#main').scrollTop"))


def down(page: Page) -> bool:
    page.evaluate(
        "const main = document.querySelector('#main'); main.scrollTop = main.scrollHeight"
    )
    return True


def test_who_comes_back_to_a_conversation_sees_the_list_as_it_is_and_finds_their_place(
    visit: Open, site: Site, thread: str
) -> None:
    with visit(None) as page:
        page.locator("main .conversation-item__link").nth(1).click()
        box = page.get_by_test_id("composer-text")
        box.fill("half a thought")
        titles = page.locator(".sidebar .conversation-item__title")
        page.locator(".sidebar__list").evaluate("list => { list.scrollTop = list.scrollHeight }")
        until(page, lambda: titles.count() > 30)
        link = page.locator(".sidebar").get_by_role("link", name="Conversation 34 ")
        link.focus()
        own = page.url.rstrip("/").rpartition("/")[2]
        site.run(
            "from chats.models import Conversation\n"
            "from django.utils import timezone\n"
            f"Conversation.objects.filter(pk={own!r}).update(title='Its new name')\n"
            "Conversation.objects.filter(title='Conversation 20').update(title='Another one')\n"
            "Conversation.objects.filter(title='Conversation 21').update(deleted=timezone.now())"
        )
        gone = titles.filter(has_text=re.compile("^Conversation 2[01]$"))
        expect(gone).to_have_count(2)
        page.evaluate(KEPT)
        expect(page.locator("[data-conversation-title]")).to_have_text("Its new name")
        expect(page).to_have_title(re.compile("^Its new name · "))
        expect(page.locator(".sidebar [aria-current]")).to_contain_text("Its new name")
        expect(titles.filter(has_text="Another one")).to_have_count(1)
        expect(gone).to_have_count(0)
        expect(link).to_be_focused()
        expect(link).to_be_in_viewport()
        expect(box).to_have_value("half a thought")
