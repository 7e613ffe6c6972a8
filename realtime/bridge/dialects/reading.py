"""Reading what a provider sends as JSON."""

from __future__ import annotations

import json
from typing import Any

import orjson

from ..writer import Frame


def read(frame: Frame) -> Any:
    """The JSON value of a frame. Raises `ValueError`.

    Text with half a surrogate pair, and numbers such as NaN, are read too: most writers of JSON let
    them through, and the end of an answer may contain them.
    """
    try:
        return orjson.loads(frame)
    except ValueError:
        pass
    try:
        text = json.dumps(json.loads(frame, parse_constant=lambda name: None), ensure_ascii=False)
    except RecursionError:
        raise ValueError("nested too deep") from None
    return orjson.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
