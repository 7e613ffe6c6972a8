"""What the address of an endpoint must not reach: a corpus of known tricks (SSRF).

Whatever the address, an attempt that no operator has vouched for never opens a connection, and
people are told the same as for a closed port.
"""

from __future__ import annotations

import asyncio
import socket

import pytest

from realtime.bridge import Target, UpstreamFailed, open_upstream
from realtime.bridge.probe import probe
from tests.bridge.doubles import SESSION
from tests.scripted import Refuse, ScriptedProvider

# Literal hosts, as the system's own resolver reads them.
LITERALS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "0.0.0.0",
    "0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fd12:3456::1]",
    "[fec0::1]",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "255.255.255.255",
]

URLS = [
    "ws://api.example.org/v1",
    "http://api.example.org/v1",
    "wss://api.example.org:22/",
    "wss://api.example.org:25/",
    "wss://api.example.org:6379/",
    "wss://api.example.org:80/",
    "wss://api.example.org:0/",
    "wss://api.example.org:65536/",
    "wss://user:pass@127.0.0.1/",
    "wss://api.example.org@127.0.0.1/",
    "wss://127.0.0.1#@api.example.org/",
    "wss://127.0.0.1\\@api.example.org/",
    "unix:///var/run/docker.sock",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_",
    "//127.0.0.1/",
    "wss:127.0.0.1",
    "wss:///127.0.0.1",
]

# Not even a target: characters that urlsplit drops or a resolver folds.
UNWRITABLE = [
    "wss://127.0.\t0.1/",
    "wss://127.0.0.1\n/",
    " wss://127.0.0.1/",
    "wss://127.0.0.1/\r\nX: y",
    "wss://１２７.0.0.1/",
    "wss://127。0。0。1/",
    "wss://①②⑦.0.0.1/",
    "wss://ⓛocalhost/",
    "wss://127.0.0.1\x00.example.org/",
]


@pytest.fixture
def dialled(monkeypatch):
    """Every address that this process tried to connect to; all attempts are refused."""
    calls = []
    loop_class = type(asyncio.new_event_loop())

    async def refuse(self, sock, address):
        calls.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(loop_class, "sock_connect", refuse)
    return calls


def target(url, **fields):
    return Target(name="P", url=url, model="m", **fields)


async def attempt(url, **options):
    with pytest.raises(UpstreamFailed) as caught:
        await open_upstream(target(url), SESSION, **options)
    return caught.value


async def told(url, **options):
    """What a person without the site-admin permission sees of a failed test, except for times."""
    steps = [step async for step in probe(target(url), SESSION, **options)]
    return [(s.name, s.ok, s.detail, s.message, s.remedy, s.said) for s in steps]


def answering(*answers):
    left = list(answers)

    async def resolve(host, port):
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


@pytest.mark.parametrize("host", LITERALS)
async def test_no_way_of_writing_an_inner_address_is_dialled(host, dialled):
    failed = await attempt(f"wss://{host}/v1/realtime")
    assert (failed.reason, dialled) == ("provider_unreachable", [])


@pytest.mark.parametrize("url", URLS)
async def test_no_other_scheme_port_or_user_is_tried(url, dialled):
    asked = []

    async def resolve(host, port):
        asked.append(host)
        return ["8.8.8.8"]

    failed = await attempt(url, resolve=resolve)
    assert (failed.reason, asked, dialled) == ("provider_unreachable", [], [])


@pytest.mark.parametrize("url", UNWRITABLE)
def test_signs_that_others_read_otherwise_make_no_target(url):
    with pytest.raises(ValueError) as caught:
        target(url)
    assert "127" not in str(caught.value)


@pytest.mark.parametrize(
    "answers",
    [
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["8.8.8.8", "::1"],
        ["8.8.8.8", "::ffff:10.0.0.1"],
        ["2606:4700::1111", "fe80::1%eth0"],
    ],
)
async def test_one_bad_answer_among_good_ones_is_enough(answers, dialled):
    failed = await attempt("wss://two.example/v1", resolve=answering(answers))
    assert (failed.reason, dialled) == ("provider_unreachable", [])


async def test_a_name_that_flips_is_looked_up_once_and_connected_to_as_checked(dialled):
    flip = answering(["8.8.8.8"], ["127.0.0.1"])
    await attempt("wss://rebinding.example/v1", resolve=flip)
    assert dialled == [("8.8.8.8", 443)]
    # The next attempt sees the flip, and stops there.
    await attempt("wss://rebinding.example/v1", resolve=flip)
    assert dialled == [("8.8.8.8", 443)]


@pytest.mark.outside
async def test_a_redirect_leads_nowhere():
    async with ScriptedProvider() as inner:
        for location in (inner.url, "ws://127.0.0.1:6379/", "unix:///run/x.sock"):
            script = [Refuse(307, b"", {"Location": location})]
            async with ScriptedProvider(script) as outer:
                with pytest.raises(UpstreamFailed) as caught:
                    await open_upstream(outer.target(), SESSION)
            assert caught.value.step == "handshake"
        assert inner.visits == []


@pytest.mark.outside
async def test_no_proxy_of_the_environment_is_used(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    async with ScriptedProvider([Refuse(401)]) as provider:
        with pytest.raises(UpstreamFailed) as caught:
            await open_upstream(provider.target(), SESSION)
    assert caught.value.http_status == 401


async def test_blocked_and_closed_are_told_in_the_same_words(dialled):
    closed = await told("wss://closed.example/v1", resolve=answering(["8.8.8.8"]))
    assert [step[0] for step in closed] == ["dns", "tcp"]
    for answer in (["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["8.8.8.8", "::1"]):
        blocked = await told("wss://inner.example/v1", resolve=answering(answer))
        assert blocked == closed
    assert dialled == [("8.8.8.8", 443)]


async def test_blocked_and_closed_end_a_call_for_the_same_reason(dialled):
    closed = await attempt("wss://closed.example/v1", resolve=answering(["8.8.8.8"]))
    blocked = await attempt("wss://inner.example/v1", resolve=answering(["10.0.0.1"]))
    words = [(each.reason, each.provider_message, each.http_status) for each in (closed, blocked)]
    assert words[0] == words[1]


# Headers


@pytest.mark.parametrize("sign", ["\r\nX: y", "\n", "\r", "\0", "é", "\u2028", "\x7f", " "])
@pytest.mark.parametrize(
    "field",
    ["key", "organization", "project", "workspace", "deployment", "api_version", "model", "url"],
)
def test_nothing_in_the_handshake_carries_another_header(field, sign):
    fields = {"name": "P", "url": "wss://x.example/v1", "model": "m", field: f"canary{sign}"}
    with pytest.raises(ValueError) as caught:
        Target(**fields)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "a\r\nX-B: b"),
        ("X-A", "a\nb"),
        ("X-A", "a\0"),
        ("X-A", "é"),
        ("X-A\r\nX-B", "a"),
        ("X A", "a"),
        ("X-A:", "a"),
        ("", "a"),
    ],
)
def test_no_further_header_carries_another(name, value):
    with pytest.raises(ValueError) as caught:
        target("wss://x.example/v1", headers={name: value})
    assert "X-B" not in str(caught.value)


@pytest.mark.outside
async def test_what_is_in_the_query_stays_in_it():
    async with ScriptedProvider([Refuse(401)]) as provider:
        spoiled = provider.target(query={"a": "b c\r\nX-Evil: 1", "d&e": "#?é"}, model="m&x=1 2")
        with pytest.raises(UpstreamFailed):
            await open_upstream(spoiled, SESSION)
        request = provider.refused[0]
    assert "X-Evil" not in request.headers
    assert "a=b+c%0D%0AX-Evil%3A+1" in request.path
    assert "model=m%26x%3D1+2" in request.path


def test_the_resolver_of_this_machine_reads_short_forms():
    """This is why the literals above are worth testing."""
    found = socket.getaddrinfo("2130706433", 443, type=socket.SOCK_STREAM)
    assert found[0][4][0] == "127.0.0.1"
