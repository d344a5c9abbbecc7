"""Where a table's rows are read from: the live rows, or the rows as they were at a time.

The rows at time ``at`` are the live rows that already existed then and the closed versions
whose interval holds ``at``. For SQLite the conditions stand inside each branch of the
``UNION ALL``: it can then merge two index scans. For PostgreSQL they stand outside: it makes
one relation of two tables only when nothing else is in the branches, and then uses its indexes to
join and to order. The live branch is left out when the live table no longer has a
column that existed at that time: dropping a column closes every live row first, so all the
rows that are wanted are in the history.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import sqlalchemy as sa

from ..model.bindings import with_connected_bindings
from ..model.elements import Model, Table
from .layout import VERSION_END, VERSION_START, StorageType, history_table, live_table

HISTORY_CAPTURE = "tag:isrd.isi.edu,2020:history-capture"
"""The annotation that switches a table's history off, when its value is false."""

START = f"\0{VERSION_START}"
END = f"\0{VERSION_END}"
_MOST = 4096
_NEVER = (1 << 63) - 1
"""The end of the version of a live row."""

_MOST_PAST = 1024
AT = "_at"
"""The name of the parameter for the time of a snapshot, in microseconds since 1970."""
_AT = sa.bindparam(AT, type_=sa.BigInteger)


class SameObject:
    """A key that is equal only for the same object, which it keeps alive."""

    __slots__ = ("_object",)

    def __init__(self, object: object) -> None:
        self._object = object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SameObject) and other._object is self._object

    def __hash__(self) -> int:
        return id(self._object)


class Tables:
    """The physical tables of a catalog as SQLAlchemy sees them, each made only once.

    Keeping the objects keeps SQLAlchemy's compiled statements usable: they are found again by
    the identity of the tables in them.
    """

    def __init__(
        self,
        storage: StorageType,
        *,
        interval_outside: bool = False,
        of_temporary: Mapping[str, Any] | None = None,
    ) -> None:
        self._storage = storage
        self._interval_outside = interval_outside
        self._of_temporary = of_temporary or {}
        self._numbers = count()
        self._live: dict[int, tuple[Table, sa.Table]] = {}
        self._closed: dict[int, tuple[Table, sa.Table]] = {}
        self._temporary: dict[tuple[object, ...], sa.Table] = {}
        self._past: dict[tuple[int, int, bool], tuple[Table, Table | None, sa.FromClause]] = {}

    def live(self, table: Table) -> sa.Table:
        """The table of live rows."""
        return self._once(self._live, table, live_table)

    def history(self, table: Table) -> sa.Table:
        """The table of closed versions."""
        return self._once(self._closed, table, history_table)

    def _once(
        self,
        made: dict[int, tuple[Table, sa.Table]],
        table: Table,
        make: Callable[[Table, StorageType], sa.Table],
    ) -> sa.Table:
        found = made.get(id(table))
        if found is None:
            if len(made) >= _MOST:
                made.clear()
            found = made[id(table)] = (table, make(table, self._storage))
        return found[1]

    def temporary(self, level: int, columns: tuple[sa.Column[object], ...]) -> sa.Table:
        """A temporary table's description; `level` keeps tables in use at once apart."""
        signature = (level, *((c.name, type(c.type)) for c in columns))
        found = self._temporary.get(signature)
        if found is None:
            if len(self._temporary) >= _MOST:
                self._temporary.clear()
            # A name stands for one description: statements that the database has prepared know
            # the types of the columns.
            name = f"_b{level}_{next(self._numbers)}"
            found = sa.Table(
                name, sa.MetaData(), *columns, prefixes=["TEMPORARY"], **self._of_temporary
            )
            self._temporary[signature] = found
        return found

    def as_of(
        self, table: Table, current: Mapping[str, Table], *, only_rid: bool = False
    ) -> sa.FromClause:
        """The rows of a table as they were at the time that the parameter `AT` will have.

        Statements for one snapshot are those for the next, so that they are compiled once.

        Args:
            table: The table as the model of that time describes it.
            current: The tables of the live model by RID.
            only_rid: Whether ``RID`` is all that is wanted of them.
        """
        now = current.get(table.rid)
        key = (id(table), id(now), only_rid)
        found = self._past.get(key)
        if found is None:
            if len(self._past) >= _MOST_PAST:
                self._past.clear()
            # The tables are kept too, so that their identities stay their own.
            found = (table, now, self._rows_at(table, now, only_rid))
            self._past[key] = found
        return found[2]

    def _rows_at(self, table: Table, now: Table | None, only_rid: bool) -> sa.FromClause:
        history = self.history(table)
        names = ["RID"] if only_rid else [c.name for c in table.columns]
        closed = sa.select(*(history.c[name] for name in names)).where(
            history.c[START] <= _AT, history.c[END] > _AT
        )
        physical = set() if now is None else {c.physical for c in now.columns}
        if any(c.physical not in physical for c in table.columns):
            return closed.subquery()
        live = self.live(table)
        if self._interval_outside:
            return _united(names, live, history)
        still = sa.select(*(live.c[name] for name in names)).where(live.c[START] <= _AT)
        return sa.union_all(still, closed).subquery()


def level_of(table: sa.Table) -> int:
    """The level of a temporary table."""
    return int(table.name.split("_")[1].removeprefix("b"))


def _united(names: Sequence[str], live: sa.Table, history: sa.Table) -> sa.FromClause:
    """All versions of the rows as one relation, cut to those of a time."""
    closed = sa.select(*(history.c[name] for name in names), history.c[START], history.c[END])
    never = sa.literal_column(str(_NEVER), sa.BigInteger)
    current = sa.select(*(live.c[name] for name in names), live.c[START], never)
    versions = sa.union_all(closed, current).subquery()
    held = sa.and_(versions.c[START] <= _AT, versions.c[END] > _AT)
    return sa.select(*(versions.c[name] for name in names)).where(held).subquery()


def captures_history(table: Table) -> bool:
    """Whether the history of a table is kept."""
    return table.annotations.get(HISTORY_CAPTURE) is not False


def with_history_only(model: Model) -> Model:
    """The model as a snapshot shows it: as if tables whose history was not kept never were.

    Foreign keys to them, and ACL bindings that go through those, are left out too.
    """
    if all(captures_history(table) for table in model.tables()):
        return model
    kept = {(t.schema, t.name) for t in model.tables() if captures_history(t)}

    def bare(table: Table) -> Table:
        fkeys = tuple(
            f for f in table.foreign_keys if (f.referenced_schema, f.referenced_table) in kept
        )
        whole = len(fkeys) == len(table.foreign_keys)
        return table if whole else replace(table, foreign_keys=fkeys)

    schemas = {
        name: replace(
            schema, tables={n: bare(t) for n, t in schema.tables.items() if (name, n) in kept}
        )
        for name, schema in model.schemas.items()
    }
    return with_connected_bindings(replace(model, schemas=schemas))
