"""Access control lists and bindings as resources: for owners only.

Source: ERMrest, "Access control: static ACLs" (resource) and "dynamic ACL bindings" (resource).
"""

from __future__ import annotations

from typing import Any

from ..access.ownership import owned_element
from ..errors import BadRequest, CatalogError, Conflict, NotFound
from ..model.acls import ACL_NAMES, AclSubject
from .addresses import Target, element_at
from .messages import NO_CONTENT, Answer, Request, json_answer
from .modelchanges import changing
from .modeldocs import model_tag
from .requests import json_body, wrong_method
from .service import Opened

__all__ = ["acl_resource", "binding_resource"]


def acl_resource(request: Request, opened: Opened, target: Target) -> Answer:
    """``SUBJ/acl`` and ``SUBJ/acl/NAME``."""
    catalog = opened.catalog
    address, _ = element_at(catalog.model, target)
    owned_element(catalog.decisions, address, inside=True)
    if request.method == "GET":
        acls = catalog.acls(address)
        if target.name is None:
            return json_answer(acls, headers=_tag(opened, request))
        _known_name(target)
        if target.name not in acls:
            raise NotFound(f"The ACL {target.name!r} is not set here; it may be inherited.")
        return json_answer(acls[target.name], headers=_tag(opened, request))
    if request.method == "PUT":
        body = json_body(request)
        with changing(opened, request):
            address, _ = element_at(catalog.model, target)
            # What is stored is not read back: the client may have given its ownership away.
            if target.name is None:
                _refuse_null(body)
                stored: Any = catalog.set_acls(address, body)
            else:
                _known_name(target, Conflict)
                stored = catalog.set_acl(address, target.name, body)
        return json_answer(stored, headers=_tag(opened, request))
    if request.method == "DELETE":
        if target.name is not None:
            _known_name(target)
        with changing(opened, request):
            address, _ = element_at(catalog.model, target)
            if target.name is None:
                catalog.set_acls(address, {})
            else:
                catalog.set_acl(address, target.name, None)
        return NO_CONTENT
    raise wrong_method(request, "GET", "PUT", "DELETE")


def binding_resource(request: Request, opened: Opened, target: Target) -> Answer:
    """``SUBJ/acl_binding`` and ``SUBJ/acl_binding/NAME``."""
    catalog = opened.catalog
    address, _ = element_at(catalog.model, target)
    owned_element(catalog.decisions, address, inside=True)
    if request.method == "GET":
        bindings = catalog.acl_bindings(address)
        if target.name is None:
            return json_answer(bindings, headers=_tag(opened, request))
        if target.name not in bindings:
            raise NotFound(f"There is no ACL binding {target.name!r}.")
        return json_answer(bindings[target.name], headers=_tag(opened, request))
    if request.method == "PUT":
        body = json_body(request)
        with changing(opened, request):
            address, _ = element_at(catalog.model, target)
            if target.name is None:
                _refuse_null(body)
                stored: Any = catalog.set_acl_bindings(address, body)
            else:
                if body is None:
                    raise BadRequest("An ACL binding is an object or false, not null.")
                stored = catalog.set_acl_binding(address, target.name, body)
        return json_answer(stored, headers=_tag(opened, request))
    if request.method == "DELETE":
        with changing(opened, request):
            address, _ = element_at(catalog.model, target)
            if target.name is None:
                catalog.set_acl_bindings(address, {})
            else:
                catalog.set_acl_binding(address, target.name, None)
        return NO_CONTENT
    raise wrong_method(request, "GET", "PUT", "DELETE")


def _tag(opened: Opened, request: Request) -> dict[str, str]:
    return {
        "ETag": model_tag(opened, request),
        "Cache-Control": "private, must-revalidate",
        "Vary": "cookie, authorization",
    }


def _known_name(target: Target, error: type[CatalogError] = NotFound) -> None:
    kind: AclSubject = "foreign key" if target.kind == "foreignkey" else target.kind  # type: ignore[assignment]
    if target.name not in ACL_NAMES[kind]:
        raise error(
            f"A {kind} has no ACL called {target.name!r}.",
            hint=f"Its ACLs are {', '.join(ACL_NAMES[kind])}.",
        )


def _refuse_null(body: Any) -> None:
    if not isinstance(body, dict):
        raise BadRequest(f"The body is a JSON object, not {type(body).__name__}.")
