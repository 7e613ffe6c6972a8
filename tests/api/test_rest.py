"""`/v1/models` and `/v1/realtime/client_secrets`, in OpenAI's shape."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from openai.types import Model
from openai.types.realtime import ClientSecretCreateResponse

from chats.models import User
from realtime.models import ApiToken, ClientSecret, Provider, VoiceModel
from realtime.models.tokens import digest
from tests.api.help import make_model

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    cache.clear()


@pytest.fixture
def key(ann: User) -> str:
    return ApiToken.objects.make(ann, "robot")[1]


@pytest.fixture
def model(db: None) -> VoiceModel:
    return make_model("wss://example.org/v1/realtime", voices=["marin"], instructions="Secret.")


def get(path: str, key: str = "") -> Any:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return Client().get(path, headers=headers)


def post(key: str, body: Any, path: str = "/v1/realtime/client_secrets") -> Any:
    headers = {"authorization": f"Bearer {key}"}
    # As a browser of another site would: no token against forgery, and none is needed.
    client = Client(enforce_csrf_checks=True)
    return client.post(path, body, content_type="application/json", headers=headers)


def test_models_are_listed_in_openais_shape(key: str, model: VoiceModel) -> None:
    answer = get("/v1/models", key)
    assert [each["id"] for each in answer.json()["data"]] == ["scripted-1"]
    listed = Model.model_validate(answer.json()["data"][0])
    assert (listed.object, listed.owned_by) == ("model", "Scripted")
    assert get("/v1/models/scripted-1", key).json() == answer.json()["data"][0]
    assert answer["Cache-Control"] == "no-store"


def test_models_of_one_name_are_told_apart_by_their_provider(key: str, model: VoiceModel) -> None:
    other = Provider.objects.create(name="Other", url="wss://example.com/v1/realtime")
    VoiceModel.objects.create(provider=other, name="scripted-1")
    names = [each["id"] for each in get("/v1/models", key).json()["data"]]
    assert sorted(names) == ["Other/scripted-1", "Scripted/scripted-1"]
    assert get("/v1/models/Other/scripted-1", key).json()["owned_by"] == "Other"
    assert get("/v1/models/scripted-1", key).status_code == 404


def test_a_stranger_sees_no_models_of_others(key: str, model: VoiceModel, eve: User) -> None:
    Provider.objects.update(account=eve.own_account)
    assert get("/v1/models", key).json()["data"] == []
    answer = get("/v1/models/scripted-1", key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


def test_without_a_key_there_is_nothing(model: VoiceModel, ann: User) -> None:
    signed_in = Client()
    signed_in.force_login(ann)
    for answer in (get("/v1/models"), signed_in.get("/v1/models"), get("/v1/models", "nv_wrong")):
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert answer["WWW-Authenticate"] == "Bearer"


def test_a_client_secret_has_openais_shape_and_is_kept_by_its_hash(
    key: str, model: VoiceModel
) -> None:
    session = {
        "type": "realtime",
        "model": "scripted-1",
        "instructions": "Be brief.",
        "audio": {"output": {"voice": "marin"}},
    }
    body = {"expires_after": {"anchor": "created_at", "seconds": 60}, "session": session}
    answer = post(key, body)
    made = ClientSecretCreateResponse.model_validate(answer.json())
    assert made.value.startswith("ek_")
    assert 50 <= made.expires_at - time.time() <= 61
    assert made.session.instructions == "Be brief."
    kept = ClientSecret.objects.get()
    assert kept.digest == digest(made.value)
    assert kept.session == {
        "model": "scripted-1",
        "instructions": "Be brief.",
        "audio": {"output": {"voice": "marin"}},
    }
    assert "Secret." not in answer.content.decode()


def test_a_client_secret_lives_ten_minutes_unless_told_otherwise(
    key: str, model: VoiceModel
) -> None:
    assert 590 <= post(key, {}).json()["expires_at"] - time.time() <= 601


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"expires_after": {"seconds": 9}}, 400, "expires_after.seconds"),
        ({"expires_after": {"seconds": 7201}}, 400, "expires_after.seconds"),
        ({"expires_after": {"seconds": True}}, 400, "expires_after.seconds"),
        ({"expires_after": {"anchor": "now"}}, 400, "expires_after.anchor"),
        ({"session": ["x"]}, 400, "session"),
        ({"session": {"voice": "x"}}, 400, "session.voice"),
        ({"session": {"type": "transcription"}}, 400, "session.type"),
        ({"session": {"model": "nothing"}}, 404, "model"),
        ([], 400, None),
    ],
)
def test_a_wrong_wish_for_a_secret_is_named(
    key: str, model: VoiceModel, body: Any, status: int, param: str | None
) -> None:
    answer = post(key, body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    assert ClientSecret.objects.count() == 0


def test_a_client_secret_makes_no_further_secrets(key: str, model: VoiceModel) -> None:
    secret = post(key, {}).json()["value"]
    assert post(secret, {}).status_code == 403


def test_revoking_a_token_takes_its_secrets_along(key: str, model: VoiceModel) -> None:
    secret = post(key, {}).json()["value"]
    ApiToken.objects.get().revoke()
    assert get("/v1/models", secret).status_code == 401
    assert ClientSecret.objects.count() == 0


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/realtime", 426, "upgrade_required"),
        ("/v1/realtime/calls", 404, "unsupported_transport"),
        ("/v1/chat/completions", 404, "unknown_url"),
        ("/v1/realtime/client_secrets", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_there_says_so_in_json(key: str, path: str, status: int, code: str) -> None:
    answer = get(path, key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
