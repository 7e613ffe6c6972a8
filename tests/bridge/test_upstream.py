from __future__ import annotations

import asyncio
import base64
import logging
import ssl
import traceback

import pytest

from realtime.bridge import Timeouts, UpstreamFailed, open_upstream
from tests.bridge.doubles import SESSION
from tests.certificates import certificate_contexts
from tests.scripted import (
    Close,
    Closing,
    Die,
    Expect,
    HangHandshake,
    Hear,
    Raw,
    Refuse,
    ScriptedProvider,
    Send,
    StopReading,
    Until,
    session_created,
)

pytestmark = pytest.mark.outside

CANARY = "sk-canary-0123456789abcdef"
QUICK = Timeouts(dns=0.1, tcp=0.1, total=0.2, close=0.1)


async def failure(provider, **fields) -> UpstreamFailed:
    options = {name: fields.pop(name) for name in ("resolve", "tls") if name in fields}
    with pytest.raises(UpstreamFailed) as caught:
        await open_upstream(provider.target(key=CANARY, **fields), SESSION, **options)
    return caught.value


def shown(failed):
    return (failed.step, failed.reason, failed.provider_message)


async def test_a_session_opens_and_carries_frames_both_ways():
    script = [Send({"type": "conversation.created"}, session_created()), Expect("response.create")]
    script += [Hear(4), Raw("text"), Raw(b"\0\1"), Close(1000, "bye")]
    frames = []
    async with ScriptedProvider(script) as provider:
        upstream = await open_upstream(provider.target(key=CANARY), SESSION)
        assert [e["type"] for e in upstream.first] == ["conversation.created", "session.created"]
        upstream.send('{"type":"response.create"}')
        for frame in upstream.dialect.audio(b"abcd"):
            upstream.send(str(frame))
        closed = await upstream.read(frames.append)
        await upstream.close()
        visit = provider.visits[0]
    assert frames == ["text", b"\0\1"]
    assert (closed.code, closed.reason, closed.end_reason) == (1000, "bye", "provider_gone")
    assert visit.headers["Authorization"] == f"Bearer {CANARY}"
    assert "Sec-WebSocket-Extensions" not in visit.headers
    assert visit.path == "/v1/realtime?model=scripted-1"
    assert visit.problem is None


async def test_closing_is_seen_by_the_provider():
    async with ScriptedProvider([Send(session_created())]) as provider:
        upstream = await open_upstream(provider.target(), SESSION)
        await upstream.close()
        await upstream.close()
        await provider.visits[0].over.wait()
    assert provider.visits[0].closed == Closing("client", 1000, "")


# Failing, step by step


async def test_a_name_nobody_knows():
    async def resolve(host, port):
        raise OSError("no such host")

    async with ScriptedProvider() as provider:
        failed = await failure(provider, resolve=resolve)
    assert shown(failed) == ("dns", "provider_unreachable", None)


async def test_a_resolver_that_hangs():
    async def resolve(host, port):
        await asyncio.Event().wait()

    async with ScriptedProvider() as provider:
        failed = await failure(provider, resolve=resolve, timeouts=QUICK)
    assert shown(failed) == ("dns", "provider_timeout", None)


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], []])
async def test_an_address_of_our_own_network_looks_like_a_closed_port(addresses):
    async def resolve(host, port):
        return addresses

    async with ScriptedProvider() as provider:
        failed = await failure(
            provider, url="wss://provider.example/v1", allow_private=False, resolve=resolve
        )
    assert shown(failed) == ("dns", "provider_unreachable", None)


async def test_a_url_that_is_not_allowed_is_not_resolved():
    asked = []

    async def resolve(host, port):
        asked.append(host)
        return ["127.0.0.1"]

    async with ScriptedProvider() as provider:
        failed = await failure(provider, allow_private=False, resolve=resolve)
    assert shown(failed) == ("dns", "provider_unreachable", None)
    assert asked == []


async def test_the_checked_address_is_the_one_connected_to():
    answers = iter([["127.0.0.1"]])  # a second look-up would fail

    async def resolve(host, port):
        return next(answers)

    async with ScriptedProvider([Send(session_created())]) as provider:
        url = f"ws://rebinding.example:{provider.port}/v1/realtime"
        upstream = await open_upstream(provider.target(url=url), SESSION, resolve=resolve)
        await upstream.close()
        assert provider.visits[0].headers["Host"] == f"rebinding.example:{provider.port}"


async def test_a_closed_port():
    async with ScriptedProvider() as provider:
        target = provider.target()
    with pytest.raises(UpstreamFailed) as caught:
        await open_upstream(target, SESSION)
    assert shown(caught.value) == ("tcp", "provider_unreachable", None)


async def test_the_next_address_is_tried():
    async def resolve(host, port):
        return ["127.0.0.2", "127.0.0.1"]

    async with ScriptedProvider([Send(session_created())]) as provider:
        upstream = await open_upstream(provider.target(), SESSION, resolve=resolve)
        await upstream.close()


async def test_a_port_that_swallows_everything():
    async with ScriptedProvider(hang_tcp=True) as provider:
        failed = await failure(provider, timeouts=QUICK)
    assert shown(failed) == ("tcp", "provider_timeout", None)


async def test_tls_to_a_server_that_speaks_none():
    async with ScriptedProvider() as provider:
        failed = await failure(provider, url=provider.url.replace("ws:", "wss:"))
    assert shown(failed) == ("tls", "provider_unreachable", None)


async def test_tls_that_hangs():
    gate = asyncio.Event()

    async def silent(reader, writer):
        await gate.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with ScriptedProvider() as provider:
        failed = await failure(provider, url=f"wss://localhost:{port}/v1/realtime", timeouts=QUICK)
    gate.set()
    server.close()
    assert shown(failed) == ("tls", "provider_timeout", None)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A server context for `localhost` and a client context that trusts it."""
    return certificate_contexts(tmp_path_factory.mktemp("tls"))


async def test_tls_to_a_trusted_server(certificates):
    server, client = certificates
    async with ScriptedProvider([Send(session_created())], tls=server) as provider:
        upstream = await open_upstream(provider.target(), SESSION, tls=client)
        await upstream.close()
        assert provider.visits[0].headers["Host"] == f"localhost:{provider.port}"


async def test_the_trusted_certificates_are_read_once(certificates, monkeypatch, tmp_path):
    made = []
    make = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lambda: made.append(make()) or made[-1])
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))  # as nobody has read them before
    async with ScriptedProvider(tls=certificates[0]) as provider:
        for _time in range(2):
            await failure(provider)
    assert len(made) == 1


async def test_tls_to_a_server_nobody_vouches_for(certificates):
    async with ScriptedProvider(tls=certificates[0]) as provider:
        failed = await failure(provider)
    assert shown(failed) == ("tls", "provider_unreachable", None)


async def test_tls_to_a_server_with_another_name(certificates):
    server, client = certificates

    async def resolve(host, port):
        return ["127.0.0.1"]

    async with ScriptedProvider(tls=server) as provider:
        url = f"wss://provider.example:{provider.port}/v1/realtime"
        failed = await failure(provider, url=url, tls=client, resolve=resolve)
    assert shown(failed) == ("tls", "provider_unreachable", None)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "provider_refused_key"),
        (403, "provider_refused_key"),
        (404, "provider_unknown_model"),
        (429, "provider_quota"),
        (500, "provider_unreachable"),
        (400, "provider_error"),
    ],
)
async def test_an_upgrade_that_is_refused(status, reason):
    body = b'{"error": {"message": "No, not with %s.", "code": null}}' % CANARY.encode()
    script = [Refuse(status, body, {"Retry-After": "7"})]
    async with ScriptedProvider(script) as provider:
        failed = await failure(provider)
    assert shown(failed) == ("handshake", reason, "No, not with [key].")
    assert (failed.http_status, failed.retry_after) == (status, 7.0)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"\xff", b'{"error": "No."}'])
async def test_a_refusal_may_say_anything(body):
    async with ScriptedProvider([Refuse(401, body)]) as provider:
        failed = await failure(provider)
    assert failed.reason == "provider_refused_key"
    assert failed.retry_after is None


async def test_a_retry_date_is_counted_from_the_answers_date():
    headers = {
        "Date": "Sun, 22 Nov 2026 10:00:00 GMT",
        "Retry-After": "Sun, 22 Nov 2026 10:01:30 GMT",
    }
    async with ScriptedProvider([Refuse(429, b"", headers)]) as provider:
        failed = await failure(provider)
    assert failed.retry_after == 90.0


async def test_a_redirect_is_not_followed():
    async with ScriptedProvider() as elsewhere:
        script = [Refuse(302, b"", {"Location": elsewhere.url})]
        async with ScriptedProvider(script) as provider:
            failed = await failure(provider)
        assert elsewhere.visits == []
    assert shown(failed) == ("handshake", "provider_error", None)
    assert failed.http_status == 302


async def test_an_upgrade_that_is_never_answered():
    async with ScriptedProvider([HangHandshake()]) as provider:
        failed = await failure(provider, timeouts=QUICK)
    assert shown(failed) == ("handshake", "provider_timeout", None)


async def test_a_server_that_speaks_something_else():
    async def greet(reader, writer):
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with ScriptedProvider() as provider:
        failed = await failure(provider, url=f"ws://localhost:{port}/v1/realtime")
    server.close()
    assert shown(failed) == ("handshake", "provider_unreachable", None)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("invalid_api_key", "provider_refused_key"),
        ("model_not_found", "provider_unknown_model"),
        ("insufficient_quota", "provider_quota"),
        ("beta_api_shape_disabled", "provider_wrong_dialect"),
    ],
)
async def test_an_error_instead_of_the_session(code, reason):
    error = {"type": "invalid_request_error", "code": code, "message": f"No: {CANARY}"}
    async with ScriptedProvider([Send({"type": "error", "error": error})]) as provider:
        failed = await failure(provider)
        await provider.visits[0].over.wait()
    assert shown(failed) == ("session", reason, "No: [key]")


async def test_a_close_instead_of_the_session():
    async with ScriptedProvider([Close(3000, "invalid_request_error.invalid_api_key")]) as provider:
        failed = await failure(provider)
    words = "invalid_request_error.invalid_api_key"
    assert shown(failed) == ("session", "provider_refused_key", words)


async def test_a_cut_instead_of_the_session():
    async with ScriptedProvider([Die()]) as provider:
        failed = await failure(provider)
    assert shown(failed) == ("session", "provider_gone", None)


async def test_a_session_that_never_comes():
    async with ScriptedProvider([Send({"type": "conversation.created"})]) as provider:
        failed = await failure(provider, timeouts=QUICK)
        await provider.visits[0].over.wait()
    assert shown(failed) == ("session", "provider_timeout", None)


async def test_giving_up_while_connecting_leaves_nothing_open():
    async with ScriptedProvider([]) as provider:
        opening = asyncio.create_task(open_upstream(provider.target(), SESSION))
        visit = await provider.visit()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        async with asyncio.timeout(1):
            await visit.over.wait()


# While it runs


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Close(1001, "Your session hit the maximum duration of 60 minutes."), "session_limit"),
        (Close(1008, "policy"), "provider_error"),
        (Close(1011, ""), "provider_gone"),
        (Close(1012, ""), "provider_gone"),
        (
            Close(4000, "invalid_request_error.beta_api_shape_disabled"),
            "provider_wrong_dialect",
        ),
        (Die(), "provider_gone"),
        (Raw("x" * (4 * 1024 * 1024 + 1)), "provider_error"),
    ],
    ids=["limit", "1008", "1011", "1012", "4000", "cut", "oversize"],
)
async def test_every_close_has_an_end(step, end):
    async with ScriptedProvider([Send(session_created()), step]) as provider:
        upstream = await open_upstream(provider.target(), SESSION)
        closed = await upstream.read(lambda frame: None)
        await upstream.close()
    assert closed.end_reason == end


async def test_a_provider_without_a_sign_of_life_is_given_up():
    script = [Send(session_created()), StopReading()]
    timeouts = Timeouts(ping_every=0.02, ping_wait=0.02, close=0.1)
    async with ScriptedProvider(script) as provider:
        upstream = await open_upstream(provider.target(timeouts=timeouts), SESSION)
        async with asyncio.timeout(2):
            closed = await upstream.read(lambda frame: None)
        await upstream.close()
    assert closed.end_reason == "provider_timeout"


async def test_a_provider_that_answers_pings_lives():
    gate = asyncio.Event()
    script = [Send(session_created()), Until(gate), Close(1000)]
    timeouts = Timeouts(ping_every=0.01, ping_wait=0.5, close=0.1)
    async with ScriptedProvider(script) as provider:
        upstream = await open_upstream(provider.target(timeouts=timeouts), SESSION)
        asyncio.get_running_loop().call_later(0.1, gate.set)
        closed = await upstream.read(lambda frame: None)
        await upstream.close()
    assert closed.end_reason == "provider_gone"


async def test_paused_it_reads_no_further():
    frames = []
    ten = asyncio.Event()

    def on_frame(frame):
        frames.append(frame)
        if len(frames) == 10:
            upstream.pause()
            ten.set()

    script = [Send(session_created()), *[Raw(str(n)) for n in range(300)], Close(1000)]
    async with ScriptedProvider(script) as provider:
        upstream = await open_upstream(provider.target(), SESSION)
        reading = asyncio.create_task(upstream.read(on_frame))
        await ten.wait()
        await asyncio.sleep(0.02)
        assert len(frames) == 10
        upstream.resume()
        await reading
        await upstream.close()
    assert frames == [str(n) for n in range(300)]


# The key


async def test_the_key_is_in_nothing_that_can_be_shown(caplog):
    caplog.set_level(logging.DEBUG)
    error = {"code": "invalid_value", "message": f"You sent {CANARY}"}
    scripts = [
        [Refuse(401, CANARY.encode())],
        [Refuse(302, b"", {"Location": "wss://elsewhere.example"})],
        [Send({"type": "error", "error": error})],
        [Close(1008, f"bad key {CANARY}")],
        [Die()],
    ]
    seen = []
    async with ScriptedProvider(*scripts) as provider:
        for _ in scripts:
            failed = await failure(provider, query={"key": CANARY})
            seen += [repr(failed), str(failed), repr(vars(failed))]
            seen += traceback.format_exception(failed)
            seen += _chain(failed)
    async with ScriptedProvider([Send(session_created(CANARY)), Raw(CANARY)]) as provider:
        target = provider.target(key=CANARY)
        upstream = await open_upstream(target, SESSION)
        frames = []

        def on_frame(frame):
            frames.append(frame)
            upstream.abort()

        closed = await upstream.read(on_frame)
        seen += [repr(target), repr(upstream), repr(upstream.first), repr(closed), *frames]
        await upstream.close()
    seen += [record.getMessage() for record in caplog.records]
    seen += [record.exc_text or "" for record in caplog.records]
    assert [text for text in seen if CANARY in text] == []
    assert [text for text in seen if base64.b64encode(CANARY.encode()).decode() in text] == []


def _chain(error):
    """Everything that an error tracker may show: chained errors, and the locals of every frame."""
    shown = []
    while error is not None:
        shown.append(repr(error))
        trace = error.__traceback__
        while trace is not None:
            in_bridge = "realtime/bridge" in trace.tb_frame.f_code.co_filename
            shown += [repr(v) for v in trace.tb_frame.f_locals.values()] if in_bridge else []
            trace = trace.tb_next
        error = error.__cause__ or error.__context__
    return shown
