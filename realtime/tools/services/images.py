"""Pictures from any OpenAI-compatible `/images/generations`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from realtime.bridge.tools import Produced
from realtime.outbound import Destination, fetch
from realtime.tools.services.openapi import Function
from realtime.tools.services.results import (
    ENDINGS,
    ServiceFailed,
    file_of,
    forms_of,
    json_of,
    result_of,
    type_of,
)

PICTURES = ("image/png", "image/jpeg", "image/webp")
MAKE_SECONDS = 70.0
FETCH_SECONDS = 20.0
SECONDS = MAKE_SECONDS + FETCH_SECONDS
# The square size is left to the service, since sizes differ.
SIZES = {"landscape": "1536x1024", "portrait": "1024x1536"}
MOST_PROMPT = 4_000

FUNCTION = Function(
    name="generate_image",
    description=(
        "Make a picture from a description. The person sees it in the conversation. It takes a "
        "while, so say first that you are making it."
    ),
    parameters={
        "type": "object",
        "properties": {
            "prompt": {
                "type": "string",
                "description": "what the picture is to show, in detail, in English",
                "minLength": 1,
                "maxLength": MOST_PROMPT,
            },
            "shape": {"type": "string", "enum": ["square", *SIZES]},
        },
        "required": ["prompt"],
        "additionalProperties": False,
    },
    call={},
    read_only=True,
)


@dataclass(frozen=True, slots=True)
class Made:
    """A picture, and the usage that the service reports, or None."""

    picture: Produced
    usage: Mapping[str, Any] | None


Elsewhere = Callable[[str], Awaitable[Destination]]
"""How to reach an address that a service names."""


async def make(
    to: Destination, model: str, arguments: Mapping[str, Any], elsewhere: Elsewhere
) -> Made:
    """Have a picture made. `to`: the base address, such as https://api.openai.com/v1.

    Raises ServiceFailed and NoAnswer.
    """
    asked: dict[str, Any] = {"prompt": arguments["prompt"], "n": 1}
    if model:
        asked["model"] = model
    if size := SIZES.get(str(arguments.get("shape"))):
        asked["size"] = size
    answer = await fetch(
        to,
        "POST",
        f"{to.url.rstrip('/')}/images/generations",
        headers={"Content-Type": "application/json"},
        body=orjson.dumps(asked),
        seconds=MAKE_SECONDS,
    )
    result_of(answer, to.secret.values())  # says what is wrong with it
    told, hidden = json_of(answer.data, "it sent no JSON"), forms_of(to.secret.values())
    if not isinstance(told, dict):
        raise ServiceFailed("it sent no picture")
    data = await _picture(told, elsewhere)
    kind = type_of(data)
    if kind not in PICTURES:
        raise ServiceFailed("it sent what is no PNG, JPEG or WebP picture")
    usage = told.get("usage")
    return Made(
        file_of(data, kind, hidden, f"image.{ENDINGS[kind]}"),
        usage if isinstance(usage, dict) else None,
    )


async def _picture(told: Mapping[str, Any], elsewhere: Elsewhere) -> bytes:
    listed = told.get("data")
    first = listed[0] if isinstance(listed, list) and listed else None
    if not isinstance(first, dict):
        raise ServiceFailed("it sent no picture")
    if isinstance(encoded := first.get("b64_json"), str):
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise ServiceFailed("its picture is not base64") from None
    if not isinstance(url := first.get("url"), str):
        raise ServiceFailed("it sent no picture")
    answer = await fetch(await elsewhere(url), "GET", seconds=FETCH_SECONDS)
    if answer.status != 200:
        raise ServiceFailed(f"its picture answered with HTTP {answer.status}")
    return answer.data
