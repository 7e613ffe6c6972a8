"""Screenshots of every page without a call: desktop and phone, light and dark.

NEXTVOICE_SCREENSHOTS=folder pytest tests/e2e/test_page_pictures.py
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.chats import files_to_attach as files
from tests.e2e.conftest import Launch, Open, picture
from tests.e2e.test_options import new_conversation
from tests.e2e.test_pictures import FORMS, pytestmark, settle
from tests.site import Site

__all__ = ["pytestmark"]

MARKDOWN = """Certainly. **Three ways** to the lake:

1. By train to *Küssnacht*, then on foot.
2. By boat, if the weather holds.
3. By `bike`, along the old road.

| way | minutes | price |
|---|---:|---:|
| train | 42 | 12.40 |
| boat | 75 | 21.00 |

```python
def way(weather: str) -> str:
    return "boat" if weather == "fine" else "train"
```

> Boats do not run in November."""

CONTENT = f"""
from datetime import timedelta
from django.utils import timezone
from chats.models import Conversation, Message, User
from realtime.models import Provider, VoiceModel
ann = User.objects.get(username="ann")
now = timezone.now()
def conversation(title, days):
    made = Conversation.objects.create(owner=ann, title=title, account=ann.own_account)
    Conversation.objects.filter(pk=made.pk).update(updated=now - timedelta(days=days))
    return made
long = conversation("The lake", 0)
for at in range(90):
    mine = at % 2 == 0
    text = f"And how would one get to the lake on day {{at}}?" if mine else {MARKDOWN!r}
    Message.objects.create(
        conversation=long, position=at, text=text, role="user" if mine else "assistant",
        kind="typed", status="completed", created=now - timedelta(minutes=90 - at),
    )
conversation(("A very long title about trains and boats and the weather " * 3)[:120], 1)
conversation("Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenbefestigung", 2)
for at in range(24):
    conversation(f"What was said on a day in the past, number {{at}}", 3 + at * 9)
provider = Provider.objects.create(name="Voices of the team", url="wss://voice.example/v1")
for at in range(12):
    VoiceModel.objects.create(
        provider=provider, name=f"voice-{{at}}", label=f"Voice model {{at + 1}}",
        voices=["alloy", "marin"], ends=now.date() + timedelta(days=30) if at == 3 else None,
    )
tell(str(long.pk))
"""


@pytest.fixture(scope="module")
def site(own_site: Site) -> Site:
    return own_site


class Camera:
    """Takes pictures of whole pages."""

    def __init__(self, page: Page, form: str) -> None:
        self.page = page
        self.form = form

    def take(self, name: str, path: str = "") -> None:
        if path:
            self.page.goto("/".join(self.page.url.split("/")[:3]) + path)
        for scheme in ("light", "dark"):
            settle(self.page, scheme)
            picture(self.page, f"{self.form}_{scheme}_{name}")


@pytest.fixture(scope="module")
def lake(site: Site) -> str:
    """Conversations and models in plenty; the path of a long conversation."""
    return f"/c/{site.run(CONTENT)}/"


@pytest.fixture(params=FORMS)
def camera(visit: Open, request: pytest.FixtureRequest) -> Iterator[Camera]:
    with visit(None, expected=("",), **FORMS[request.param]) as page:
        yield Camera(page, request.param)


@pytest.mark.parametrize("form", FORMS)
def test_pages_for_strangers(site: Site, launch: Launch, form: str) -> None:
    with launch(None).new_context(**FORMS[form]) as tab:
        page = tab.new_page()
        page.goto(site.url)
        camera = Camera(page, form)
        camera.take("30_sign_in")
        page.get_by_label("Username or email").first.fill("nobody")
        page.locator("input[name=password]").fill("wrong")
        page.keyboard.press("Enter")
        page.wait_for_load_state()
        camera.take("31_sign_in_refused")
        camera.take("32_sign_up", "/accounts/signup/")
        camera.take("33_password_reset", "/accounts/password/reset/")


def test_pages_while_there_is_nothing_yet(camera: Camera) -> None:
    page = camera.page
    camera.take("40_home_empty", "/")
    camera.take("41_no_providers", "/providers/")
    camera.take("42_no_tokens", "/tokens/")
    camera.take("43_not_found", "/nowhere/")
    page.goto("/".join(page.url.split("/")[:3]))
    page.evaluate(
        "document.querySelectorAll('[name=csrfmiddlewaretoken]').forEach((o) => o.value = 'x')"
    )
    page.context.clear_cookies(name="csrftoken")
    page.get_by_test_id("start-typing").click()
    page.wait_for_load_state()
    camera.take("44_refused")


def test_conversations(camera: Camera, lake: str) -> None:
    page = camera.page
    camera.take("50_home", "/")
    page.get_by_test_id("picker").locator("summary").click()
    camera.take("51_picker")
    camera.take("52_search", "/?q=lake")
    camera.take("53_search_nothing", "/?q=zebra")
    camera.take("54_long_thread", lake)
    page.goto(f"{page.url.split('/c/')[0]}/")
    page.get_by_label("Your account").click()
    camera.take("55_account_menu")


def test_attachments(camera: Camera) -> None:
    page = camera.page
    new_conversation(page)
    pictures = [
        {"name": name, "mimeType": "image/png", "buffer": files.picture(size=size)}
        for name, size in (("Rome.png", (400, 300)), ("A tall one.png", (200, 500)))
    ]
    note = {"name": "Notes of the long meeting in November.txt", "mimeType": "text/plain"}
    page.get_by_test_id("attach-input").set_input_files([*pictures, {**note, "buffer": b"x"}])  # type: ignore[list-item]
    expect(page.locator("[data-testid=draft][data-state=ready]")).to_have_count(3)
    camera.take("60_attached")
    page.get_by_test_id("composer-send").click()
    expect(page.locator("[data-testid=message][data-role=assistant]")).to_have_count(1)
    camera.take("61_sent")
    page.get_by_role("button", name="Rome.png", exact=True).click()
    camera.take("62_enlarged")


def test_keys_and_tokens(camera: Camera) -> None:
    page = camera.page
    page.goto(f"{page.url}providers/")
    page.get_by_role("link", name="Add a provider").first.click()
    camera.take("70_provider_form")
    page.get_by_label("Service").select_option("azure")
    camera.take("71_provider_azure")
    page.get_by_label("Service").select_option("openai")
    page.get_by_label("Name").first.fill(f"OpenAI for the {camera.form}")
    page.get_by_label("Key", exact=True).fill("sk-0123456789abcdef")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/providers/")
    camera.take("72_providers")
    camera.take("73_tokens", "/tokens/")
    page.get_by_label("Name").first.fill("robot")
    page.locator("main form button").last.click()
    page.wait_for_load_state()
    camera.take("74_token_made")
    camera.take("75_usage", "/usage/")
