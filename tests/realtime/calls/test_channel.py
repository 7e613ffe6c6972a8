"""Channels of the Redis layer, which stay unless somebody who waits for them stops."""

from __future__ import annotations

from typing import Any

import pytest
from channels.layers import get_channel_layer
from redis.asyncio import Redis as Client
from redis.exceptions import ConnectionError as Away

from realtime.calls.channel import channel_in
from tests.servers import Redis, fixture, free_port

redis = fixture(Redis, "redis", "module")


def layer_at(settings: Any, url: str) -> Any:
    backend = "channels_redis.pubsub.RedisPubSubChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"hosts": [url]}}}
    return get_channel_layer()


@pytest.mark.parametrize("unread", [0, 1, 3])
async def test_whoever_leaves_without_waiting_for_a_message_leaves_nothing(
    settings: Any, redis: Redis, unread: int
) -> None:
    layer, client = layer_at(settings, redis.url), Client.from_url(redis.url)
    async with channel_in("one", "two") as channel, channel_in("two") as other:
        for number in range(unread):
            await layer.group_send("two", {"type": "a.message", "number": number})
        # What the other has heard has come to both.
        told = [(await layer.receive(other))["number"] for _ in range(unread)]
        assert set(layer.channels) == {channel, other}
    assert (told, layer.channels, layer.groups) == (list(range(unread)), {}, {})
    assert await client.pubsub_channels() == []
    await client.aclose()
    await layer.flush()


async def test_a_channel_that_could_not_be_had_is_not_kept(settings: Any) -> None:
    layer = layer_at(settings, f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(Away):
        async with channel_in("one"):
            pytest.fail("nobody answers there")
    assert (layer.channels, layer.groups) == ({}, {})
    await layer.flush()
