"""Reading what is sent to the routes of logins: forms, JSON and query strings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from ...errors import BadRequest, TooLarge, UnsupportedMediaType
from ..messages import Request

__all__ = ["fields_of", "json_object", "query_of"]

_LARGEST = 1 << 16
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


def query_of(request: Request) -> Mapping[str, str]:
    """The parameters of the query string; the last one of a name.

    Raises:
        BadRequest: it is malformed.
    """
    return _pairs(request.query)


def fields_of(request: Request) -> Mapping[str, str]:
    """The fields of a form, or the texts of a JSON object.

    Raises:
        BadRequest, TooLarge, UnsupportedMediaType: it is neither, or too large.
    """
    if _type_of(request) == _JSON:
        found = json_object(request)
        wrong = [name for name, value in found.items() if not isinstance(value, str)]
        if wrong:
            raise BadRequest(f"{wrong[0]!r} in the body is no text.")
        return found
    if _type_of(request) == _FORM:
        try:
            return _pairs(_body(request).decode("ascii"))
        except UnicodeDecodeError as error:
            raise BadRequest("The form is not percent-encoded.") from error
    raise UnsupportedMediaType(
        "A login is sent as a form or as JSON.", hint=f"Use {_FORM} or {_JSON}."
    )


def json_object(request: Request) -> dict[str, Any]:
    """The JSON object in the body.

    Raises:
        BadRequest, TooLarge, UnsupportedMediaType: it is none, or too large.
    """
    if _type_of(request) != _JSON:
        raise UnsupportedMediaType("This is sent as JSON.", hint=f"Use {_JSON}.")
    try:
        found = json.loads(_body(request))
    except (ValueError, RecursionError):
        # What is in the body may be secret, and an error may end in a log: it is not shown.
        raise BadRequest("The body is no JSON document.") from None
    if not isinstance(found, dict):
        raise BadRequest("The body is no JSON object.")
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a pair of surrogates, which JSON can spell
        raise BadRequest("The body has a text that is no Unicode.") from None
    return found


def _type_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _body(request: Request) -> bytes:
    body = request.body.read(_LARGEST + 1)
    if len(body) > _LARGEST:
        raise TooLarge("The body of a login is too large.")
    return body


def _pairs(text: str) -> Mapping[str, str]:
    try:
        return dict(
            parse_qsl(
                text, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=50
            )
        )
    except ValueError:
        raise BadRequest("The parameters are malformed.") from None
