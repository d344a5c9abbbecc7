"""Which function answers which address.

Addresses are cut at raw slashes; nothing is decoded before that. `ROUTES` goes by the first
segment of a path, `CATALOG_ROUTES` by the one after a catalog's identifier. A function gets the
segments after the first one: of ``/ermrest/catalog/1/schema/S``, those of `CATALOG_ROUTES` get
``["1", "schema", "S"]``.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import NotFound
from .acls import acl_resource, binding_resource
from .addresses import target_of
from .advertisement import advertise
from .aliases import alias_resource, aliases_resource
from .authn.routes import authn, session_alias
from .bulk import BULK_ROUTES
from .catalogs import catalog_resource, catalogs_resource
from .data.routes import DATA_ROUTES
from .export.routes import answer_export
from .hatrac.routes import answer_catalog_objects, answer_objects
from .history import control_history
from .messages import NO_CONTENT, Answer, Request
from .modelchanges import change_model
from .modeldocs import read_model_resource
from .resolver import resolve
from .rids import locate
from .service import Handler, Service

__all__ = ["CATALOG_ROUTES", "ROUTES"]


def _model(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    """A resource of the model of a catalog."""
    target = target_of(request, segments[1:])
    opened = service.catalog(request, segments[0])
    if target.part == "acl":
        return acl_resource(request, opened, target)
    if target.part == "acl_binding":
        return binding_resource(request, opened, target)
    if request.method == "GET":
        return read_model_resource(service, request, opened, target)
    return change_model(request, opened, target)


CATALOG_ROUTES: dict[str, Handler] = {
    **BULK_ROUTES,
    **DATA_ROUTES,
    "acl": _model,
    "annotation": _model,
    "authn": session_alias,
    "entity_rid": locate,
    "history": control_history,
    "hatrac": answer_catalog_objects,
    "schema": _model,
}
"""Resources of one catalog, by the segment after its identifier."""


def _ermrest(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    if segments and segments[-1] == "terminal_error" and request.method == "PUT":
        return NO_CONTENT  # a browser leaves a trace in the access log
    match [segment.lower() for segment in segments[:1]]:
        case [] | [""] if len(segments) < 2:
            return advertise(service, request, segments)
        case ["client_action"]:
            return NO_CONTENT
        case ["catalog"] if segments[1:] in ([], [""]):
            return catalogs_resource(service, request, segments[1:])
        case ["catalog"] if len(segments) == 2 or (len(segments) == 3 and not segments[2]):
            return catalog_resource(service, request, segments[1:])
        case ["catalog"]:
            handler = CATALOG_ROUTES.get(segments[2].lower().partition(";")[0])
            if handler is not None:
                return handler(service, request, segments[1:])
        case ["alias"] if segments[1:] in ([], [""]):
            return aliases_resource(service, request, segments[1:])
        case ["alias"] if len(segments) == 2:
            return alias_resource(service, request, segments[1:])
    raise NotFound(f"There is nothing at {request.path!r}.")


ROUTES: dict[str, Handler] = {
    "authn": authn,
    "deriva": answer_export,
    "ermrest": _ermrest,
    "hatrac": answer_objects,
    "id": resolve,
}
"""Everything, by the first segment of a path."""
