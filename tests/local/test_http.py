import asyncio
from typing import Any

import pytest

from realtime.local.http import Endpoint, HttpFailed, post
from tests.local.fake_http import plain, raw, stream

pytestmark = pytest.mark.outside

HEAD = b"HTTP/1.1 200 OK\r\n"


async def body(server: Any, *, key: str = "") -> bytes:
    async with post(server.url + "/x?y=1", b"{}", "application/json", key=key) as answer:
        return await answer.body(1000)


async def test_a_request_carries_what_endpoints_expect(fake_http: Any) -> None:
    server = await fake_http()
    server.scripts = [plain(200, b"fine")]
    assert await body(server, key="k-1") == b"fine"
    asked = server.asked[0]
    assert (asked.path, asked.body) == ("/v1/x?y=1", b"{}")
    assert asked.headers["authorization"] == "Bearer k-1"
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["host"] == server.url.split("/")[2]


async def test_chunks_split_anywhere_are_put_together(fake_http: Any) -> None:
    server = await fake_http()
    server.scripts = [
        raw(
            HEAD + b"Transfer-Encoding: chunked\r\n\r",
            b"\n3\r\nab",
            b"c\r\n4;x=y\r",
            b"\ndefg\r\n0\r\n\r\n",
        )
    ]
    assert await body(server) == b"abcdefg"


async def test_an_answer_without_a_length_ends_with_the_connection(fake_http: Any) -> None:
    server = await fake_http()
    server.scripts = [raw(HEAD + b"\r\n", b"until the end")]
    assert await body(server) == b"until the end"


async def test_an_interim_answer_is_passed_over(fake_http: Any) -> None:
    server = await fake_http()
    server.scripts = [raw(b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 2\r\n\r\nok")]
    assert await body(server) == b"ok"


async def test_lines_are_cut_wherever_the_pieces_end(fake_http: Any) -> None:
    server = await fake_http()
    server.scripts = [raw(HEAD + b"\r\n", b"on", b"e\r\ntw", b"o\n", b"three")]
    async with post(server.url, b"", "text/plain") as answer:
        assert [line async for line in answer.lines()] == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        (plain(401, b'{"error": "bad key"}'), 401, 'answered 401: {"error": "bad key"}'),
        (plain(302, b"", "Location: http://else.where/"), 302, "redirects elsewhere"),
        (raw(b"SSH-2.0-hello\r\n\r\n"), 0, "does not speak HTTP"),
        (raw(HEAD + b"Content-Length: 50\r\n\r\nshort"), 0, "closed the connection"),
        (raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), 0, "broke off"),
        (raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\nab"), 0, "closed the connection"),
        (raw(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000), 0, "too long"),
        (raw(b""), 0, "broke off"),
        (plain(200, b"x" * 1001), 0, "too large"),
    ],
)
async def test_what_goes_wrong_is_said(fake_http: Any, script: Any, status: int, said: str) -> None:
    server = await fake_http()
    server.scripts = [script]
    with pytest.raises(HttpFailed) as failed:
        await body(server)
    assert said in str(failed.value)
    assert failed.value.status == status


async def test_a_closed_port_is_said(unused_tcp_port: int) -> None:
    with pytest.raises(HttpFailed) as failed:
        async with post(f"http://127.0.0.1:{unused_tcp_port}/", b"", "text/plain"):
            pass
    assert "cannot be reached" in str(failed.value)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("ftp://host/x", ""),
        ("http:///x", ""),
        ("http://host/a b", ""),
        ("http://host/x", "key\r\nX-Evil: 1"),
        ("http://host/\u00e9", ""),
    ],
)
async def test_nothing_can_be_smuggled_into_the_request(url: str, key: str) -> None:
    with pytest.raises(HttpFailed):
        async with post(url, b"", "text/plain", key=key):
            pass


async def test_leaving_early_drops_the_connection(fake_http: Any) -> None:
    server = await fake_http()
    server.scripts = [stream("x", hold=True)]
    async with post(server.url, b"", "text/plain") as answer:
        async for line in answer.lines():
            assert line == "data: x"
            break
    await asyncio.wait_for(server.dropped.wait(), 10)


def test_a_base_address_may_hold_the_path_already() -> None:
    assert Endpoint("http://h/v1/").url("/chat/completions") == "http://h/v1/chat/completions"
    assert Endpoint("http://h/chat/completions").url("/chat/completions") == (
        "http://h/chat/completions"
    )
