"""Metadata of versions.

Source: Hatrac, "Metadata".
"""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import BadRequest
from ...objects import metadata as fields
from ...objects.names import ObjectName
from ..messages import NO_CONTENT, Answer, Request
from ..requests import wrong_method
from .answers import document, text
from .conditions import precondition_of
from .views import View

__all__ = ["answer_metadata"]


def answer_metadata(
    request: Request, view: View, name: ObjectName, arguments: Sequence[str]
) -> Answer:
    """Read, set or unset metadata."""
    if not arguments:
        if request.method != "GET":
            raise wrong_method(request, "GET")
        return document(request, fields.read_fields(view.store, view.asker, name))
    field = arguments[0].lower()
    if request.method == "GET":
        return text(request, fields.read_field(view.store, view.asker, name, field))
    if request.method not in ("PUT", "DELETE"):
        raise wrong_method(request, "GET", "PUT", "DELETE")
    view.require_writable()
    precondition = precondition_of(request.headers)
    if request.method == "DELETE":
        fields.delete_field(view.store, view.asker, name, field, precondition=precondition)
    else:
        value = _value(request)
        fields.set_field(view.store, view.asker, name, field, value, precondition=precondition)
    return NO_CONTENT


def _value(request: Request) -> str:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/plain":
        raise BadRequest(f"A value of metadata is 'text/plain', not {kind!r}.")
    try:
        return request.body.read().decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise BadRequest(f"The value is not UTF-8: {error}.") from error
