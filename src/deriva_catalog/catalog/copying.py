"""Copies of a whole catalog, with its history and objects, between directories and databases."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..engine.copying import Progress, copy_database
from ..engine.storage import Storage
from ..errors import ReadOnly, Unavailable
from ..objects.of_catalog import OBJECTS
from ..objects.tables import METADATA
from .local import LocalCatalog

__all__ = ["copy_into", "link_or_copy"]


def copy_into(
    catalog: LocalCatalog, storage: Storage, directory: Path, progress: Progress | None = None
) -> None:
    """Copy a catalog, which may be in use meanwhile, into an empty database.

    Objects that are files are hard links where the file system allows it, else copies.

    Args:
        catalog: The live catalog.
        storage: The empty database. It is filled by one transaction.
        directory: Where the objects of the copy lie.
        progress: Called with the number of rows after each batch.

    Raises:
        ReadOnly: `catalog` is a snapshot.
        Corrupted: it holds what its models do not describe.
        Unavailable: the copy cannot be written.
    """
    if catalog.snaptime is not None:
        raise ReadOnly(
            f"Catalog {catalog.id!r} is given at a snapshot, and a copy has the whole history.",
            hint="Copy the live catalog.",
        )
    copy_database(catalog.store, storage, [METADATA], progress)
    objects = catalog.directory / OBJECTS  # after the rows: what they name was complete before
    if objects.is_dir():
        try:
            shutil.copytree(objects, directory / OBJECTS, copy_function=link_or_copy)
        except OSError as error:
            raise Unavailable(
                f"The objects of catalog {catalog.id!r} cannot be copied to "
                f"{str(directory)!r}: {error}.",
                hint="Check the space on the device and the rights on the directory.",
            ) from error


def link_or_copy(source: str, destination: str) -> str:
    """Link a file that is never written again, or copy it; returns `destination`."""
    try:
        os.link(source, destination)
    except OSError:  # another device, or a file system without links
        shutil.copy2(source, destination)
    return destination
