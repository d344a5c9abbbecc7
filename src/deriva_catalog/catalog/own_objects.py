"""Objects that belong to no catalog: those of the service at ``/hatrac``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from .. import snaptime
from ..engine.sqlite.storage import SqliteStorage
from ..objects import ContentStore, ObjectStore
from ..objects.acls import dump
from ..objects.database import ObjectDatabase, Transactions
from ..objects.names import PREFIX
from ..objects.tables import NAME
from .opening import default_client
from .places import Directories
from .registry import Registry

__all__ = ["open_own_objects"]

SCHEMA = "deriva_objects"
"""The schema in a PostgreSQL database."""
_FOLDER = "objects"
_DATABASE = "objects.db"


def open_own_objects(registry: Registry, *, creators: Sequence[str] = ("*",)) -> ObjectStore:
    """Open the store beside the catalogs of a registry; it is made when it is missing.

    Args:
        registry: The catalogs.
        creators: The roles that may make names at the root of a new store. It belongs to this
            process's user.

    Raises:
        Unavailable: It cannot be opened or made.
    """
    folder, storage = _place(registry)
    database = ObjectDatabase(storage)
    database.prepare()
    _begin_root(database, creators)
    return ObjectStore(database, ContentStore.local(folder / "content"))


def _place(registry: Registry) -> tuple[Path, Transactions]:
    """The directory of the bytes, and where the names are."""
    if isinstance(registry.places, Directories):
        folder = registry.home / _FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / _DATABASE
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


def _begin_root(database: ObjectDatabase, creators: Sequence[str]) -> None:
    with database.writing() as writing:
        here = sa.select(NAME.c.id).where(NAME.c.path == PREFIX)
        if writing.connection.execute(here).first() is not None:
            return
        owner = (default_client(),)
        lists = {"owner": owner, "subtree-owner": owner, "create": tuple(creators)}
        row = {"path": PREFIX, "parent": "", "is_namespace": True, "deleted": False}
        writing.connection.execute(
            sa.insert(NAME).values(**row, created=snaptime.now(), acls=dump(lists))
        )
