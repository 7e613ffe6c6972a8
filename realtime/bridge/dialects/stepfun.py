"""StepFun: the beta API with nested tools; answers always have both audio and text.

Turn detection is off unless it is asked for, so it is always asked for.
Source: platform.stepfun.com/docs/api-reference/realtime/chat.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ..events import Event
from ..words import gettext_noop as _
from .openai_beta import Beta
from .traits import Traits


def nested(tools: list[Any] | None) -> list[Any]:
    """Function tools with their fields nested under `function`."""
    return [
        {
            "type": "function",
            "function": {name: value for name, value in tool.items() if name != "type"},
        }
        if isinstance(tool, Mapping) and tool.get("type") == "function"
        else tool
        for tool in tools or ()
    ]


class StepFun(Beta):
    """StepFun's step-audio and stepaudio realtime models."""

    name: ClassVar[str] = "stepfun"
    traits: ClassVar[Traits] = Traits(
        label="StepFun",
        url_hint="wss://api.stepfun.com/v1/realtime",
        auth="Authorization: Bearer KEY",
        turn_detection=("server_vad",),
        text=False,
        truncate=False,
        retrieve=False,
        usage="tokens, spelling not known",
        note=_("Outside China the host is api.stepfun.ai."),
    )

    def session(self, session: Mapping[str, Any]) -> Event:
        flat = super().session(session) | {"modalities": ["text", "audio"]}
        if "tools" in flat:
            flat["tools"] = nested(flat["tools"])
        return flat

    def response(self, response: Mapping[str, Any]) -> Event:
        flat = super().response(response)
        if "tools" in flat:
            flat["tools"] = nested(flat["tools"])
        return flat
