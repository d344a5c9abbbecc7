"""From a host name and an identifier to a catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ..errors import BadRequest, Unavailable
from .local import DATABASE, LocalCatalog, create_local, open_local
from .registry import Registry

LOCALHOST = "localhost"


def connect(
    hostname: str | Path = LOCALHOST,
    catalog_id: str | int | None = None,
    *,
    client: str | None = None,
) -> LocalCatalog:
    """Open a catalog, or a snapshot of one.

    Args:
        hostname: ``localhost`` for the catalogs of this machine; a directory or its ``file:``
            URL for the catalog that lies there.
        catalog_id: The identifier or alias of the catalog, perhaps with ``@`` and a snapshot.
            For a directory: only ``@`` and a snapshot, or nothing.
        client: Who is recorded for what is written; default: the login name.

    Raises:
        NotFound: there is no such catalog.
        Unavailable: the host name means another machine.
        SnapshotUnavailable: the snapshot is older than the history that is kept.
    """
    name, _, moment = str("" if catalog_id is None else catalog_id).partition("@")
    place = _directory(hostname)
    if place is not None:
        if name:
            raise BadRequest(
                f"The directory {str(place)!r} is one catalog and takes no identifier {name!r}.",
                hint="Leave it out; a snapshot is written '@SNAPSHOT'.",
            )
        catalog = open_local(place, client=client)
    elif str(hostname) == LOCALHOST:
        if not name:
            raise BadRequest(
                "Which catalog of this machine? There is no identifier.",
                hint="Give the identifier or an alias.",
            )
        catalog = Registry().open(name, client=client)
    else:
        raise _elsewhere(str(hostname))
    return catalog.at(moment) if moment else catalog


def create_catalog(
    hostname: str | Path = LOCALHOST,
    *,
    catalog_id: str | None = None,
    alias: str | None = None,
    name: str | None = None,
    description: str | None = None,
    client: str | None = None,
    annotations: Mapping[str, Any] | None = None,
    prepare: Callable[[LocalCatalog], object] | None = None,
) -> LocalCatalog:
    """Create a catalog on this machine (`Registry.create`), or in a directory of your choice.

    `prepare` is called with the new catalog; on this machine, before anyone else can see it.

    Raises:
        Conflict: the identifier, alias or directory is taken.
        BadRequest: an identifier, alias, name or description for a directory, which has none.
        Unavailable: the host name means another machine.
    """
    place = _directory(hostname)
    if place is not None:
        if any(given is not None for given in (catalog_id, alias, name, description)):
            raise BadRequest(
                f"The catalog in the directory {str(place)!r} is not registered, so it can have "
                "no identifier, alias, name or description.",
            )
        fresh = create_local(place, client=client, annotations=annotations)
        if prepare is not None:
            prepare(fresh)
        return fresh
    if str(hostname) != LOCALHOST:
        raise _elsewhere(str(hostname))
    return Registry().create(
        catalog_id=catalog_id,
        alias=alias,
        name=name,
        description=description,
        client=client,
        annotations=annotations,
        prepare=prepare,
    )


def _directory(hostname: str | Path) -> Path | None:
    """The directory that is meant, if one is: by type, by URL, or by the look of a path."""
    if isinstance(hostname, Path):
        return hostname
    if hostname.startswith("file:"):
        return Path(unquote(urlsplit(hostname).path))
    if "://" in hostname:
        return None
    if hostname.startswith((".", "/", "~")) or (Path(hostname) / DATABASE).is_file():
        return Path(hostname).expanduser()
    return None


def _elsewhere(hostname: str) -> Unavailable:
    return Unavailable(
        f"The host {hostname!r} cannot be reached: this version opens catalogs of this machine "
        "only, not over HTTP.",
        hint=f"Use {LOCALHOST!r}, or the directory of a catalog.",
        hostname=hostname,
    )
