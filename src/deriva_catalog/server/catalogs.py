"""Creating, reading and deleting catalogs.

Source: ERMrest, "Catalogs and aliases".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..access import EVERYBODY, Client
from ..access.decisions import denied
from ..access.ownership import owned_element
from ..catalog.local import FEATURES, LocalCatalog
from ..catalog.registry import Alias, Registered
from ..errors import BadRequest, Conflict, Forbidden
from ..model.acls import ACL_NAMES
from ..model.address import Address
from ..model.documents import copy_json
from .etags import entity_tag, not_modified
from .messages import NO_CONTENT, Answer, Request, json_answer, text_answer
from .negotiation import preferred_type
from .requests import json_body, wrong_method
from .service import Opened, Service

__all__ = ["catalog_resource", "catalogs_resource", "checked_owner", "require_creator", "text_of"]


def catalogs_resource(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    """``/ermrest/catalog``: create a catalog."""
    if request.method != "POST":
        raise wrong_method(request, "POST")
    require_creator(service, request.client, "catalogs")
    body = json_body(request, optional=True)
    document: dict[str, Any] = {} if body is None else body
    if not isinstance(document, dict):
        raise BadRequest(f"A catalog is described by an object, not {type(document).__name__}.")
    owner = checked_owner(document, request.client)
    wanted = text_of(document, "id")
    if wanted is not None:
        _refuse_taken(service, request.client, wanted)
    persistent = document.get("is_persistent")
    if persistent is not None and not isinstance(persistent, bool):
        raise BadRequest(f"'is_persistent' is true or false, not {persistent!r}.")
    annotations = document.get("annotations")
    if annotations is not None and not isinstance(annotations, dict):
        raise BadRequest(f"'annotations' are an object, not {annotations!r}.")
    made = service.registry.create(
        catalog_id=wanted,
        name=text_of(document, "name"),
        description=text_of(document, "description"),
        client=request.client.id,
        annotations=annotations,
        owner=owner,
        is_persistent=persistent is not False,
        clone_source=text_of(document, "clone_source"),
    )
    made.close()
    return created(request, made.id)


def created(request: Request, name: str) -> Answer:
    """The answer for a new catalog or alias."""
    headers = {"Location": f"/ermrest/catalog/{name}"}
    chosen = preferred_type(request.headers.get("accept"), ("application/json", "text/plain"))
    if chosen == "text/plain":
        return text_answer(name, status=201, headers=headers)
    return json_answer({"id": name}, status=201, headers=headers)


def require_creator(service: Service, client: Client, what: str) -> None:
    """Refuse a client who may not create catalogs and aliases.

    Raises:
        NotAuthenticated, Forbidden: the client has none of the roles `Settings.creators`.
    """
    allowed = set(service.settings.creators)
    if client.is_anonymous or not (EVERYBODY in allowed or client.roles & allowed):
        raise denied(client, f"The client may not create {what}.")


def checked_owner(document: Mapping[str, Any], client: Client) -> tuple[str, ...]:
    """The owners that a document gives, or else the client.

    Raises:
        BadRequest: they are no roles.
        Conflict: the client would not be one of them.
    """
    owner = document.get("owner")
    if owner is None:
        return (str(client.id),)
    roles = [owner] if isinstance(owner, str) else owner
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise BadRequest(f"'owner' is a role or a list of roles, not {owner!r}.")
    if EVERYBODY in roles:
        raise BadRequest("'owner' cannot contain '*'.")
    if not client.roles.intersection(roles):
        raise Conflict(
            f"None of the roles of the client is in 'owner' {roles!r}.",
            hint="Name yourself, or a group that you are in, beside the others.",
        )
    return tuple(roles)


def text_of(document: Mapping[str, Any], member: str) -> str | None:
    """A member that is text; None when it is absent or null.

    Raises:
        BadRequest: it is something else.
    """
    value = document.get(member)
    if value is not None and (not isinstance(value, str) or "\0" in value):
        raise BadRequest(f"{member!r} is text, not {value!r}.")
    return value


def _refuse_taken(service: Service, client: Client, name: str) -> None:
    """Refuse an identifier in use: 409 for its owner, 403 for others."""
    known = service.registry.lookup(name)
    if known is None:
        return
    if isinstance(known, (Registered, Alias)) and client.roles.intersection(known.owner):
        raise Conflict(f"There is a catalog or an alias {name!r} already.", catalog=name)
    raise Forbidden(f"The identifier {name!r} is taken.", hint="Choose another one.")


# --- one catalog -------------------------------------------------------------------------


def catalog_resource(service: Service, request: Request, segments: Sequence[str]) -> Answer:
    """``CAT``: read or delete a catalog, or have its database tended."""
    opened = service.catalog(request, segments[0])
    if request.method == "GET":
        return _read(request, opened)
    if request.method == "DELETE":
        return _delete(service, request, opened)
    if request.method == "POST" and request.query in ("vacuum", "analyze"):
        _refuse_snapshot(opened)
        owned_element(opened.catalog.decisions, Address())
        return NO_CONTENT  # a hint; both kinds of database tend themselves
    if request.method == "POST":
        raise BadRequest("POST to a catalog needs '?vacuum' or '?analyze'.")
    raise wrong_method(request, "GET", "POST", "DELETE")


def _read(request: Request, opened: Opened) -> Answer:
    entry, catalog = opened.entry, opened.catalog
    catalog.decisions.require_catalog("enumerate")  # before a tag tells of changes
    latest = catalog.latest_snapshot()
    etag = entity_tag(request.client, "application/json", opened.id, entry, latest)
    unchanged = not_modified(request, etag)
    if unchanged is not None:
        return unchanged
    document = {
        "snaptime": latest,
        **_described(catalog),
        "id": opened.id,
        "alias_target": opened.alias_target,
        "name": entry.name,
        "description": entry.description,
        "is_persistent": entry.is_persistent,
        "clone_source": entry.clone_source,
    }
    shown = {name: value for name, value in document.items() if value is not None}
    headers = {
        "ETag": etag,
        "Cache-Control": "private, must-revalidate",
        "Vary": "cookie, authorization",
    }
    return json_answer(shown, headers=headers)


def _described(catalog: LocalCatalog) -> dict[str, Any]:
    decisions, model = catalog.decisions, catalog.model
    document: dict[str, Any] = {
        "annotations": copy_json(model.annotations),
        "rights": {right: decisions.catalog(right) for right in ("owner", "create")},
        "features": dict(FEATURES),
    }
    if decisions.owns_catalog():
        names = ACL_NAMES["catalog"]
        document["acls"] = {name: list(model.acls.get(name, ())) for name in names}
    return document


def _delete(service: Service, request: Request, opened: Opened) -> Answer:
    """Delete the catalog, or only the alias that the URL names."""
    _refuse_snapshot(opened)
    if opened.alias_target is not None:
        require_owner(request.client, service.registry.alias(opened.id))
        service.registry.delete_alias(opened.id)
        service.names.changed()
        return NO_CONTENT
    owned_element(opened.catalog.decisions, Address())
    service.registry.delete(opened.entry.id)
    service.forget(opened.entry.id)
    return NO_CONTENT


def require_owner(client: Client, alias: Alias) -> None:
    """Refuse a client who does not own an alias.

    Raises:
        NotAuthenticated, Forbidden: it has none of the alias's roles.
    """
    if not client.roles.intersection(alias.owner):
        raise denied(client, f"The client is no owner of the alias {alias.id!r}.")


def _refuse_snapshot(opened: Opened) -> None:
    if opened.catalog.snaptime is not None:
        raise Forbidden(
            "A modification to a catalog at a previous revision is not possible.",
            hint="Leave '@' and the snapshot out of the address.",
        )
