"""A database of objects that belong to no catalog."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from .tables import create_tables, upgrade_tables


class Connected(Protocol):
    """Something with a database connection."""

    @property
    def connection(self) -> sa.Connection:
        """The connection."""
        ...


class Database(Protocol):
    """What an object store needs of the catalog's database.

    `writing` inside `writing`, in one thread, joins it.
    """

    def reading(self) -> AbstractContextManager[Connected]:
        """Read at one moment."""
        ...

    def writing(self) -> AbstractContextManager[Connected]:
        """Write in one transaction, or in the one that is open."""
        ...


class Transactions(Protocol):
    """What is needed of a storage of the engine."""

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that sees one moment."""
        ...

    def writing(self) -> AbstractContextManager[sa.Connection]:
        """The one writing transaction."""
        ...

    def filled(self, connection: sa.Connection, table: sa.Table) -> None:
        """Told after rows with numbers of their own were written."""
        ...

    def close(self) -> None:
        """Release all connections."""
        ...


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection inside a transaction."""

    connection: sa.Connection


class ObjectDatabase:
    """Transactions for an `ObjectStore`, by a storage of the engine.

    A use of `writing` inside another, by the same thread, joins it.
    """

    def __init__(self, storage: Transactions) -> None:
        self.storage = storage
        self._local = threading.local()

    def prepare(self) -> None:
        """Create the tables in a new database, and bring old ones to the present layout."""
        with self.storage.writing() as connection:
            create_tables(connection)
            upgrade_tables(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One moment; inside a transaction, with what it has written."""
        outer: Connection | None = getattr(self._local, "writing", None)
        if outer is not None:
            yield outer
            return
        with self.storage.reading() as connection:
            yield Connection(connection)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, or a part of the one that this thread has open."""
        outer: Connection | None = getattr(self._local, "writing", None)
        if outer is not None:
            with outer.connection.begin_nested():
                yield outer
            return
        with self.storage.writing() as connection:
            self._local.writing = Connection(connection)
            try:
                yield self._local.writing
            finally:
                self._local.writing = None

    def close(self) -> None:
        """Release all connections."""
        self.storage.close()
