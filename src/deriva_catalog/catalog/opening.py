"""Creating and opening catalogs in this process: in a directory, or in any empty database."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..engine.ddl import apply_change
from ..engine.defining import composed
from ..engine.identities import keep_identity
from ..engine.migration import upgrade
from ..engine.rids import rids_one_by_one
from ..engine.sqlite.storage import SqliteStorage
from ..engine.storage import Storage
from ..engine.store import Store
from ..engine.transaction import Writing
from ..errors import Conflict, NotFound, Unavailable
from ..model import creation, definitions
from ..objects.of_catalog import OBJECTS, upgrade_objects
from ..objects.placing import keep_place, new_place
from ..objects.tables import METADATA as OBJECT_TABLES
from .local import DATABASE, LocalCatalog

_INDEXING = "tag:isrd.isi.edu,2018:indexing-preferences"


def create_local(
    directory: str | os.PathLike[str],
    *,
    client: str | None = None,
    catalog_id: str | None = None,
    annotations: Mapping[str, Any] | None = None,
    owner: Sequence[str] | None = None,
    objects: str | None = None,
) -> LocalCatalog:
    """Create a catalog in a directory that does not exist yet, or is empty.

    Args:
        directory: Where the catalog shall live.
        client: Who is recorded for the rows that are written; default: the login name.
        catalog_id: Its identifier; default: the name of the directory.
        annotations: Annotations of the catalog, beside the default indexing preferences.
        owner: The roles that own it; default: the client.
        objects: The URL of a store (such as ``s3://bucket/prefix``) below which the bytes of its
            objects lie; default: in the directory.

    Raises:
        Conflict: the directory holds something.
        BadRequest: `objects` names no store.
        Unavailable: the directory or the store cannot be written.
    """
    place = Path(directory).absolute()
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise Conflict(
            f"A catalog cannot be created in {str(place)!r}: it is not an empty directory.",
            hint="Choose another directory, or open the catalog that is there.",
        )
    try:
        (place if objects is not None else place / OBJECTS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"The directory {str(place)!r} for a catalog cannot be made: {error}.",
            hint="Check the rights on the directory above it and the space on the device.",
        ) from error
    return create_in(
        SqliteStorage(place / DATABASE, create=True),
        place,
        client=client,
        catalog_id=catalog_id or place.name,
        annotations=annotations,
        owner=owner,
        objects=objects,
    )


def create_in(
    storage: Storage,
    directory: Path,
    *,
    client: str | None,
    catalog_id: str,
    annotations: Mapping[str, Any] | None = None,
    owner: Sequence[str] | None = None,
    objects: str | None = None,
) -> LocalCatalog:
    """Create a catalog in an empty database; see `create_local`.

    Its objects lie in `directory` unless `objects` is the URL of a store.
    """
    place = None if objects is None else new_place(objects)
    who = client if client is not None else default_client()
    store = Store(storage, who)
    store.initialise()
    with store.writing() as writing:
        storage.define(writing.connection, composed(OBJECT_TABLES, writing.connection.dialect))
        if place is not None:
            keep_place(writing.connection, place)
        _begin_model(writing, annotations or {}, owner)
        keep_identity(writing)
    store.at_begin(keep_identity)
    return LocalCatalog(store, directory, catalog_id)


def open_local(
    directory: str | os.PathLike[str],
    *,
    client: str | None = None,
    catalog_id: str | None = None,
    readonly: bool = False,
) -> LocalCatalog:
    """Open the catalog in a directory.

    Raises:
        NotFound: there is none.
        Corrupted: it is damaged, or written by a newer version.
    """
    place = Path(directory).absolute()
    if not (place / DATABASE).is_file():
        raise NotFound(
            f"There is no catalog in {str(place)!r}: it has no file {DATABASE!r}.",
            hint="Check the path, or create a catalog there.",
        )
    storage = SqliteStorage(place / DATABASE, readonly=readonly)
    return open_in(storage, place, client=client, catalog_id=catalog_id or place.name)


def open_in(
    storage: Storage, directory: Path, *, client: str | None, catalog_id: str
) -> LocalCatalog:
    """Open the catalog in a database. Its objects lie in `directory`.

    Raises:
        Corrupted: the database is no catalog, or a newer version wrote it.
    """
    who = client if client is not None else default_client()
    store = Store(storage, who)
    upgrade(store)
    upgrade_objects(store)
    store.at_begin(keep_identity)
    return LocalCatalog(store, directory, catalog_id)


def default_client() -> str:
    """Who uses this process: the login name, or the number of the user if it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def _begin_model(
    writing: Writing, annotations: Mapping[str, Any], owner: Sequence[str] | None
) -> None:
    preferences = {_INDEXING: {"trgm": True, "btree": True, "gin_array": True}}
    if owner is None:
        owner = () if writing.client is None else (writing.client,)
    acls = {"owner": tuple(owner)}
    writing.adopt(replace(writing.model, annotations={**preferences, **annotations}, acls=acls))
    documents = [
        {"schema_name": "public", "comment": "standard public schema"},
        *definitions.builtin_tables(),
    ]
    with rids_one_by_one(writing.connection) as next_rid:
        change = creation.create(writing.model, documents, next_rid=next_rid, version=writing.time)
    apply_change(writing, change)
