"""Pages come compressed, and nothing else does."""

from __future__ import annotations

import gzip

import pytest
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.test import RequestFactory

from nextvoice.middleware import CompressedPages

PAGE = b"<p>What is two plus three?</p>" * 50


def answered(answer: HttpResponseBase, coding: str = "gzip, br") -> HttpResponseBase:
    request = RequestFactory(headers={"accept-encoding": coding}).get("/")
    return CompressedPages(lambda request: answer)(request)


def test_a_page_is_sent_in_a_fraction_of_its_bytes() -> None:
    page = answered(HttpResponse(PAGE))
    assert isinstance(page, HttpResponse)
    assert page["Content-Encoding"] == "gzip"
    assert page["Vary"] == "Accept-Encoding"
    assert len(page.content) < len(PAGE) / 5
    assert gzip.decompress(page.content) == PAGE


def test_who_does_not_know_compression_gets_it_as_it_is() -> None:
    page = answered(HttpResponse(PAGE), "identity")
    assert isinstance(page, HttpResponse)
    assert page.content == PAGE


@pytest.mark.parametrize("kind", ["audio/webm", "application/json", "text/csv"])
def test_what_is_no_page_stays_as_it_is(kind: str) -> None:
    answer = answered(HttpResponse(PAGE, content_type=kind))
    assert isinstance(answer, HttpResponse)
    assert answer.content == PAGE
    assert not answer.has_header("Content-Encoding")


def test_what_comes_bit_by_bit_is_not_held_back() -> None:
    assert not answered(StreamingHttpResponse([PAGE])).has_header("Content-Encoding")
