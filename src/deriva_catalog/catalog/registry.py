"""The catalogs of this machine: their identifiers, aliases and where they lie.

They live below one directory, the *home*: ``DERIVA_ML_HOME`` if it is set, else the
platform's directory for a user's data. It holds ``registry.db`` and ``catalogs/<id>/``.

A catalog is built in a directory beside the others, under a name that nobody looks at, and
becomes visible by one commit of the registry. A process that is killed on the way leaves such
a directory at most; it is removed when a later creation finds it abandoned.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadRequest, Conflict, Corrupted, NotFound, Unavailable
from ..model.lookup import near_misses
from .backup import restore
from .local import LocalCatalog, create_local, open_local

HOME_VARIABLE = "DERIVA_ML_HOME"
_NAME = re.compile(r"[A-Za-z0-9][-_.A-Za-z0-9]*")
_PATIENCE_S = 60.0
_ABANDONED_AFTER_S = 24 * 3600.0
_BUILDING = ".building-"
_FORMAT = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS catalog (
  id TEXT PRIMARY KEY, name TEXT, description TEXT, created REAL NOT NULL, deleted REAL
);
CREATE TABLE IF NOT EXISTS alias (
  id TEXT PRIMARY KEY, target TEXT REFERENCES catalog (id)
);
CREATE TABLE IF NOT EXISTS serial (last INTEGER NOT NULL);
INSERT INTO serial SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM serial);
"""


@dataclass(frozen=True, slots=True)
class Registered:
    """One catalog of this machine; `created` is in seconds since 1970."""

    id: str
    aliases: tuple[str, ...]
    name: str | None
    description: str | None
    created: float
    directory: Path


def default_home() -> Path:
    """The directory that holds this user's catalogs."""
    given = os.environ.get(HOME_VARIABLE)
    if given:
        return Path(given).expanduser().absolute()
    from platformdirs import user_data_dir

    return Path(user_data_dir("deriva-ml", appauthor=False))


class Registry:
    """The catalogs below one home directory. Several processes may use it at once."""

    def __init__(self, home: Path | None = None) -> None:
        self.home = default_home() if home is None else home.absolute()

    # --- finding ---------------------------------------------------------------------

    def catalogs(self) -> list[Registered]:
        """All catalogs, in the order of their creation."""
        if not self._database.exists():
            return []
        with self._transaction("BEGIN") as connection:
            aliases: dict[str, list[str]] = {}
            for alias, target in connection.execute("SELECT id, target FROM alias ORDER BY id"):
                aliases.setdefault(target, []).append(alias)
            rows = connection.execute(
                "SELECT id, name, description, created FROM catalog WHERE deleted IS NULL "
                "ORDER BY created, id"
            ).fetchall()
        return [
            Registered(id, tuple(aliases.get(id, ())), name, text, created, self._place(id))
            for id, name, text, created in rows
        ]

    def find(self, name: str) -> Registered:
        """The catalog with an identifier or an alias.

        Raises:
            NotFound: there is none.
        """
        known = self.catalogs()
        for catalog in known:
            if catalog.id == name or name in catalog.aliases:
                return catalog
        names = [n for c in known for n in (c.id, *c.aliases)]
        raise NotFound(
            f"There is no catalog {name!r} in {str(self.home)!r}.",
            hint=near_misses(name, names)
            or ("Its catalogs are " + ", ".join(names[:10]) + "." if names else "It has none yet."),
            catalog=name,
        )

    def open(self, name: str, *, client: str | None = None) -> LocalCatalog:
        """Open the catalog with an identifier or an alias.

        Raises:
            NotFound: there is none.
        """
        found = self.find(name)
        return open_local(found.directory, client=client, catalog_id=found.id)

    # --- creating --------------------------------------------------------------------

    def create(
        self,
        *,
        catalog_id: str | None = None,
        alias: str | None = None,
        name: str | None = None,
        description: str | None = None,
        client: str | None = None,
        annotations: Mapping[str, Any] | None = None,
        prepare: Callable[[LocalCatalog], object] | None = None,
    ) -> LocalCatalog:
        """Create a catalog and make it known.

        Args:
            catalog_id: Its identifier; default: the next serial number.
            alias: A second name for it.
            name: A title for people.
            description: What it is for.
            client: Who is recorded for what is written; default: the login name.
            annotations: Annotations of the catalog.
            prepare: Called with the catalog before anyone else can see it; when it raises,
                nothing is left behind.

        Raises:
            BadRequest: an identifier has characters that cannot stand in a URL.
            Conflict: the identifier or the alias is taken; nothing is left behind.
        """

        def build(place: Path) -> None:
            fresh = create_local(place, client=client, annotations=annotations)
            try:
                if prepare is not None:
                    prepare(fresh)
            finally:
                fresh.close()

        chosen = self._introduce(build, catalog_id, alias, (name, description))
        return open_local(self._place(chosen), client=client, catalog_id=chosen)

    def restore(
        self,
        source: str | os.PathLike[str],
        *,
        catalog_id: str | None = None,
        alias: str | None = None,
        client: str | None = None,
    ) -> LocalCatalog:
        """Make a catalog of a backup and make it known.

        Args:
            source: The backup, or any other catalog's directory.
            catalog_id: Its identifier; default: the next serial number.
            alias: A second name for it.
            client: Who is recorded for what is written; default: the login name.

        Raises:
            NotFound: there is no backup in `source`.
            Corrupted: it is damaged.
            BadRequest: an identifier has characters that cannot stand in a URL.
            Conflict: the identifier or the alias is taken; nothing is left behind.
        """

        def build(place: Path) -> None:
            restore(source, place, client=client).close()

        chosen = self._introduce(build, catalog_id, alias, (None, None))
        return open_local(self._place(chosen), client=client, catalog_id=chosen)

    def _introduce(
        self,
        build: Callable[[Path], None],
        catalog_id: str | None,
        alias: str | None,
        texts: tuple[str | None, str | None],
    ) -> str:
        """Build a catalog out of sight and register it; returns its identifier."""
        wanted = [n for n in (catalog_id, alias) if n is not None]
        for given in wanted:
            _check_name(given)
        if len(set(wanted)) < len(wanted):
            raise Conflict(f"A catalog cannot have its own identifier {alias!r} as an alias.")
        with self._transaction("BEGIN") as connection:
            _refuse_taken(connection, wanted)  # early, before anything is built
        self._remove_abandoned()
        building = self._catalogs / f"{_BUILDING}{uuid.uuid4().hex}"
        try:
            build(building)
            return self._register(building, catalog_id, alias, texts)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise

    def _register(
        self,
        building: Path,
        catalog_id: str | None,
        alias: str | None,
        texts: tuple[str | None, str | None],
    ) -> str:
        with self._transaction("BEGIN IMMEDIATE") as connection:
            _refuse_taken(connection, [n for n in (catalog_id, alias) if n is not None])
            chosen = catalog_id or _next_serial(connection)
            place = self._place(chosen)
            if place.exists():  # not registered: left by a process that was killed right here
                place.rename(self._catalogs / f"{_BUILDING}{uuid.uuid4().hex}")
            connection.execute(
                "INSERT INTO catalog (id, name, description, created) VALUES (?, ?, ?, ?)",
                (chosen, *texts, time.time()),
            )
            if alias is not None:
                connection.execute("INSERT INTO alias VALUES (?, ?)", (alias, chosen))
            building.rename(place)
            try:
                connection.execute("COMMIT")
            except sqlite3.Error:
                place.rename(building)
                raise
        return chosen

    def set_alias(self, alias: str, catalog_id: str) -> None:
        """Give a catalog an alias, or move the alias to it.

        Raises:
            Conflict: the alias is the identifier of a catalog.
            NotFound: there is no such catalog.
        """
        _check_name(alias)
        target = self.find(catalog_id).id
        with self._transaction("BEGIN IMMEDIATE") as connection:
            if connection.execute("SELECT 1 FROM catalog WHERE id = ?", (alias,)).fetchone():
                raise Conflict(f"{alias!r} is the identifier of a catalog.", alias=alias)
            connection.execute(
                "INSERT INTO alias VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET target = ?",
                (alias, target, target),
            )
            connection.execute("COMMIT")

    def delete(self, name: str) -> None:
        """Forget a catalog and its aliases and remove its files.

        Raises:
            NotFound: there is none.
        """
        found = self.find(name)
        with self._transaction("BEGIN IMMEDIATE") as connection:
            connection.execute("DELETE FROM alias WHERE target = ?", (found.id,))
            connection.execute(
                "UPDATE catalog SET deleted = ? WHERE id = ?", (time.time(), found.id)
            )
            connection.execute("COMMIT")
        gone = self._catalogs / f"{_BUILDING}{uuid.uuid4().hex}"
        found.directory.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    # --- files -----------------------------------------------------------------------

    @property
    def _database(self) -> Path:
        return self.home / "registry.db"

    @property
    def _catalogs(self) -> Path:
        return self.home / "catalogs"

    def _place(self, catalog_id: str) -> Path:
        return self._catalogs / catalog_id

    def _remove_abandoned(self) -> None:
        limit = time.time() - _ABANDONED_AFTER_S
        for left in self._catalogs.glob(f"{_BUILDING}*"):
            try:
                old = left.stat().st_mtime < limit
            except FileNotFoundError:
                continue
            if old:
                shutil.rmtree(left, ignore_errors=True)

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        """A transaction on the registry; the caller commits, anything else is undone."""
        try:
            self._catalogs.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._database, timeout=_PATIENCE_S, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise self._unavailable(error) from error
        try:
            connection.execute("PRAGMA foreign_keys=ON")
            self._prepare(connection)
            connection.execute(begin)
            yield connection
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorname", "").startswith(
                ("SQLITE_CORRUPT", "SQLITE_NOTADB")
            ):
                raise Corrupted(
                    f"The registry {str(self._database)!r} is damaged: {error}.",
                    hint="Restore it from a backup.",
                ) from error
            raise self._unavailable(error) from error
        finally:
            connection.close()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if found > _FORMAT:
            raise Corrupted(
                f"The registry {str(self._database)!r} was written by a newer version.",
                hint="Upgrade this package.",
            )
        if found == 0:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={_FORMAT}")
            connection.execute("COMMIT")

    def _unavailable(self, error: Exception) -> Unavailable:
        return Unavailable(
            f"The registry of catalogs in {str(self.home)!r} cannot be used: {error}.",
            hint=f"Check that the directory can be written, or set {HOME_VARIABLE} to another.",
        )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"{name!r} cannot be the identifier or alias of a catalog.",
            hint="Use letters, digits, '-', '_' and '.'; begin with a letter or digit.",
        )


def _refuse_taken(connection: sqlite3.Connection, names: list[str]) -> None:
    for name in names:
        taken = connection.execute(
            "SELECT 1 FROM catalog WHERE id = ? UNION ALL SELECT 1 FROM alias WHERE id = ?",
            (name, name),
        ).fetchone()
        if taken:
            raise Conflict(
                f"There is a catalog or an alias {name!r} already.",
                hint="Open it, or choose another name.",
                catalog=name,
            )


def _next_serial(connection: sqlite3.Connection) -> str:
    while True:
        (last,) = connection.execute("UPDATE serial SET last = last + 1 RETURNING last").fetchone()
        try:
            _refuse_taken(connection, [str(last)])
        except Conflict:
            continue
        return str(last)
