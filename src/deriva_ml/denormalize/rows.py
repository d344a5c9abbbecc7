"""Rows of the tables of a wide table, in columns, each table asked for once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table
from deriva_catalog.path.ast import ColumnName, Comparison, ExplicitLink
from deriva_ml.core.query import any_of, attributes, path_of
from deriva_ml.core.session import Session

__all__ = ["Objects", "TableRows", "rows_at", "rows_by_rid"]

Objects = NDArray[np.object_]
Key = Any

_FEW = 2_000
"""So many values are looked up; of more, the whole table is read if it is not much larger."""
_FOLD = 3


@dataclass(frozen=True)
class TableRows:
    """Rows of one table, sorted by RID, a column at a time; values in the protocol's JSON form."""

    columns: dict[str, Objects]
    length: int

    @classmethod
    def of(cls, rows: Sequence[Row], names: Iterable[str]) -> TableRows:
        """Rows as columns."""
        ordered = sorted(rows, key=lambda row: row["RID"])
        return cls({n: _column([r[n] for r in ordered]) for n in names}, len(ordered))

    def keys(self, names: Sequence[str]) -> list[Key]:
        """The value of some columns in each row; None where one of them is NULL."""
        if len(names) == 1:
            single: list[Key] = self.columns[names[0]].tolist()
            return single
        values = zip(*(self.columns[n].tolist() for n in names), strict=True)
        return [None if None in value else value for value in values]

    def where(self, keep: Sequence[bool] | NDArray[np.bool_]) -> TableRows:
        """Only some of the rows."""
        mask = np.asarray(keep, dtype=bool)
        return TableRows({n: c[mask] for n, c in self.columns.items()}, int(mask.sum()))


def _column(values: list[Any]) -> Objects:
    """The values as they are: with a None at its end numpy takes no lists for rows of a table."""
    return np.array([*values, None], dtype=object)[:-1]


def rows_by_rid(
    session: Session, table: Table, names: Sequence[str], rids: Sequence[str]
) -> TableRows:
    """The rows of a table that have these RIDs."""
    wanted = set(rids)
    rows = _matching(session, table, names, "RID", rids)
    return TableRows.of([row for row in rows if row["RID"] in wanted], names)


def rows_at(
    session: Session,
    parent: tuple[Table, TableRows],
    left: tuple[str, ...],
    table: Table,
    right: tuple[str, ...],
    names: Sequence[str],
) -> TableRows:
    """The rows of `table` whose `right` columns equal `left` of some row of the parent.

    There may be others among them, which match nothing.

    Cost: one query, and one that counts where the values are many.
    """
    above, rows = parent
    if len(left) > 1:
        return TableRows.of(_joined(session, above, rows, left, table, right, names), names)
    values = {v for v in rows.keys(left) if v is not None}
    if not values:
        return TableRows.of([], names)
    return TableRows.of(_matching(session, table, names, right[0], values), names)


def _matching(
    session: Session, table: Table, names: Sequence[str], column: str, values: Iterable[Any]
) -> list[Row]:
    texts = sorted({_text(v) for v in values})
    if not texts:
        return []
    few = len(texts) <= _FEW
    if few or session.catalog.count(path_of(table)) > _FOLD * len(texts):
        return session.fetch(attributes(table, names, any_of(column, texts)))
    return session.fetch(attributes(table, names))


def _joined(
    session: Session,
    above: Table,
    rows: TableRows,
    left: tuple[str, ...],
    table: Table,
    right: tuple[str, ...],
    names: Sequence[str],
) -> list[Row]:
    """Keys of several columns are compared inside the database."""
    if not rows.length:
        return []
    there = tuple(ColumnName(c, qualifier=table.name, schema=table.schema) for c in right)
    link = ExplicitLink(tuple(ColumnName(c) for c in left), there)
    mine: Comparison = any_of("RID", rows.columns["RID"].tolist())
    return session.fetch(attributes(above, names, mine, link))


def _text(value: Any) -> str:
    """A value as the path language writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
