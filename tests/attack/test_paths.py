"""Names that want to be paths, in every address and form that takes one.

Nothing that a person names is a path here: files lie under keys, and the only names in addresses
are looked up in the database. So whatever is tried there is no such thing.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from realtime.db import in_database
from tests.attack.test_access import API, ROUTES, model_of
from tests.attack.test_sockets import cookie_of
from tests.attack.world import World, make_world
from tests.site import ROOT, Answer, Person

pytestmark = pytest.mark.django_db(transaction=True)

UP = "../" * 12
NAMES = [
    f"{UP}etc/passwd",
    "..%2f" * 12 + "etc%2fpasswd",
    "%2e%2e/" * 12 + "etc/passwd",
    "%2e%2e%2f" * 12 + "etc%2fpasswd",
    "%252e%252e%252f" * 12 + "etc%252fpasswd",
    "..%5c" * 12 + "etc%5cpasswd",
    "....//" * 12 + "etc/passwd",
    "%c0%ae%c0%ae/" * 12 + "etc/passwd",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "file:%2f%2f%2fetc%2fpasswd",
    "etc/passwd%00.mp3",
    "%00",
    "x" * 5_000,
    quote("\u202egnp.exe"),
    "C:%5cWindows%5cwin.ini",
]
"""As they stand in an address."""
SETTING = (ROOT / "nextvoice" / "settings.py").read_bytes()[:60]
NOTHING = {302, 400, 403, 404, 405, 414, 426}
"""What is answered: there is no such thing, or not for this method, or not so."""
LINKS = ("accounts/^confirm-email", "accounts/^password/reset/key")
"""These say on a page of their own that a link is wrong."""
ANYTHING = ("admin/(?P<url>", "admin/^(?P<app_label>")
TAKES = re.compile(r"\(\?P<\w+>[^)]*\)|<[^>]+>")
"""What a route takes from the address."""
ONE = "chats.conversation"
"""The admin's pages of all models are the same; these stand for them."""
TAKING = [
    route
    for route in ROUTES
    if TAKES.search(route) and not route.startswith(ANYTHING)
    if (model := model_of(route)) is None or model[0] == ONE
]


def hostile(route: str) -> list[str]:
    """The addresses of a route with each name in place of what it takes last."""
    plain = re.sub(r"\^(?!\))|\$", "", route)
    *_, last = TAKES.finditer(plain)
    start = TAKES.sub("1", plain[: last.start()])
    return [f"/{start}{name}{plain[last.end() :]}" for name in NAMES]


def outside(place: Path) -> list[bytes]:
    """What stands in files that nobody is to read."""
    secret = place.parent / "secret.txt"
    secret.write_text("what lies beside the data")
    return [secret.read_bytes(), Path("/etc/passwd").read_bytes()[:20], SETTING]


async def signed_in(here: str, world: World, actor: str) -> Person:
    person = Person(here)
    cookie = await in_database(cookie_of, world, actor)
    person.cookies["sessionid"] = cookie["Cookie"].removeprefix("sessionid=")
    return person


def got(answer: Answer, secrets: Sequence[bytes]) -> list[bytes]:
    return [secret for secret in secrets if secret in answer.body]


def test_the_routes_that_take_a_name_are_tried_with_it() -> None:
    assert {"c/<uuid:pk>/", "v1/models/<path:name>", "usage/account/<slug:slug>/"} <= set(TAKING)
    assert hostile("c/attachments/<uuid:pk>/thumbnail/")[0] == (
        f"/c/attachments/{UP}etc/passwd/thumbnail/"
    )
    assert hostile("a/^key/(?P<uid>[0-9A-Za-z]+)-(?P<key>.+)/$")[-1] == (
        "/a/key/1-C:%5cWindows%5cwin.ini/"
    )


@pytest.mark.parametrize("actor", ["owner", "admin"])
async def test_no_address_leads_out_of_its_place(here: str, actor: str, tmp_path: Path) -> None:
    world = await in_database(make_world)
    secrets, person = outside(tmp_path), await signed_in(here, world, actor)
    bearer = {"Authorization": f"Bearer {world.keys[actor]}"}
    mine = [route for route in TAKING if route.startswith("admin/") == (actor == "admin")]
    for route in mine:
        headers = bearer if route.startswith(API) else {}
        allowed = NOTHING | {200} if route.startswith(LINKS) else NOTHING
        for path in hostile(route):
            answer = await asyncio.to_thread(person.get, path, **headers)
            assert (answer.status in allowed, got(answer, secrets)) == (True, []), path
            answer = await asyncio.to_thread(person.post, path)
            assert (answer.status < 500, got(answer, secrets)) == (True, []), path


@pytest.mark.parametrize("name", [*NAMES, "css", "css/", ".", "..", "%2e%2e/nextvoice/settings.py"])
async def test_static_files_are_only_what_was_collected(here: str, name: str) -> None:
    secrets = outside(Path(settings.DATA_DIR))
    for path in (f"/static/{name}", f"/static/js/{name}", f"/{name}"):
        answer = await asyncio.to_thread(Person(here).get, path)
        assert (answer.status in NOTHING, got(answer, secrets)) == (True, []), path


@pytest.mark.parametrize("field", ["account", "title", "file", "call"])
@pytest.mark.parametrize("name", [f"{UP}etc/passwd", "a\0b", "/etc/passwd", "x" * 100_000])
async def test_no_field_is_a_path(here: str, field: str, name: str, tmp_path: Path) -> None:
    world = await in_database(make_world)
    secrets, person = outside(tmp_path), await signed_in(here, world, "owner")
    before = {each for each in tmp_path.parent.rglob("*") if each.is_file()}
    for path in ("/c/new/", f"/c/{world.thread.pk}/rename/", f"/c/{world.thread.pk}/attachments/"):
        answer = await asyncio.to_thread(lambda path=path: person.post(path, **{field: name}))
        assert (answer.status < 500, got(answer, secrets)) == (True, []), path
    assert {each for each in tmp_path.parent.rglob("*") if each.is_file()} == before


@pytest.mark.parametrize("path", ["nothing/", "call/none/", f"watch/{UP}", "call/%00/", "call/"])
async def test_a_socket_that_is_not_there_is_refused_without_a_word_in_the_log(
    here: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"{here.replace('http', 'ws', 1)}/ws/{path}", origin=here, proxy=None):  # type: ignore[arg-type]
            pass
    assert refused.value.response.status_code in (403, 404)
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR] == []
