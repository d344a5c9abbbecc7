"""Errors as answers: plain text, or a small page for a browser's address bar.

Source: ERMrest, "Error responses".
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from ..catalog.remote.failures import ERROR_HEADER, error_header
from ..errors import CatalogError
from .messages import Answer
from .negotiation import wants_html

__all__ = ["INTERNAL_ERROR", "error_answer", "failure_answer"]

INTERNAL_ERROR = CatalogError.description


def error_answer(error: CatalogError, headers: Mapping[str, str]) -> Answer:
    """The answer for an error of the catalog; `headers` are those of the request."""
    more: dict[str, str] = {}
    facts = error_header(error)
    if facts is not None:
        more[ERROR_HEADER] = facts
    if error.status == 401:
        more["WWW-Authenticate"] = 'Bearer realm="deriva"'
    allow = error.facts.get("allow")
    if isinstance(allow, (list, tuple)):
        more["Allow"] = ", ".join(map(str, allow))
    etag = error.facts.get("etag")
    if isinstance(etag, str):
        more["ETag"] = etag
    return failure_answer(error.status, error.description, str(error), headers, more)


def failure_answer(
    status: int,
    description: str,
    detail: str,
    headers: Mapping[str, str],
    more: Mapping[str, str] | None = None,
) -> Answer:
    """An answer with the two parts of an error's text: ``DESCRIPTION Detail: DETAIL``."""
    text = f"{description} Detail: {detail}" if detail else description
    out = {"Cache-Control": "no-store", "Vary": "accept, cookie, authorization", **(more or {})}
    if wants_html(headers.get("accept")):
        page = (
            f"<!DOCTYPE html>\n<html><head><title>{status} {escape(description)}</title></head>\n"
            f"<body><h1>{status}</h1><pre>{escape(text)}</pre></body></html>\n"
        )
        return Answer(status, page.encode("utf-8", "replace"), "text/html", out)
    return Answer(status, f"{text}\n".encode("utf-8", "replace"), "text/plain", out)
