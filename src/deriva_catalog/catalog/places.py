"""Where the catalogs of a registry lie, and how one is built out of sight and then shown.

A catalog is built under a name that nobody looks at and gets its own by a renaming that belongs to
the registry's transaction. A process that is killed on the way leaves a building at most, which
is removed when a later creation finds it abandoned.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from ..engine.sqlite.storage import SqliteStorage
from ..engine.storage import Storage
from ..errors import Corrupted, NotFound, Unavailable
from .local import DATABASE, LocalCatalog
from .opening import create_local, open_local

__all__ = ["Directories", "Places"]

ABANDONED_AFTER_S = 24 * 3600.0
BUILDING = ".building-"


class Places(Protocol):
    """Where catalogs lie: by their identifiers, or by the names of buildings."""

    @property
    def shown(self) -> str:
        """What messages call the whole."""
        ...

    def directory(self, catalog_id: str) -> Path | None:
        """The directory of a catalog, where it is one."""
        ...

    def new_building(self) -> str:
        """The name of a building, of which there is nothing yet."""
        ...

    def create(
        self,
        building: str,
        *,
        client: str | None,
        annotations: Mapping[str, Any] | None,
        owner: Sequence[str] | None,
        objects: str | None,
    ) -> LocalCatalog:
        """Create an empty catalog in a building."""
        ...

    def vacant(self, building: str) -> tuple[Storage, Path]:
        """An empty database in a building, and the directory for objects."""
        ...

    def open(self, catalog_id: str, *, client: str | None) -> LocalCatalog:
        """Open a catalog."""
        ...

    def which(self, catalog_ids: Sequence[str], question: sa.Select[Any]) -> list[str]:
        """Those of the catalogs in whose database a question has an answer, without opening them.

        Catalogs that are not there any more have none.
        """
        ...

    def show(self, connection: sa.Connection, building: str, catalog_id: str) -> None:
        """Turn a building into the catalog with an identifier, inside a transaction."""
        ...

    def not_shown(self, building: str, catalog_id: str) -> None:
        """Undo `show` after a transaction that failed."""
        ...

    def tear_down(self, building: str) -> None:
        """Remove a building; nothing happens when it is not there."""
        ...

    def remove(self, catalog_id: str) -> None:
        """Remove everything of a catalog."""
        ...

    def tidy(self) -> None:
        """Remove the buildings that were abandoned long ago."""
        ...


class Directories:
    """Catalogs in directories of their own, beside each other."""

    def __init__(self, root: Path, shown: str) -> None:
        self.root = root
        self._shown = shown

    @property
    def shown(self) -> str:
        """The home."""
        return self._shown

    def directory(self, catalog_id: str) -> Path:
        """The directory of a catalog."""
        return self.root / catalog_id

    def new_building(self) -> str:
        """The name of a directory that does not exist."""
        return f"{BUILDING}{uuid.uuid4().hex}"

    def create(
        self,
        building: str,
        *,
        client: str | None,
        annotations: Mapping[str, Any] | None,
        owner: Sequence[str] | None,
        objects: str | None,
    ) -> LocalCatalog:
        """Create an empty catalog in the directory of a building."""
        return create_local(
            self.root / building,
            client=client,
            annotations=annotations,
            owner=owner,
            objects=objects,
        )

    def vacant(self, building: str) -> tuple[Storage, Path]:
        """An empty file in the directory of a building."""
        place = self.root / building
        place.mkdir(parents=True)
        return SqliteStorage(place / DATABASE, create=True), place

    def open(self, catalog_id: str, *, client: str | None) -> LocalCatalog:
        """Open the catalog in a directory."""
        return open_local(self.root / catalog_id, client=client, catalog_id=catalog_id)

    def which(self, catalog_ids: Sequence[str], question: sa.Select[Any]) -> list[str]:
        """Ask each file."""
        found = []
        for catalog_id in catalog_ids:
            try:
                with (
                    closing(SqliteStorage(self.root / catalog_id / DATABASE, readonly=True)) as one,
                    one.reading() as connection,
                ):
                    if connection.execute(question).first() is not None:
                        found.append(catalog_id)
            except (NotFound, Unavailable, Corrupted):
                continue  # removed meanwhile, or nothing that could be opened either
        return found

    def show(self, connection: sa.Connection, building: str, catalog_id: str) -> None:
        """Rename the directory."""
        place = self.root / catalog_id
        if place.exists():  # not registered: left by a process that was killed right here
            place.rename(self.root / self.new_building())
        (self.root / building).rename(place)

    def not_shown(self, building: str, catalog_id: str) -> None:
        """Rename it back."""
        if not (self.root / building).exists() and (self.root / catalog_id).exists():
            (self.root / catalog_id).rename(self.root / building)

    def tear_down(self, building: str) -> None:
        """Remove the directory of a building."""
        shutil.rmtree(self.root / building, ignore_errors=True)

    def remove(self, catalog_id: str) -> None:
        """Remove a catalog's directory, which disappears at once."""
        place = self.root / catalog_id
        if not place.exists():
            return
        gone = self.root / self.new_building()
        place.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def tidy(self) -> None:
        """Remove old buildings, by the time of their last change."""
        limit = time.time() - ABANDONED_AFTER_S
        for left in self.root.glob(f"{BUILDING}*"):
            try:
                old = left.stat().st_mtime < limit
            except FileNotFoundError:
                continue
            if old:
                shutil.rmtree(left, ignore_errors=True)
