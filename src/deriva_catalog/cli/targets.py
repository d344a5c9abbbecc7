"""What the words CATALOG and /hatrac of a command line stand for."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

from ..catalog import LocalCatalog, Registry, connect
from ..catalog.own_objects import find_own_objects
from ..engine.postgresql.address import is_database_url
from ..errors import BadRequest, NotFound
from ..objects import ObjectStore

__all__ = [
    "OWN",
    "is_directory",
    "is_own",
    "open_catalog",
    "open_live",
    "own_objects",
    "registry_of",
]

OWN = "/hatrac"
"""The files that belong to no catalog."""

_SERVER = re.compile(r"https?://|[\w.-]+:\d+(?![\w.-])", re.IGNORECASE)


def is_directory(target: str) -> bool:
    """Whether a target is meant as a directory: by the look of a path.

    Raises:
        BadRequest: A server is meant.
    """
    if is_database_url(target):
        return False
    if _SERVER.match(target):
        raise BadRequest(
            f"{target!r} is a server. Catalogs are kept where they lie: on this machine, or in a "
            "PostgreSQL database.",
            hint="Use this command on the server's machine; connect() opens catalogs from here.",
        )
    return target.startswith((".", "~")) or os.sep in target or "/" in target


def open_catalog(name: str) -> LocalCatalog:
    """Open what a command line calls CATALOG."""
    if is_database_url(name):
        url, _, rest = name.partition("#")
        catalog_id, _, moment = rest.partition("@")
        opened = Registry.of_database(url).open(unquote(catalog_id))
        return opened.at(moment) if moment else opened
    place, _, moment = name.partition("@")
    if is_directory(place):
        return connect(Path(place).expanduser(), f"@{moment}" if moment else None)
    return connect("localhost", name)


def open_live(name: str) -> LocalCatalog:
    """Open what a command line calls CATALOG, where all of it is meant.

    Raises:
        BadRequest: It is the catalog at a time.
    """
    asked = name.partition("#")[2] if is_database_url(name) else name
    if "@" in asked:
        raise BadRequest(
            f"{name!r} is a catalog at a time; a copy has all that it is and ever was.",
            hint="Leave out what begins with '@'.",
        )
    return open_catalog(name)


def is_own(target: str) -> bool:
    """Whether a target stands for the files that belong to no catalog."""
    return target == OWN or (is_database_url(target) and target.endswith(f"#{OWN}"))


def registry_of(target: str | None, files: str | None = None) -> Registry:
    """The registry that a target is in."""
    if target is None or not is_database_url(target):
        return Registry()
    folder = None if files is None else Path(files).expanduser()
    return Registry.of_database(target.partition("#")[0], folder)


def own_objects(target: str, files: str | None = None) -> ObjectStore:
    """The files that belong to no catalog.

    Raises:
        NotFound: Nobody has served these catalogs yet, so there are none.
    """
    registry = registry_of(target, files)
    found = find_own_objects(registry)
    if found is None:
        raise NotFound(
            f"There are no files at '/hatrac' in {registry.places.shown}.",
            hint="They begin with the first file that is put there.",
        )
    return found
