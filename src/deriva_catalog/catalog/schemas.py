"""The catalogs of a PostgreSQL database, each in a schema of its own.

Their objects (files) lie in a directory for each catalog below one that belongs to the database.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ..engine.postgresql.address import Address, catalog_url, parse_address, schema_name
from ..engine.postgresql.connecting import quoted
from ..engine.postgresql.storage import PostgresStorage
from .local import LocalCatalog
from .opening import create_in, open_in
from .places import ABANDONED_AFTER_S

__all__ = ["REGISTRY_SCHEMA", "Schemas"]

REGISTRY_SCHEMA = "deriva_registry"
_CATALOG = "c_"
_BUILDING = "b_"


def _registry_storage(address: Address) -> PostgresStorage:
    """The schema of the registry."""
    subject = f"the registry of catalogs in {address.shown!r}"
    return PostgresStorage(address, REGISTRY_SCHEMA, subject=subject)


class Schemas:
    """Catalogs in schemas of one database.

    Args:
        url: The database.
        files: Where objects lie; default: a directory for the database in `home`.
        home: The home directory.
    """

    def __init__(self, url: str, files: Path | None, home: Path) -> None:
        self.address = parse_address(url)
        self.files = home / "files" / self.address.slug if files is None else files.absolute()
        self.registry = _registry_storage(self.address)

    @property
    def shown(self) -> str:
        """The database."""
        return repr(self.address.shown)

    def has_registry(self) -> bool:
        """Whether the database has a registry."""
        with self.registry.reading() as connection:
            found = sa.text("SELECT to_regclass(:name)")
            name = f"{REGISTRY_SCHEMA}.catalog"
            return connection.execute(found, {"name": name}).scalar() is not None

    def make_registry(self, connection: sa.Connection) -> None:
        """Create the schema of the registry, inside a transaction of it."""
        connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {REGISTRY_SCHEMA}")

    def directory(self, catalog_id: str) -> None:
        """No catalog is a directory."""
        return

    def new_building(self) -> str:
        """A name that no catalog has; it tells when it was made."""
        return f"{int(time.time())}_{uuid.uuid4().hex}"

    def create(
        self,
        building: str,
        *,
        client: str | None,
        annotations: Mapping[str, Any] | None,
        owner: Sequence[str] | None,
        objects: str | None,
    ) -> LocalCatalog:
        """Create an empty catalog in the schema of a building."""
        storage, folder = self.vacant(building)
        try:
            return create_in(
                storage,
                folder,
                client=client,
                catalog_id=building,
                annotations=annotations,
                owner=owner,
                objects=objects,
            )
        except BaseException:
            storage.close()
            raise

    def vacant(self, building: str) -> tuple[PostgresStorage, Path]:
        """An empty schema for a building."""
        storage = self._storage(_BUILDING, building)
        storage.create()
        return storage, self._folder(building)

    def open(self, catalog_id: str, *, client: str | None) -> LocalCatalog:
        """Open the catalog in a schema."""
        storage = self._storage(_CATALOG, catalog_id)
        return open_in(storage, self._folder(catalog_id), client=client, catalog_id=catalog_id)

    def which(self, catalog_ids: Sequence[str], question: sa.Select[Any]) -> list[str]:
        """Ask each schema, over one connection."""
        schemas = {schema_name(_CATALOG, each): each for each in catalog_ids}
        there = sa.text("SELECT nspname FROM pg_namespace WHERE nspname = ANY(:names)")
        found = []
        with self.registry.reading() as connection:
            for schema in connection.execute(there, {"names": list(schemas)}).scalars().all():
                here = {"schema_translate_map": {None: schema}}
                if connection.execute(question, execution_options=here).first() is not None:
                    found.append(schemas[schema])
        return [each for each in catalog_ids if each in found]

    def show(self, connection: sa.Connection, building: str, catalog_id: str) -> None:
        """Rename the schema, inside the registry's transaction, and the directory of objects."""
        names = schema_name(_BUILDING, building), schema_name(_CATALOG, catalog_id)
        connection.exec_driver_sql(f"ALTER SCHEMA {quoted(names[0])} RENAME TO {quoted(names[1])}")
        if self._folder(building).exists():
            self._folder(building).rename(self._folder(catalog_id))

    def not_shown(self, building: str, catalog_id: str) -> None:
        """Rename the directory back; the schema was not renamed after all."""
        if not self._folder(building).exists() and self._folder(catalog_id).exists():
            self._folder(catalog_id).rename(self._folder(building))

    def tear_down(self, building: str) -> None:
        """Remove a building."""
        self._drop([schema_name(_BUILDING, building)])
        shutil.rmtree(self._folder(building), ignore_errors=True)

    def remove(self, catalog_id: str) -> None:
        """Drop a catalog's schema and remove its objects."""
        self._drop([schema_name(_CATALOG, catalog_id)])
        shutil.rmtree(self._folder(catalog_id), ignore_errors=True)

    def tidy(self) -> None:
        """Remove old buildings, by the time in their names."""
        limit = time.time() - ABANDONED_AFTER_S
        with self.registry.reading() as connection:
            found = sa.text(
                r"SELECT nspname FROM pg_namespace WHERE nspname ~ '^b_\d+_[0-9a-f]{32}$'"
            )
            names = [str(name) for name in connection.execute(found).scalars()]
        for name in names:
            if int(name.split("_")[1]) < limit:
                self.tear_down(name.removeprefix(_BUILDING))

    def _storage(self, prefix: str, name: str) -> PostgresStorage:
        url = catalog_url(self.address, name)
        schema = schema_name(prefix, name)
        return PostgresStorage(self.address, schema, url=url, subject=f"the catalog {url!r}")

    def _folder(self, name: str) -> Path:
        return self.files / name

    def _drop(self, schemas: Sequence[str]) -> None:
        with self.registry.writing() as connection:
            for schema in schemas:
                connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {quoted(schema)} CASCADE")
