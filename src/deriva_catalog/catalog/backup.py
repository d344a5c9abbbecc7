"""Copies of a whole catalog: its database and its objects, in a directory of the same form.

A backup is itself a catalog: it can be opened where it lies.
"""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import closing
from pathlib import Path

from ..engine.sqlite.storage import SqliteStorage
from ..errors import CatalogError, Conflict, Unavailable
from ..objects.of_catalog import OBJECTS
from ..objects.placing import keep_place, kept_place
from .copying import copy_into, copy_objects
from .local import DATABASE, LocalCatalog
from .opening import open_local


def backup(catalog: LocalCatalog, destination: str | os.PathLike[str]) -> Path:
    """Write a consistent copy of a catalog, which may be in use meanwhile.

    A catalog in a PostgreSQL database becomes one in a directory.

    The database is copied first: every object that it knows was complete before that. Objects
    are hard links where the file system allows it (an object is never written twice), else
    copies; from a bucket they are fetched. The copy appears under its name when it is complete.

    Args:
        catalog: The live catalog.
        destination: A directory that does not exist yet.

    Raises:
        Conflict: `destination` exists.
        Unavailable: it cannot be written.
    """
    place = Path(destination).absolute()
    if place.exists():
        raise Conflict(
            f"A copy cannot be written to {str(place)!r}: it exists.", hint="Choose another name."
        )
    building = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
    try:
        building.mkdir(parents=True)
        _fill(catalog, building)
        building.rename(place)
    except OSError as error:
        shutil.rmtree(building, ignore_errors=True)
        if isinstance(error, CatalogError):
            raise
        raise Unavailable(
            f"The copy of catalog {catalog.id!r} cannot be written to {str(place)!r}: {error}.",
            hint="Check the space on the device and the rights on the directory.",
        ) from error
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return place


def _fill(catalog: LocalCatalog, building: Path) -> None:
    if catalog.store.storage.url is not None:  # no file that could be copied
        with closing(SqliteStorage(building / DATABASE, create=True)) as storage:
            copy_into(catalog, storage, building)
        return
    catalog.store.storage.copy_to(building / DATABASE)
    copy_objects(catalog.object_store.content, building / OBJECTS)
    with closing(SqliteStorage(building / DATABASE)) as storage:
        with storage.reading() as connection:
            place = kept_place(connection)
        if place is not None:  # the original's store, which is not the copy's to clean up
            with storage.writing() as connection:
                keep_place(connection, None)


def restore(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    client: str | None = None,
) -> LocalCatalog:
    """Make a catalog of a backup, in a directory that does not exist yet, and open it.

    Raises:
        NotFound: there is no backup in `source`.
        Corrupted: it is damaged.
        Conflict: `destination` exists.
    """
    original = open_local(source, client=client)
    try:
        place = backup(original, destination)
    finally:
        original.close()
    return open_local(place, client=client)
