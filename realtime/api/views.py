"""The HTTP side: client secrets for browsers, and the models a token may use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from chats.asking import about
from realtime.api.keys import Key, address_of, check_key, presented
from realtime.api.models import described, model_of, models_of
from realtime.api.shapes import ApiError, no_model
from realtime.bridge.events import Problem
from realtime.bridge.sdk import Terms, checked_session, formats_of, merged
from realtime.bridge.sdk.session import shown
from realtime.calls.opening import base_session
from realtime.models import ClientSecret

SECONDS = 600
LEAST, MOST = 10, 7200
MAX_BODY = 256 * 1024

View = Callable[..., HttpResponse]


def api(method: str, *, secrets: bool = False) -> Callable[[Callable[..., Any]], View]:
    """A view for programs: checks the key, answers JSON, reports errors in OpenAI's format.

    No cookie is read, so there is nothing for another site to abuse. `secrets`: whether a client
    secret is enough.
    """

    def made(view: Callable[..., Any]) -> View:
        @csrf_exempt
        @wraps(view)
        def answered(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            try:
                if request.method != method:
                    raise ApiError(405, "method_not_allowed", f"Use {method} here.")
                key = _key(request)
                if key.secret and not secrets:
                    raise ApiError(403, "insufficient_permissions", "Use a token for this.")
                return _private(JsonResponse(view(request, key, **kwargs)))
            except ApiError as refused:
                return refusal(refused)

        return answered

    return made


def refusal(refused: ApiError) -> HttpResponse:
    """The HTTP answer for an error."""
    response = JsonResponse(refused.body, status=refused.status)
    if refused.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if refused.status == 429:
        response["Retry-After"] = "60"
    return _private(response)


@api("GET", secrets=True)
def models(request: HttpRequest, key: Key) -> dict[str, Any]:
    """Every model the key may use."""
    data = [described(name, model) for name, model in models_of(key).items()]
    return {"object": "list", "data": data}


@api("GET", secrets=True)
def model(request: HttpRequest, key: Key, name: str) -> dict[str, Any]:
    """One model."""
    if not name:
        raise no_model(name)
    return described(*model_of(key, name))


@api("POST")
def client_secrets(request: HttpRequest, key: Key) -> dict[str, Any]:
    """A short-lived key for a browser. It limits when a session can begin, not how long it
    lasts."""
    body = _body(request)
    session = body.get("session") or {}
    if not isinstance(session, dict):
        raise ApiError(400, "invalid_type", "Expected an object.", param="session")
    name = session.get("model")
    if name is not None and not isinstance(name, str):
        raise ApiError(400, "invalid_type", "Expected a string.", param="session.model")
    known, chosen = model_of(key, name)
    terms = Terms(known, tuple(chosen.transcription_models), chosen.instructions)
    try:
        wanted = checked_session(session)
    except Problem as problem:
        raise ApiError(400, problem.code, problem.message, param=problem.param) from None
    terms = replace(terms, formats=formats_of(wanted))
    kept = wanted | ({"model": known} if name else {})
    secret, raw = ClientSecret.make(key.token, kept, _seconds(body))
    whole = merged(base_session(chosen), wanted, terms)
    return {
        "value": raw,
        "expires_at": int(secret.expires.timestamp()),
        "session": shown(whole, terms, f"sess_{secret.digest[:20]}"),
    }


@csrf_exempt
def realtime(request: HttpRequest) -> HttpResponse:
    """The socket's address, requested without a WebSocket."""
    message = "This is a WebSocket endpoint: connect with an upgrade, such as wss://…/v1/realtime."
    response = refusal(ApiError(426, "upgrade_required", message))
    response["Upgrade"] = "websocket"
    return response


@csrf_exempt
def calls(request: HttpRequest, rest: str = "") -> HttpResponse:
    """WebRTC and SIP."""
    message = (
        "WebRTC and SIP calls are not offered here. Connect by WebSocket; with "
        "@openai/agents-realtime use transport: 'websocket' and the url option."
    )
    return refusal(ApiError(404, "unsupported_transport", message))


@csrf_exempt
def nothing(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Everything else that OpenAI has."""
    message = f"Unknown request URL: {request.method} /v1/{rest[:200]}."
    return refusal(ApiError(404, "unknown_url", message))


def _key(request: HttpRequest) -> Key:
    headers = {name.lower(): value for name, value in request.headers.items()}
    address = address_of(
        request.META.get("REMOTE_ADDR", "unknown"), headers.get("x-forwarded-for", "")
    )
    key = check_key(presented(headers), address)
    about(user=key.token.user_id)
    return key


def _body(request: HttpRequest) -> dict[str, Any]:
    if len(request.body) > MAX_BODY:
        raise ApiError(413, "request_too_large", f"At most {MAX_BODY} bytes.")
    try:
        body = orjson.loads(request.body or b"{}")
    except ValueError:
        raise ApiError(400, "invalid_json", "The body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise ApiError(400, "invalid_type", "Expected an object.")
    return body


def _seconds(body: dict[str, Any]) -> int:
    after = body.get("expires_after")
    if after is None:
        return SECONDS
    if not isinstance(after, dict) or after.get("anchor", "created_at") != "created_at":
        raise ApiError(
            400, "invalid_value", "Expected the anchor created_at.", param="expires_after.anchor"
        )
    seconds = after.get("seconds", SECONDS)
    if type(seconds) is not int or not LEAST <= seconds <= MOST:
        raise ApiError(
            400,
            "invalid_value",
            f"Expected {LEAST} to {MOST} seconds.",
            param="expires_after.seconds",
        )
    return seconds


def _private(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response
