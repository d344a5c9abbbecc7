"""Copies of a whole catalog, with its history and objects, between directories and databases."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from ..engine.copying import Progress, copy_database
from ..engine.storage import Storage
from ..errors import ReadOnly, Unavailable
from ..objects.content import ContentStore
from ..objects.of_catalog import OBJECTS
from ..objects.placing import content_at, copy_contents, keep_place, new_place
from ..objects.tables import METADATA
from .local import LocalCatalog

__all__ = ["copy_into", "copy_objects", "link_or_copy"]


def copy_into(
    catalog: LocalCatalog,
    storage: Storage,
    directory: Path,
    progress: Progress | None = None,
    *,
    objects: str | None = None,
) -> None:
    """Copy a catalog, which may be in use meanwhile, into an empty database.

    Objects from directory to directory are hard links where the file system allows it, else
    copies, which are verified if they come from a bucket or go there.

    Args:
        catalog: The live catalog.
        storage: The empty database. It is filled by one transaction.
        directory: Where the objects of the copy lie, unless ...
        progress: Called with the number of rows after each batch.
        objects: ... this is the URL of a store.

    Raises:
        ReadOnly: `catalog` is a snapshot.
        Corrupted: it holds what its models do not describe.
        BadRequest: `objects` names no store.
        Unavailable: the copy cannot be written.
    """
    if catalog.snaptime is not None:
        raise ReadOnly(
            f"Catalog {catalog.id!r} is given at a snapshot, and a copy has the whole history.",
            hint="Copy the live catalog.",
        )
    place = None if objects is None else new_place(objects)
    copy_database(catalog.store, storage, [METADATA], progress)
    # After the rows: what they name was complete before.
    content = catalog.object_store.content
    if place is None:
        copy_objects(content, directory / OBJECTS)
        return
    target = content_at(place, directory)
    try:
        copy_contents(content, target)
        with storage.writing() as connection:
            keep_place(connection, place)
    except BaseException:
        with suppress(Unavailable):
            target.destroy()
        raise


def copy_objects(content: ContentStore, folder: Path) -> None:
    """Copy the bytes of objects into a folder that does not exist yet.

    Raises:
        Corrupted: bytes in a bucket are damaged.
        Unavailable: they cannot be read, or the copy cannot be written.
    """
    target = ContentStore.local(folder)
    if content.directory is None:
        copy_contents(content, target)
        return
    try:
        for entry in content.stored():
            file = folder / entry.key
            file.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # garbage, which was collected meanwhile
                link_or_copy(content.directory / entry.key, file)
    except OSError as error:
        raise Unavailable(
            f"The objects in {str(content.directory)!r} cannot be copied to {str(folder)!r}: "
            f"{error}.",
            hint="Check the space on the device and the rights on the directory.",
        ) from error


def link_or_copy(source: Path, destination: Path) -> None:
    """Link a file that is never written again, or copy it."""
    try:
        os.link(source, destination)
    except FileNotFoundError:
        raise
    except OSError:  # another device, or a file system without links
        shutil.copy2(source, destination)
