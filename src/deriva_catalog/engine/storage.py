"""What writing needs to know about the kind of database, and nothing else.

Statements are built with SQLAlchemy and are the same everywhere; a `Storage` supplies the few
things that are not: how to connect and lock, how to read a driver's errors, and how to find
the rows that a statement has just inserted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from ..errors import CatalogError
from ..model.elements import ColumnType
from .dialect import Expressions


@dataclass(frozen=True, slots=True)
class Collision:
    """A unique index refused a row: the physical table and columns of the index."""

    table: str
    columns: tuple[str, ...]


class Storage(Protocol):
    """One database, as the store sees it."""

    @property
    def url(self) -> str | None:
        """Where the catalog is, without secrets; None when its directory says it."""
        ...

    @property
    def readonly(self) -> bool:
        """Whether writing is impossible by the way that it was opened."""
        ...

    @property
    def expressions(self) -> Expressions:
        """How the database spells what reading needs."""
        ...

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A connection inside a transaction that sees one moment of the database."""
        ...

    def writing(self) -> AbstractContextManager[sa.Connection]:
        """A connection inside the one writing transaction; commits unless an error leaves it.

        Waits for other writers. Raises `Unavailable` when that takes longer than a minute.
        """
        ...

    def storage_type(self, column_type: ColumnType) -> sa.types.TypeEngine[Any]:
        """The SQL type of a column."""
        ...

    def collision(self, error: sa.exc.IntegrityError) -> Collision | None:
        """Which unique index an integrity error is about; None when it is about none."""
        ...

    def translate(self, error: sa.exc.DBAPIError) -> CatalogError:
        """The error of the catalog that stands for a driver's error."""
        ...

    def insert_mark(self, connection: sa.Connection, table: sa.Table) -> int:
        """A mark from before an insertion, for `inserted_since`."""
        ...

    def inserted_since(self, table: sa.Table, mark: int) -> sa.ColumnElement[bool]:
        """Whether a row was inserted after the mark (by this transaction)."""
        ...

    def insert_batch(
        self,
        connection: sa.Connection,
        table: sa.Table,
        columns: Mapping[str, Sequence[Any]],
        mark: int,
        *,
        skip: bool = False,
    ) -> None:
        """Insert rows in their order, given by column: stored values by the column's key.

        When a row is refused, the rows before it are in the table, and no others; `mark` is
        from before. With `skip`, rows that collide with others are left out instead.

        Raises:
            sqlalchemy.exc.IntegrityError: a unique index refused a row.
        """
        ...

    def insertion_order(self, table: sa.Table) -> sa.ColumnElement[Any]:
        """What orders the rows of a table as they were inserted."""
        ...

    def text_values(self, texts: Sequence[str]) -> sa.FromClause:
        """A relation with one column, ``value``, of any number of texts."""
        ...

    def problems(self, connection: sa.Connection) -> Sequence[str]:
        """What the database's own integrity check complains about."""
        ...

    def copy_to(self, destination: Path) -> None:
        """Write a consistent copy of the database, while others may go on writing."""
        ...

    def close(self) -> None:
        """Release all connections."""
        ...
