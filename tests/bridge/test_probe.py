"""The connection test: each step is timed, and each wrong setting explained."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from realtime.bridge import Timeouts
from realtime.bridge.dialects import DIALECTS
from realtime.bridge.faults import FAULTS, advice
from realtime.bridge.probe import STEPS, probe
from tests.bridge.doubles import SESSION
from tests.bridge.test_gemini import content, spoken, voice
from tests.certificates import certificate_contexts
from tests.scripted import (
    Close,
    Closing,
    Die,
    Expect,
    HangHandshake,
    Refuse,
    ScriptedProvider,
    Send,
    audio_delta,
    item_added,
    response_created,
    response_done,
    session_created,
)

pytestmark = pytest.mark.outside

CANARY = "sk-canary-0123456789abcdef"
QUICK = Timeouts(dns=0.1, tcp=0.1, total=0.2, close=0.1)
USAGE = {"total_tokens": 12, "input_tokens": 10, "output_tokens": 2}
UPDATED = {"type": "session.updated", "session": {"type": "realtime", "id": "sess_1"}}
TEXT = {
    "type": "response.output_text.delta",
    "response_id": "resp_1",
    "item_id": "item_a",
    "output_index": 0,
    "content_index": 0,
    "delta": "OK.",
}
OPENING = [Send(session_created()), Expect("session.update"), Send(UPDATED)]
ASKED = [Expect("conversation.item.create", "response.create")]
ANSWER = [Send(item_added("item_u", None), response_created(), TEXT, response_done(usage=USAGE))]


async def run(target, session=SESSION, **options):
    return [step async for step in probe(target, session, **options)]


def ends(steps):
    """The names of the steps that went well, and the last step as (name, ok, fault)."""
    return [s.name for s in steps[:-1] if s.ok], (steps[-1].name, steps[-1].ok, steps[-1].fault)


def error(code, message, **fields):
    told = {"type": "invalid_request_error", "code": code, "message": message, **fields}
    return Send({"type": "error", "error": told})


async def test_everything_goes_well_and_the_answer_says_what_it_cost():
    async with ScriptedProvider([*OPENING, *ASKED, *ANSWER]) as provider:
        steps = await run(provider.target(), candid=True)
        visit = provider.visits[0]
        await visit.over.wait()
    assert [(s.name, s.ok) for s in steps] == [
        ("dns", True),
        ("tcp", True),
        ("handshake", True),
        ("session", True),
        ("update", True),
        ("answer", True),
    ]
    details = {s.name: s.detail for s in steps}
    assert (details["tcp"], details["session"], details["answer"]) == (
        "127.0.0.1",
        "scripted-1",
        "OK.",
    )
    assert "127.0.0.1" in details["dns"]
    assert all(s.ms is not None and s.ms >= 0 for s in steps)
    assert steps[-1].done["response"]["usage"] == USAGE
    assert visit.problem is None
    assert visit.of_type("session.update")[0]["session"]["audio"]["output"]["voice"] == "marin"
    assert visit.of_type("response.create")[0]["response"]["output_modalities"] == ["text"]
    assert visit.closed == Closing("client", 1000, "")


async def test_the_first_steps_are_told_while_the_later_ones_run():
    async with ScriptedProvider([HangHandshake()]) as provider:
        steps = probe(provider.target(), SESSION)
        assert [(await anext(steps)).name for _ in range(2)] == ["dns", "tcp"]
        await steps.aclose()


async def test_with_tls_it_is_a_step_of_its_own(tmp_path):
    server, client = certificate_contexts(tmp_path)
    async with ScriptedProvider([*OPENING, *ASKED, *ANSWER], tls=server) as provider:
        steps = await run(provider.target(), tls=client)
    assert [s.name for s in steps] == [name for name in STEPS if name != "setup"]
    assert {s.name: s.detail for s in steps}["tls"] == "TLSv1.3"


async def test_an_answer_in_sound_is_an_answer():
    answer = [Send(response_created(), audio_delta(b"\0\0"), response_done(usage=USAGE))]
    async with ScriptedProvider([*OPENING, *ASKED, *answer]) as provider:
        steps = await run(provider.target())
    assert ends(steps)[1] == ("answer", True, "")


async def test_a_service_that_does_not_confirm_settings_is_asked_all_the_same():
    script = [Send(session_created()), Expect("session.update"), *ASKED, *ANSWER]
    async with ScriptedProvider(script) as provider:
        steps = await run(provider.target(), confirm_seconds=0.05)
    assert ends(steps)[1] == ("answer", True, "")


async def test_leaving_early_closes_the_connection():
    async with ScriptedProvider([Send(session_created())]) as provider:
        steps = probe(provider.target(), SESSION)
        while (await anext(steps)).name != "session":
            pass
        await steps.aclose()
        async with asyncio.timeout(2):
            await provider.visits[0].over.wait()


def a_session_in(dialect):
    """A script that answers a whole test as a service of this dialect would, in GA or beta."""
    nested = dialect in ("openai_ga", "azure_ga", "xai")
    flat = {"id": "sess_1", "model": "m", "modalities": ["text", "audio"]}
    session = session_created()["session"] if nested else flat
    item = {"id": "item_a", "type": "message", "role": "assistant", "content": []}
    begun = {"type": "response.output_item.added", "response_id": "resp_1", "item": item}
    text = TEXT if nested else TEXT | {"type": "response.text.delta"}
    return [
        Send({"type": "session.created", "session": session}),
        Expect("session.update"),
        Send({"type": "session.updated", "session": session}),
        Expect("response.create"),
        Send(response_created(), begun | {"output_index": 0}, text, response_done(usage=USAGE)),
    ]


# Gemini's protocol has other frames altogether.
@pytest.mark.parametrize("dialect", sorted(set(DIALECTS) - {"gemini"}))
async def test_it_works_in_every_dialect(dialect):
    async with ScriptedProvider(a_session_in(dialect)) as provider:
        target = provider.target(dialect=dialect, deployment="d", api_version="2025-04-01-preview")
        steps = await run(target)
    assert ends(steps)[1] == ("answer", True, "")
    assert steps[-1].done["response"]["status"] == "completed"


# Before there is a connection


async def failing(error, candid=True, **fields):
    async def resolve(host, port):
        raise error

    async with ScriptedProvider() as provider:
        return await run(provider.target(**fields), resolve=resolve, candid=candid)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no"), "unknown_host"),
        (socket.gaierror(socket.EAI_AGAIN, "later"), "resolver_away"),
        (TimeoutError(), "timeout_dns"),
        (UnicodeError("label too long"), "unknown_host"),
    ],
)
async def test_a_name_that_is_not_found(error, fault):
    assert ends(await failing(error)) == ([], ("dns", False, fault))


async def test_a_closed_port():
    async with ScriptedProvider() as provider:
        target = provider.target()
    assert ends(await run(target, candid=True)) == (["dns"], ("tcp", False, "refused"))


async def test_a_port_that_swallows_everything():
    async with ScriptedProvider(hang_tcp=True) as provider:
        steps = await run(provider.target(timeouts=QUICK))
    assert ends(steps) == (["dns"], ("tcp", False, "timeout_tcp"))


async def answered(address, **fields):
    async def resolve(host, port):
        return [address]

    async with ScriptedProvider() as provider:
        target = provider.target(url="wss://provider.example/v1", allow_private=False)
        return await run(target, resolve=resolve, **fields)


async def test_an_administrator_is_told_of_a_forbidden_address():
    assert ends(await answered("10.0.0.1", candid=True)) == (
        [],
        ("dns", False, "address_forbidden"),
    )


async def test_others_cannot_tell_a_forbidden_address_from_a_closed_port():
    blocked = await answered("10.0.0.1")
    closed = await run_closed()
    assert [vars_of(step) for step in blocked] == [vars_of(step) for step in closed]
    assert ends(blocked) == (["dns"], ("tcp", False, "closed"))


async def run_closed():
    """The test of a target whose port is closed, which may be private, for somebody who is no
    administrator."""
    async with ScriptedProvider() as provider:
        target = provider.target()
    return await run(target)


def vars_of(step):
    """Everything that is shown of a step; of its duration, only whether it is withheld."""
    return (
        step.name,
        step.ok,
        step.detail,
        step.message,
        step.remedy,
        step.said,
        step.seconds is None,
    )


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("ws://api.example.org/v1", "url_not_public"),
        ("wss://api.example.org:8443/v1", "url_not_public"),
        ("wss://me:secret@api.example.org/v1", "bad_url"),
        ("unix:///run/redis.sock", "bad_url"),
    ],
)
async def test_an_address_that_is_not_tried(url, fault):
    async with ScriptedProvider() as provider:
        steps = await run(provider.target(url=url, allow_private=False))
    assert ends(steps) == ([], ("dns", False, fault))


# TLS


@pytest.mark.parametrize(
    ("certificate", "trusted", "fault"),
    [
        ({"name": "other.example"}, True, "tls_name"),
        ({"days": (-9, -2)}, True, "tls_expired"),
        ({"days": (2, 9)}, True, "tls_not_yet"),
        ({}, False, "tls_self_signed"),
    ],
)
async def test_a_certificate_that_is_wrong(tmp_path, certificate, trusted, fault):
    server, client = certificate_contexts(tmp_path, **certificate)
    tls = client if trusted else ssl.create_default_context()
    async with ScriptedProvider(tls=server) as provider:
        steps = await run(provider.target(), tls=tls)
    assert ends(steps) == (["dns", "tcp"], ("tls", False, fault))


async def test_a_service_without_tls():
    async with ScriptedProvider() as provider:
        steps = await run(provider.target(url=provider.url.replace("ws:", "wss:")))
    assert ends(steps) == (["dns", "tcp"], ("tls", False, "tls_none"))


# The handshake


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (401, b"", "refused_key"),
        (403, b"", "not_permitted"),
        (403, b'{"error":{"code":"invalid_api_key","message":"Invalid API key"}}', "refused_key"),
        (404, b"", "not_found"),
        (404, b'{"error":{"code":"model_not_found","message":"no"}}', "unknown_model"),
        (404, b'{"error":{"code":"DeploymentNotFound","message":"no"}}', "unknown_model"),
        (400, b"", "bad_request"),
        (402, b"", "quota"),
        (429, b'{"error":{"code":"insufficient_quota","message":"You exceeded"}}', "quota"),
        (429, b'{"error":{"code":"rate_limit_exceeded","message":"Slow down"}}', "rate"),
        (429, b"", "rate"),
        (302, b"", "redirect"),
        (200, b"<html>", "no_upgrade"),
        (426, b"", "no_upgrade"),
        (503, b"", "server_error"),
    ],
)
async def test_an_upgrade_that_is_refused(status, body, fault):
    async with ScriptedProvider([Refuse(status, body)]) as provider:
        steps = await run(provider.target())
    assert ends(steps) == (["dns", "tcp"], ("handshake", False, fault))


async def test_a_handshake_that_is_never_answered():
    async with ScriptedProvider([HangHandshake()]) as provider:
        steps = await run(provider.target(timeouts=QUICK))
    assert ends(steps) == (["dns", "tcp"], ("handshake", False, "timeout_handshake"))


# The session, its settings, the answer


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        (error("invalid_api_key", "Incorrect API key provided."), "refused_key"),
        (error("model_not_found", "No."), "unknown_model"),
        (error("insufficient_quota", "You exceeded."), "quota"),
        (error("beta_api_shape_disabled", "No longer."), "wrong_dialect"),
        (error("invalid_value", "No."), "session_refused"),
        (Close(4000, "invalid_request_error.beta_api_shape_disabled"), "wrong_dialect"),
        (Close(3000, "invalid_request_error.invalid_api_key"), "refused_key"),
        (Close(1008, "policy"), "session_closed"),
        (Die(), "session_closed"),
    ],
)
async def test_no_session(step, fault):
    async with ScriptedProvider([step]) as provider:
        steps = await run(provider.target())
    assert ends(steps) == (["dns", "tcp", "handshake"], ("session", False, fault))


async def test_a_session_that_never_comes():
    async with ScriptedProvider([]) as provider:
        steps = await run(provider.target(timeouts=QUICK))
    assert ends(steps)[1] == ("session", False, "timeout_session")


async def test_a_beta_service_behind_a_ga_setting():
    beta = {"type": "session.created", "session": {"id": "s", "modalities": ["text", "audio"]}}
    async with ScriptedProvider([Send(beta)]) as provider:
        steps = await run(provider.target())
    assert ends(steps)[1] == ("session", False, "beta_events")


async def test_settings_that_are_refused():
    no = error("invalid_value", "Invalid voice 'x'.", param="session.audio.output.voice")
    async with ScriptedProvider(
        [Send(session_created()), Expect("session.update"), no]
    ) as provider:
        steps = await run(provider.target())
    assert ends(steps)[1] == ("update", False, "settings_refused")
    assert steps[-1].said == "Invalid voice 'x'."


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ([error("server_error", "Oops")], "answer_failed"),
        ([Close(1011, "")], "answer_closed"),
        ([Close(4000, "insufficient_quota")], "quota"),
        ([Send(response_done())], "answer_empty"),
        (
            [Send(response_done(status="failed", status_details={"error": {"code": "x"}}))],
            "answer_failed",
        ),
        (
            [
                Send(
                    response_done(
                        status="failed",
                        status_details={"error": {"code": "inference_rate_limit_exceeded"}},
                    )
                )
            ],
            "rate",
        ),
    ],
)
async def test_no_answer(script, fault):
    async with ScriptedProvider([*OPENING, *ASKED, *script]) as provider:
        steps = await run(provider.target())
    assert ends(steps)[1] == ("answer", False, fault)


async def test_an_answer_that_never_comes():
    async with ScriptedProvider([*OPENING, *ASKED]) as provider:
        steps = await run(provider.target(), answer_seconds=0.2)
    assert ends(steps)[1] == ("answer", False, "timeout_answer")


# What to change


@pytest.mark.parametrize(
    ("fault", "fields", "told"),
    [
        ("refused_key", {"key": ""}, "no_key"),
        ("refused_key", {"dialect": "azure_ga"}, "refused_key_azure"),
        ("not_found", {"dialect": "azure_ga"}, "not_found_azure"),
        ("not_found", {"url": "wss://h/realtime"}, "not_found_path"),
        ("not_found", {"url": "wss://h/v1/realtime"}, "not_found"),
        ("unknown_model", {"dialect": "azure_preview"}, "unknown_deployment"),
        ("provider_error", {}, "session_refused"),
    ],
)
async def test_advice_fits_the_settings(fault, fields, told):
    async with ScriptedProvider() as provider:
        assert advice(fault, provider.target(**fields)) == FAULTS[told]


def test_every_fault_says_what_happened_and_what_to_change():
    assert [name for name, each in FAULTS.items() if not (each.message and each.remedy)] == []


# The key


async def test_the_services_own_words_are_shown_without_the_key():
    body = b'{"error":{"message":"Incorrect API key provided: %s."}}' % CANARY.encode()
    scripts = [
        [Refuse(401, body)],
        [error("invalid_api_key", f"No: {CANARY}")],
        [Close(3000, f"bad {CANARY}")],
        [Send(session_created(model=CANARY)), Expect("session.update"), error("x", CANARY)],
        [*OPENING, *ASKED, Send(TEXT | {"delta": CANARY}), error("x", CANARY)],
    ]
    seen = []
    async with ScriptedProvider(*scripts) as provider:
        for _ in scripts:
            seen += await run(provider.target(key=CANARY), candid=True)
    assert [step for step in seen if CANARY in repr(step) + repr(step.done)] == []
    assert [step.said for step in seen if step.said] == [
        "Incorrect API key provided: [key].",
        "No: [key]",
        "bad [key]",
        "[key]",
        "[key]",
    ]


# Gemini: a setup instead of a session, and what is typed answers at once


GEMINI = {"dialect": "gemini", "model": "gemini-3.8-live"}
READY = [Expect("setup"), Send({"setupComplete": {"sessionId": "s1"}})]
UNKNOWN = "models/x is not found for API version v1beta, or is not supported here."
GEMINI_USAGE = {"promptTokenCount": 10, "responseTokenCount": 2, "totalTokenCount": 12}


async def test_gemini_answers_in_sound_and_says_what_it_cost():
    answer = Send(
        voice(), spoken("OK."), {**content(turnComplete=True), "usageMetadata": GEMINI_USAGE}
    )
    script = [*READY, Expect("realtimeInput.text"), answer]
    async with ScriptedProvider(script) as provider:
        steps = await run(provider.target(**GEMINI), candid=True)
        visit = provider.visits[0]
        await visit.over.wait()
    assert [(s.name, s.ok, s.fault) for s in steps] == [
        (name, True, "") for name in ("dns", "tcp", "handshake", "session", "update", "answer")
    ]
    assert steps[-1].detail == "OK."
    assert steps[-1].done["response"]["usage"]["total_tokens"] == 12
    assert visit.closed == Closing("client", 1000, "")


@pytest.mark.parametrize(
    ("script", "ended"),
    [
        ([Expect("setup"), Close(1007, "API key not valid.")], ("session", "refused_key")),
        ([Expect("setup"), Close(1008, UNKNOWN)], ("session", "unknown_model")),
        ([*READY, Expect("realtimeInput.text"), Die()], ("answer", "answer_closed")),
        ([*READY, Expect("realtimeInput.text")], ("answer", "timeout_answer")),
    ],
)
async def test_what_gemini_refuses_is_explained(script, ended):
    async with ScriptedProvider(script) as provider:
        steps = await run(provider.target(**GEMINI), answer_seconds=0.3)
    assert (steps[-1].name, steps[-1].fault) == ended
    assert not steps[-1].ok
