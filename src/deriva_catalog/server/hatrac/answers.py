"""Answers that all resources of objects share: URLs, lists of URLs, documents, single values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ...objects.states import state_of
from ..messages import Answer, Request
from ..negotiation import preferred_type
from .conditions import check_read, etag_of

__all__ = ["VARY", "created", "document", "listing", "text"]

VARY = {"Vary": "cookie, authorization", "Cache-Control": "private, must-revalidate"}
_LISTS = ("application/json", "text/uri-list", "text/html")


def created(url: str, base: str, *, more: Sequence[str] = ()) -> Answer:
    """201 with the URL in ``Location`` and in the body, where it ends with a line end.

    The body has the name as rows of catalogs keep it; ``Location`` is below `base`.
    """
    body = "".join(f"{each}\n" for each in (url, *more))
    return Answer(201, body.encode(), "text/uri-list", {"Location": base + url})


def listing(request: Request, urls: Sequence[str]) -> Answer:
    """A list of URLs, as JSON unless something else is preferred."""
    kind = preferred_type(request.headers.get("accept"), _LISTS) or _LISTS[0]
    state = state_of(list(urls))
    etag = etag_of(state, "" if kind == _LISTS[0] else kind)
    check_read(request.headers, state, etag)
    headers = {**VARY, "Vary": f"accept, {VARY['Vary']}", "ETag": etag}
    return Answer(200, _LISTED[kind](urls).encode(), kind, headers)


def _json(urls: Sequence[str]) -> str:
    return json.dumps(list(urls)) + "\n"


def _lines(urls: Sequence[str]) -> str:
    return "".join(f"{url}\n" for url in urls)


def _page(urls: Sequence[str]) -> str:
    links = "".join(
        f'<li><a href="{escape(url)}">{escape(url.rsplit("/", 1)[-1])}</a></li>\n' for url in urls
    )
    return f"<!DOCTYPE html>\n<html><body><ul>\n{links}</ul></body></html>\n"


_LISTED = {"application/json": _json, "text/uri-list": _lines, "text/html": _page}


def document(request: Request, found: Any) -> Answer:
    """A JSON document, unless the client has it already."""
    state = state_of(found)
    check_read(request.headers, state, etag_of(state))
    body = (json.dumps(found, ensure_ascii=False) + "\n").encode()
    return Answer(200, body, "application/json", _tagged(state))


def text(request: Request, value: str) -> Answer:
    """A single value and a line end, unless the client has it already."""
    state = state_of(value)
    check_read(request.headers, state, etag_of(state))
    return Answer(200, f"{value}\n".encode(), "text/plain", _tagged(state))


def _tagged(state: str) -> Mapping[str, str]:
    return {**VARY, "ETag": etag_of(state)}
