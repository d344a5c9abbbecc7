"""Short constructors for the queries that DerivaML asks of a catalog.

They build the path language's own values, so the same query runs against the live catalog, a
snapshot, a remote catalog and a bag. Values are given as text, which the catalog converts to
the type of the column.
"""

from __future__ import annotations

from collections.abc import Iterable

from deriva_catalog.model.elements import Table
from deriva_catalog.path.ast import (
    AnyOf,
    AttributeGroupQuery,
    AttributeQuery,
    ColumnName,
    Comparison,
    Element,
    EntityQuery,
    ExplicitLink,
    Filter,
    IsNull,
    Item,
    Not,
    Operator,
    Path,
    Restrict,
    Root,
    SortKey,
    TableName,
    Window,
)

__all__ = [
    "any_of",
    "attributes",
    "entities",
    "equals",
    "groups",
    "is_null",
    "link",
    "name_of",
    "path_of",
    "without",
]


def name_of(table: Table) -> TableName:
    """The name by which a path addresses `table`."""
    return TableName(table.name, table.schema)


def equals(column: str, value: str) -> Comparison:
    """``column = value``."""
    return Comparison(ColumnName(column), Operator.EQ, value)


def any_of(column: str, values: Iterable[str]) -> Comparison:
    """``column`` is one of `values`, which must not be empty."""
    return Comparison(ColumnName(column), Operator.EQ, AnyOf(tuple(values)))


def is_null(column: str) -> IsNull:
    """``column`` has no value."""
    return IsNull(ColumnName(column))


def without(term: Comparison | IsNull) -> Not:
    """The rows that do not satisfy `term`."""
    return Not(term)


def path_of(table: Table, *steps: Filter | Element) -> Path:
    """A path that starts with `table`; filters restrict it, elements go on from it."""
    elements: list[Element] = []
    for step in steps:
        elements.append(Restrict(step) if isinstance(step, Filter) else step)
    return Path(Root(name_of(table)), tuple(elements))


def link(column: str, table: Table, referenced: str = "RID") -> ExplicitLink:
    """A join from ``column`` of the table reached so far to ``table.referenced``."""
    target = ColumnName(referenced, qualifier=table.name, schema=table.schema)
    return ExplicitLink((ColumnName(column),), (target,))


def entities(
    table: Table,
    *steps: Filter | Element,
    sort: Iterable[str] = (),
    limit: int | None = None,
) -> EntityQuery:
    """The rows that a path from `table` reaches, sorted by columns (``-name`` descends)."""
    return EntityQuery(path_of(table, *steps), Window(sort=_keys(sort), limit=limit))


def attributes(
    table: Table,
    columns: Iterable[str],
    *steps: Filter | Element,
    sort: Iterable[str] = (),
    limit: int | None = None,
) -> AttributeQuery:
    """Some columns of the rows that a path from `table` reaches."""
    items = tuple(Item(ColumnName(c)) for c in columns)
    return AttributeQuery(path_of(table, *steps), items, Window(sort=_keys(sort), limit=limit))


def groups(table: Table, columns: Iterable[str], *steps: Filter | Element) -> AttributeGroupQuery:
    """The distinct combinations of `columns` in the rows that a path from `table` reaches."""
    items = tuple(Item(ColumnName(c)) for c in columns)
    return AttributeGroupQuery(path_of(table, *steps), items)


def _keys(sort: Iterable[str]) -> tuple[SortKey, ...]:
    return tuple(SortKey(s.removeprefix("-"), descending=s.startswith("-")) for s in sort)
