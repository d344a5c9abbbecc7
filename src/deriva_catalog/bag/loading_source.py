"""Reading the rows of a bag for loading: a page at a time, and as sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..interface import Catalog, Row
from ..model.elements import ForeignKey, Table
from ..path import ast

__all__ = [
    "PAGE",
    "Source",
    "in_order",
    "in_parts",
    "name_of",
    "select",
    "whole",
    "with_reference",
]

PAGE = 10_000
"""Rows that are brought over at once."""
_VALUES = 20_000
"""Values that one question may name."""


@dataclass(frozen=True, slots=True)
class Source:
    """The rows of a bag that are to be loaded.

    Rows of small tables are read once and kept, since most bags have many of those and each
    question takes longer than reading them; those of large ones are streamed.

    Attributes:
        catalog: The bag.
        tables: The tables that have rows, those that are referred to first.
        cyclic: References inside cycles of these tables: rows may come before what they refer to.
        counts: How many rows each of the tables has.
    """

    catalog: Catalog
    tables: tuple[Table, ...]
    cyclic: frozenset[tuple[str, str, str]]
    counts: Mapping[tuple[str, str], int]
    _small: Mapping[tuple[str, str], list[Row]] = field(repr=False)

    @classmethod
    def of(cls, catalog: Catalog, tables: Iterable[Table]) -> Source:
        """The rows of those of the tables that have any."""
        small: dict[tuple[str, str], list[Row]] = {}
        counts: dict[tuple[str, str], int] = {}
        filled = []
        for table in tables:
            key = (table.schema, table.name)
            first = next(pages(catalog, table), [])
            if len(first) < PAGE:
                small[key] = first
            counts[key] = len(first) if key in small else catalog.count(name_of(table))
            if first:
                filled.append(table)
        return cls(catalog, *in_order(filled), counts, small)

    def pages(self, table: Table) -> Iterator[list[Row]]:
        """All rows of a table in the order of their RIDs, some at a time."""
        rows = self._small.get((table.schema, table.name))
        if rows is None:
            yield from pages(self.catalog, table)
        elif rows:
            yield rows

    def whole(self, table: Table, columns: Sequence[str]) -> list[Row]:
        """At least those columns of every row of a table."""
        rows = self._small.get((table.schema, table.name))
        return whole(self.catalog, table, columns) if rows is None else rows

    def different(self, table: Table, columns: Sequence[str]) -> list[Row]:
        """Rows with every combination of values that some columns have."""
        rows = self._small.get((table.schema, table.name))
        if rows is not None:
            return rows
        items = tuple(ast.Item(ast.ColumnName(c)) for c in columns)
        path = ast.Path(ast.Root(name_of(table)))
        return self.catalog.fetch(ast.AttributeGroupQuery(path, items))

    def without_partner(self, table: Table, fkey: ForeignKey) -> list[Row]:
        """At least RID and values of the rows whose complete reference finds no row of the bag."""
        mine = self._small.get((table.schema, table.name))
        theirs = self._small.get((fkey.referenced_schema, fkey.referenced_table))
        if mine is None or theirs is None:
            return _without_partner(self.catalog, table, fkey)
        there = {tuple(row[c] for c in fkey.referenced_columns) for row in theirs}
        return [
            row
            for row in mine
            if None not in (values := tuple(row[c] for c in fkey.columns)) and values not in there
        ]


def name_of(table: Table) -> ast.TableName:
    """The name by which a path addresses a table."""
    return ast.TableName(table.name, table.schema)


def pages(catalog: Catalog, table: Table, size: int = PAGE) -> Iterator[list[Row]]:
    """All rows of a table in the order of their RIDs, some at a time."""
    after: tuple[str | None, ...] | None = None
    path = ast.Path(ast.Root(name_of(table)))
    while True:
        window = ast.Window(sort=(ast.SortKey("RID"),), after=after, limit=size)
        rows = catalog.fetch(ast.EntityQuery(path, window))
        if rows:
            yield rows
        if len(rows) < size:
            return
        after = (str(rows[-1]["RID"]),)


def select(
    catalog: Catalog, table: Table, columns: Sequence[str], column: str, values: Iterable[Any]
) -> Iterator[Row]:
    """Some columns of the rows whose `column` has one of the values."""
    items = tuple(ast.Item(ast.ColumnName(c)) for c in dict.fromkeys(columns))
    for some in in_parts(sorted({as_text(v) for v in values}), _VALUES):
        among = ast.Comparison(ast.ColumnName(column), ast.Operator.EQ, ast.AnyOf(tuple(some)))
        path = ast.Path(ast.Root(name_of(table)), (ast.Restrict(among),))
        yield from catalog.fetch(ast.AttributeQuery(path, items))


def whole(catalog: Catalog, table: Table, columns: Sequence[str]) -> list[Row]:
    """Some columns of every row."""
    items = tuple(ast.Item(ast.ColumnName(c)) for c in dict.fromkeys(columns))
    return catalog.fetch(ast.AttributeQuery(ast.Path(ast.Root(name_of(table))), items))


def with_reference(catalog: Catalog, table: Table, fkey: ForeignKey) -> list[Row]:
    """RID and values of the rows that have a complete reference."""
    filled = tuple(ast.Restrict(ast.Not(ast.IsNull(ast.ColumnName(c)))) for c in fkey.columns)
    items = tuple(ast.Item(ast.ColumnName(c)) for c in dict.fromkeys(("RID", *fkey.columns)))
    return catalog.fetch(ast.AttributeQuery(ast.Path(ast.Root(name_of(table)), filled), items))


def _without_partner(catalog: Catalog, table: Table, fkey: ForeignKey) -> list[Row]:
    """RID and values of the rows whose complete reference finds no row among those of the bag."""
    mine = tuple(ast.ColumnName(c, "mine") for c in fkey.columns)
    theirs = tuple(
        ast.ColumnName(c, fkey.referenced_table, fkey.referenced_schema)
        for c in fkey.referenced_columns
    )
    elements: list[ast.Element] = [
        ast.Restrict(ast.Not(ast.IsNull(ast.ColumnName(c)))) for c in fkey.columns
    ]
    elements += [
        ast.ExplicitLink(mine, theirs, ast.Outer.LEFT, "theirs"),
        ast.Restrict(ast.IsNull(ast.ColumnName("RID"))),
        ast.Reset("mine"),
    ]
    columns = dict.fromkeys(("RID", *fkey.columns))
    items = tuple(ast.Item(ast.ColumnName(c)) for c in columns)
    root = ast.Root(name_of(table), "mine")
    return catalog.fetch(ast.AttributeQuery(ast.Path(root, tuple(elements)), items))


def as_text(value: Any) -> str:
    """A value as the path language writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def in_parts(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Cut a sequence into parts that are not too long."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


# --- the order of tables -----------------------------------------------------------------


def in_order(tables: Iterable[Table]) -> tuple[tuple[Table, ...], frozenset[tuple[str, str, str]]]:
    """Tables so that each comes after those it refers to, and the references where it cannot.

    Returns:
        The tables, and as (schema, table, name of the foreign key) the references to tables that
        come later: those of cycles. References of a table to itself are among them.
    """
    left = {(t.schema, t.name): t for t in tables}
    needs = {
        key: {
            (f.referenced_schema, f.referenced_table)
            for f in table.foreign_keys
            if (f.referenced_schema, f.referenced_table) in left
        }
        - {key}
        for key, table in left.items()
    }
    order: list[Table] = []
    done: set[tuple[str, str]] = set()
    while left:
        free = [key for key in left if needs[key] <= done]
        # In a cycle, the table that lacks least goes first; its name decides among equals.
        chosen = free or [min(left, key=lambda k: (_unavoidable(left[k], needs[k] - done), k))]
        for key in sorted(chosen):
            order.append(left.pop(key))
            done.add(key)
    return tuple(order), _forward(order)


def _unavoidable(table: Table, missing: set[tuple[str, str]]) -> int:
    """How many references of a table to missing ones cannot be empty at first, then how many."""
    required = 0
    for fkey in table.foreign_keys:
        if (fkey.referenced_schema, fkey.referenced_table) in missing:
            optional = any(table.by_name[c].nullok for c in fkey.columns)
            required += 1 if optional else 1_000
    return required


def _forward(order: Sequence[Table]) -> frozenset[tuple[str, str, str]]:
    place: Mapping[tuple[str, str], int] = {(t.schema, t.name): n for n, t in enumerate(order)}
    return frozenset(
        (t.schema, t.name, f.name)
        for n, t in enumerate(order)
        for f in t.foreign_keys
        if place.get((f.referenced_schema, f.referenced_table), -1) >= n
    )
