"""A call's way to other tabs when the channel layer does not answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer, get_channel_layer

from realtime.calls import audience
from realtime.calls.audience import Audience


class Hanging(InMemoryChannelLayer):  # type: ignore[misc]
    """A layer that never answers to what is in `silent`."""

    silent: frozenset[str] = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await self._perhaps("group_send")
        await super().group_send(group, message)

    async def group_discard(self, group: str, channel: str) -> None:
        await self._perhaps("group_discard")
        await super().group_discard(group, channel)

    async def _perhaps(self, name: str) -> None:
        self.entered.set()
        if name in self.silent:
            await asyncio.Event().wait()


@pytest.mark.parametrize("silent", ["group_send", "group_discard"])
async def test_a_call_that_is_over_waits_for_no_layer(
    settings: Any, monkeypatch: pytest.MonkeyPatch, silent: str
) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.Hanging"}}
    monkeypatch.setattr(audience, "SEND_SECONDS", 0.05)
    layer = get_channel_layer()
    layer.silent = {silent}
    before = asyncio.all_tasks()
    made = Audience("conversation", "call", True, lambda reason: None)
    made.start()
    async with asyncio.timeout(10):
        await layer.entered.wait()
        await made.close()
        # Nothing of it stays behind.
        await asyncio.gather(*asyncio.all_tasks() - before, return_exceptions=True)


async def test_what_nobody_watches_is_not_shown_until_somebody_asks(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.Hanging"}}
    monkeypatch.setattr(audience, "BEGUN_SECONDS", -1)
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(audience.watchers_of("conversation"), channel)

    async def told() -> str:
        async with asyncio.timeout(10):
            kind: str = (await layer.receive(channel))["event"]["type"]
            return kind

    made = Audience("conversation", "call", True, lambda reason: None)
    made.start()
    assert await told() == "nextvoice.call"  # that it has begun is shown to whoever is there
    made.show({"type": "nextvoice.saved", "item_id": "unseen"})
    await audience.ask_calls("conversation")
    assert await told() == "nextvoice.call"
    made.show({"type": "nextvoice.saved", "item_id": "seen"})
    assert await told() == "nextvoice.saved"
    await made.close()
    assert await told() == "nextvoice.call"


async def test_a_hint_of_a_newer_version_is_skipped(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.Hanging"}}
    layer, stopped = get_channel_layer(), asyncio.get_running_loop().create_future()
    made = Audience("conversation", "call", True, stopped.set_result)
    made.start()
    async with asyncio.timeout(10):
        await layer.entered.wait()
        for hint in ({"type": "call.new"}, {"type": "call.end", "call_id": "call", "reason": "x"}):
            await layer.group_send(audience.calls_of("conversation"), hint)
        assert await stopped == "x"
        await made.close()
    assert caplog.messages == []
