"""Requests to addresses that somebody typed in: what is reached, and what never is."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime.outbound import Destination, NoAnswer, Secret, client, fetch
from tests.certificates import certificate_contexts
from tests.realtime.tools.services import PETS, SECRET, ApiServer, api

INNER = [
    "127.0.0.1",
    "::1",
    "::ffff:127.0.0.1",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "fe80::1",
    "0.0.0.0",
    "64:ff9b::7f00:1",
]


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api() as made:
        yield made


def resolver(*answers: list[str]) -> Any:
    """A resolver that gives another answer each time, as a rebinding name server does."""
    left = list(answers)

    async def resolve(host: str, port: int) -> list[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


async def failing(to: Destination, url: str = "", **options: Any) -> str:
    with pytest.raises(NoAnswer) as caught:
        await fetch(to, "GET", url, **options)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return str(caught.value)


async def test_an_answer_is_whole(server: ApiServer) -> None:
    answer = await fetch(Destination(f"{server.url}/pets", vouched=True), "GET")
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert json.loads(answer.data) == PETS


@pytest.mark.parametrize("address", INNER)
async def test_no_inner_address_is_connected_to(address: str) -> None:
    to = Destination("https://api.example.org/", resolve=resolver([address]))
    assert await failing(to) == "the host has an address that is not allowed"
    mixed = Destination("https://api.example.org/", resolve=resolver(["93.184.216.34", address]))
    assert await failing(mixed) == "the host has an address that is not allowed"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://api.example.org/", "only https on port 443"),
        ("https://api.example.org:8443/", "only https on port 443"),
        ("ftp://api.example.org/", "not a http: or https: URL"),
        ("file:///etc/passwd", "not a http: or https: URL"),
        ("https://ann:word@x.org/", "a user name, password or fragment is in the URL"),
        ("https:///", "not a http: or https: URL"),
        ("no address", "not a http: or https: URL"),
    ],
)
async def test_other_addresses_than_https_on_its_port_are_refused(url: str, words: str) -> None:
    assert await failing(Destination(url, resolve=resolver(["93.184.216.34"]))) == words


async def test_numbers_that_mean_loopback_are_refused(server: ApiServer) -> None:
    for host in ("2130706433", "0x7f000001", "017700000001", "127.1", "localhost"):
        words = await failing(Destination(f"https://{host}/"))
        assert words in ("the host has an address that is not allowed", "the host is not known")
    assert server.asked == []


async def test_a_name_is_resolved_once_for_all_requests(server: ApiServer) -> None:
    url = f"http://rebinding.example.org:{server.server_port}"
    to = Destination(url, vouched=True, resolve=resolver(["127.0.0.1"], ["127.0.0.2"]))
    async with client(to) as http:
        for _ in range(3):
            assert (await http.get(f"{url}/pets")).status_code == 200
    assert [each.headers["host"] for each in server.asked] == [
        f"rebinding.example.org:{server.server_port}"
    ] * 3


async def test_the_next_address_is_tried_when_one_is_dead(server: ApiServer) -> None:
    url = f"http://two.example.org:{server.server_port}/pets"
    to = Destination(url, vouched=True, resolve=resolver(["127.0.0.9", "127.0.0.1"]))
    assert (await fetch(to, "GET")).status == 200


async def test_redirects_are_answers_and_are_not_followed(server: ApiServer) -> None:
    answer = await fetch(Destination(f"{server.url}/away", vouched=True), "GET")
    assert answer.status == 302
    assert len(server.asked) == 1


async def test_another_origin_is_never_asked(server: ApiServer) -> None:
    with api() as other:
        to = Destination(server.url, vouched=True, secret=Secret({"X-Key": SECRET}))
        for url in (f"{other.url}/pets", server.url.replace("127.0.0.1", "localhost")):
            words = await failing(to, url)
            assert words == "another server than the one that was checked"
    assert [server.asked, other.asked] == [[], []]


async def test_size_and_time_are_bounded(server: ApiServer) -> None:
    to = Destination(f"{server.url}/huge", vouched=True, most_bytes=2_000_000)
    assert await failing(to) == "the answer is too large"
    for path in ("slow", "drip"):
        began = time.monotonic()
        words = await failing(Destination(f"{server.url}/{path}", vouched=True), seconds=0.3)
        assert words == "no answer in time"
        assert time.monotonic() - began < 2


async def test_compressed_answers_are_refused(server: ApiServer) -> None:
    words = await failing(Destination(f"{server.url}/zipped", vouched=True))
    assert words == "it answered compressed, although asked not to"
    assert server.asked[0].headers["accept-encoding"] == "identity"


async def test_proxies_of_the_environment_are_not_used(
    server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await fetch(Destination(f"{server.url}/pets", vouched=True), "GET")).status == 200


async def test_a_closed_port_and_an_unknown_host_are_told_apart_for_operators() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    closed = Destination(f"http://127.0.0.1:{port}/", vouched=True)
    assert await failing(closed) == "no connection (ConnectError)"
    assert await failing(Destination("https://no-such-host.invalid/")) == "the host is not known"


async def test_tls_verifies_the_name_and_not_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, _client = certificate_contexts(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    with api() as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        there = resolver(["127.0.0.1", "127.0.0.2"])  # nobody is at the second
        for host, reached in (("localhost", True), ("other.example.org", False)):
            url = f"https://{host}:{server.server_port}/pets"
            to = Destination(url, vouched=True, resolve=there)
            if reached:
                assert (await fetch(to, "GET")).status == 200
            else:
                assert await failing(to) == "no trusted TLS connection"


async def test_secrets_go_along_and_are_in_no_log(
    server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = Secret({"Authorization": f"Bearer {SECRET}"}, {"key": SECRET})
    to = Destination(f"{server.url}/pets?a=1", vouched=True, secret=secret)
    await fetch(to, "GET")
    (asked,) = server.asked
    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert asked.path == "/pets?a=1&key=canary-0123%2B456%2F789%3Dab%26cdefghij"
    await failing(Destination(f"{server.url}/slow", vouched=True, secret=secret), seconds=0.2)
    assert "canary" not in caplog.text + repr(to)


async def test_who_is_cancelled_leaves_nothing_open(server: ApiServer) -> None:
    to = Destination(f"{server.url}/slow", vouched=True)
    task = asyncio.create_task(fetch(to, "GET"))
    while not server.asked:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}
