"""Opening, creating and deleting catalogs of a server.

Source: ERMrest, "Catalogs and aliases".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import CatalogError, Conflict, NotFound
from .catalog import RemoteCatalog
from .connection import Connection, Repeat, Timeouts, context_header
from .host import HostAddress
from .link import Link
from .resources import encoded
from .rowtext import document_text

__all__ = ["bind_alias", "create_remote", "delete_remote", "open_remote"]

_JSON = {"Accept": "application/json", "Content-Type": "application/json"}


def open_remote(
    host: HostAddress,
    catalog_id: str,
    *,
    credential: Mapping[str, str] | None = None,
    timeouts: Timeouts | None = None,
) -> RemoteCatalog:
    """Open a catalog of a server by its identifier or alias.

    Args:
        host: The server.
        catalog_id: The identifier, without a snapshot.
        credential: What proves who asks; default: what this user's credential file has.
        timeouts: How long to wait.

    Raises:
        NotFound: there is no such catalog.
        NotAuthenticated, Forbidden: the client may not know of it.
        Unavailable: the server cannot be reached.
    """
    connection = Connection(host, credential=credential, timeouts=timeouts)
    try:
        return RemoteCatalog(Link(connection, catalog_id))
    except BaseException:
        connection.close()
        raise


def create_remote(
    host: HostAddress,
    *,
    catalog_id: str | None = None,
    alias: str | None = None,
    name: str | None = None,
    description: str | None = None,
    annotations: Mapping[str, Any] | None = None,
    credential: Mapping[str, str] | None = None,
    prepare: Callable[[RemoteCatalog], object] | None = None,
) -> RemoteCatalog:
    """Create a catalog on a server, and an alias that leads to it when it is complete.

    `prepare` is called with the catalog before it has the alias; when it raises, the catalog is
    deleted again.

    Raises:
        Conflict: the identifier or the alias is taken.
        NotAuthenticated, Forbidden: the client may not create catalogs.
        Unavailable: the server cannot be reached.
    """
    given = {
        "id": catalog_id,
        "name": name,
        "description": description,
        "annotations": dict(annotations) if annotations else None,
    }
    document = {member: value for member, value in given.items() if value is not None}
    connection = Connection(host, credential=credential)
    try:
        return _made(connection, document, alias, prepare)
    except BaseException:
        connection.close()
        raise


def _made(
    connection: Connection,
    document: Mapping[str, Any],
    alias: str | None,
    prepare: Callable[[RemoteCatalog], object] | None,
) -> RemoteCatalog:
    if alias is not None:
        _refuse_taken(connection, alias)
    made = _post(connection, "/ermrest/catalog", document)
    try:
        catalog = RemoteCatalog(Link(connection, made))
        if prepare is not None:
            prepare(catalog)
        if alias is not None:
            _post(connection, "/ermrest/alias", {"id": alias, "alias_target": made})
    except BaseException:
        _delete(connection, made)
        raise
    return catalog


def bind_alias(
    host: HostAddress,
    alias: str,
    catalog_id: str,
    *,
    credential: Mapping[str, str] | None = None,
) -> None:
    """Let an alias lead to a catalog; it is made when there is none.

    Raises:
        Conflict: the catalog does not exist, or the alias is the identifier of one.
        NotAuthenticated, Forbidden: the client does not own the alias.
    """
    connection = Connection(host, credential=credential)
    try:
        connection.send(
            "PUT",
            f"/ermrest/alias/{encoded(alias)}",
            headers=_JSON | context_header("alias", catalog=catalog_id),
            content=document_text({"id": alias, "alias_target": catalog_id}),
        )
    finally:
        connection.close()


def delete_remote(
    host: HostAddress, catalog_id: str, *, credential: Mapping[str, str] | None = None
) -> None:
    """Delete a catalog, or an alias, of a server.

    Raises:
        NotFound: there is none.
        NotAuthenticated, Forbidden: the client does not own it.
    """
    connection = Connection(host, credential=credential)
    try:
        _delete(connection, catalog_id)
    finally:
        connection.close()


def _post(connection: Connection, target: str, document: Mapping[str, Any]) -> str:
    headers = _JSON | context_header("create")
    received = connection.send("POST", target, headers=headers, content=document_text(document))
    return str(received.json()["id"])


def _delete(connection: Connection, catalog_id: str) -> None:
    headers = context_header("delete", catalog=catalog_id)
    connection.send("DELETE", f"/ermrest/catalog/{encoded(catalog_id)}", headers=headers)


def _refuse_taken(connection: Connection, alias: str) -> None:
    """Ask early, before anything is made."""
    try:
        connection.send("GET", f"/ermrest/catalog/{encoded(alias)}", repeat=Repeat.SAFE)
    except NotFound:
        return
    except CatalogError as error:
        if error.status not in (401, 403, 409):
            raise
    raise Conflict(
        f"There is a catalog or an alias {alias!r} already on {connection.host.origin}.",
        hint="Open it, or choose another name.",
        catalog=alias,
    )
