"""One signed message to a program elsewhere: https, a public address, no redirects, limited time.

The receiver checks the header `NextVoice-Signature: t=<seconds>,v1=<hex>`, where v1 is the
HMAC-SHA256 of "<t>.<body>" with the secret both sides know.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac

from realtime.bridge.connect import Resolve
from realtime.bridge.connect import resolve as system_resolve
from realtime.outbound import Destination, NoAnswer, fetch
from realtime.providers import endpoints

SECONDS = 10.0
"""For everything: resolving the name, connecting, and the answer."""
MOST_BYTES = 65_536


class NotDelivered(Exception):
    """It was not accepted. The text contains nothing of the URL, the body or the answer."""


def deliver(url: str, body: bytes, secret: str, at: int, *, resolve: Resolve | None = None) -> None:
    """Post `body` (JSON), signed. `at`: now, in seconds since the epoch. Raises NotDelivered.

    Blocks, and is for threads without an event loop.
    """
    if not url.startswith("https://"):
        raise NotDelivered("not https")
    to = Destination(
        url,
        vouched=endpoints.vouched_url(url),
        most_bytes=MOST_BYTES,
        resolve=resolve or system_resolve,
    )
    headers = {
        "Content-Type": "application/json",
        "NextVoice-Signature": signature(secret, at, body),
    }
    try:
        answer = asyncio.run(fetch(to, "POST", headers=headers, body=body, seconds=SECONDS))
    except NoAnswer as problem:
        raise NotDelivered(str(problem)) from None
    if not 200 <= answer.status < 300:
        raise NotDelivered(f"answered with HTTP {answer.status}")


def signature(secret: str, at: int, body: bytes) -> str:
    """The value of the signature header."""
    digest = hmac.new(secret.encode(), b"%d.%s" % (at, body), hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"
