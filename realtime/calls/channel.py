"""A channel of the layer that is in its groups for as long as somebody listens.

The Redis layer keeps a queue, and in Redis a subscription, for each channel until somebody who
waits for its next message is cancelled. Otherwise something would stay for ever of each listener
that left while not waiting, and of each attempt while Redis was away.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from channels.layers import get_channel_layer

LEAVE_SECONDS = 2.0


@asynccontextmanager
async def channel_in(*groups: str) -> AsyncIterator[str]:
    """The name of a new channel in these groups, which is removed without a trace afterwards.

    Raises the layer's errors when it is away. Leaving takes `LEAVE_SECONDS` at most.
    """
    layer, channel = get_channel_layer(), None
    mine = f"specific.{uuid.uuid4().hex}."
    try:
        channel = await layer.new_channel(mine)
        for group in groups:
            await layer.group_add(group, channel)
        yield channel
    finally:
        # Groups forget by themselves who left while the layer was away.
        with suppress(Exception):
            async with asyncio.timeout(LEAVE_SECONDS):
                if channel is not None:
                    await asyncio.gather(*(layer.group_discard(each, channel) for each in groups))
                # A channel that failed exists all the same, under a name we were not told.
                for name in [each for each in layer.channels if mine in each]:
                    await _forget(layer, name)


async def _forget(layer: Any, channel: str) -> None:
    while channel in layer.channels:
        waits = asyncio.create_task(layer.receive(channel))
        await asyncio.sleep(0)  # by now it waits, or has a message that nobody will read
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
