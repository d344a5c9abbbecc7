"""Which rows of a bag are rows that the catalog has already, and what they are called there.

Terms are the same when they have the same name, rows of other tables when they agree in columns
that the caller names; what refers to such a row refers to the catalog's afterwards. With fresh
identifiers every row gets one that was leased for it: the token tells the bag's catalog and the
row, so that the same bag finds the same rows when it is loaded again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import Conflict
from ..interface import Catalog, Row
from ..model.elements import Model, Table
from .loading_policy import LoadPolicy, TableKey, some_of
from .loading_source import Source, in_parts, select, whole

__all__ = ["Sameness", "find_same", "is_vocabulary", "lease"]

_VOCABULARY = frozenset({"id", "uri", "name", "description", "synonyms"})
_LEASED_AT_ONCE = 10_000
_IDENTIFIERS = ("RID", "ID", "URI")
Merging = tuple[Table, Sequence[str]]


@dataclass(slots=True)
class Sameness:
    """What rows of the bag are in the catalog.

    Attributes:
        values: By table, column and value of the bag: the value that the catalog has instead.
        absorbed: By table, the RIDs of the bag's rows that are rows of the catalog.
        renamed: By table, the RIDs of terms that the catalog has for other rows: they are given
            fresh identifiers.
        terms: By vocabulary, the rows of the catalog to be changed.
    """

    values: dict[TableKey, dict[str, dict[Any, Any]]] = field(default_factory=dict)
    absorbed: dict[TableKey, set[str]] = field(default_factory=dict)
    renamed: dict[TableKey, set[str]] = field(default_factory=dict)
    terms: dict[TableKey, list[Row]] = field(default_factory=dict)

    def called(self, table: TableKey, column: str, old: Any, new: Any) -> None:
        """Remember what a value of the bag is in the catalog; of RIDs also that it is the same.

        Such a RID may have been leased for the row, and by chance.
        """
        if old is not None and (old != new or column == "RID"):
            self.values.setdefault(table, {}).setdefault(column, {})[old] = new

    def row_mapping(self, table: Table) -> Callable[[Row], Row]:
        """What turns a row of the bag into one of the catalog: its own RID and its references."""
        own = self.values.get((table.schema, table.name), {}).get("RID", {})
        changes: list[tuple[str, Mapping[Any, Any]]] = [("RID", own)] if own else []
        for fkey in table.foreign_keys:
            there = self.values.get((fkey.referenced_schema, fkey.referenced_table), {})
            changes += [(c, there[r]) for c, r in fkey.mapping.items() if there.get(r)]
        if not changes:
            return lambda row: row
        return lambda row: row | {c: m[row[c]] for c, m in changes if row[c] in m}

    def touches(self, table: Table) -> bool:
        """Whether rows of the table refer to one that the catalog has already."""
        return any(
            self.absorbed.get((f.referenced_schema, f.referenced_table)) for f in table.foreign_keys
        )


def find_same(
    source: Source,
    catalog: Catalog,
    before: Model,
    policy: LoadPolicy,
    *,
    identities: Mapping[TableKey, Sequence[str]],
    known: Mapping[str, str],
) -> Sameness:
    """Compare terms and other rows that may be the same.

    Raises:
        Conflict: Terms of one name say different things, and the policy refuses that; or a term
            of the bag is called as a synonym of another term of the catalog.
    """
    same = Sameness()
    for table in source.tables:
        key = (table.schema, table.name)
        there = _existing(before, key)
        if there is None:
            continue
        if is_vocabulary(table) and is_vocabulary(there):
            _merge_terms(same, source, catalog, table, policy)
        elif key in identities:
            _merge_rows(same, source, catalog, (table, identities[key]))
    _take_known(same, source, known)
    return same


def is_vocabulary(table: Table) -> bool:
    """Whether a table holds terms."""
    return {c.name.lower() for c in table.columns} >= _VOCABULARY


def _existing(model: Model, key: TableKey) -> Table | None:
    schema = model.schemas.get(key[0])
    return None if schema is None else schema.tables.get(key[1])


def _column(table: Table, name: str) -> str:
    return next(c.name for c in table.columns if c.name.lower() == name.lower())


# --- terms -------------------------------------------------------------------------------


def _merge_terms(
    same: Sameness, source: Source, catalog: Catalog, table: Table, policy: LoadPolicy
) -> None:
    key = (table.schema, table.name)
    names = {n: _column(table, n) for n in (*_IDENTIFIERS, "Name", "Description", "Synonyms")}
    columns = tuple(names.values())
    mine = source.whole(table, ("RID", *columns))
    theirs = whole(catalog, table, ("RID", *columns))
    by_name = {row[names["Name"]]: row for row in theirs}
    synonyms = {w: row for row in theirs for w in row[names["Synonyms"]] or ()}
    taken = {row["RID"] for row in theirs}
    absorbed = same.absorbed.setdefault(key, set())
    problems: list[str] = []
    for row in mine:
        name = row[names["Name"]]
        other = by_name.get(name)
        if other is None:
            if name in synonyms:
                problems.append(
                    f"{table.qualified}: {name!r} is a term of the bag, and in the catalog a "
                    f"synonym of {synonyms[name][names['Name']]!r}"
                )
            elif row["RID"] in taken:
                same.renamed.setdefault(key, set()).add(row["RID"])
            continue
        absorbed.add(row["RID"])
        for each in _IDENTIFIERS:
            same.called(key, names[each], row[names[each]], other[names[each]])
        said = {names[n]: row[names[n]] for n in ("Description", "Synonyms")}
        if any((said[c] or None) != (other[c] or None) for c in said):
            if policy.vocabularies == "refuse":
                problems.append(f"{table.qualified}: {name!r} is described otherwise")
            elif policy.vocabularies == "replace":
                same.terms.setdefault(key, []).append({"RID": other["RID"], **said})
    if problems:
        raise Conflict(
            f"Terms of the bag contradict those of the catalog.{some_of(problems)}",
            hint="Correct the terms, or load with another policy for vocabularies.",
        )


# --- other rows --------------------------------------------------------------------------


def _merge_rows(same: Sameness, source: Source, catalog: Catalog, merging: Merging) -> None:
    table, columns = merging
    key = (table.schema, table.name)
    mine = [r for r in source.whole(table, ("RID", *columns)) if None not in _values(r, columns)]
    if not mine:
        return
    wanted = {row[columns[0]] for row in mine}
    found = select(catalog, table, ("RID", *columns), columns[0], wanted)
    by_values = {_values(row, columns): row["RID"] for row in found}
    for row in mine:
        rid = by_values.get(_values(row, columns))
        if rid is not None:
            same.absorbed.setdefault(key, set()).add(row["RID"])
            same.called(key, "RID", row["RID"], rid)


def _values(row: Row, columns: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[c] for c in columns)


def _take_known(same: Sameness, source: Source, known: Mapping[str, str]) -> None:
    """Take over the rows that the caller says are the same."""
    if not known:
        return
    for rid, place in source.catalog.resolve_rids(known).items():
        key = (place.schema, place.table)
        same.absorbed.setdefault(key, set()).add(rid)
        same.called(key, "RID", rid, known[rid])


# --- fresh identifiers -------------------------------------------------------------------


def lease(catalog: Catalog, origin: str, rids: Iterable[str], *, ask: bool) -> dict[str, str]:
    """The identifiers that rows of another catalog have here, by the ones they have there.

    Args:
        catalog: This catalog.
        origin: What tells the other catalog from all others.
        rids: Identifiers there.
        ask: Lease identifiers for those that have none yet; else they are left out.
    """
    tokens = {f"{origin}#{rid}": rid for rid in rids}
    found: dict[str, str] = {}
    get = catalog.lease_rids if ask else catalog.leased_rids
    for some in in_parts(list(tokens), _LEASED_AT_ONCE):
        found |= {tokens[token]: rid for token, rid in get(some).items()}
    return found
