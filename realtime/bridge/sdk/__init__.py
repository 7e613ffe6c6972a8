"""The program's side of a call: pure OpenAI Realtime GA in and out, for unmodified SDK clients.

It is the same call as a page's, with another protocol on the client's side::

    run_call(socket, target, session, call_type=partial(SdkCall, terms=Terms(...)),
             limits=SDK_LIMITS, ...)
    ... close with closing(record.end)

What clients expect is tested with the official SDKs (tests/sdk).
"""

from .call import SDK_LIMITS, SdkCall, Terms
from .ends import closing
from .events import MAX_FRAME
from .session import checked_session, formats_of, merged

__all__ = [
    "MAX_FRAME",
    "SDK_LIMITS",
    "SdkCall",
    "Terms",
    "checked_session",
    "closing",
    "formats_of",
    "merged",
]
