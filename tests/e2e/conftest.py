"""The real site and a real Chromium with a fake microphone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, sync_playwright

from tests.servers import require
from tests.site import AUDIO, Site

# Chromium looks for Google's servers at each start; on a closed network that only costs time.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FAKE_MICROPHONE = [
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
STILL = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"}
FROM_FILE = "--use-file-for-fake-audio-capture"
# The Ann of the file before keeps what is hers under another name.
NEW_ANN = """
from chats.models import User
from django.test import Client
for old in User.objects.filter(username="ann"):
    old.username = f"ann-{old.pk}"
    old.save()
client = Client(headers={"host": "127.0.0.1"})
client.force_login(User.objects.create_user("ann", password="ann-password"))
tell({"ann": client.cookies["sessionid"].value})
"""

_made: WeakKeyDictionary[BrowserContext, tuple[str, str]] = WeakKeyDictionary()
Launch = Callable[..., Browser]
Open = Callable[..., AbstractContextManager[Page]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> str:
    require("chromium")
    return str(shutil.which("chromium"))


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site"), voice=True) as site:
        yield site


@pytest.fixture(scope="module")
def site(shared: Site) -> Iterator[Site]:
    """One site for all files that leave it as it was, with an Ann of each file's own.

    What changes more of a site than that has `own_site` as its `site`.
    """
    said = shared.log.stat().st_size
    shared.sessions = shared.run(NEW_ANN)
    yield shared
    written = shared.log.read_bytes()[said:].decode()
    assert "Traceback" not in written, written


@pytest.fixture(scope="module")
def own_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site"), voice=True, people=("ann",)) as site:
        yield site


# All files have the same driver and browsers, which end with the folder: while the driver lives
# its loop counts as running in this thread, and asynchronous tests of other folders would trip
# over it.


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="package")
def launch(playwright: Playwright, chromium: str) -> Iterator[Launch]:
    """A Chromium with a recording of `tests/audio` as its microphone, or without one.

    Tests that ask for the same get the same; each page has its own session and hears the
    recording from its beginning.
    """
    running: dict[tuple[str | None, ...], Browser] = {}

    def started(wav: str | None, *flags: str) -> Browser:
        wanted = (wav, *flags)
        if wanted not in running:
            heard = [*FAKE_MICROPHONE, f"{FROM_FILE}={AUDIO / wav}%noloop"] if wav else []
            running[wanted] = playwright.chromium.launch(
                executable_path=chromium, headless=True, args=[*QUIET, *flags, *heard]
            )
        return running[wanted]

    yield started
    for browser in running.values():
        browser.close()


@pytest.fixture
def visit(site: Site, launch: Launch, request: pytest.FixtureRequest) -> Open:
    """Open the site as Ann; fails on errors in the browser's console.

    A picture of the last state is kept in `NEXTVOICE_SCREENSHOTS`, if that names a folder.
    """

    def opened(
        wav: str | None = "sum.wav", *flags: str, **options: Any
    ) -> AbstractContextManager[Page]:
        return signed_in(launch(wav, *flags), site, request.node.name, **options)

    return opened


@contextmanager
def signed_in(
    browser: Browser,
    site: Site,
    name: str,
    *,
    url: str = "",
    script: str = "",
    expected: tuple[str, ...] = (),
    **context: Any,
) -> Iterator[Page]:
    """A page of its own for Ann, at `url` if that is not the site's own address; fails on errors
    in the console but those `expected`.

    `script` runs in the page before its own, `context` is the browser's; `name` is the picture's.
    Nothing moves unless the context says so: without a graphics card that takes half a processor.
    """
    url = url or site.url
    problems: list[str] = []
    tab = _context(browser, script, STILL | context)
    tab.add_cookies([{"name": "sessionid", "value": site.sessions["ann"], "url": url}])
    page = tab.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: problems.append(message.text) if message.type == "error" else None,
    )
    page.goto(f"{url}/")
    try:
        yield page
    finally:
        found = list(problems)  # taking a picture may bring its own
        picture(page, name)
        _tidy(tab, page, url)
    assert [p for p in found if not any(word in p for word in expected)] == []


def _context(browser: Browser, script: str, options: dict[str, Any]) -> BrowserContext:
    """One like this that is not in use. What it has loaded it need not load again: the hundred
    files of a page take a new one more than a second of processor."""
    key = (script, repr(options))
    for tab in browser.contexts:
        if _made.get(tab) == key and not tab.pages:
            return tab
    tab = browser.new_context(**options)
    if script:
        tab.add_init_script(script)
    _made[tab] = key
    return tab


def _tidy(tab: BrowserContext, page: Page, url: str) -> None:
    """Leave nothing of this page to the next one; where that cannot be had, close it all."""
    browser = tab.browser
    if browser is None or browser.browser_type.name != "chromium":
        tab.close()
        return
    stored = {"origin": url, "storageTypes": "all"}
    tab.new_cdp_session(page).send("Storage.clearDataForOrigin", stored)
    tab.clear_cookies()
    tab.clear_permissions()
    for each in tab.pages:
        each.close()


def sign_in(page: Page, url: str, name: str = "ann") -> None:
    """Through the sign-in page, as a person does."""
    page.goto(url)
    page.get_by_label("Username or email").first.fill(name)
    page.locator("input[name=password]").fill("ann-password")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/")


def wording(message: Locator) -> Locator:
    """What a message says, without what stands around it: the time of day has digits as well."""
    return message.locator("[data-message-text]")


def picture(page: Page, name: str) -> None:
    folder = os.environ.get("NEXTVOICE_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")
