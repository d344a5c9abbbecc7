"""What a wide table is asked for with: names of tables and features, resolved."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from deriva_catalog.model.elements import SYSTEM_COLUMNS, Table
from deriva_ml.core.exceptions import (
    DerivaMLDenormalizeError,
    DerivaMLTableNotFound,
    DerivaMLValidationError,
    some_of,
)
from deriva_ml.feature.definition import Feature

from .graph import Graph, TableKey, key_of

__all__ = ["Asked", "Request", "find_feature", "find_table", "resolve", "system_columns"]

Tables = str | Table | Iterable[str | Table] | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A table, under the name that it was asked for with.

    Where several would have one name, features are called ``Table_feature`` (see `resolve`).
    """

    label: str
    table: Table


@dataclass(frozen=True, slots=True)
class Request:
    """The tables of a wide table.

    Attributes:
        include: Tables that give columns, in the order of the columns.
        via: Tables that the way leads over without giving columns.
        via_keys: Keys that the way leads over, as ``Table.column``.
        row_per: The table that the rows are to stand for, where it was said.
    """

    include: tuple[Asked, ...]
    via: tuple[Table, ...]
    via_keys: frozenset[str]
    row_per: Table | None

    @property
    def tables(self) -> dict[TableKey, Table]:
        """The tables that give columns."""
        return {key_of(a.table): a.table for a in self.include}

    @property
    def named(self) -> dict[TableKey, Table]:
        """The tables of `include` and `via`."""
        return self.tables | {key_of(t): t for t in self.via}


def resolve(
    graph: Graph, include_tables: Tables, row_per: str | Table | None, via: Tables
) -> Request:
    """Look the names up; a name that two features would have becomes ``Table_feature``.

    Raises:
        DerivaMLValidationError: No table is asked for, or `row_per` is not one of them.
        DerivaMLTableNotFound: A name is neither a table nor a feature.
        DerivaMLDenormalizeError: Several tables have a feature of that name.
    """
    names = _listed(include_tables, "include_tables")
    if not names:
        raise DerivaMLValidationError("include_tables names no table; name at least one.")
    include: dict[TableKey, Asked] = {}
    for name in names:
        table = find_table(graph, name)
        include.setdefault(key_of(table), Asked(_label(name), table))
    include = _told_apart(graph, include)
    keys, hops = _keys(graph, _listed(via, "via"))
    grain = None if row_per is None else _row_per(graph, row_per, include)
    return Request(tuple(include.values()), hops, keys, grain)


def _listed(names: Tables, argument: str) -> list[str | Table]:
    if names is None:
        return []
    if isinstance(names, str | Table):
        return [names]
    try:
        listed = list(names)
    except TypeError:
        listed = [names]  # type: ignore[list-item]
    for name in listed:
        if not isinstance(name, str | Table):
            raise DerivaMLValidationError(
                f"{argument} lists tables by their names, not {name!r} ({type(name).__name__})."
            )
    return listed


def _label(name: str | Table) -> str:
    return name.name if isinstance(name, Table) else name.rpartition(":")[2]


def _told_apart(graph: Graph, include: dict[TableKey, Asked]) -> dict[TableKey, Asked]:
    """The tables under names that are each used once in a schema: columns are called by them."""
    uses = Counter((a.table.schema, a.label) for a in include.values())
    twice = {
        key: asked
        for key, asked in include.items()
        if uses[asked.table.schema, asked.label] > 1 and asked.label != asked.table.name
    }
    taken = {(a.table.schema, a.label) for key, a in include.items() if key not in twice}
    renamed: dict[TableKey, Asked] = {}
    for key, asked in twice.items():
        schema, feature = asked.table.schema, graph.features[key]
        wanted = f"{feature.target_table.name}_{feature.feature_name}"
        free = (n for n in (wanted, asked.table.name) if (schema, n) not in taken)
        label = next(free, asked.table.qualified)
        taken.add((schema, label))
        renamed[key] = replace(asked, label=label)
    return include | renamed


def _row_per(graph: Graph, row_per: str | Table, include: dict[TableKey, Asked]) -> Table:
    table = find_table(graph, row_per)
    if key_of(table) not in include:
        raise DerivaMLValidationError(
            f"row_per={_label(row_per)!r} is not among include_tables "
            f"({some_of([a.label for a in include.values()])}); add it there."
        )
    return table


def _keys(graph: Graph, names: list[str | Table]) -> tuple[frozenset[str], tuple[Table, ...]]:
    """The keys and the tables that `via` names."""
    keys: set[str] = set()
    hops: dict[TableKey, Table] = {}
    for name in names:
        if isinstance(name, str) and "." in name:
            keys.add(_key(graph, name))
        else:
            table = find_table(graph, name)
            hops[key_of(table)] = table
    return frozenset(keys), tuple(hops.values())


def _key(graph: Graph, name: str) -> str:
    table_name, _, column = name.partition(".")
    table = find_table(graph, table_name)
    known = [s.key_name for s in graph.steps(table) if s.up]
    wanted = f"{table.name}.{column}"
    if wanted not in known:
        raise DerivaMLValidationError(
            f"via={name!r} is no foreign key; those of {table.name!r} are {some_of(known)}."
        )
    return wanted


def find_table(graph: Graph, name: str | Table) -> Table:
    """The table of that name, or the table of values of the feature of that name."""
    try:
        return graph.model.name_to_table(name)
    except DerivaMLTableNotFound:
        if not isinstance(name, str):
            raise
        return find_feature(graph, name).feature_table


def find_feature(graph: Graph, name: str) -> Feature:
    """The feature of that name, or of the table and name in ``Table:name``.

    Raises:
        DerivaMLTableNotFound: There is none.
        DerivaMLDenormalizeError: Several tables have a feature of that name.
    """
    found = [f for f in graph.features.values() if name in _names(f)]
    if len(found) > 1:
        raise _ambiguous(name, found)
    if not found:
        raise _unknown(graph, name)
    return found[0]


def _names(feature: Feature) -> tuple[str, ...]:
    name, target = feature.feature_name, feature.target_table.name
    return name, f"{target}:{name}", f"{target}_{name}", feature.feature_table.name


def _ambiguous(name: str, found: list[Feature]) -> DerivaMLDenormalizeError:
    choices = [str(f) for f in found]
    return DerivaMLDenormalizeError(
        f"Several tables have a feature {name!r}; say which is meant: {some_of(choices)}."
    )


def _unknown(graph: Graph, name: str) -> DerivaMLTableNotFound:
    features = sorted({f.feature_name for f in graph.features.values()})
    near = difflib.get_close_matches(name, [*features, *(t.name for t in graph.tables.values())])
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return DerivaMLTableNotFound(
        name,
        f"{name!r} is neither a table nor a feature.{hint} Features are "
        f"{some_of(features) or 'none'}.",
    )


def system_columns(names: Iterable[str] | None) -> tuple[str, ...]:
    """The system columns to show: always `RID`, then those asked for.

    Raises:
        DerivaMLValidationError: One is none of the system's.
    """
    asked = [names] if isinstance(names, str) else list(names or ())
    if wrong := [n for n in asked if n not in SYSTEM_COLUMNS]:
        raise DerivaMLValidationError(
            f"{wrong[0]!r} is no system column; those are {list(SYSTEM_COLUMNS)}."
        )
    return tuple(c for c in SYSTEM_COLUMNS if c == "RID" or c in asked)
