"""Static files are answered in front of Django, as browsers and caches expect them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import httpx2
import pytest

from nextvoice.static import ModuleManifestStorage, StaticFiles

SCRIPT = b"export const ringing = 'ring'.repeat(3);\n" * 20
HASHED = "/static/js/ring.0123456789ab.js"


async def pages(scope: Any, receive: Any, send: Any) -> None:
    """Stands for all that is not a static file: says that it was asked."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"a page"})


@pytest.fixture
def browser(settings: Any, tmp_path: Path) -> httpx2.AsyncClient:
    script = tmp_path / "js" / "ring.0123456789ab.js"
    script.parent.mkdir()
    script.write_bytes(SCRIPT)
    script.with_suffix(".js.gz").write_bytes(gzip.compress(SCRIPT))
    settings.STATIC_ROOT = tmp_path
    transport = httpx2.ASGITransport(StaticFiles(pages))
    return httpx2.AsyncClient(transport=transport, base_url="http://site")


@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_a_file_comes_whole_in_a_coding_that_the_browser_knows(
    browser: httpx2.AsyncClient, coding: str
) -> None:
    answer = await browser.get(HASHED, headers={"Accept-Encoding": coding})
    assert (answer.status_code, answer.content) == (200, SCRIPT)
    assert answer.headers.get("content-encoding", "identity") == coding
    assert answer.headers["content-type"] == 'text/javascript; charset="utf-8"'
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_file_that_the_browser_has_is_not_sent_again(browser: httpx2.AsyncClient) -> None:
    tag = (await browser.get(HASHED)).headers["etag"]
    answer = await browser.get(HASHED, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.content) == (304, b"")


async def test_a_part_and_the_headers_alone_can_be_had(browser: httpx2.AsyncClient) -> None:
    plain = {"Accept-Encoding": "identity"}
    part = await browser.get(HASHED, headers={"Range": "bytes=7-11"} | plain)
    assert (part.status_code, part.content) == (206, SCRIPT[7:12])
    head = await browser.head(HASHED, headers=plain)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(SCRIPT))


async def test_a_file_that_was_collected_since_the_start_is_there(
    browser: httpx2.AsyncClient, tmp_path: Path
) -> None:
    """A deploy collects first and replaces workers then: pages of new ones ask old ones as well."""
    assert (await browser.get("/static/js/new.0123456789ab.js")).status_code == 404
    (tmp_path / "js" / "new.0123456789ab.js").write_bytes(SCRIPT)
    (tmp_path / "js" / "new.0123456789ab.js.gz").write_bytes(gzip.compress(SCRIPT))
    for _ in range(2):
        answer = await browser.get("/static/js/new.0123456789ab.js")
        assert (answer.status_code, answer.content) == (200, SCRIPT)
        assert answer.headers["content-encoding"] == "gzip"


async def test_a_file_cannot_be_posted_to(browser: httpx2.AsyncClient) -> None:
    answer = await browser.post(HASHED)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/static/",
        "/static/js",
        "/static/js/",
        "/static/js/../js/ring.js",
        f"{HASHED}/x",
        f"{HASHED}.gz",
        "/static/js/%00",
        f"/static/{'x' * 5000}",
        "/x",
    ],
)
async def test_what_is_no_file_is_a_page(browser: httpx2.AsyncClient, path: str) -> None:
    answer = await browser.get(path)
    assert (answer.status_code, answer.content) == (404, b"a page")


async def test_a_socket_at_the_address_of_a_file_is_none_of_its_business() -> None:
    asked: list[Any] = []

    async def sockets(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])

    await StaticFiles(sockets)({"type": "websocket", "path": HASHED, "headers": []}, None, None)
    assert asked == [HASHED]


SHEETS = {
    "css/site.css": '@import "ink.css";\n@import "paper.css";\n',
    "css/ink.css": 'b { background: url("../img/blot.svg"); }\n',
    "css/paper.css": "/* white */\n",
    "img/blot.svg": "<svg/>\n",
}


def test_a_collected_style_sheet_has_in_it_what_it_imports(tmp_path: Path) -> None:
    for name, text in SHEETS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    storage = ModuleManifestStorage(location=tmp_path, base_url="/static/")
    list(storage.post_process({name: (storage, name) for name in SHEETS}))
    blot = Path(storage.stored_name("img/blot.svg")).name
    assert (tmp_path / storage.stored_name("css/site.css")).read_text() == (
        f'b {{ background: url("../img/{blot}"); }}\n\n/* white */\n\n'
    )
