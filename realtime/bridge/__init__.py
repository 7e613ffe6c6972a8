"""The bridge: one live voice call between a browser and a provider. Pure asyncio, no Django.

What a consumer needs::

    from realtime.bridge import ENDS, End, Gone, Tap, Target, receive_start, run_call

    class Browser:                              # the browser's socket, any server
        async def receive(self): ...            # bytes | str | Gone(code)
        async def send(self, frame): ...        # bytes | str; raises when it cannot

    start = await receive_start(browser, 10)    # a Start or Resume, or the End it came to
    if isinstance(start, End):
        ... close with start.close_code; return
    if isinstance(start, Resume):               # for the ResumableBrowser of a call that runs
        if that.resume(browser, start.token, start.received):
            await that.until_let_go(browser)
        ...
    browser = ResumableBrowser(browser, limits) # optional: the call outlives its socket

    target = Target(name="OpenAI", url="wss://api.openai.com/v1/realtime",
                    model="gpt-realtime-2.1", key=key)
    record = await run_call(
        browser,
        target,
        start.applied_to({"type": "realtime", "instructions": "...", "audio": {...}}),
        taps=[recorder],                        # subclass Tap, override what you need
        history=items,                          # GA items, oldest first
        ready={"call_id": ..., "conversation_id": ..., "model": ..., "provider": ...},
        on_call=remember,                       # gets the live Call at once
        finalise=recorder.flush,                # awaited before nextvoice.ended, bounded
        translate=gettext,
    )
    ... close with record.close_code

The live `Call`: `call.tell(event)` sends the browser a `nextvoice.*` event, `call.end(reason)`
ends the call for a reason of `ENDS` (signed_out, taken_over, server_stopping, session_limit, ...).
Both are for the event loop the call runs on.

`run_call` sends `nextvoice.ready`, `nextvoice.notice`, `nextvoice.audio`, `nextvoice.ended` and
all GA events; the consumer only sends `nextvoice.saved`, `nextvoice.title` and the like. It
returns an `EndRecord` and raises nothing but `CancelledError`. History items are not shown to
taps or browser again.
"""

from __future__ import annotations

from .browser import Browser, Gone, Resume, receive_start
from .call import Call
from .connect import UpstreamFailed
from .dialects import DIALECTS, Dialect, Target, Timeouts
from .ends import ENDS, End
from .errors import judge
from .events import error_event
from .gate import Leg
from .limits import Limits
from .resumable import ResumableBrowser
from .run import run_call
from .start import Start
from .taps import EndRecord, Tap
from .upstream import Upstream, open_upstream

__all__ = [
    "DIALECTS",
    "ENDS",
    "Browser",
    "Call",
    "Dialect",
    "End",
    "EndRecord",
    "Gone",
    "Leg",
    "Limits",
    "ResumableBrowser",
    "Resume",
    "Start",
    "Tap",
    "Target",
    "Timeouts",
    "Upstream",
    "UpstreamFailed",
    "error_event",
    "judge",
    "open_upstream",
    "receive_start",
    "run_call",
]
