"""Opening and making catalogs wherever a host name points to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from deriva_catalog.bag.staging import staging
from deriva_catalog.errors import Conflict
from deriva_catalog.interface import Catalog
from deriva_ml.core.host import is_directory

__all__ = ["create_at", "directory_of", "open_at"]


def open_at(
    hostname: str, catalog_id: str | int | None, credential: Mapping[str, Any] | None = None
) -> Catalog:
    """The catalog, or the snapshot ``ID@SNAPSHOT`` of it, at a host.

    The directory of a catalog has no number; what is given for it counts only after ``@``.
    """
    from deriva_catalog.catalog import connect

    wanted = "" if catalog_id is None else str(catalog_id)
    if is_directory(hostname):
        _, at, moment = wanted.partition("@")
        wanted = f"{at}{moment}"
    return connect(hostname, wanted or None, credential=credential)


def create_at(
    hostname: str,
    prepare: Callable[[Catalog], object],
    *,
    alias: str | None = None,
    credential: Mapping[str, Any] | None = None,
) -> Catalog:
    """Make a catalog that is seen when `prepare` is done with it.

    A process that is killed on the way leaves no catalog on this machine and in a database; on a
    server it may leave one without an alias.

    Raises:
        Conflict: The directory or the alias is taken.
    """
    from deriva_catalog.catalog import create_catalog, create_local, open_local

    if not is_directory(hostname):
        return create_catalog(hostname, alias=alias, credential=credential, prepare=prepare)
    place = directory_of(hostname)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise Conflict(
            f"A catalog cannot be made in {str(place)!r}: it is not an empty directory.",
            hint="Choose another directory.",
        )
    with staging(place, f"making the catalog {str(place)!r}") as temporaries:
        building = temporaries / "catalog"
        fresh = create_local(building, catalog_id=place.name)
        try:
            prepare(fresh)
        finally:
            fresh.close()
        if place.exists():
            place.rmdir()
        building.rename(place)
    return open_local(place)


def directory_of(hostname: str) -> Path:
    """The path that a host name which is a directory means."""
    if hostname.startswith("file:"):
        return Path(unquote(urlsplit(hostname).path))
    return Path(hostname).expanduser().absolute()
