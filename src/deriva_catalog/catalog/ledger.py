"""The database of a registry: made when it is first written, of this release's layout then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ..errors import Unavailable
from .registered import prepare

if TYPE_CHECKING:
    from ..engine.postgresql.storage import PostgresStorage
    from ..engine.sqlite.storage import SqliteStorage
    from .schemas import Schemas

__all__ = ["HOME_VARIABLE", "Ledger"]

HOME_VARIABLE = "DERIVA_ML_HOME"


class Ledger:
    """``registry.db`` of a home directory, or the registry's schema in a PostgreSQL database."""

    def __init__(self, home: Path, schemas: Schemas | None = None) -> None:
        self._home = home
        self._schemas = schemas
        self._shown = repr(str(home)) if schemas is None else schemas.shown
        self._storage: SqliteStorage | PostgresStorage | None
        self._storage = None if schemas is None else schemas.registry
        self._ready = False

    def close(self) -> None:
        """Release connections; it may be used again."""
        if self._storage is not None:
            self._storage.close()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection | None]:
        """A connection that reads; None when there is no registry yet."""
        if not self._ready and not self._present():
            yield None
            return
        if not self._ready:
            with self.writing():
                pass
        with self._told_where(), self._opened().reading() as connection:
            yield connection

    def _present(self) -> bool:
        return self._file.exists() if self._schemas is None else self._schemas.has_registry()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A connection inside a transaction, which is committed unless an error leaves it."""
        with self._told_where():
            if self._schemas is None:
                self._make_home()
            storage = self._opened()
            with storage.writing() as connection:
                if not self._ready:
                    if self._schemas is not None:
                        self._schemas.make_registry(connection)
                    prepare(connection, self._shown)
                yield connection
            self._ready = True

    @property
    def _file(self) -> Path:
        return self._home / "registry.db"

    def _make_home(self) -> None:
        try:
            (self._home / "catalogs").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"The registry of catalogs in {str(self._home)!r} cannot be used: {error}.",
                hint=f"Check that the directory can be written, or set {HOME_VARIABLE} to another.",
            ) from error

    def _opened(self) -> SqliteStorage | PostgresStorage:
        if self._storage is None:
            from ..engine.sqlite.storage import SqliteStorage

            subject = f"the registry of catalogs in {str(self._home)!r}"
            self._storage = SqliteStorage(self._file, create=True, subject=subject)
        return self._storage

    @contextmanager
    def _told_where(self) -> Iterator[None]:
        """Say how to use another home when this one cannot be used."""
        try:
            yield
        except Unavailable as error:
            if self._schemas is None and HOME_VARIABLE not in error.hint:
                error.hint = f"{error.hint} {HOME_VARIABLE} names the directory to use.".strip()
            raise
