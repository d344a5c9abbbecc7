"""From a request about objects to what answers it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ...errors import CatalogError, NotFound
from ...objects import listing as lists
from ..messages import Answer, Request
from ..requests import wrong_method
from . import contents
from .acls import answer_acls
from .answers import listing
from .extras import answer_extra
from .metadata import answer_metadata
from .namespaces import list_names
from .refusals import refusal
from .targets import Target, parse_target
from .uploads import answer_uploads
from .views import View, catalog_view, read_through, service_view

if TYPE_CHECKING:
    from ..service import Service

__all__ = ["answer_catalog_objects", "answer_objects"]


def answer_objects(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    """Answer for an address below ``/hatrac``."""
    tail = request.path[len("/hatrac") :]
    return _guarded(request, lambda: _answer(service, request, service_view, tail))


def answer_catalog_objects(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    """Answer for an address below ``/ermrest/catalog/ID/hatrac``."""
    raw_id, *rest = segments
    tail = "/".join(rest)[len("hatrac") :]

    def view(service: Service, request: Request) -> View:
        return catalog_view(service, request, raw_id)

    return _guarded(request, lambda: _answer(service, request, view, tail))


def _guarded(request: Request, answer: Callable[[], Answer]) -> Answer:
    try:
        return answer()
    except CatalogError as error:
        if error.status >= 500 and error.status != 501:
            raise
        return refusal(error, request.headers)


def _answer(
    service: Service, request: Request, view_of: Callable[[Service, Request], View], tail: str
) -> Answer:
    target = parse_target(tail)
    view = view_of(service, request)
    if target.part in ("content", "register", "stat") or (
        target.part == "upload" and not target.name.parts
    ):
        return answer_extra(request, view, target)
    if request.method == "GET" and target.part in (None, "versions", "metadata"):
        return read_through(
            service, request, view, target.name, lambda there: _read(request, there, target)
        )
    return _change(request, view, target)


def _read(request: Request, view: View, target: Target) -> Answer:
    name = target.name
    if target.part == "metadata":
        return answer_metadata(request, view, name, target.arguments)
    if target.part == "versions":
        if name.version is not None:
            raise NotFound(f"{name.url};versions not found: it is a version.")
        return listing(request, lists.versions(view.store, view.asker, name))
    with view.store.database.reading() as reading:
        line = view.asker.line(reading.connection, name)
        if name.version is None and line.place.is_namespace:
            kept = None
        else:
            kept = view.asker.readable(reading.connection, name)
    return list_names(request, view, name) if kept is None else contents.read(request, view, kept)


def _change(request: Request, view: View, target: Target) -> Answer:
    name = target.name
    if target.part == "acl":
        return answer_acls(request, view, name, target.arguments)
    if target.part == "metadata":
        return answer_metadata(request, view, name, target.arguments)
    if target.part == "upload":
        return answer_uploads(request, view, name, target.arguments)
    if target.part == "versions":
        raise wrong_method(request, "GET")
    change = _CHANGES.get(request.method)
    if change is None:
        raise wrong_method(request, "GET", *_CHANGES)
    return change(request, view, name)


_CHANGES = {"PUT": contents.write, "POST": contents.move, "DELETE": contents.delete}
