"""The writing transaction: what the statements that write share while it lasts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count as numbers
from typing import Any

import sqlalchemy as sa

from .. import snaptime
from ..access import Client
from ..model.elements import ForeignKey, Model, Table
from .relation import Tables, level_of
from .storage import Storage

_MANY = 1000
"""From so many rows on, a database should know how many a temporary table has."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Values for which a foreign key may not hold yet; looked at again before the commit."""

    table: str
    foreign_key: str
    values: tuple[tuple[Any, ...], ...]
    from_referring: bool


@dataclass(slots=True)
class Writing:
    """The one writing transaction, while it lasts.

    `recorded` is a client whose record this transaction found, or made, when it began. `touched`
    names the tables whose rows it has changed. `alone` says that an error in any part will end the
    whole, so that parts need no savepoint; `broken` that there was one.
    """

    connection: sa.Connection
    storage: Storage
    tables: Tables
    time: int
    actor: Client
    model: Model
    changed: bool = False
    recorded: str | None = None
    alone: bool = False
    broken: bool = False
    touched: set[str] = field(default_factory=set)
    references: list[Reference] = field(default_factory=list)
    _levels: set[int] = field(default_factory=set)
    _temporaries: set[str] = field(default_factory=set)

    @property
    def client(self) -> str | None:
        """Who writes, as recorded in ``RCB`` and ``RMB``."""
        return self.actor.id

    @property
    def snaptime(self) -> str:
        """The snapshot that this transaction will be, if it changes anything and commits."""
        return snaptime.encode(self.time)

    @property
    def stamp(self) -> str:
        """The transaction's time as stored in ``RCT`` and ``RMT``."""
        return snaptime.to_iso(self.time)

    def run(
        self, statement: sa.Executable, parameters: Any = None
    ) -> sa.CursorResult[*tuple[Any, ...]]:
        """Execute one statement."""
        result: sa.CursorResult[*tuple[Any, ...]] = self.connection.execute(statement, parameters)
        return result

    def adopt(self, model: Model) -> None:
        """Make a changed model the current one."""
        self.model = replace(model, version=self.time)
        self.changed = True

    def touch(self, table: Table) -> None:
        """Note that rows of a table were changed."""
        self.changed = True
        self.touched.add(table.qualified)

    def open_temporary(self, *columns: sa.Column[Any]) -> sa.Table:
        """An empty temporary table; `drop_temporary` must follow.

        A table that was dropped is kept for the next that has the same columns: a cascade needs
        thousands of them, and a database keeps a lock for each table that it ever made.
        """
        level = next(n for n in numbers() if n not in self._levels)
        self._levels.add(level)
        table = self.tables.temporary(level, columns)
        if table.name not in self._temporaries:
            self.run(sa.schema.CreateTable(table))
            self._temporaries.add(table.name)
        return table

    def drop_temporary(self, table: sa.Table) -> None:
        """Empty a temporary table and have it ready for its next use in this transaction."""
        self.storage.empty_temporary(self.connection, table)
        self._levels.discard(level_of(table))

    def end(self) -> None:
        """Drop what temporary tables there are, where the database does not do that itself."""
        for name in sorted(self._temporaries):
            self.storage.forget_temporary(self.connection, name)
        self._temporaries.clear()

    @contextmanager
    def temporary(self, *columns: sa.Column[Any]) -> Iterator[sa.Table]:
        """A temporary table inside a ``with`` block; an error leaves it to the step's end."""
        table = self.open_temporary(*columns)
        yield table
        self.drop_temporary(table)

    def load(self, table: sa.Table, rows: Iterable[tuple[Any, ...]]) -> None:
        """Insert rows, in the order of the table's columns, as one batch."""
        batch = list(rows)
        if batch:
            self.storage.load(self.connection, table, batch)
            if len(batch) >= _MANY:
                self.storage.filled(self.connection, table)

    @contextmanager
    def step(self) -> Iterator[None]:
        """A part that is undone as a whole when it fails, with an error of the catalog."""
        if self.alone:
            self.broken = True
            with self.storage.translated():
                yield
            self.broken = False
            return
        kept = len(self.references)
        before = (self.model, self.changed, set(self._levels), set(self._temporaries))
        try:
            with self.storage.translated(), self.connection.begin_nested():
                yield
        except BaseException:
            self.model, self.changed, self._levels, self._temporaries = before
            del self.references[kept:]
            raise


def foreign_key_of(model: Model, reference: Reference) -> tuple[Table, ForeignKey] | None:
    """The foreign key that a postponed check is about, if it still exists."""
    for table in model.tables():
        if table.rid == reference.table:
            for fkey in table.foreign_keys:
                if fkey.rid == reference.foreign_key:
                    return table, fkey
    return None
