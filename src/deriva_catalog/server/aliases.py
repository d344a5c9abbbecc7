"""Aliases: second names that can be moved from one catalog to another.

Source: ERMrest, "Aliases".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..access import Client
from ..catalog.registry import Alias, Registered
from ..errors import BadRequest, Conflict, Forbidden, NotFound
from .catalogs import checked_owner, created, require_creator, require_owner, text_of
from .messages import NO_CONTENT, Answer, Request, json_answer
from .requests import decoded, json_body, wrong_method
from .service import Service

__all__ = ["alias_resource", "aliases_resource"]


def aliases_resource(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    """``/ermrest/alias``: create an alias."""
    if request.method != "POST":
        raise wrong_method(request, "POST")
    require_creator(service, request.client, "aliases")
    body = json_body(request, optional=True)
    document = _object({} if body is None else body)
    return created(request, _create(service, request.client, document, text_of(document, "id")).id)


def alias_resource(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    """``/ermrest/alias/ID``: read, bind or delete an alias."""
    name = decoded(request, segments[0])
    if request.method not in ("GET", "PUT", "DELETE"):
        raise wrong_method(request, "GET", "PUT", "DELETE")
    known = service.registry.lookup(name)
    if isinstance(known, Alias):
        require_owner(request.client, known)
        if request.method == "GET":
            return json_answer(_document(known))
        if request.method == "PUT":
            return _change(service, request, known)
        service.registry.delete_alias(name)
        service.names.changed()
        return NO_CONTENT
    if request.method == "PUT":
        require_creator(service, request.client, "aliases")
        document = _object(json_body(request))
        _refuse_other_id(document, name)
        made = _create(service, request.client, document, name)
        return json_answer(_document(made), status=201)
    raise NotFound(f"There is no alias {name!r}.")


def _create(
    service: Service, client: Client, document: Mapping[str, Any], name: str | None
) -> Alias:
    owner = checked_owner(document, client)
    target = text_of(document, "alias_target")
    if target is not None:
        _check_target(service, target)
    known = service.registry.lookup(name) if name is not None else None
    if known is not None:
        if client.roles.intersection(known.owner):
            raise Conflict(f"There is a catalog or an alias {name!r} already.", alias=name)
        raise Forbidden(f"The identifier {name!r} is taken.", hint="Choose another one.")
    texts = text_of(document, "name"), text_of(document, "description")
    return service.registry.create_alias(name, target, owner, *texts)


def _change(service: Service, request: Request, known: Alias) -> Answer:
    document = _object(json_body(request))
    _refuse_other_id(document, known.id)
    changes: dict[str, Any] = {}
    if "alias_target" in document:
        changes["target"] = text_of(document, "alias_target")
        if changes["target"] is not None:
            _check_target(service, changes["target"])
    if document.get("owner") is not None:
        changes["owner"] = checked_owner(document, request.client)
    changes |= {m: text_of(document, m) for m in ("name", "description") if m in document}
    service.registry.alter_alias(known.id, **changes)
    service.names.changed()
    return json_answer(_document(service.registry.alias(known.id)))


def _check_target(service: Service, target: str) -> None:
    if not isinstance(service.registry.lookup(target), Registered):
        raise Conflict(
            f"An alias cannot be bound to {target!r}, which is no catalog.",
            hint="Name a catalog by its own identifier.",
        )


def _refuse_other_id(document: Mapping[str, Any], name: str) -> None:
    given = document.get("id")
    if given is not None and given != name:
        raise BadRequest(f"The document is about {given!r}, the address about {name!r}.")


def _object(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise BadRequest(f"An alias is described by an object, not {type(body).__name__}.")
    return body


def _document(alias: Alias) -> dict[str, Any]:
    document = {"id": alias.id, "owner": list(alias.owner), "alias_target": alias.target}
    more = {"name": alias.name, "description": alias.description}
    return document | {member: text for member, text in more.items() if text is not None}
