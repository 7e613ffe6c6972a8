"""An object store (S3) on loopback that can fail in every way.

with ObjectStore() as store:
    Site(folder, **store.settings)
    store.fails = refuses               # or `hangs`, `loses`, `garbles`; None: it works
    store.stop()                        # closes the port; `start` reopens the same one
    store.keys()                        # the stored objects
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any, Self

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from tests.servers import free_port, serve

Environ = dict[str, Any]
Answer = Iterable[bytes]
App = Callable[[Environ, Any], Answer]
How = Callable[["ObjectStore", Environ, Any], Answer]
DENIED = b"<Error><Code>AccessDenied</Code><Message>Not yours</Message></Error>"


class Quiet(WSGIRequestHandler):
    """Does not log requests."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


class ObjectStore:
    """A store with one bucket. `asked`: all requests as (method, key, Range)."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # All stores of a process share their content, so each has a bucket name of its own.
        self.name = f"recordings-{self.port}"
        self.asked: list[tuple[str, str, str]] = []
        self._moto: App = DomainDispatcherApplication(create_backend_app)
        self._fails: How | None = None
        self._changed = threading.Event()
        self._server: BaseWSGIServer | None = None

    @property
    def settings(self) -> dict[str, str]:
        """The site's settings for this store."""
        names = {"MEDIA_S3_BUCKET": self.name, "MEDIA_S3_ENDPOINT": self.url}
        return names | {
            "MEDIA_S3_REGION": "us-east-1",
            "MEDIA_S3_KEY": "key",
            "MEDIA_S3_SECRET": "secret",
        }

    @property
    def fails(self) -> How | None:
        """How it responds to requests; None: normally."""
        return self._fails

    @fails.setter
    def fails(self, how: How | None) -> None:
        self._fails = how
        changed, self._changed = self._changed, threading.Event()
        changed.set()

    def __enter__(self) -> Self:
        self.start()
        self._client().create_bucket(Bucket=self.name)
        self.asked.clear()
        return self

    def __exit__(self, *exc: object) -> None:
        self.fails = None
        self.stop()

    def start(self) -> None:
        """Listen, unless it does already; after `stop` it still has its content."""
        if self._server is not None:
            return
        self._server = make_server(
            "127.0.0.1", self.port, self._answer, threaded=True, request_handler=Quiet
        )
        serve(self._server, "store")

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def keys(self) -> set[str]:
        """The keys of the stored objects."""
        found = self._client().list_objects_v2(Bucket=self.name)
        return {each["Key"] for each in found.get("Contents", [])}

    def _client(self) -> Any:
        names = {"region_name": "us-east-1", "aws_access_key_id": "k", "aws_secret_access_key": "s"}
        return boto3.client("s3", endpoint_url=self.url, **names)

    def pass_on(self, environ: Environ, start: Any) -> Answer:
        """Respond normally."""
        return self._moto(environ, start)

    def wait(self) -> None:
        """Wait until `fails` is set."""
        self._changed.wait()

    def _answer(self, environ: Environ, start: Any) -> Answer:
        key = environ["PATH_INFO"].removeprefix(f"/{self.name}").lstrip("/")
        self.asked.append((environ["REQUEST_METHOD"], key, environ.get("HTTP_RANGE", "")))
        return (self._fails or ObjectStore.pass_on)(self, environ, start)


def refuses(store: ObjectStore, environ: Environ, start: Any) -> Answer:
    """403 to every request."""
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start("403 Forbidden", [("Content-Type", "application/xml")])
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else DENIED]


def hangs(store: ObjectStore, environ: Environ, start: Any) -> Answer:
    """No response until `fails` is set, then what that says."""
    store.wait()
    return (store.fails or ObjectStore.pass_on)(store, environ, start)


def loses(store: ObjectStore, environ: Environ, start: Any) -> Answer:
    """Confirms uploads but discards them."""
    if environ["REQUEST_METHOD"] != "PUT":
        return store.pass_on(environ, start)
    environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start("200 OK", [("ETag", '"0"')])
    return []


def garbles(store: ObjectStore, environ: Environ, start: Any) -> Answer:
    """Stores zeros instead of the uploaded bytes."""
    if environ["REQUEST_METHOD"] == "PUT":
        sent = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = BytesIO(bytes(len(sent)))
    return store.pass_on(environ, start)
