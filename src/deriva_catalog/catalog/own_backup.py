"""Copies of the objects that belong to no catalog: names, versions and bytes in a directory."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from ..engine.sqlite.storage import SqliteStorage
from ..errors import CatalogError, Conflict, NotFound, Unavailable
from ..objects import ContentStore, ObjectStore
from ..objects.database import Connected, ObjectDatabase
from ..objects.names import PREFIX
from ..objects.placing import copy_contents
from ..objects.tables import METADATA, NAME, VERSION
from .copying import copy_objects
from .own_objects import CONTENT, DATABASE, open_own_objects
from .registry import Registry

__all__ = ["backup_own", "restore_own"]

_AT_ONCE = 5_000


def backup_own(store: ObjectStore, destination: str | os.PathLike[str]) -> Path:
    """Write a consistent copy of a service's own objects, which may be in use meanwhile.

    It appears under its name when it is complete. Bytes are hard links where the file system
    allows it, else copies; from a bucket they are fetched.

    Args:
        store: The objects.
        destination: A directory that does not exist yet.

    Raises:
        Conflict: `destination` exists.
        Corrupted: Bytes in a bucket are damaged.
        Unavailable: It cannot be written.
    """
    place = Path(destination).absolute()
    if place.exists():
        raise Conflict(
            f"A copy cannot be written to {str(place)!r}: it exists.", hint="Choose another name."
        )
    building = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
    try:
        building.mkdir(parents=True)
        with closing(_database(building, create=True)) as copy:
            copy.prepare()
            with store.database.reading() as moment, copy.writing() as writing:
                _copy_rows(moment, writing, copy)
        # After the rows: what they name was complete before.
        copy_objects(store.content, building / CONTENT)
        building.rename(place)
    except BaseException as error:
        shutil.rmtree(building, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, CatalogError):
            raise Unavailable(
                f"The copy cannot be written to {str(place)!r}: {error}.",
                hint="Check the space on the device and the rights on the directory.",
            ) from error
        raise
    return place


def restore_own(source: str | os.PathLike[str], registry: Registry) -> None:
    """Make the objects of a service from a copy, where there are none yet.

    They lie in the store that the registry names for objects, else in a directory.

    Raises:
        NotFound: There is no such copy.
        Conflict: There are objects already; nothing is changed.
        Corrupted: Bytes of the copy are damaged.
        Unavailable: They cannot be written. Then the same may be tried again.
    """
    place = Path(source).absolute()
    if not (place / DATABASE).is_file():
        raise NotFound(
            f"There is no copy of a service's own objects in {str(place)!r}: it has no file "
            f"{DATABASE!r}.",
            hint="Check the path. What 'backup' wrote of a catalog is restored under a name.",
        )
    with closing(_database(place)) as copy, closing(open_own_objects(registry)) as store:
        with store.database.reading() as reading:
            _require_empty(reading)
        copy_contents(ContentStore.local(place / CONTENT), store.content)
        store.content.flush([sha256 for sha256, _ in store.content.digests()])
        with copy.reading() as moment, store.database.writing() as writing:
            _require_empty(writing)
            writing.connection.execute(sa.delete(NAME))  # the root, which the copy has as well
            database = store.database
            assert isinstance(database, ObjectDatabase), "a service's own store has no other"
            _copy_rows(moment, writing, database)


def _database(folder: Path, *, create: bool = False) -> ObjectDatabase:
    return ObjectDatabase(SqliteStorage(folder / DATABASE, create=create))


def _require_empty(target: Connected) -> None:
    """See that no name but the root was ever used: deleted ones come back by 'undelete'."""
    for used in (sa.select(NAME.c.id).where(NAME.c.path != PREFIX), sa.select(VERSION.c.id)):
        if target.connection.execute(used.limit(1)).first() is not None:
            raise Conflict(
                "There are objects at '/hatrac' already, or deleted ones, which a copy would mix "
                "with its own.",
                hint="Restore it into another home or database.",
            )


def _copy_rows(source: Connected, target: Connected, database: ObjectDatabase) -> None:
    for table in METADATA.sorted_tables:
        streamed = source.connection.execution_options(yield_per=_AT_ONCE)
        for rows in streamed.execute(sa.select(table)).mappings().partitions():
            target.connection.execute(sa.insert(table), [dict(row) for row in rows])
        database.storage.filled(target.connection, table)
