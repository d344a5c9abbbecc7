"""Reading requests: methods, segments and JSON bodies."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from ..errors import BadRequest, MethodNotAllowed, NotFound, TooLarge
from ..path.tokens import STRING, malformed, tokenize
from .messages import Request

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "decoded",
    "json_body",
    "nothing_here",
    "text_body",
    "wrong_method",
]


MAX_DOCUMENT_BYTES = 64 << 20
"""The largest JSON document; bodies of rows may be larger."""
DEEPEST_DOCUMENT = 256
"""How many levels of objects and lists a JSON document may have."""


def decoded(request: Request, segment: str) -> str:
    """The name that a raw segment (or a part of one) of the request's path spells.

    Raises:
        BadRequest: it is empty, has a character that must be escaped, or is not UTF-8.
    """
    if not segment:
        raise BadRequest(f"An empty name in the path {request.path!r}.")
    name, *more = tokenize(segment)
    if name.kind != STRING or len(more) > 1:
        raise malformed(segment, (name, *more)[name.kind == STRING].position, "punctuation")
    return name.value


def nothing_here(request: Request) -> NotFound:
    """The error for a path that addresses nothing."""
    return NotFound(f"There is nothing at {request.path!r}.")


def wrong_method(request: Request, *allowed: str) -> MethodNotAllowed:
    """The error for a method that a resource does not have; `allowed` are those it has."""
    shown = [*allowed, *(["HEAD"] if "GET" in allowed else []), "OPTIONS"]
    return MethodNotAllowed(
        f"{request.method} is no method of {request.path!r}.",
        hint=f"Its methods are {', '.join(shown)}.",
        allow=shown,
    )


def json_body(request: Request, *, optional: bool = False) -> Any:
    """The JSON value in the body.

    Raises:
        BadRequest: it is no JSON, or nests too deep. An empty body is None if it is `optional`.
    """
    text = request.body.read(MAX_DOCUMENT_BYTES + 1)
    if len(text) > MAX_DOCUMENT_BYTES:
        raise TooLarge(
            f"A document of more than {MAX_DOCUMENT_BYTES} bytes.",
            hint="Send it in several requests.",
        )
    if optional and not text.strip():
        return None
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The body is no JSON document: {error}.") from error
    if text.count(b"[") + text.count(b"{") > DEEPEST_DOCUMENT:
        _refuse_deep(found)
    return found


def text_body(request: Request) -> str:
    """The text in the body.

    Raises:
        BadRequest: it is no UTF-8, or holds a NUL.
    """
    try:
        text = request.body.read(MAX_DOCUMENT_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8: {error}.") from None
    if "\0" in text:
        raise BadRequest("The body holds a NUL character.")
    return text


def _refuse_deep(document: Any) -> None:
    """Refuse what functions that call themselves for each level could not go through."""
    level = [document] if isinstance(document, (dict, list)) else []
    for _ in range(DEEPEST_DOCUMENT):
        inner = [v.values() if isinstance(v, dict) else v for v in level]
        level = [v for values in inner for v in values if isinstance(v, (dict, list))]
        if not level:
            return
    raise BadRequest(
        f"The body nests deeper than {DEEPEST_DOCUMENT} levels.", hint="Use a flatter document."
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
