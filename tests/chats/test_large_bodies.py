"""Bodies that are too large are refused at the limit, by the real server, with little memory."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site import Person, Site

MEGABYTE = 1024 * 1024
BOUNDARY = "b0undary"
HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
).encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site"), ATTACHMENT_MAX_MB="2") as site:
        yield site


@pytest.fixture(scope="module")
def ann(site: Site) -> Person:
    return site.person("ann")


def post(
    person: Person, path: str, body: Iterator[bytes] | bytes, length: int | None
) -> tuple[int, str]:
    """POST a body; without a length it is sent in chunks. Status and content type."""
    connection = http.client.HTTPConnection(person.url.removeprefix("http://"), timeout=30)
    headers = {
        "Cookie": person.cookie,
        "X-CSRFToken": person.cookies["csrftoken"],
        "Origin": person.url,
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
    }
    headers |= {"Content-Length": str(length)} if length is not None else {}
    try:
        try:
            connection.request("POST", path, body, headers, encode_chunked=length is None)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was answered before everything was sent
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Content-Type", "")
    finally:
        connection.close()


def endless(megabytes: int) -> Iterator[bytes]:
    yield HEAD
    for _ in range(megabytes):
        yield bytes(b"x" * MEGABYTE)
    yield TAIL


def peak(site: Site) -> int:
    """The most memory the site's process has ever used, in bytes."""
    assert site.process is not None
    status = Path(f"/proc/{site.process.pid}/status")
    if not status.exists():
        pytest.skip("this system does not tell how much memory a process uses")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0]) * 1024


def test_a_declared_length_is_refused_before_any_of_it_comes(site: Site, ann: Person) -> None:
    path = f"/c/{ann.new_conversation()}/attachments/"
    assert post(ann, path, HEAD, 10_000 * MEGABYTE) == (413, "application/json")
    status, kind = post(ann, "/c/new/", b"", 10_000 * MEGABYTE)
    assert (status, kind) == (413, "text/html; charset=utf-8")


def test_a_body_without_a_length_is_refused_at_the_limit(site: Site, ann: Person) -> None:
    path = f"/c/{ann.new_conversation()}/attachments/"
    # One that is taken warms everything up that is loaded once.
    whole = b"".join(endless(1))
    assert post(ann, path, whole, len(whole))[0] == 201
    # Django reads no form whose length is not said, and every browser says it.
    assert post(ann, path, endless(1), None)[0] == 400
    before = peak(site)
    assert post(ann, path, endless(60), None) == (413, "application/json")
    assert peak(site) - before < 10 * MEGABYTE


def test_a_stranger_is_not_told_more_than_that_it_is_too_large(site: Site, ann: Person) -> None:
    path = f"/c/{ann.new_conversation()}/attachments/"
    assert post(Person(site.url), path, HEAD, 10_000 * MEGABYTE)[0] == 413
