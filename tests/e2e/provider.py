"""The scripted provider for browser tests, in a separate thread.

with scripted(site, opened(Send(...))) as provider:
    ...                         # the site's calls use it
    provider.visits             # its connections
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from tests.scripted import Expect, ScriptedProvider, Send, Step, session_created
from tests.site import Site

SESSION = {
    "audio": {
        "input": {"transcription": {"model": "t"}, "turn_detection": {"type": "server_vad"}},
        "output": {"voice": "marin"},
    }
}


class Signal(asyncio.Event):
    """An event for `Until` that a test can set from its own thread."""

    def __init__(self) -> None:
        super().__init__()
        self._given = threading.Event()

    def set(self) -> None:
        self._given.set()

    async def wait(self) -> Literal[True]:
        await asyncio.to_thread(self._given.wait, 30)
        return True


def opened(*steps: Step) -> list[Step]:
    """A script that opens a session and then plays `steps`."""
    return [Send(session_created(**SESSION)), Expect("session.update"), *steps]


@contextmanager
def scripted(site: Site, *scripts: Sequence[Step], **options: Any) -> Iterator[ScriptedProvider]:
    """The site's calls use a scripted provider in this context."""
    with beside(*scripts, **options) as provider:
        site.provider(provider.url.replace("localhost", "127.0.0.1"), key="sk-scripted-0123456789")
        try:
            yield provider
        finally:
            site.run(
                "from realtime.models import Provider, VoiceModel\n"
                "Provider.objects.filter(name='Scripted').delete()\n"
                "VoiceModel.objects.filter(name='nextvoice-demo').update(default=True)"
            )


@contextmanager
def beside(*scripts: Sequence[Step], **options: Any) -> Iterator[ScriptedProvider]:
    """A scripted provider that the site does not know yet."""
    loop = asyncio.new_event_loop()
    listening = threading.Event()
    over = asyncio.Event()
    made: list[ScriptedProvider] = []

    async def serve() -> None:
        async with ScriptedProvider(*scripts, **options) as provider:
            made.append(provider)
            listening.set()
            await over.wait()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())

    thread = threading.Thread(target=run, name="provider", daemon=True)
    thread.start()
    assert listening.wait(10)
    try:
        yield made[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)


@contextmanager
def demo_can(site: Site, **features: Any) -> Iterator[None]:
    """The embedded model has these additional features in this context."""
    model = "from realtime.models import VoiceModel\nmodels = VoiceModel.objects.filter"
    model += "(name='nextvoice-demo')\n"
    before = site.run(f"{model}tell(models.get().features)")
    site.run(f"{model}models.update(features={before | features!r})")
    try:
        yield
    finally:
        site.run(f"{model}models.update(features={before!r})")
