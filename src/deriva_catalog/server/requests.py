"""Reading requests: methods, segments and JSON bodies."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from ..errors import BadRequest, MethodNotAllowed
from ..path.tokens import decode
from .messages import Request

__all__ = ["decoded", "json_body", "refuse_method"]


def decoded(request: Request, segment: str) -> str:
    """The name that a raw segment (or a part of one) of the request's path spells.

    Raises:
        BadRequest: it is empty, or no percent-encoded UTF-8.
    """
    if not segment:
        raise BadRequest(f"An empty name in the path {request.path!r}.")
    return decode(request.path, segment, max(0, request.path.find(segment)))


def refuse_method(request: Request, *allowed: str) -> NoReturn:
    """Refuse the method of a request.

    Raises:
        MethodNotAllowed: always.
    """
    shown = [*allowed, *(["HEAD"] if "GET" in allowed else []), "OPTIONS"]
    raise MethodNotAllowed(
        f"{request.method} is no method of {request.path!r}.",
        hint=f"Its methods are {', '.join(shown)}.",
        allow=shown,
    )


def json_body(request: Request, *, optional: bool = False) -> Any:
    """The JSON value in the body.

    Raises:
        BadRequest: it is no JSON. An empty body is None if it is `optional`.
    """
    text = request.body.read()
    if optional and not text.strip():
        return None
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The body is no JSON document: {error}.") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
