"""From the names in a path to the tables and columns of a model.

Source: ERMrest, "Data resources: path semantics".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..errors import BadRequest, Conflict, UnknownName
from ..model.elements import Column, ForeignKey, Model, Table
from ..model.lookup import column_of, find_table, foreign_keys_between, near_misses, table_at
from ..model.types import are_comparable
from ..path.ast import (
    ColumnName,
    EndpointLink,
    ExplicitLink,
    Filter,
    Outer,
    Path,
    Reset,
    Restrict,
    Star,
    TableLink,
    TableName,
)

Pairs = tuple[tuple[str, str], ...]
"""Columns that a join equates: (column of the left instance, column of the right instance)."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One use of a table in a path; `index` is its position among the joined tables."""

    index: int
    table: Table
    alias: str | None


@dataclass(frozen=True, slots=True)
class Join:
    """Instance `right` joins the path at instance `left`, by any of `alternatives`."""

    left: int
    right: int
    alternatives: tuple[Pairs, ...]
    outer: Outer | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter; unqualified columns are those of the instance `context`."""

    filter: Filter
    context: int


@dataclass(frozen=True, slots=True)
class Reference:
    """A column of one instance."""

    instance: Instance
    column: Column


@dataclass(frozen=True, slots=True)
class Resolved:
    """A path in terms of the model: its instances, and its joins and filters in order."""

    instances: tuple[Instance, ...]
    steps: tuple[Join | Condition, ...]
    context: int

    @property
    def table(self) -> Table:
        """The table of the context."""
        return self.instances[self.context].table

    def instance(self, qualifier: str | None, schema: str | None = None) -> Instance:
        """The instance that an alias, a table's name or ``schema:table`` means.

        Raises:
            UnknownName: the path has no such instance.
            Conflict: it has several.
        """
        return _instance_of(self.instances, self.context, qualifier, schema)

    def column(self, name: ColumnName, context: int | None = None) -> Reference:
        """The column that a name means.

        Raises:
            UnknownName: there is no such instance or column.
            Conflict: the name fits several instances.
        """
        where = self.context if context is None else context
        instance = _instance_of(self.instances, where, name.qualifier, name.schema)
        return Reference(instance, column_of(instance.table, name.name))

    def star(self, star: Star, context: int | None = None) -> Instance:
        """The instance whose columns ``*`` or ``alias:*`` means."""
        where = self.context if context is None else context
        return _instance_of(self.instances, where, star.alias, None)


@dataclass(slots=True)
class _State:
    model: Model
    instances: list[Instance] = field(default_factory=list)
    steps: list[Join | Condition] = field(default_factory=list)
    context: int = 0

    @property
    def here(self) -> Instance:
        return self.instances[self.context]

    def add(self, table: Table, alias: str | None) -> Instance:
        instance = Instance(len(self.instances), table, alias)
        self.instances.append(instance)
        return instance

    def join(
        self,
        left: Instance,
        table: Table,
        alternatives: Iterable[Pairs],
        outer: Outer | None,
        alias: str | None,
    ) -> None:
        right = self.add(table, alias)
        self.steps.append(Join(left.index, right.index, tuple(alternatives), outer))
        self.context = right.index


def resolve(path: Path, model: Model) -> Resolved:
    """Find everything that a path names.

    Raises:
        UnknownName: a table, column or alias does not exist.
        Conflict: a name or a link is ambiguous, or a link has no foreign key.
        BadRequest: ``$alias`` names no instance.
    """
    state = _State(model)
    state.add(find_table(model, path.root.table), path.root.alias)
    for element in path.elements:
        match element:
            case TableLink():
                _table_link(state, element)
            case EndpointLink():
                _endpoint_link(state, element)
            case ExplicitLink():
                _explicit_link(state, element)
            case Restrict(filter):
                state.steps.append(Condition(filter, state.context))
            case Reset(alias):
                state.context = _aliased(state.instances, alias)
    return Resolved(tuple(state.instances), tuple(state.steps), state.context)


# --- instances ---------------------------------------------------------------------------


def _aliased(instances: Sequence[Instance], alias: str) -> int:
    for instance in instances:
        if instance.alias == alias:
            return instance.index
    known = [i.alias for i in instances if i.alias is not None]
    raise BadRequest(
        f"'${alias}' names an alias that the path does not define before it.",
        hint=near_misses(alias, known) or "Define it where the table joins: alias:=table.",
        alias=alias,
    )


def _instance_of(
    instances: Sequence[Instance], context: int, qualifier: str | None, schema: str | None
) -> Instance:
    if qualifier is None:
        return instances[context]
    if schema is None:
        for instance in instances:
            if instance.alias == qualifier:
                return instance
    found = [i for i in instances if i.table.name == qualifier and schema in (None, i.table.schema)]
    if len(found) == 1:
        return found[0]
    shown = qualifier if schema is None else f"{schema}:{qualifier}"
    if found:
        raise Conflict(
            f"The path joins {shown!r} {len(found)} times, so {shown!r} does not say which.",
            hint="Give the instances aliases, as in a:=table, and write alias:column.",
        )
    known = [name for i in instances for name in (i.alias, i.table.name) if name is not None]
    raise UnknownName(
        f"The path has no alias or table {shown!r}.", hint=near_misses(qualifier, known)
    )


# --- links -------------------------------------------------------------------------------


def _pairs(fkey: ForeignKey, *, outbound: bool) -> Pairs:
    there = tuple(zip(fkey.columns, fkey.referenced_columns, strict=True))
    return there if outbound else tuple((b, a) for a, b in there)


def _same(one: Table, other: Table) -> bool:
    return (one.schema, one.name) == (other.schema, other.name)


def _table_link(state: _State, link: TableLink) -> None:
    here = state.here
    table = find_table(state.model, link.table)
    if _same(here.table, table):
        raise Conflict(
            f"The link from table {table.qualified!r} to itself is ambiguous.",
            hint="Write the columns that join: (column) or (column)=(table:column).",
            table=table.qualified,
        )
    keys = foreign_keys_between(here.table, table)
    if not keys:
        raise Conflict(
            f"No foreign key connects tables {here.table.qualified!r} and {table.qualified!r}.",
            hint="Join them by columns, (column)=(table:column), or through a table between them.",
            table=table.qualified,
        )
    alternatives = [_pairs(fkey, outbound=_same(owner, here.table)) for owner, fkey, _ in keys]
    state.join(here, table, dict.fromkeys(alternatives), None, link.alias)


@dataclass(frozen=True, slots=True)
class _Candidate:
    table: Table
    pairs: Pairs
    name: str


def _endpoint_link(state: _State, link: EndpointLink) -> None:
    named = next((c for c in link.columns if c.qualifier is not None), None)
    names = {c.name for c in link.columns}
    anchor = _left_instance(state, link.columns)
    if anchor is not None:
        for name in names:
            column_of(anchor.table, name)
        found = _from_here(state.model, anchor.table, names)
        side = anchor.table.qualified
    else:
        assert named is not None, "some column is qualified"
        anchor = state.here
        other = _table_named(state.model, named)
        for name in names:
            column_of(other, name)
        found = _from_there(anchor.table, other, names)
        side = other.qualified
    if len(found) == 1:
        state.join(anchor, found[0].table, [found[0].pairs], link.outer, link.alias)
        return
    shown = ", ".join(repr(c.name) for c in link.columns)
    if not found:
        raise Conflict(
            f"The columns {shown} of {side!r} are no side of a foreign key"
            f" of table {anchor.table.qualified!r}.",
            hint="Name all columns of one side, or join by (column)=(table:column).",
        )
    raise Conflict(
        f"The columns {shown} of {side!r} are a side of {len(found)} foreign keys:"
        f" {', '.join(repr(c.name) for c in found[:10])}.",
        hint="Name the other side instead, as in (schema:table:column).",
    )


def _left_instance(state: _State, columns: Sequence[ColumnName]) -> Instance | None:
    """The instance that unqualified columns or ``alias:column`` mean; None for a table's name."""
    named = next((c for c in columns if c.qualifier is not None), None)
    if named is None:
        return state.here
    if named.schema is None:
        for instance in state.instances:
            if instance.alias == named.qualifier:
                return instance
    return None


def _table_named(model: Model, column: ColumnName) -> Table:
    assert column.qualifier is not None, "the column names its table"
    if column.schema is not None:
        return table_at(model, column.schema, column.qualifier)
    return find_table(model, TableName(column.qualifier))


def _from_here(model: Model, table: Table, names: set[str]) -> list[_Candidate]:
    """Foreign keys that have `names` of `table` as one side."""
    found = [
        _Candidate(
            table_at(model, fkey.referenced_schema, fkey.referenced_table),
            _pairs(fkey, outbound=True),
            fkey.name,
        )
        for fkey in table.foreign_keys
        if set(fkey.columns) == names
    ]
    return found + [
        _Candidate(owner, _pairs(fkey, outbound=False), fkey.name)
        for owner, fkey in model.inbound.get((table.schema, table.name), ())
        if set(fkey.referenced_columns) == names
    ]


def _from_there(table: Table, other: Table, names: set[str]) -> list[_Candidate]:
    """Foreign keys between `table` and `other` that have `names` of `other` as one side."""
    found = [
        _Candidate(other, _pairs(fkey, outbound=True), fkey.name)
        for fkey in table.foreign_keys
        if (fkey.referenced_schema, fkey.referenced_table) == (other.schema, other.name)
        and set(fkey.referenced_columns) == names
    ]
    return found + [
        _Candidate(other, _pairs(fkey, outbound=False), fkey.name)
        for fkey in other.foreign_keys
        if (fkey.referenced_schema, fkey.referenced_table) == (table.schema, table.name)
        and set(fkey.columns) == names
    ]


def _explicit_link(state: _State, link: ExplicitLink) -> None:
    left = _left_instance(state, link.left)
    if left is None:
        named = next(c for c in link.left if c.qualifier is not None)
        left = _instance_of(state.instances, state.context, named.qualifier, named.schema)
    right = _table_named(state.model, link.right[0])
    pairs = []
    for one, other in zip(link.left, link.right, strict=True):
        a, b = column_of(left.table, one.name), column_of(right, other.name)
        if not are_comparable(a.type, b.type):
            raise Conflict(
                f"Columns {a.name!r} ({a.type.typename}) of {left.table.qualified!r} and"
                f" {b.name!r} ({b.type.typename}) of {right.qualified!r} cannot be equal.",
                hint="Join columns of one type.",
            )
        pairs.append((a.name, b.name))
    state.join(left, right, [tuple(pairs)], link.outer, link.alias)
