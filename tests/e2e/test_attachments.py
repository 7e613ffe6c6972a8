"""Pictures and files in a real browser: with typed messages, in a call, on a phone."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.chats import files_to_attach as files
from tests.e2e.conftest import Open, picture
from tests.e2e.provider import demo_can
from tests.e2e.test_options import PHONE, Wire, new_conversation, talk
from tests.site import Site

ANSWER_MS = 30_000
CREATE = "conversation.item.create"
# What the demo voice says of a picture itself; of a mere note about one it says something else.
GOT_IT = re.compile("I got your picture.* cannot see what is in it")
PICTURE = {"name": "Rome.png", "mimeType": "image/png", "buffer": files.picture(size=(400, 300))}

GIVE = """([content, name, type, how]) => {
  const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  const target = document.activeElement ?? document.body;
  if (how === "paste") {
    target.dispatchEvent(
      new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }),
    );
    return;
  }
  for (const kind of how.split(" ")) {
    target.dispatchEvent(
      new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }),
    );
  }
}"""


def give(page: Page, how: str, content: bytes, name: str, kind: str) -> None:
    """Paste or drag a file, as the browser tells a page of it."""
    page.evaluate(GIVE, [base64.b64encode(content).decode(), name, kind, how])


@pytest.fixture
def seeing(site: Site) -> Iterator[None]:
    """The demo voice takes pictures: it says that it got them, and that it cannot see them."""
    with demo_can(site, images=True):
        yield


def mine(page: Page) -> Any:
    return page.locator("[data-testid=message][data-role=user]").last


def pictured(page: Page) -> Any:
    """The newest message with a picture; what is said meanwhile stands after it."""
    with_picture = page.locator("[data-attachment-picture]")
    return page.locator("[data-testid=message][data-role=user]").filter(has=with_picture).last


def answer(page: Page) -> Any:
    return page.locator("[data-testid=message][data-role=assistant]").last


def picture_shown(page: Page) -> None:
    """The newest picture of the thread is one that the browser could read."""
    picture = pictured(page).locator("[data-attachment-picture]")
    expect(picture).to_be_visible(timeout=ANSWER_MS)
    page.wait_for_function(
        "(one) => one.complete && one.naturalWidth > 0", arg=picture.element_handle()
    )


def test_a_picture_is_sent_seen_enlarged_and_deleted(visit: Open, seeing: None) -> None:
    with visit(None) as page:
        new_conversation(page)
        page.get_by_test_id("attach-input").set_input_files([PICTURE])  # type: ignore[list-item]
        draft = page.get_by_test_id("draft")
        expect(draft).to_have_attribute("data-state", "ready", timeout=ANSWER_MS)
        expect(draft).to_contain_text("Rome.png")
        page.get_by_test_id("composer-send").click()
        expect(draft).to_have_count(0)
        picture_shown(page)
        expect(answer(page)).to_have_text(GOT_IT, timeout=ANSWER_MS)
        # What is kept is the same.
        page.reload()
        picture_shown(page)
        mine(page).get_by_role("button", name="Rome.png", exact=True).click()
        lightbox = page.get_by_test_id("lightbox")
        expect(lightbox).to_be_visible()
        expect(lightbox.locator("[data-lightbox-save]")).to_have_attribute("download", "Rome.png")
        page.keyboard.press("Escape")
        expect(lightbox).to_be_hidden()
        remove = mine(page).get_by_role("button", name="Delete Rome.png")
        remove.click()
        page.get_by_role("button", name="Keep it").click()
        expect(mine(page).get_by_test_id("attachment")).to_have_count(1)
        remove.click()
        page.get_by_test_id("delete-for-good").click()
        expect(page.get_by_test_id("attachment")).to_have_count(0)
        expect(mine(page)).to_be_focused()
        page.reload()
        expect(page.get_by_test_id("message")).not_to_have_count(0)
        expect(page.get_by_test_id("attachment")).to_have_count(0)


def test_a_picture_pasted_into_a_docked_call_reaches_the_voice_and_the_thread(
    visit: Open, seeing: None
) -> None:
    with visit("sum.wav") as page:
        new_conversation(page)
        panel = talk(page)
        expect(panel).to_have_attribute("data-form", "docked")
        # What the microphone says would interrupt the answer: first let it be said and answered.
        expect(answer(page)).to_contain_text("is 5", timeout=ANSWER_MS)
        expect(panel).to_have_attribute("data-state", "listening", timeout=ANSWER_MS)
        page.get_by_test_id("call-type").focus()
        give(page, "paste", PICTURE["buffer"], "image.png", "image/png")  # type: ignore[arg-type]
        draft = panel.get_by_test_id("draft")
        expect(draft).to_have_attribute("data-state", "ready", timeout=ANSWER_MS)
        page.keyboard.press("Enter")
        expect(draft).to_have_count(0)
        typed = page.locator("[data-testid=message][data-kind=typed][data-role=user]")
        expect(typed.get_by_test_id("attachment")).to_be_visible()
        said = page.locator("[data-testid=message][data-role=assistant]").filter(has_text=GOT_IT)
        expect(said).to_have_count(1, timeout=ANSWER_MS)
        # It was said, not written: the call goes on.
        expect(said).to_have_attribute("data-kind", "spoken")
        expect(panel).not_to_have_attribute("data-state", "ended")


def test_files_are_dropped_and_each_refusal_says_why(visit: Open, seeing: None) -> None:
    with visit(None, expected=("415",)) as page:
        new_conversation(page)
        give(page, "dragenter dragover", b"words", "notes.txt", "text/plain")
        expect(page.get_by_test_id("drop-zone")).to_be_visible()
        give(page, "drop", b"Seven hills.", "notes.txt", "text/plain")
        expect(page.get_by_test_id("drop-zone")).to_be_hidden()
        drafts = page.get_by_test_id("draft")
        expect(drafts.first).to_have_attribute("data-state", "ready", timeout=ANSWER_MS)
        give(page, "dragenter dragover drop", b"<svg/>", "a.svg", "image/svg+xml")
        refused = drafts.nth(1)
        expect(refused).to_have_attribute("data-state", "failed", timeout=ANSWER_MS)
        expect(refused).to_contain_text("SVG drawings cannot be attached")
        page.get_by_test_id("composer-text").fill("What is in it?")
        page.keyboard.press("Enter")
        # What was not sent stays, with the reason, until the person has done with it.
        expect(drafts).to_have_count(1)
        expect(drafts).to_contain_text("SVG drawings cannot be attached")
        expect(answer(page)).not_to_have_text("", timeout=ANSWER_MS)
        # Nor does it keep back what is sent while another file is on its way.
        give(page, "drop", b"Eight hills.", "more.txt", "text/plain")
        page.get_by_test_id("composer-text").fill("And in this?")
        page.keyboard.press("Enter")
        expect(mine(page)).to_contain_text("more.txt", timeout=ANSWER_MS)
        expect(drafts).to_have_count(1)
        drafts.get_by_role("button", name="Do not send a.svg").press("Enter")
        expect(drafts).to_have_count(0)
        file = page.locator("[data-attachment-file]").first
        expect(file).to_contain_text("notes.txt", timeout=ANSWER_MS)
        with page.expect_download() as download:
            file.click()
        assert download.value.suggested_filename == "notes.txt"
        expect(answer(page)).not_to_have_text("", timeout=ANSWER_MS)


def test_who_cannot_see_is_said_before_a_picture_is_sent(visit: Open) -> None:
    with visit(None) as page:
        new_conversation(page)
        page.get_by_test_id("attach-input").set_input_files([PICTURE])  # type: ignore[list-item]
        expect(page.locator("[data-composer] [data-tray-note]")).to_contain_text(
            "cannot see pictures"
        )


@pytest.mark.parametrize("width", [390, 1280])
def test_a_file_that_is_refused_is_brought_into_sight(visit: Open, width: int) -> None:
    names = ["one.txt", "two.txt", "three.txt", "four.txt", "refused.exe"]
    given = [{"name": name, "mimeType": "text/plain", "buffer": b"Some text."} for name in names]
    with visit(None, expected=("415",), viewport={"width": width, "height": 800}) as page:
        new_conversation(page)
        given_to = page.get_by_test_id("attach-input")
        given_to.set_input_files(given[:4])  # type: ignore[arg-type]
        drafts = page.get_by_test_id("draft")
        ready = page.locator("[data-composer] .draft[data-state=ready]")
        expect(ready).to_have_count(4, timeout=ANSWER_MS)
        expect(drafts.first).to_contain_text("10 bytes")
        given_to.set_input_files(given[4:])  # type: ignore[arg-type]
        refused = drafts.last
        expect(refused).to_have_attribute("data-state", "failed", timeout=ANSWER_MS)
        expect(refused).to_be_in_viewport(ratio=0.99)
        picture(page, f"refused_{width}")


def test_one_tap_shows_the_camera_in_a_full_call_on_a_phone(visit: Open, seeing: None) -> None:
    phone = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    with visit("sum.wav", permissions=["microphone", "camera"], **phone) as page:
        wire = Wire(page)
        new_conversation(page)
        expect(page.get_by_test_id("attach-camera")).to_be_visible()
        panel = talk(page)
        expect(panel).to_have_attribute("data-form", "full")
        page.get_by_test_id("snap-camera").tap()
        expect(pictured(page)).to_have_count(1, timeout=ANSWER_MS)
        page.get_by_test_id("call-resize").tap()
        picture_shown(page)
        # Only its id went over the call's socket.
        sent = [event["item"]["content"] for event in wire.of(wire.sent, CREATE)]
        expect(pictured(page).get_by_test_id("attachment")).to_have_attribute(
            "data-attachment", sent[0][0]["attachment_id"]
        )
        assert sent == [[{"type": "nextvoice.attachment", **sent[0][0]}]]
        assert set(sent[0][0]) == {"type", "attachment_id"}
