"""What is kept of compressed answers."""

from __future__ import annotations

import gzip
from io import BytesIO

import pytest

from deriva_catalog.access import ANONYMOUS
from deriva_catalog.server.compression import compressed
from deriva_catalog.server.documents import DocumentCache
from deriva_catalog.server.messages import Answer, Request


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_answers_to_bodies_are_told_apart(method: str) -> None:
    """All rows of a catalog have one tag, and what is asked for may stand in the body."""
    kept = DocumentCache()
    headers = {"accept-encoding": "gzip"}
    for row in (b"mine ", b"theirs "):
        request = Request(method, "/ermrest/catalog/1/query", headers, ANONYMOUS, BytesIO())
        answer = Answer(200, row * 1000, "application/json", {"ETag": '"same"'})
        body = compressed(answer, request, kept).body
        assert isinstance(body, bytes)
        assert gzip.decompress(body) == row * 1000
