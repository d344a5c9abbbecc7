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
from .texts import Text


@dataclass(frozen=True, slots=True)
class Collision:
    """A unique index refused a row: its table, and its columns or its name, all physical."""

    table: str
    columns: tuple[str, ...] = ()
    index: str = ""


class RowRefused(Exception):
    """A unique index refused a row of a batch.

    Args:
        error: What the driver said.
        new: What tells the rows of the batch that are in the table from others, if there are any.
    """

    def __init__(
        self, error: sa.exc.IntegrityError, new: sa.ColumnElement[bool] | None = None
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.new = new


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

    @property
    def interval_outside(self) -> bool:
        """Whether the rows of a moment are found best after live rows and history were united."""
        ...

    @property
    def of_temporary(self) -> Mapping[str, Any]:
        """What SQLAlchemy is to be told of a temporary table besides its columns."""
        ...

    def reading(self, budget_s: float | None = None) -> AbstractContextManager[sa.Connection]:
        """A connection inside a transaction that sees one moment of the database.

        Reading then raises `QueryTimeout` when it takes longer than `budget_s` seconds.
        """
        ...

    @property
    def answers(self) -> bool:
        """Whether `answer` takes less than a transaction."""
        ...

    @property
    def dialect(self) -> sa.Dialect:
        """What statements are composed for."""
        ...

    def answer(
        self, first: Text, second: Text, values: Mapping[str, Any], budget_s: float | None
    ) -> tuple[Sequence[Any], list[str]] | None:
        """The row of one statement and the texts that another selects, of one moment.

        The first takes no parameters. None if that failed and a transaction should find out why,
        or if there is no such way.

        Raises:
            QueryTimeout: it took longer than `budget_s` seconds.
        """
        ...

    def bounded(
        self, connection: sa.Connection, budget_s: float | None
    ) -> AbstractContextManager[None]:
        """Give what is read through a connection a budget, inside a ``with`` block."""
        ...

    def writing(self) -> AbstractContextManager[sa.Connection]:
        """A connection inside the one writing transaction; commits unless an error leaves it.

        Waits for other writers. Raises `Unavailable` when that takes longer than a minute.
        """
        ...

    def define(self, connection: sa.Connection, statements: Sequence[str]) -> None:
        """Run statements that create something, which have no parameters."""
        ...

    def conclude(self, connection: sa.Connection, text: Text, values: Mapping[str, Any]) -> None:
        """Run the last statement of a writing transaction; that may be committed with it."""
        ...

    def storage_type(self, column_type: ColumnType) -> sa.types.TypeEngine[Any]:
        """The SQL type of a column."""
        ...

    def constant(self, value: Any, column_type: ColumnType) -> sa.ColumnElement[Any]:
        """A stored value, or None for NULL, as something that can be selected for a column."""
        ...

    def collision(self, error: sa.exc.IntegrityError) -> Collision | None:
        """Which unique index an integrity error is about; None when it is about none."""
        ...

    def translated(self) -> AbstractContextManager[None]:
        """Turn the driver's errors into those of the catalog, inside a ``with`` block."""
        ...

    def translate(self, error: sa.exc.DBAPIError) -> CatalogError:
        """The error of the catalog that stands for a driver's error."""
        ...

    def insert_batch(
        self,
        connection: sa.Connection,
        table: sa.Table,
        columns: Mapping[str, Sequence[Any]],
        *,
        skip: bool = False,
    ) -> sa.ColumnElement[bool]:
        """Insert rows in their order, given by column: stored values by the column's key.

        Args:
            connection: Inside a writing transaction.
            table: A live table.
            columns: The values of each of its columns; there is at least one row.
            skip: Leave out rows that collide with others.

        Returns:
            What tells the inserted rows from the others of the table.

        Raises:
            RowRefused: a unique index refused a row. Further statements are possible.
        """
        ...

    def first_refused(
        self,
        connection: sa.Connection,
        table: sa.Table,
        names: Sequence[str],
        columns: Mapping[str, Sequence[Any]],
        refused: RowRefused,
    ) -> int:
        """The position of the first row of a batch that repeats others in the columns `names`."""
        ...

    def load(
        self, connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert rows as they are, of which there is at least one."""
        ...

    def filled(self, connection: sa.Connection, table: sa.Table) -> None:
        """Do what a table needs after many rows, perhaps with numbers, were inserted into it."""
        ...

    def empty_temporary(self, connection: sa.Connection, table: sa.Table) -> None:
        """Remove all rows of a temporary table."""
        ...

    def forget_temporary(self, connection: sa.Connection, name: str) -> None:
        """Drop a temporary table at the end of a transaction, or leave it to the database."""
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

    def size(self) -> int:
        """How many bytes the database takes."""
        ...

    def copy_to(self, destination: Path) -> None:
        """Write a consistent copy of the database, while others may go on writing."""
        ...

    def close(self) -> None:
        """Release all connections."""
        ...
