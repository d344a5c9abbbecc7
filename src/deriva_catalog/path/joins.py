"""Which link joins two tables of the model, for the Python builder.

Source: ERMrest, "path semantics".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import BadRequest, Conflict
from ..model.elements import Model, Table
from .ast import ColumnName, EndpointLink, ExplicitLink, Outer, TableLink, TableName
from .columns import ColumnRef, Instance
from .names import unknown
from .scope import Namer

Link = TableLink | EndpointLink | ExplicitLink
Endpoint = ColumnRef | str
JoinPair = tuple[Endpoint, Endpoint]


@dataclass(frozen=True, slots=True)
class Edge:
    """A foreign key as it is seen from one of its two tables."""

    near: tuple[str, ...]
    far_table: tuple[str, str]
    far: tuple[str, ...]


def edges(model: Model, table: Table) -> Iterator[Edge]:
    """Every foreign key of `table`, then every one that refers to it."""
    for fkey in table.foreign_keys:
        target = (fkey.referenced_schema, fkey.referenced_table)
        yield Edge(fkey.columns, target, fkey.referenced_columns)
    for other, fkey in model.inbound.get((table.schema, table.name), ()):
        yield Edge(fkey.referenced_columns, (other.schema, other.name), fkey.columns)


def table_link(
    model: Model, context: Table, other: Table, outer: Outer | None, alias: str | None
) -> Link:
    """The link over the foreign keys between two tables; an outer one needs exactly one.

    Raises:
        Conflict: There is none, several for an outer join, or the tables are the same.
    """
    found = [e for e in edges(model, context) if e.far_table == (other.schema, other.name)]
    both = f"{context.qualified!r} and {other.qualified!r}"
    hint = f"Name the columns: on=[(left column, column of {other.name})]."
    if not found:
        raise Conflict(f"No foreign key joins the tables {both}.", hint=hint)
    if context.qualified == other.qualified:
        raise Conflict(f"A link from {both} does not say in which direction.", hint=hint)
    if outer is None:
        return TableLink(TableName(other.name, other.schema), alias)
    if len(found) > 1:
        message = f"{len(found)} foreign keys join the tables {both}; an outer join needs one."
        raise Conflict(message, hint=hint)
    left = tuple(ColumnName(c) for c in found[0].near)
    return ExplicitLink(left, _qualified(other, found[0].far), outer, alias)


def endpoint_link(
    model: Model,
    namer: Namer,
    other: Instance,
    columns: Sequence[Endpoint],
    outer: Outer | None,
    alias: str | None,
) -> Link:
    """The link over the one foreign key to `other` that has `columns` as one of its sides.

    They belong to the path or to `other`. The other side is spelled out only where the
    columns alone would not tell the foreign key from others.

    Raises:
        Conflict: There is no such foreign key, or there are several.
    """
    far_side = all(isinstance(c, ColumnRef) and belongs(c, other, namer) for c in columns)
    names = {c if isinstance(c, str) else c.name for c in columns}
    left = () if far_side else tuple(left_column(namer, c) for c in columns)
    near = _left_table(namer, left)
    near_edges = [e for e in edges(model, other.table if far_side else near)]
    opposite = near if far_side else other.table
    matching = [e for e in near_edges if set(e.near) == names]
    fitting = [e for e in matching if e.far_table == (opposite.schema, opposite.name)]
    if len(fitting) != 1:
        shown = ", ".join(sorted(names))
        raise Conflict(
            f"{len(fitting)} foreign keys between {near.qualified!r} and "
            f"{other.table.qualified!r} have the columns ({shown}) on one side, expected one.",
            hint=f"Name the pairs: on=[(left column, column of {other.table.name})].",
        )
    edge = fitting[0]
    if far_side:
        return EndpointLink(_qualified(other.table, edge.near), outer, alias)
    if len(matching) == 1:
        return EndpointLink(left, outer, alias)
    far = dict(zip(edge.near, edge.far, strict=True))
    right = _qualified(other.table, tuple(far[c.name] for c in left))
    return ExplicitLink(left, right, outer, alias)


def explicit_link(
    namer: Namer,
    other: Instance,
    pairs: Sequence[JoinPair],
    outer: Outer | None,
    alias: str | None,
) -> ExplicitLink:
    """The link that equates columns of the path with columns of `other`, pair by pair.

    Raises:
        Conflict: A right column does not belong to `other`.
    """
    left = tuple(left_column(namer, pair[0]) for pair in pairs)
    right = []
    for _, column in pairs:
        if (
            isinstance(column, ColumnRef)
            and column.instance.table.qualified != other.table.qualified
        ):
            raise Conflict(
                f"The right column {column!r} does not belong to {other.table.qualified!r}.",
                hint="Each pair is (a column of the path, a column of the table to join).",
            )
        right.append(_existing(other.table, column))
    return ExplicitLink(left, _qualified(other.table, tuple(right)), outer, alias)


def belongs(column: ColumnRef, other: Instance, namer: Namer) -> bool:
    """Whether a column is one of the table to join, rather than of the path."""
    if column.instance is other or column.instance in namer.scope.instances:
        return column.instance not in namer.scope.instances
    paths = [i.table.qualified for i in namer.scope.instances]
    table = column.instance.table.qualified
    return table == other.table.qualified and table not in paths


def left_column(namer: Namer, column: Endpoint) -> ColumnName:
    """The name of a column of the path; a string names one of the context.

    Raises:
        UnknownName: There is none.
    """
    if isinstance(column, ColumnRef):
        return namer.column(column)
    return ColumnName(_existing(namer.scope.table, column))


def join_kind(join: str) -> Outer | None:
    """The kind of an outer join by its name; None for ``inner``.

    Raises:
        BadRequest: There is no such kind.
    """
    if join == "inner":
        return None
    try:
        return Outer(join)
    except ValueError:
        raise BadRequest(
            f"The kind of join is {join!r}, expected 'inner', 'left', 'right' or 'full'."
        ) from None


def _existing(table: Table, column: Endpoint) -> str:
    name = column if isinstance(column, str) else column.name
    if name not in table.by_name:
        raise unknown("column", name, f"Table {table.qualified!r}", table.by_name)
    return name


def _left_table(namer: Namer, left: Sequence[ColumnName]) -> Table:
    qualifiers = {c.qualifier for c in left}
    if len(qualifiers) > 1:
        raise Conflict("The columns of a link belong to several table instances of the path.")
    alias = qualifiers.pop() if qualifiers else None
    if alias is None:
        return namer.scope.table
    return namer.scope.instances[namer.scope.aliases()[alias]].table


def _qualified(table: Table, columns: Sequence[str]) -> tuple[ColumnName, ...]:
    return tuple(ColumnName(c, table.name, table.schema) for c in columns)
