"""Errors that only objects have, and how all errors are told: the message, and a line end.

Source: Hatrac, "Errors".
"""

from __future__ import annotations

from collections.abc import Mapping

from ...catalog.remote.failures import ERROR_HEADER, error_header
from ...errors import CatalogError
from ..errors import failure_answer
from ..messages import Answer

__all__ = ["BadRange", "LengthRequired", "NoSuchRange", "NotModified", "refusal"]


class LengthRequired(CatalogError, ValueError):
    """A body whose length is not told before it comes (HTTP 411)."""

    status = 411
    description = "Content-Length required."


class NoSuchRange(CatalogError, ValueError):
    """A range that begins after the end (HTTP 416)."""

    status = 416
    description = "Requested range not satisfiable."


class BadRange(CatalogError, ValueError):
    """Several ranges, or a range in another unit than bytes (HTTP 501)."""

    status = 501
    description = "Not implemented."


class NotModified(CatalogError):
    """A precondition of a read does not hold (HTTP 304)."""

    status = 304
    description = "Not modified."


def refusal(error: CatalogError, headers: Mapping[str, str]) -> Answer:
    """The answer for an error; `headers` are those of the request."""
    if error.status == 304:
        vary = {"Vary": "cookie, authorization"}
        return Answer(304, headers={**vary, "ETag": str(error.facts["etag"])})
    more = {str(name): str(value) for name, value in _headers(error).items()}
    return failure_answer(error.status, str(error), "", headers, more)


def _headers(error: CatalogError) -> Mapping[str, object]:
    found: dict[str, object] = {}
    facts = error_header(error)
    if facts is not None:
        found[ERROR_HEADER] = facts
    if error.status == 401:
        found["WWW-Authenticate"] = 'Bearer realm="deriva"'
    allow = error.facts.get("allow")
    if isinstance(allow, (list, tuple)):
        found["Allow"] = ", ".join(map(str, allow))
    if "etag" in error.facts:
        found["ETag"] = error.facts["etag"]
    if isinstance(error, NoSuchRange):
        found["Content-Range"] = f"bytes */{error.facts['length']}"
    return found
