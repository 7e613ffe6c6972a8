"""Which certificates TLS connections trust."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache


def trusted(use: str) -> ssl.SSLContext:
    """A context with the system's certificates, or those of SSL_CERT_FILE and SSL_CERT_DIR. Reading
    them takes tens of milliseconds and so is done once; each `use` has its own, since libraries
    change theirs."""
    return _read(use, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=8)
def _read(_use: str, _file: str | None, _folder: str | None) -> ssl.SSLContext:
    return ssl.create_default_context()
