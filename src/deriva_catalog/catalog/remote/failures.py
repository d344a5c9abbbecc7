"""Answers that tell of failure, turned back into the exceptions that the catalog raised.

Our own server puts the kind and the facts of an error into a header, so that nothing is lost.
Other servers are understood by status and text.

Source: ERMrest, "Error responses".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ... import errors
from ...errors import (
    BadRequest,
    CatalogError,
    Conflict,
    Forbidden,
    ForeignKeyViolation,
    NotAuthenticated,
    NotFound,
    NotNullViolation,
    PreconditionFailed,
    QueryTimeout,
    ReadOnly,
    SnapshotUnavailable,
    Unavailable,
    UniqueViolation,
)

__all__ = ["ERROR_HEADER", "error_header", "error_of"]

ERROR_HEADER = "deriva-error"
"""The header with the kind, message, hint and facts of an error, as JSON in ASCII."""

_LONGEST_HEADER = 6_000
_SHOWN = 2_000


def error_header(error: CatalogError) -> str | None:
    """The value of `ERROR_HEADER` for an error; None if it would be too long."""
    facts = {name: value for name, value in error.facts.items() if _is_plain(value)}
    document = {
        "type": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "facts": facts,
    }
    text = json.dumps(document, separators=(",", ":"))
    return text if len(text) <= _LONGEST_HEADER else None


def _is_plain(value: object, levels: int = 4) -> bool:
    """Whether a fact is worth telling: texts, numbers, and lists of lists of them."""
    if isinstance(value, (list, tuple)):
        return levels > 0 and all(_is_plain(item, levels - 1) for item in value)
    return value is None or isinstance(value, (str, int, float, bool))


def error_of(
    status: int, headers: Mapping[str, str], body: bytes, *, asked: str, host: str
) -> CatalogError:
    """The exception for an answer with a status of 400 or more.

    Args:
        status: The HTTP status.
        headers: Those of the answer.
        body: Its text.
        asked: The method and the address, for people.
        host: Where to log in, if that is what is missing.
    """
    known = _from_header(headers.get(ERROR_HEADER))
    if known is None:
        text = _without_page(body, headers.get("content-type", ""))
        known = _from_text(status, text, asked)
    if isinstance(known, NotAuthenticated):
        known.hint = f"Log in: deriva-catalog login {host}"
    return known


# --- our own server ----------------------------------------------------------------------


def _from_header(value: str | None) -> CatalogError | None:
    if value is None:
        return None
    try:
        document = json.loads(value)
        kind = getattr(errors, document["type"])
        facts = {str(k): _frozen(v) for k, v in document["facts"].items()}
        if not issubclass(kind, CatalogError):
            return None
        revived: CatalogError = kind(document["message"], hint=document["hint"], **facts)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return revived


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


# --- any server --------------------------------------------------------------------------


def _without_page(body: bytes, content_type: str) -> str:
    """The sentence in an answer; a proxy may wrap it in a page."""
    text = body.decode(errors="replace")
    if "html" in content_type:
        text = re.sub(r"(?s)<(script|style|title)\b.*?</\1>|<[^>]*>", " ", text)
        text = re.sub(r"\s+", " ", text)
    text = text.strip()
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _from_text(status: int, text: str, asked: str) -> CatalogError:
    make = _BY_STATUS.get(status) or (_other_request if status < 500 else _server_failure)
    message = text
    for description in {kind.description for kind in _ALL}:
        for start in (f"{description} Detail: ", description):
            message = message.removeprefix(start)
    message = message.strip() or f"The server answered {asked} with status {status}."
    return make(message, status)


_Make = Callable[[str, int], CatalogError]
_DUPLICATE = re.compile(
    r'violates unique constraint "(?P<constraint>.*?)".*?'
    r"Key \((?P<columns>.*?)\)=\((?P<values>.*)\) already exists",
    re.DOTALL,
)
_UNIQUE = re.compile(r'violates unique constraint "(?P<constraint>.*?)"')
_REFERENCE = re.compile(r'violates foreign key constraint "(?P<constraint>.*?)"')
_NULL = re.compile(r'null value in column "(?P<column>.*?)"')
_TOO_OLD = re.compile(r'Requested catalog revision "(?P<snaptime>.*?)" is prior to any')


def _bad_request(message: str, _: int) -> CatalogError:
    if "Query run time limit exceeded" in message:
        return QueryTimeout(message)
    return BadRequest(message)


def _forbidden(message: str, _: int) -> CatalogError:
    return ReadOnly(message) if "previous revision" in message else Forbidden(message)


def _conflict(message: str, _: int) -> CatalogError:
    found = _DUPLICATE.search(message) or _UNIQUE.search(message)
    if found:
        facts: dict[str, Any] = found.groupdict()
        facts |= {k: tuple(facts[k].split(", ")) for k in ("columns", "values") if k in facts}
        return UniqueViolation(message, **facts)
    if found := _REFERENCE.search(message):
        return ForeignKeyViolation(message, **found.groupdict())
    if found := _NULL.search(message):
        return NotNullViolation(message, **found.groupdict())
    if found := _TOO_OLD.search(message):
        return SnapshotUnavailable(message, **found.groupdict())
    return Conflict(message)


def _unavailable(message: str, status: int) -> CatalogError:
    hint = "Try again in a moment; if it goes on, tell whoever runs the server."
    return Unavailable(message, hint=hint, status=status)


def _server_failure(message: str, status: int) -> CatalogError:
    hint = "This is a defect of the server: tell whoever runs it."
    return CatalogError(message, hint=hint, status=status)


def _other_request(message: str, status: int) -> CatalogError:
    return BadRequest(message, status=status)


_BY_STATUS: Mapping[int, _Make] = {
    400: _bad_request,
    401: lambda message, _: NotAuthenticated(message),
    403: _forbidden,
    404: lambda message, _: NotFound(message),
    409: _conflict,
    412: lambda message, _: PreconditionFailed(message),
    502: _unavailable,
    503: _unavailable,
    504: _unavailable,
}
_ALL: tuple[type[CatalogError], ...] = (
    CatalogError,
    BadRequest,
    NotAuthenticated,
    Forbidden,
    NotFound,
    Conflict,
    PreconditionFailed,
    Unavailable,
)
