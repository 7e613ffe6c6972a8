"""The log, as lines and as JSON: what a line is about, and that no secret gets into it."""

from __future__ import annotations

import asyncio
import json
import logging
import sys

import pytest

from realtime import logs

CANARY = "canary0123456789abcdef"
SECRETS = [
    f"nv_{CANARY}",
    f"ek_{CANARY}",
    f"sk-{CANARY}",
    f"sk-proj-{CANARY}",
    f"AIza{CANARY}",
    f"Authorization: Bearer {CANARY}",
    f"authorization: Basic {CANARY}",
    f"{{'Authorization': 'Bearer {CANARY}'}}",
    f"[(b'authorization', b'Bearer {CANARY}'), (b'api-key', b'{CANARY}')]",
    f'{{"api-key": "{CANARY}"}}',
    f"x-goog-api-key: {CANARY}",
    f"Cookie: sessionid={CANARY}",
    f"wss://example.org/v1/realtime?model=m&key={CANARY}&x=1",
    f"https://example.org/?api_key={CANARY}",
    f"https://s3.example.org/a.mp3?X-Amz-Signature={CANARY}",
    f"postgres://nextvoice:{CANARY}@postgres/nextvoice",
]
FORMATS = [logs.Line, logs.Json]


def written(formatter: logging.Formatter, message: str, *args: object, **fields: object) -> str:
    record = logging.LogRecord("realtime", logging.ERROR, __file__, 1, message, args, None)
    vars(record).update(fields)
    return formatter.format(record)


@pytest.mark.parametrize("made", FORMATS)
@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_written(made: type[logs.Line | logs.Json], secret: str) -> None:
    formatter = made()
    try:
        raise ValueError(f"no such header: {secret}")
    except ValueError:
        trouble = sys.exc_info()
    texts = [
        written(formatter, secret),
        written(formatter, "it failed: %s", secret),
        written(formatter, "it failed: %r", {"told": secret}),
        written(formatter, "it failed", exc_info=trouble),
        written(formatter, "it failed", told=secret),
    ]
    assert [text for text in texts if "canary" in text] == []
    assert "[key]" in texts[3] or made is logs.Line


@pytest.mark.parametrize("made", FORMATS)
def test_what_is_no_secret_stays(made: type[logs.Line | logs.Json]) -> None:
    words = "call 3f2a: GET https://example.org/c/1/?page=2 answered 401; the key was refused"
    assert words in written(made(), words)


def test_json_says_what_when_and_who() -> None:
    told = json.loads(written(logs.Json(), "two\nlines %d", 7))
    assert (told["level"], told["logger"], told["message"]) == ("ERROR", "realtime", "two\nlines 7")
    assert told["time"][10] == "T"


async def test_each_task_s_lines_name_its_own_call() -> None:
    formatter = logs.Json()

    async def call(number: int) -> dict[str, object]:
        logs.about(call=f"call-{number}", conversation=None, account=number, user=1)
        await asyncio.sleep(0)
        told: dict[str, object] = await asyncio.create_task(asyncio.to_thread(line))
        return {name: told[name] for name in told if name.endswith("_id")}

    def line() -> dict[str, object]:
        found: dict[str, object] = json.loads(written(formatter, "hello"))
        return found

    assert await asyncio.gather(call(1), call(2)) == [
        {"call_id": "call-1", "account_id": 1, "user_id": 1},
        {"call_id": "call-2", "account_id": 2, "user_id": 1},
    ]
    assert "call_id" not in line()
