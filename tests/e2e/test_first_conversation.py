"""The main use in a real browser: speak, hear the answer, read captions, find it all later."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Playwright, expect

from tests.e2e.conftest import FAKE_MICROPHONE, FROM_FILE, QUIET, Open, sign_in, wording
from tests.e2e.test_options import new_conversation, until
from tests.site import AUDIO, Site

PHONE = {"width": 390, "height": 844}
ANSWER_MS = 30_000

# Plays each recording to see that it moves, then seeks into it: [duration, moved, sought].
LISTEN = """async () => {
  const heard = [];
  for (const audio of document.querySelectorAll("audio")) {
    const once = (event) =>
      new Promise((done) => audio.addEventListener(event, done, {once: true}));
    audio.muted = true;
    const known = once("loadedmetadata");
    audio.preload = "auto";
    audio.load();
    await known;
    const moved = once("timeupdate").then(() => once("timeupdate"));
    await audio.play();
    await moved;
    const played = audio.currentTime;
    const sought = once("seeked");
    audio.currentTime = audio.duration / 2;
    await sought;
    const ended = once("ended");
    await audio.play();
    await ended;
    heard.push([audio.duration, played > 0, audio.currentTime]);
  }
  return heard;
}"""

# What of a page's controls the person sees, and cannot reach: it stands beyond the edge.
BEYOND = """() => [...document.querySelectorAll("button, summary, input, textarea")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }))
  .filter((one) => {
    const { left, right } = one.getBoundingClientRect();
    return left < 0 || right > innerWidth;
  })
  .map((one) => one.outerHTML)"""

# What a call's first line may say at its longest.
LONGEST = """() => {
  document.querySelector("[data-call-status]").textContent = "Microphone off";
  document.querySelector("[data-call-cost]").hidden = false;
  document.querySelector("[data-cost-sum]").textContent = "€1,234.56";
}"""


def start_talking(page: Page) -> None:
    page.get_by_test_id("start-talking").click()
    expect(page.get_by_test_id("call-panel")).to_have_attribute(
        "data-state", re.compile("listening|hearing"), timeout=ANSWER_MS
    )


# Of each recording: whether its speed and the time of the message lie over each other.
OVERLAID = """() => [...document.querySelectorAll(".message__foot")].map((foot) => {
  const [speed, time] = [".player__speed", ".message__time"].map((one) =>
    foot.querySelector(one).getBoundingClientRect());
  return speed.right > time.left && time.right > speed.left && time.top < speed.bottom;
})"""


def kept(page: Page, site: Site) -> list[dict[str, Any]]:
    """The messages of the conversation on the page, as they are stored."""
    pk = page.url.rstrip("/").rpartition("/")[2].partition("?")[0]
    found: list[dict[str, Any]] = site.run(
        "from django.db.models import F\nfrom chats.models import Message\n"
        f"tell(list(Message.objects.filter(conversation={pk!r}).annotate("
        "recorded_ms=F('recording__duration_ms'))"
        ".values('status', 'text', 'unheard', 'heard_ms', 'recorded_ms')))"
    )
    return found


def speaker(page: Page) -> dict[str, Any]:
    """What the page counted of the sound that reached its speaker."""
    return dict(page.evaluate("window.__nextvoice"))


def test_a_spoken_question_is_answered_aloud_and_kept(visit: Open, site: Site) -> None:
    with visit("sum.wav") as page:
        page.context.clear_cookies()
        sign_in(page, site.url)
        start_talking(page)
        panel = page.get_by_test_id("call-panel")
        expect(panel).to_have_attribute("data-state", "speaking", timeout=ANSWER_MS)
        # Both sides can be read while the call runs.
        messages = page.get_by_test_id("message")
        expect(messages.nth(0)).to_contain_text("two plus three", timeout=ANSWER_MS)
        expect(wording(messages.nth(1))).to_contain_text("5", timeout=ANSWER_MS)
        expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
        sound = speaker(page)
        assert (sound["itemsHeard"], sound["samplesRendered"] > 24_000) == (1, True)
        assert sound["peakRendered"] > 0.1
        page.get_by_test_id("hang-up").click()
        expect(page.get_by_test_id("start-call")).to_be_visible()
        # On a busy machine recordings are made when there is nothing else to do.
        until(page, lambda: all(message["recorded_ms"] for message in kept(page, site)))
        page.reload()
        expect(messages).to_have_count(2)
        assert page.title().startswith("What is two plus three?")
        stored = [message["recorded_ms"] for message in kept(page, site)]
        heard = page.evaluate(LISTEN)
        assert [moved for _, moved, _ in heard] == [True, True]
        # To within two frames of the codec.
        for (length, _, end), ms in zip(heard, stored, strict=True):
            assert (abs(length * 1000 - ms) < 50, abs(end - length) < 0.1) == (True, True)
        page.set_viewport_size({"width": 320, "height": 640})
        assert page.evaluate(OVERLAID) == [False, False]


def test_talking_over_the_answer_cuts_it_and_the_record_shows_where(
    visit: Open, site: Site
) -> None:
    with visit("story_then_interrupt.wav") as page:
        start_talking(page)
        messages = page.get_by_test_id("message")
        cut = messages.nth(1).get_by_text("Interrupted here")
        expect(cut).to_be_visible(timeout=ANSWER_MS)
        expect(messages.nth(3)).to_contain_text(re.compile(r"\d:\d\d"), timeout=ANSWER_MS)
        page.get_by_test_id("hang-up").click()
        expect(page.get_by_test_id("start-call")).to_be_visible()
        page.reload()
        expect(messages).to_have_count(4)
        expect(cut).to_be_visible()
        expect(messages.nth(2).get_by_text("Interrupted here")).to_be_hidden()
        cut = kept(page, site)[1]
        assert (cut["status"], cut["recorded_ms"]) == ("interrupted", cut["heard_ms"])
        assert (cut["text"] != "", cut["unheard"] != "") == (True, True)


def test_what_was_said_is_copied_from_the_thread(visit: Open) -> None:
    with visit(None, permissions=["clipboard-read", "clipboard-write"]) as page:
        new_conversation(page)
        page.get_by_test_id("composer-text").fill("What is 4 plus 4?")
        page.keyboard.press("Enter")
        messages = page.get_by_test_id("message")
        expect(wording(messages.nth(1))).to_contain_text("8", timeout=ANSWER_MS)
        page.reload()
        messages.nth(0).get_by_label("Copy text").click()
        expect(page.locator(".toast")).to_contain_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == "What is 4 plus 4?"
        page.get_by_label("Conversation menu").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download as text").click()
        zone = page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
        told = download.value.path().read_text()
        assert f"Times: {zone}\n" in told and "What is 4 plus 4?" in told and "8" in told


def rename_to(page: Page, title: str) -> None:
    page.get_by_label("Conversation menu").click()
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("Title").fill(title)
    page.get_by_label("Title").press("Enter")


def test_what_is_pasted_and_does_not_fit_is_told(visit: Open) -> None:
    with visit(None) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        new_conversation(page)
        box, told = page.get_by_test_id("composer-text"), page.locator(".toast")
        for letters, cut in ((7000, 0), (1000, 0), (1, 1)):
            page.evaluate(f"navigator.clipboard.writeText('x'.repeat({letters}))")
            box.press("End")
            box.press("Control+v")
            expect(told).to_have_count(cut)
        expect(told).to_contain_text("A message holds at most 8,000 characters")
        assert len(box.input_value()) == 8000
        # What takes the place of other words fits.
        page.get_by_role("button", name="Dismiss").click()
        box.press("Control+a")
        box.press("Control+v")
        expect(box).to_have_value("x")
        expect(told).to_have_count(0)


def test_a_page_from_before_a_sign_in_elsewhere_says_so(visit: Open) -> None:
    with visit(None, expected=("403",)) as page:
        new_conversation(page)
        # Signing in, in whatever tab, gives the browser another token.
        page.evaluate("document.body.dataset.csrf = 'x'.repeat(64)")
        rename_to(page, "Later")
        expect(page.locator(".toast")).to_contain_text("out of date")
        page.reload()
        rename_to(page, "Later")
        expect(page.locator("[data-conversation-title]")).to_have_text("Later")


def test_a_conversation_is_renamed_by_the_keyboard_alone(visit: Open) -> None:
    with visit(None) as page:
        new_conversation(page)
        menu, title = page.get_by_label("Conversation menu"), page.get_by_label("Title")
        # What is typed, the key that ends it, and the title then.
        for typed, key, shown in (
            ("A walk", "Enter", "A walk"),
            ("No walk", "Escape", "A walk"),
            ("   ", "Enter", "A walk"),
        ):
            menu.press("Enter")
            page.get_by_role("button", name="Rename").press("Enter")
            expect(title).to_be_focused()
            expect(title).to_have_value("" if typed == "A walk" else "A walk")
            page.keyboard.type(typed)
            page.keyboard.press(key)
            expect(menu).to_be_focused()
            expect(page.locator("[data-conversation-title]")).to_have_text(shown)
            assert page.title().startswith(f"{shown} · ")
        page.reload()
        expect(page.get_by_role("heading", name="A walk")).to_be_visible()


def test_the_keyboard_comes_to_the_message_box_without_all_that_stands_before_it(
    visit: Open,
) -> None:
    with visit(None) as page:
        new_conversation(page)
        rename_to(page, "A walk")
        page.reload()
        page.get_by_role("link", name="Skip to content").focus()
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the message box")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("composer-text")).to_be_focused()


def test_escape_closes_the_list_of_a_phone_wherever_the_keyboard_is(visit: Open) -> None:
    with visit(None, viewport=PHONE) as page:
        new_conversation(page)
        opener = page.get_by_role("button", name="Show the list of conversations")
        opener.press("Enter")
        expect(opener).to_have_attribute("aria-expanded", "true")
        page.get_by_role("link", name="Skip to content").focus()
        page.keyboard.press("Escape")
        expect(opener).to_have_attribute("aria-expanded", "false")
        expect(opener).to_be_focused()


def test_what_was_deleted_is_brought_back_by_the_keyboard(visit: Open) -> None:
    with visit(None) as page:
        new_conversation(page)
        rename_to(page, "A walk")
        title = page.get_by_role("heading", name="A walk")
        expect(title).to_be_visible()
        page.get_by_label("Conversation menu").press("Enter")
        page.get_by_role("button", name="Delete").press("Enter")
        expect(page.get_by_role("status").filter(has_text="“A walk” was deleted.")).to_have_count(1)
        # It goes within seconds, so it comes first.
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Undo")).to_be_focused()
        page.keyboard.press("Enter")
        expect(title).to_be_visible()


def test_a_title_of_whatever_signs_is_that_of_the_tab_too(visit: Open) -> None:
    with visit(None) as page:
        new_conversation(page)
        title = "US$$ 5 · $& and $'"
        rename_to(page, title)
        expect(page.locator("[data-conversation-title]")).to_have_text(title)
        shown = page.title()
        page.reload()
        assert [shown, page.title()] == [f"{title} · NextVoice"] * 2


def test_typing_into_a_call_is_answered_aloud(visit: Open) -> None:
    with visit("sum.wav") as page:
        start_talking(page)
        page.get_by_test_id("call-type").fill("What time is it?")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("message").filter(has_text="What time is it?")).to_be_visible()
        panel = page.get_by_test_id("call-panel")
        expect(panel).to_have_attribute("data-state", "speaking", timeout=ANSWER_MS)


def test_muting_and_the_keyboard(visit: Open) -> None:
    with visit("sum.wav") as page:
        start_talking(page)
        panel = page.get_by_test_id("call-panel")
        panel.focus()
        page.keyboard.press("m")
        expect(panel).to_have_attribute("data-state", "muted")
        page.keyboard.press("m")
        expect(panel).not_to_have_attribute("data-state", "muted")
        # It is the same key where it writes another script.
        for key, muted in (("ь", True), ("צ", False), (",", False)):
            panel.dispatch_event("keydown", {"key": key, "code": "KeyM", "bubbles": True})
            assert (panel.get_attribute("data-muted") is not None) == muted
        # What an input method takes back is no wish to hang up.
        composed = {"key": "Escape", "isComposing": True, "bubbles": True}
        for _ in range(2):
            page.get_by_test_id("call-type").dispatch_event("keydown", composed)
        expect(page.locator("[data-call-notice]")).to_be_hidden()
        expect(panel).to_have_attribute("data-state", re.compile("listening|hearing"))
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        expect(page.get_by_test_id("start-call")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_the_call_fits_the_screen(visit: Open, scheme: str) -> None:
    # Without motion the panel is in its place at once.
    phone = {"viewport": PHONE, "is_mobile": True, "has_touch": True, "reduced_motion": "reduce"}
    with visit("sum.wav", color_scheme=scheme, **phone) as page:
        start_talking(page)
        box = page.get_by_test_id("call-panel").bounding_box()
        assert box is not None
        assert (box["x"], box["width"], box["height"]) == (0, PHONE["width"], PHONE["height"])
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        expect(wording(page.get_by_test_id("message").nth(1))).to_contain_text(
            "5", timeout=ANSWER_MS
        )
        page.get_by_test_id("hang-up").tap()
        expect(page.get_by_test_id("start-call")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@pytest.mark.parametrize("width", [320, 360, 1280])
def test_nothing_to_press_stands_beyond_the_edge(visit: Open, width: int) -> None:
    phone = {"is_mobile": True, "has_touch": True} if width < 400 else {}
    with visit("sum.wav", viewport={"width": width, "height": 700}, **phone) as page:
        new_conversation(page)
        assert page.evaluate(BEYOND) == []
        page.get_by_test_id("composer-text").fill(f"https://example.org/{'a' * 300}")
        assert page.evaluate(BEYOND) == []
        page.get_by_label("Conversation menu").click()
        page.get_by_role("button", name="Rename").click()
        title = page.get_by_label("Title")
        title.fill("A walk")
        box = title.bounding_box()
        assert box is not None and box["width"] > 150
        assert page.evaluate(BEYOND) == []
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("heading", name="A walk")).to_be_visible()
        page.get_by_test_id("start-call").click()
        expect(page.get_by_test_id("hang-up")).to_be_visible()
        assert page.evaluate(BEYOND) == []
        page.get_by_test_id("call-resize").click()
        assert page.evaluate(BEYOND) == []
        page.evaluate(LONGEST)
        assert page.evaluate(BEYOND) == []
        page.get_by_test_id("hang-up").click()
        expect(page.get_by_test_id("start-call")).to_be_visible()


def test_a_phone_on_its_side_shows_what_is_said_and_all_to_press(visit: Open) -> None:
    phone = {"viewport": {"width": 568, "height": 320}, "is_mobile": True, "has_touch": True}
    with visit("sum.wav", **phone) as page:
        start_talking(page)
        held, answer = page.get_by_test_id("hold-to-talk"), page.get_by_test_id("caption-assistant")
        expect(answer).to_contain_text("5", timeout=ANSWER_MS)
        page.get_by_test_id("turns").click()
        for one in (answer, held, page.get_by_test_id("mute"), page.get_by_test_id("hang-up")):
            expect(one).to_be_in_viewport(ratio=1)
        above, below = answer.bounding_box(), held.bounding_box()
        assert above is not None and below is not None
        assert above["y"] + above["height"] <= below["y"]
        page.get_by_test_id("hang-up").click()
        expect(page.get_by_test_id("start-call")).to_be_visible()


def test_a_phone_on_its_side_shows_all_of_the_account_menu(visit: Open) -> None:
    with visit(None, viewport={"width": 568, "height": 320}) as page:
        for at in ("", "conversation"):
            if at:
                new_conversation(page)
                page.get_by_role("button", name="Show the list of conversations").click()
            menu = page.locator(".account-menu")
            menu.locator("summary").click()
            for item in menu.locator(".menu__item").all():
                item.scroll_into_view_if_needed()
                expect(item).to_be_in_viewport(ratio=1)
            page.keyboard.press("Escape")


def test_letters_set_large_leave_nothing_to_press_beyond_the_edge(
    site: Site, playwright: Playwright, chromium: str, tmp_path: Path
) -> None:
    letters = {"webkit": {"webprefs": {"default_font_size": 32}}}
    (tmp_path / "Default").mkdir()
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(letters))
    phone: Any = {"viewport": {"width": 390, "height": 780}, "reduced_motion": "reduce"}
    heard = f"{FROM_FILE}={AUDIO / 'sum.wav'}%noloop"
    flags = [*QUIET, *FAKE_MICROPHONE, heard]
    with playwright.chromium.launch_persistent_context(
        tmp_path, executable_path=chromium, headless=True, args=flags, **phone
    ) as window:
        ann = {"name": "sessionid", "value": site.sessions["ann"], "url": site.url}
        window.add_cookies([ann])  # type: ignore[list-item]
        page = window.new_page()
        page.goto(site.url)
        assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "32px"
        assert page.evaluate(BEYOND) == []
        account = page.locator(".account-menu")
        account.locator("summary").click()
        assert page.evaluate(BEYOND) == []
        page.keyboard.press("Escape")
        start_talking(page)
        assert page.evaluate(BEYOND) == []
        expect(page.get_by_test_id("hang-up")).to_be_in_viewport(ratio=1)
        answer = page.get_by_test_id("message").nth(1)
        expect(wording(answer)).to_contain_text("5", timeout=ANSWER_MS)
        page.get_by_test_id("hang-up").click()
        expect(page.get_by_test_id("start-call")).to_be_visible()
        expect(answer.get_by_role("button", name="Play")).to_be_visible()
        assert page.evaluate(BEYOND) == []
        box = page.get_by_test_id("composer-text").bounding_box()
        assert box is not None and box["width"] > 200


def test_a_first_call_opens_no_socket_in_vain_and_leaves_the_console_clean(visit: Open) -> None:
    with visit("sum.wav") as page:
        sockets: list[str] = []
        said: list[str] = []
        page.on("websocket", lambda socket: sockets.append(socket.url.split("/")[4]))
        page.on(
            "console",
            lambda message: said.append(message.text) if message.type == "warning" else None,
        )
        start_talking(page)
        assert (sockets, said) == (["call"], [])
        # Once it is over, the page watches for calls of other tabs.
        with page.expect_websocket():
            page.get_by_test_id("hang-up").click()
        expect(page.get_by_test_id("start-call")).to_be_visible()
        assert (sockets, said) == (["call", "watch"], [])
