"""Bodies of requests as documents."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest

from catalog_server import HttpClient
from deriva_catalog.access import ANONYMOUS
from deriva_catalog.errors import BadRequest
from deriva_catalog.server.messages import Request
from deriva_catalog.server.requests import DEEPEST_DOCUMENT, json_body


def read(text: str) -> Any:
    return json_body(Request("POST", "/x", {}, ANONYMOUS, BytesIO(text.encode())))


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}"), ('[1,{"a":', ',"b":2}]')])
def test_a_document_may_be_deep_but_not_too_deep(begin: str, end: str) -> None:
    levels = begin.count("[") + begin.count("{")
    deep = DEEPEST_DOCUMENT // levels
    fits, too_deep = (begin * n + "0" + end * n for n in (deep, deep + 1))
    assert read(fits) == json.loads(fits)
    with pytest.raises(BadRequest, match="nests deeper"):
        read(too_deep)


def test_a_wide_document_is_not_deep() -> None:
    wide = json.dumps([{"a": [n]} for n in range(2 * DEEPEST_DOCUMENT)])
    assert read(wide) == json.loads(wide)
    assert read('"' + "[" * 2 * DEEPEST_DOCUMENT + '"') == "[" * 2 * DEEPEST_DOCUMENT


@pytest.mark.parametrize("depth", [300, 600, 970, 100_000])
def test_a_deep_annotation_is_refused(kim: HttpClient, depth: int) -> None:
    cat = kim.post("/ermrest/catalog").headers["location"]
    reply = kim.put(f"{cat}/annotation/deep", "[" * depth + "]" * depth)
    assert reply.status == 400
    assert kim.get(f"{cat}/annotation/deep").status == 404
