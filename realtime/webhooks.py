"""One signed message to a program elsewhere: https, a public address, no redirects, bounded time.

The receiver checks the header `NextVoice-Signature: t=<seconds>,v1=<hex>`, where v1 is the
HMAC-SHA256 of "<t>.<body>" with the secret both sides know.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import ssl
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from realtime import endpoints
from realtime.bridge.guard import Forbidden, check_url, is_allowed, plain_host

SECONDS = 10.0
"""For everything: the name, the connection, and the answer's first lines."""

Resolve = Callable[[str, int], list[str]]


class NotDelivered(Exception):
    """It was not taken. The text holds nothing of the URL, the body or the answer."""


def deliver(url: str, body: bytes, secret: str, at: int, *, resolve: Resolve | None = None) -> None:
    """Post `body` (JSON), signed. `at`: now, in seconds since the epoch. Raises NotDelivered."""
    try:
        host, port, addresses = _permitted(url, resolve or _resolve)
        status = _post(url, host, port, addresses[0], body, signature(secret, at, body))
    except Forbidden as problem:
        raise NotDelivered(str(problem)) from None
    except TimeoutError:
        raise NotDelivered("no answer in time") from None
    except ssl.SSLError:
        raise NotDelivered("no trusted TLS connection") from None
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise NotDelivered(f"no connection ({type(problem).__name__})") from None
    if not 200 <= status < 300:
        raise NotDelivered(f"answered with HTTP {status}")


def signature(secret: str, at: int, body: bytes) -> str:
    """The value of the signature header."""
    digest = hmac.new(secret.encode(), b"%d.%s" % (at, body), hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _permitted(url: str, resolve: Resolve) -> tuple[str, int, list[str]]:
    """Host, port and addresses of a URL that may be posted to. Raises Forbidden."""
    if not url.startswith("https://"):
        raise Forbidden("not https", "bad_url")
    spelled = "wss" + url.removeprefix("https")
    host, port, _tls = check_url(spelled, allow_private=True)
    vouched = endpoints.vouched(plain_host(host), port)
    check_url(spelled, allow_private=vouched)
    addresses = resolve(host, port)
    if not addresses or not all(is_allowed(each, vouched) for each in addresses):
        raise Forbidden("the host has an address that is not allowed", "address_forbidden")
    return host, port, addresses


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _post(url: str, host: str, port: int, address: str, body: bytes, signed: str) -> int:
    parts = urlsplit(url)
    path = parts.path or "/"
    if parts.query:
        path += f"?{parts.query}"
    raw = socket.create_connection((address, port), timeout=SECONDS)
    # A server that sends a byte now and then would keep each read within its own time.
    cut = _Cut(raw)
    alarm = threading.Timer(SECONDS, cut)
    alarm.daemon = True
    alarm.start()
    try:
        # The name is what is verified; the address, which was checked, is what is connected to.
        tls = ssl.create_default_context().wrap_socket(
            raw, server_hostname=host, do_handshake_on_connect=False
        )
        cut.sock = tls
        with tls:
            tls.do_handshake()
            connection = http.client.HTTPSConnection(host, port, timeout=SECONDS)
            connection.sock = tls
            headers = {
                "Content-Type": "application/json",
                "User-Agent": "NextVoice",
                "NextVoice-Signature": signed,
            }
            connection.request("POST", path, body, headers)
            return connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError):
        if cut.done:
            raise TimeoutError from None
        raise
    finally:
        alarm.cancel()
        raw.close()


class _Cut:
    """Ends a connection whose time is up."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.done = False

    def __call__(self) -> None:
        self.done = True
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
