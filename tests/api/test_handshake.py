"""Who gets in at `/v1/realtime`, and how those who do not are told."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from openai import AsyncOpenAI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from chats.models import Conversation, User
from realtime.api.keys import BAD_PER_MINUTE, address_of
from realtime.api.socket import RealtimeSocket
from realtime.calls import lookout
from realtime.db import in_database
from realtime.models import ApiToken, ClientSecret, Provider
from tests.api.help import opened, provider_of, session_of, token_of
from tests.scripted import Refuse

pytestmark = pytest.mark.django_db(transaction=True)
WRONG = "nv_" + "w" * 43


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    cache.clear()


def dial(here: str, path: str = "/v1/realtime", **options: Any) -> connect:
    url = here.replace("http", "ws", 1) + path
    return connect(url, compression=None, proxy=None, max_size=None, **options)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def frames(socket: ClientConnection) -> tuple[list[dict[str, Any]], int]:
    """Everything that comes until the close, and its code."""
    events = []
    try:
        async with asyncio.timeout(10):
            while True:
                events.append(json.loads(await socket.recv()))
    except ConnectionClosed as closed:
        assert closed.rcvd is not None
        return events, closed.rcvd.code


async def refused(here: str, path: str = "/v1/realtime", **options: Any) -> tuple[int, Any]:
    with pytest.raises(InvalidStatus) as caught:
        async with dial(here, path, **options):
            pass
    response = caught.value.response
    assert response.body is not None
    return response.status_code, json.loads(response.body)["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/realtime?model=scripted-1",
        "/v1/realtime",
        "/realtime?model=scripted-1",
        "/openai/v1/realtime?model=scripted-1",
        "/openai/realtime?api-version=2025-04-01-preview&deployment=scripted-1",
    ],
)
async def test_every_path_leads_to_the_same_session(here: str, ann: User, path: str) -> None:
    async with provider_of(opened()):
        async with dial(here, path, additional_headers=bearer(await token_of(ann))) as socket:
            created = json.loads(await socket.recv())
    assert (created["type"], created["session"]["model"]) == ("session.created", "scripted-1")


async def test_azures_header_names_the_key_too(here: str, ann: User) -> None:
    async with provider_of(opened()):
        headers = {"api-key": await token_of(ann)}
        async with dial(here, additional_headers=headers) as socket:
            assert json.loads(await socket.recv())["type"] == "session.created"


async def test_a_browsers_key_is_read_and_only_realtime_echoed(here: str, ann: User) -> None:
    key = await token_of(ann)
    offered = [Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{key}")]
    async with provider_of(opened()):
        async with dial(here, subprotocols=offered, origin="https://elsewhere.example") as socket:
            assert socket.subprotocol == "realtime"
            assert json.loads(await socket.recv())["type"] == "session.created"


async def test_no_key_and_a_wrong_one_are_401_with_a_reason(
    here: str, ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    status, error = await refused(here)
    assert (status, error["type"], error["code"]) == (401, "invalid_request_error", None)
    status, error = await refused(here, additional_headers=bearer(WRONG))
    assert (status, error["code"]) == (401, "invalid_api_key")
    assert WRONG not in json.dumps(error)
    # Uvicorn takes an answer in HTTP for a fault of ours, unless it is told.
    assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == []


async def test_a_browser_with_a_wrong_key_is_told_in_the_socket(here: str, ann: User) -> None:
    offered = [Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{WRONG}")]
    async with dial(here, subprotocols=offered) as socket:
        events, code = await frames(socket)
    assert [(e["type"], e["error"]["code"]) for e in events] == [("error", "invalid_api_key")]
    assert code == 1008


async def test_a_signed_in_browser_without_a_token_does_not_get_in(here: str, ann: User) -> None:
    client = Client()
    await sync_to_async(client.force_login)(ann)
    cookie = f"sessionid={client.cookies['sessionid'].value}"
    status, _error = await refused(here, additional_headers={"Cookie": cookie}, origin=here)
    assert status == 401


async def test_expired_revoked_and_deactivated_are_all_the_same_stranger(
    here: str, ann: User, eve: User
) -> None:
    past = timezone.now() - timedelta(seconds=1)
    expired = await token_of(ann, expires=past)
    revoked = await token_of(ann, revoked=past)
    gone = await token_of(eve)
    await in_database(User.objects.filter(pk=eve.pk).update, is_active=False)
    told = [await refused(here, additional_headers=bearer(k)) for k in (expired, revoked, gone)]
    assert [(status, error["code"]) for status, error in told] == [(401, "invalid_api_key")] * 3


async def test_many_wrong_keys_are_slowed_down_and_right_ones_let_in(here: str, ann: User) -> None:
    statuses = [
        (await refused(here, additional_headers=bearer(WRONG)))[0]
        for _ in range(BAD_PER_MINUTE + 2)
    ]
    assert statuses == [401] * BAD_PER_MINUTE + [429] * 2
    async with provider_of(opened()):
        async with session_of(here, await token_of(ann)) as session:
            await session.event("session.created")


@pytest.mark.parametrize(
    ("proxies", "said", "counts"),
    [
        (0, "198.51.100.1", "192.0.2.7"),
        (1, "198.51.100.1, 203.0.113.5", "203.0.113.5"),
        (2, "198.51.100.1, 203.0.113.5, 10.0.0.2", "203.0.113.5"),
        (2, "198.51.100.1", "192.0.2.7"),
    ],
)
def test_the_address_that_counts_is_not_one_that_somebody_claims(
    proxies: int, said: str, counts: str, settings: Any
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    assert address_of("192.0.2.7", said) == counts


async def test_the_official_client_says_what_is_wrong_with_the_key(here: str, ann: User) -> None:
    async with AsyncOpenAI(base_url=f"{here}/v1", api_key=WRONG) as client:
        with pytest.raises(InvalidStatus) as caught:
            async with client.realtime.connect(model="scripted-1"):
                pass
    assert caught.value.response.status_code == 401


async def test_an_unknown_model_is_an_error_and_a_close(here: str, ann: User) -> None:
    async with provider_of(opened()):
        async with session_of(here, await token_of(ann), "gpt-nothing") as session:
            told = (await session.event("error")).error
            failure = await session.ended()
    assert (told.code, told.param, failure.rcvd.code) == ("model_not_found", "model", 1008)
    assert await sync_to_async(Conversation.objects.count)() == 0


async def test_another_persons_own_model_does_not_exist(here: str, ann: User, eve: User) -> None:
    async with provider_of(opened()):
        await in_database(Provider.objects.update, account=ann.own_account)
        async with session_of(here, await token_of(eve)) as session:
            assert (await session.event("error")).error.code == "model_not_found"
        async with session_of(here, await token_of(ann)) as session:
            await session.event("session.created")


async def test_what_a_token_makes_belongs_to_its_person_alone(
    here: str, ann: User, eve: User, conversation: Conversation
) -> None:
    async with provider_of(opened()):
        async with session_of(here, await token_of(eve)) as session:
            await session.event("session.created")
            owners = await sync_to_async(
                lambda: list(Conversation.objects.values_list("owner__username", flat=True))
            )()
            mine = await sync_to_async(Conversation.objects.get)(owner=eve)
            visible = await sync_to_async(
                Conversation.objects.visible_to(ann).filter(pk=mine.pk).exists
            )()
    assert (sorted(owners), visible) == (["ann", "eve"], False)


async def test_a_token_for_one_model_uses_no_other(here: str, ann: User) -> None:
    async with provider_of(opened()):
        other = await in_database(lambda: Provider.objects.get().models.create(name="scripted-2"))
        key = await token_of(ann, model=other)
        async with session_of(here, key, "scripted-1") as session:
            assert (await session.event("error")).error.code == "model_not_found"
        async with dial(here, additional_headers=bearer(key)) as socket:
            created = json.loads(await socket.recv())
    assert created["session"]["model"] == "scripted-2"


async def test_a_beta_client_is_answered_as_openai_does(here: str, ann: User) -> None:
    headers = bearer(await token_of(ann)) | {"OpenAI-Beta": "realtime=v1"}
    async with dial(here, additional_headers=headers) as socket:
        events, code = await frames(socket)
    assert [e["error"]["code"] for e in events] == ["beta_api_shape_disabled"]
    assert code == 4000


@pytest.mark.parametrize(
    ("query", "param"), [("intent=transcription", "intent"), ("call_id=rtc_1", "call_id")]
)
async def test_other_kinds_of_sessions_are_refused(
    here: str, ann: User, query: str, param: str
) -> None:
    headers = bearer(await token_of(ann))
    status, error = await refused(here, f"/v1/realtime?{query}", additional_headers=headers)
    assert (status, error["param"]) == (400, param)


async def test_parameters_without_end_are_read_as_any_others(here: str, ann: User) -> None:
    headers = bearer(await token_of(ann))
    query = "&".join([*(f"n{number}=1" for number in range(99)), "intent=a", "intent=b"])
    status, error = await refused(here, f"/v1/realtime?{query}", additional_headers=headers)
    assert (status, error["param"]) == (400, "intent")


@pytest.mark.parametrize("how", ["revoked", "expired", "deactivated"])
async def test_a_running_session_ends_when_its_token_does(
    here: str, ann: User, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(lookout, "BEAT_SECONDS", 0.1)
    async with provider_of(opened()):
        async with session_of(here, await token_of(ann)) as session:
            await session.event("session.created")
            if how == "deactivated":
                await in_database(User.objects.filter(pk=ann.pk).update, is_active=False)
            else:
                field = {"revoked": "revoked", "expired": "expires"}[how]
                await in_database(ApiToken.objects.update, **{field: timezone.now()})
            told = (await session.event("error")).error
            failure = await session.ended()
    assert (told.code, failure.rcvd.code) == ("invalid_api_key", 1008)


async def test_a_client_secret_connects_until_it_expires_and_the_session_goes_on(
    here: str, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookout, "BEAT_SECONDS", 0.05)
    token = (await in_database(ApiToken.objects.make, ann, "page"))[0]
    session = {"instructions": "Be brief.", "model": "scripted-1"}
    _secret, raw = await in_database(ClientSecret.make, token, session, 60)
    async with provider_of(opened()) as provider:
        async with session_of(here, raw) as talk:
            created = await talk.event("session.created")
            await in_database(ClientSecret.objects.update, expires=timezone.now())
            status, _error = await refused(here, additional_headers=bearer(raw))
            visit = await provider.visit()
            await talk.send({"type": "response.cancel"})
            async with asyncio.timeout(5):
                await visit.expect("response.cancel")
            assert talk.failure is None
    assert created.session.instructions == "Be brief."
    assert visit.of_type("session.update")[0]["session"]["instructions"] == "Be brief."
    assert status == 401


@pytest.mark.parametrize(
    ("status", "code", "close"),
    [(401, "provider_refused_key", 1008), (500, "provider_unreachable", 1011)],
)
async def test_a_provider_that_refuses_is_told_and_closed(
    here: str, ann: User, status: int, code: str, close: int
) -> None:
    async with provider_of([Refuse(status, b"{}")]):
        async with session_of(here, await token_of(ann)) as session:
            told = (await session.event("error")).error
            failure = await session.ended()
    assert (told.code, failure.rcvd.code) == (code, close)


async def test_no_key_is_ever_logged(
    here: str, ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = await token_of(ann)
    async with provider_of(opened()):
        async with session_of(here, key) as session:
            await session.event("session.created")
        offered = [Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{key}")]
        async with dial(here, subprotocols=offered) as socket:
            await socket.recv()
        await refused(here, additional_headers=bearer(WRONG))
    # The client's own library logs what it sends, in this very process.
    ours = [each for each in caplog.records if not each.name.startswith("websockets.client")]
    said = "\n".join(f"{each.name} {each.getMessage()}" for each in ours)
    assert [word for word in (key, WRONG) if word in said] == []


@pytest.mark.parametrize(
    ("offered", "extensions"),
    [([], ["websocket.http.response"]), ([], []), (["realtime"], [])],
)
async def test_a_client_that_leaves_while_it_is_refused_is_no_fault_of_ours(
    caplog: pytest.LogCaptureFixture, db: None, offered: list[str], extensions: list[str]
) -> None:
    tried: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        tried.append(message["type"])
        raise ConnectionError("the client is gone")

    scope = {
        "client": ["127.0.0.1", 1],
        "headers": [(b"authorization", f"Bearer {WRONG}".encode())],
        "query_string": b"model=scripted-1",
        "subprotocols": offered,
        "extensions": {name: {} for name in extensions},
    }
    await RealtimeSocket()(scope, receive, send)
    assert len(tried) == 1
    told = [record for record in caplog.records if record.name == "realtime.api.socket"]
    assert [(each.levelname, each.exc_info) for each in told] == [("WARNING", None)]
    assert WRONG not in caplog.text
