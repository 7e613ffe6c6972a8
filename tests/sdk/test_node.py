"""The official Node clients, unmodified, against the embedded provider and a beta-like one."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.beta import BETA_MODEL
from tests.sdk.conftest import DEMO
from tests.sdk.terminator import tls_before
from tests.site import Site

pytestmark = [pytest.mark.voice, pytest.mark.usefixtures("node_clients")]
HERE = Path(__file__).parent
SECONDS = 90


async def run_node(driver: str, **environment: str) -> Any:
    """Run a driver; what it found."""
    process = await asyncio.create_subprocess_exec(
        "node",
        driver,
        cwd=HERE,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
    assert process.returncode == 0, f"{out.decode()}\n{err.decode()}"
    return json.loads(out.decode().strip().splitlines()[-1])


async def over_tls(site: Site, folder: Path, driver: str, key: str, model: str = DEMO) -> Any:
    async with tls_before(site.port, folder) as (port, certificate):
        return await run_node(
            driver,
            BASE_URL=f"https://127.0.0.1:{port}/v1",
            KEY=key,
            MODEL=model,
            NODE_EXTRA_CA_CERTS=str(certificate),
        )


async def test_the_openai_package_holds_a_whole_conversation(
    site: Site, key: str, model: str, tmp_path: Path
) -> None:
    found = await over_tls(site, tmp_path, "openai_ws.mjs", key, model)
    talk = found["conversation"]
    assert (talk["created"], talk["tools"]) == (model, ["get_weather"])
    assert "5" in talk["text"] or "five" in talk["text"].lower()
    assert "eight" in talk["spoken"][0].lower() or "8" in talk["spoken"][0]
    assert talk["audio"] > 24_000
    assert talk["called"] == {"name": "get_weather", "arguments": {"place": "Paris"}}
    assert "sunny" in talk["told"]
    assert (talk["cancelled"], talk["truncated"], talk["late"]) == (
        "cancelled",
        200,
        "response_cancel_not_active",
    )
    assert talk["ours"] == 0
    assert "401" in found["wrongKey"]
    assert found["unknownModel"] == {"code": "model_not_found", "closed": 1008}


async def test_the_openai_package_connects_as_in_a_browser(
    site: Site, key: str, tmp_path: Path
) -> None:
    found = await over_tls(site, tmp_path, "browser_ws.mjs", key)
    assert "5" in found.pop("text")
    found["models"].sort()
    assert found == {
        "secret": "ek_",
        "seconds": True,
        "protocol": "realtime",
        "instructions": "Be brief.",
        "stranger": {"code": "invalid_api_key", "closed": 1008},
        "models": sorted([DEMO, BETA_MODEL]),
    }


async def test_an_agent_talks_uses_its_tool_and_is_interrupted(site: Site, key: str) -> None:
    url = f"ws://127.0.0.1:{site.port}/v1/realtime"
    found = await run_node("agents.mjs", WS_URL=url, KEY=key, MODEL=DEMO)
    assert found["errors"] == []
    assert (found["tools"], found["asked"]) == (["get_weather"], ["Paris"])
    assert found["first"] > 24_000
    assert "5" in found["firstAnswer"] or "five" in found["firstAnswer"].lower()
    assert "sunny" in found["toldAfterTool"]
    assert (found["stopped"], found["truncated"]) == ("cancelled", True)
    assert found["roles"][:4] == ["user", "assistant", "user", "assistant"]


async def test_an_agent_does_the_same_with_a_provider_of_the_beta_kind(
    site: Site, key: str
) -> None:
    url = f"ws://127.0.0.1:{site.port}/v1/realtime"
    found = await run_node("agents.mjs", WS_URL=url, KEY=key, MODEL=BETA_MODEL)
    assert found.pop("first") == 96_000
    assert found == {
        "tools": ["get_weather"],
        "asked": ["Paris"],
        "toldAfterTool": "It is sunny.",
        "stopped": "cancelled",
        "truncated": True,
        "roles": ["user", "assistant", "user", "assistant", "user", "assistant"],
        "firstAnswer": "Five.",
        "errors": [],
    }
