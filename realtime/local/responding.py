"""The output side of a session: which responses run, and what ends them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from realtime.local import usage
from realtime.local.brain import Prompt
from realtime.local.config import Config, response_options
from realtime.local.conversation import Conversation, Item
from realtime.local.errors import Refused
from realtime.local.events import Send
from realtime.local.reply import Reply
from realtime.local.responses import ResponseWriter
from realtime.local.settings import Engine
from realtime.local.transcripts import Transcripts
from realtime.local.usage import Counted

CONTEXT_TOKENS = 28_224
MOST_SIDE_RESPONSES = 4


class Responding:
    """At most one response in the conversation, and a few beside it (conversation "none")."""

    def __init__(
        self,
        engine: Engine,
        conversation: Conversation,
        transcripts: Transcripts,
        send: Send,
        config: Callable[[], Config],
        room: Callable[[], Awaitable[None]],
    ) -> None:
        self._engine, self._conversation, self._transcripts = engine, conversation, transcripts
        self._send, self._config, self._room = send, config, room
        self._running: dict[str, tuple[Reply, asyncio.Task[None]]] = {}
        self._read_before: list[Counted] = []
        self._idle_timer: asyncio.TimerHandle | None = None
        self.on_idle: Callable[[int], None] = lambda idle_ms: None
        self._voice_heard = False

    def create(self, wanted: Any, parse: Callable[[Any, str], Item]) -> None:
        """response.create; raises Refused."""
        options = response_options(self._config(), wanted, voice_fixed=self.voice_fixed)
        items = self._conversation.items()
        if options["input"] is not None:
            items = [
                self._input_item(entry, f"response.input[{index}]", parse)
                for index, entry in enumerate(options["input"])
            ]
        self._start(options, items)

    def automatic(self, *, idle: bool = False) -> None:
        """A turn ended (or nobody spoke): answer, unless an answer is running already."""
        if self._main() is None:
            options = response_options(self._config(), None, voice_fixed=False)
            self._start(options, self._conversation.items(), idle=idle)

    def _input_item(self, entry: Any, path: str, parse: Callable[[Any, str], Item]) -> Item:
        if isinstance(entry, dict) and entry.get("type") == "item_reference":
            return self._conversation.find(entry.get("id"), f"{path}.id", "item_not_found")
        return parse(entry, path)

    def _main(self) -> Reply | None:
        writers = ((reply, reply.writer) for reply, _ in self._running.values())
        return next(
            (r for r, writer in writers if writer.in_conversation and not writer.done), None
        )

    def _start(self, options: Config, items: list[Item], *, idle: bool = False) -> None:
        main = options["conversation"] == "auto"
        active = self._main()
        if main and active is not None:
            raise Refused(
                "Conversation already has an active response in progress:"
                f" {active.writer.id}. Wait until the response is finished before creating a"
                " new one.",
                code="conversation_already_has_active_response",
            )
        if not main and len(self._running) > MOST_SIDE_RESPONSES:
            raise Refused("Too many responses at once.", code="too_many_responses")
        self.busy()
        items = fit(items, self._config()["truncation"])
        preamble = options["instructions"] + (str(options["tools"]) if options["tools"] else "")
        prompt = usage.counted(preamble, items)
        writer = ResponseWriter(
            options,
            self._conversation if main else None,
            self._send,
            prompt,
            usage.cached(self._read_before, prompt),
        )
        if main:
            self._read_before = prompt
        engine = self._engine
        reply = Reply(writer, engine.brain, engine.mouth, engine.pace, self._room)
        writer.begin()
        task = asyncio.create_task(reply.run(lambda: self._prompt(options, items, idle)))
        self._running[writer.id] = (reply, task)
        task.add_done_callback(lambda done: self._ended(reply))

    async def _prompt(self, options: Config, items: list[Item], idle: bool) -> Prompt:
        await self._transcripts.settled(items, self._engine.recognition_wait_s)
        last = next((item for item in reversed(items) if item.role == "user"), None)
        limit = options["max_output_tokens"]
        return Prompt(
            items=items,
            now=self._engine.now(),
            instructions=options["instructions"],
            tools=options["tools"],
            tool_choice=options["tool_choice"],
            max_output_tokens=None if limit == "inf" else limit,
            unheard=self._transcripts.problems.get(last.id, "") if last else "",
            idle=idle,
        )

    def cancel(self, response_id: Any) -> None:
        """response.cancel; raises Refused when there is nothing to cancel."""
        if response_id is None:
            main = self._main()
            found = main.writer.id if main else None
        else:
            running = self._running.get(response_id) if isinstance(response_id, str) else None
            found = response_id if running and not running[0].writer.done else None
        if found is None:
            raise Refused(
                "Cancellation failed: no active response found",
                code="response_cancel_not_active",
            )
        self._stop(found, "client_cancelled")

    def interrupt(self) -> None:
        """The person speaks: the answer in the conversation ends at once."""
        if (main := self._main()) is not None:
            self._stop(main.writer.id, "turn_detected")

    def _stop(self, response_id: str, reason: str) -> None:
        reply, task = self._running.pop(response_id)
        task.cancel()
        reply.writer.finish("cancelled", reason=reason)
        self._note_voice(reply)

    @property
    def voice_fixed(self) -> bool:
        """The voice was heard, so it cannot change any more."""
        running = (reply for reply, _ in self._running.values())
        return self._voice_heard or any(reply.writer.audio_ms > 0 for reply in running)

    def _note_voice(self, reply: Reply) -> None:
        self._voice_heard = self._voice_heard or reply.writer.audio_ms > 0

    def _ended(self, reply: Reply) -> None:
        self._note_voice(reply)
        if self._running.pop(reply.writer.id, None) is None or not reply.writer.in_conversation:
            return
        if self._main() is not None:
            return
        detection = self._config()["audio"]["input"]["turn_detection"]
        idle_ms = (detection or {}).get("idle_timeout_ms")
        if idle_ms:
            loop = asyncio.get_running_loop()
            played = 0.0
            if reply.first_audio_at is not None:
                ends_at = reply.first_audio_at + reply.writer.audio_ms / 1000
                played = max(0.0, ends_at - loop.time())
            self.busy()
            self._idle_timer = loop.call_later(
                played + idle_ms / 1000, lambda: self.on_idle(idle_ms)
            )

    def busy(self) -> None:
        """Something happens: nobody is idle."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def close(self) -> None:
        self.busy()
        for _, task in self._running.values():
            task.cancel()
        self._running.clear()


def fit(items: list[Item], truncation: Any) -> list[Item]:
    """Drop the oldest items until the rest fits the context, unless truncation is disabled."""
    limit, share = CONTEXT_TOKENS, 1.0
    if truncation == "disabled":
        return items
    if isinstance(truncation, dict):
        limits = truncation.get("token_limits") or {}
        limit = min(limit, limits.get("post_instructions", limit))
        share = truncation["retention_ratio"]
    sizes = [usage.item_tokens(item).total for item in items]
    total = sum(sizes)
    if total <= limit:
        return items
    first = 0
    while first < len(items) - 1 and total > limit * share:
        total -= sizes[first]
        first += 1
    # A tool's answer without its call means nothing.
    while first < len(items) - 1 and items[first].kind == "function_call_output":
        first += 1
    return items[first:]
