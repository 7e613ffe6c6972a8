"""Fixtures for browser tests: the real site and a real Chromium with a fake microphone."""

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

# Chromium contacts Google's servers at each start, which only costs time without a network.
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
# Rename the previous file's Ann, who keeps her data, and create a new one.
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
    """A site shared by all files that do not change it for others; each file has its own Ann.

    Files that change more of it use `own_site` as their `site`.
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


# All files share the driver and the browsers, which are stopped after this folder: while the driver
# runs, its event loop counts as running in this thread, which would break asynchronous tests of
# other folders.


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="package")
def launch(playwright: Playwright, chromium: str) -> Iterator[Launch]:
    """A Chromium with a recording of `tests/audio` as its microphone, or with none.

    Tests that ask for the same recording share a browser; each page has its own session and gets
    the recording from its beginning.
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
    """Open the site as Ann; fails if there are errors in the browser's console.

    A screenshot of the last state is stored in the folder `NEXTVOICE_SCREENSHOTS`, if that is set.
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
    """A new page for Ann, at the site's address or another `url`; fails if there are console errors
    other than those `expected`.

    `script` runs before the page's own; `context` are options of the browser context; `name` is the
    screenshot's. Motion is reduced unless `context` says otherwise: without a GPU, animations take
    half a CPU.
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
        found = list(problems)  # a screenshot may cause further ones
        picture(page, name)
        _tidy(tab, page, url)
    assert [p for p in found if not any(word in p for word in expected)] == []


def _context(browser: Browser, script: str, options: dict[str, Any]) -> BrowserContext:
    """A context with these options that is not in use. Its cache is reused: in a new one, loading
    the hundred files of a page takes more than a second of CPU time."""
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
    """Remove all traces of this page for the next one; if that fails, close the context."""
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
    """Sign in through the sign-in page."""
    page.goto(url)
    page.get_by_label("Username or email").first.fill(name)
    page.locator("input[name=password]").fill("ann-password")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/")


def wording(message: Locator) -> Locator:
    """The text of a message without its frame, since its time of day has digits as well."""
    return message.locator("[data-message-text]")


def picture(page: Page, name: str) -> None:
    folder = os.environ.get("NEXTVOICE_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")
