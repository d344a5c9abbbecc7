"""Objects that belong to no catalog: those of the service at ``/hatrac``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from .. import snaptime
from ..engine.sqlite.storage import SqliteStorage
from ..objects import ObjectStore
from ..objects.acls import dump
from ..objects.database import ObjectDatabase, Transactions
from ..objects.names import PREFIX
from ..objects.placing import content_at, keep_place, kept_place, new_place
from ..objects.tables import NAME
from .opening import default_client
from .places import Directories
from .registry import Registry

__all__ = ["find_own_objects", "open_own_objects"]

SCHEMA = "deriva_objects"
"""The schema in a PostgreSQL database."""
_FOLDER = "objects"
DATABASE = "objects.db"
"""The file of the names, if that is where they are."""
CONTENT = "content"
"""The directory of the bytes, if that is where they are."""


def open_own_objects(registry: Registry, *, creators: Sequence[str] = ("*",)) -> ObjectStore:
    """Open the store beside the catalogs of a registry; it is made when it is missing.

    Its bytes stay where they are when it was made: in the store that the registry names for
    objects then, else in a directory.

    Args:
        registry: The catalogs.
        creators: The roles that may make names at the root of a new store. It belongs to this
            process's user.

    Raises:
        Unavailable: It cannot be opened or made.
    """
    folder, storage = _place(registry)
    database = ObjectDatabase(storage)
    database.prepare()  # creates the tables as well
    place = _begin_root(database, creators, registry.objects)
    return ObjectStore(database, content_at(place, folder / CONTENT))


def find_own_objects(registry: Registry) -> ObjectStore | None:
    """The store beside the catalogs of a registry; None when there is none yet."""
    if isinstance(registry.places, Directories):
        if not (registry.home / _FOLDER / DATABASE).is_file():
            return None
    elif not _has_schema(registry):
        return None
    folder, storage = _place(registry)
    database = ObjectDatabase(storage)
    database.prepare()
    with database.reading() as reading:
        place = kept_place(reading.connection)
    return ObjectStore(database, content_at(place, folder / CONTENT))


def _has_schema(registry: Registry) -> bool:
    from .schemas import Schemas

    assert isinstance(registry.places, Schemas), "there is no other kind of place"
    if not registry.places.has_registry():
        return False
    with registry.places.registry.reading() as connection:
        found = sa.text("SELECT to_regclass(:name)")
        name = f"{SCHEMA}.{NAME.name}"
        return connection.execute(found, {"name": name}).scalar() is not None


def _place(registry: Registry) -> tuple[Path, Transactions]:
    """The directory of the bytes, and where the names are."""
    if isinstance(registry.places, Directories):
        folder = registry.home / _FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / DATABASE
        return folder, SqliteStorage(file, create=not file.exists())
    from ..engine.postgresql.storage import PostgresStorage
    from .schemas import Schemas

    assert isinstance(registry.places, Schemas), "there is no other kind of place"
    places = registry.places
    storage = PostgresStorage(
        places.address, SCHEMA, subject=f"the objects in {places.address.shown!r}"
    )
    storage.create()
    return places.files / f".{_FOLDER}", storage


def _begin_root(
    database: ObjectDatabase, creators: Sequence[str], objects: str | None
) -> str | None:
    """Make the root unless it is there; returns where the bytes lie."""
    here = sa.select(NAME.c.id).where(NAME.c.path == PREFIX)
    with database.reading() as reading:
        if reading.connection.execute(here).first() is not None:
            return kept_place(reading.connection)
    place = None if objects is None else new_place(objects)
    with database.writing() as writing:
        if writing.connection.execute(here).first() is not None:  # by another process
            return kept_place(writing.connection)
        keep_place(writing.connection, place)
        owner = (default_client(),)
        lists = {"owner": owner, "subtree-owner": owner, "create": tuple(creators)}
        row = {"path": PREFIX, "parent": "", "is_namespace": True, "deleted": False}
        writing.connection.execute(
            sa.insert(NAME).values(**row, created=snaptime.now(), acls=dump(lists))
        )
    return place
