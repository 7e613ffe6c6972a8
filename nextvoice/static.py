"""Static files, with content hashes in their names (ES modules included), served before Django.

A page has dozens of them. Through Django's middleware each would take a thread and several
milliseconds of the processor that carries calls.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from posixpath import dirname, join
from typing import Any

from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import NotARegularFileError
from whitenoise.storage import CompressedManifestStaticFilesStorage

from nextvoice.bodies import App, Message, Receive, Send

ASKED = {
    b"accept-encoding": "HTTP_ACCEPT_ENCODING",
    b"if-modified-since": "HTTP_IF_MODIFIED_SINCE",
    b"if-none-match": "HTTP_IF_NONE_MATCH",
    b"range": "HTTP_RANGE",
}
"""The request headers that choose an answer, with their names in CGI."""


IMPORTED = r"""(?m)^@import "(?P<sheet>[\w./-]+)";$"""
"""An `@import` of a style sheet of ours."""


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Whitenoise's hashed storage, which also rewrites `import ... from "./x.js"`, and inlines a
    style sheet's imports from its own folder: on a slow line each file costs time."""

    support_js_module_import_aggregation = True
    patterns = (("*.css", ((IMPORTED, IMPORTED),)), *CompressedManifestStaticFilesStorage.patterns)

    def url_converter(
        self, name: str, hashed_files: dict[str, str], template: str | None = None
    ) -> Callable[[re.Match[str]], str]:
        if template != IMPORTED:
            converter: Callable[[re.Match[str]], str]
            converter = super().url_converter(name, hashed_files, template)
            return converter
        return lambda found: _read(self.open(join(dirname(name), found["sheet"]))).decode()


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """Whitenoise as ASGI middleware. Paths without a file go on to `app`."""

    def __init__(self, app: App) -> None:
        super().__init__()
        self._app = app
        if not self.autorefresh:
            self.directories.append(
                (os.path.join(os.path.abspath(self.static_root), ""), self.static_prefix)
            )

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        file = self._file(scope["path"]) if scope["type"] == "http" else None
        if file is None:
            await self._app(scope, receive, send)
            return
        asked = {
            ASKED[name]: value.decode("latin-1")
            for name, value in scope["headers"]
            if name in ASKED
        }
        found = file.get_response(scope["method"], asked)
        headers = [
            (name.lower().encode(), value.encode("latin-1")) for name, value in found.headers
        ]
        headers.append((b"x-content-type-options", b"nosniff"))
        start = {"type": "http.response.start", "status": int(found.status), "headers": headers}
        await send(start)
        # They are small: a thread would take longer than the disk.
        body = b"" if found.file is None else _read(found.file)
        await send({"type": "http.response.body", "body": body})

    def _file(self, path: str) -> Any:
        """A file that existed at the start, or was collected since: during a deploy, pages of a
        newer worker name files that older workers are asked for."""
        if self.autorefresh:
            return self.find_file(path)
        file = self.files.get(path)
        if file is None:
            with suppress(NotARegularFileError, OSError, ValueError):
                file = self.find_file(path)
            if file is not None:
                self.files[path] = file
        return file


def _read(file: Any) -> bytes:
    with file:
        content: bytes = file.read()
    return content
