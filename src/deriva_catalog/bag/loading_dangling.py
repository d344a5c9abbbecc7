"""References of a bag's rows to rows that are neither in the bag nor in the catalog."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..errors import ForeignKeyViolation
from ..interface import Catalog, Row
from ..model.elements import SYSTEM_COLUMNS, ForeignKey, Model, Table
from .loading_policy import LoadPolicy, TableKey, some_of
from .loading_same import Sameness, lease
from .loading_source import Source, select, with_reference

__all__ = ["Dangling", "find_dangling"]


@dataclass(slots=True)
class Dangling:
    """What is done about references to nothing.

    Attributes:
        dropped: By table, RIDs of rows that are left out.
        cleared: By table and RID, the columns that are made empty.
    """

    dropped: dict[TableKey, set[str]] = field(default_factory=dict)
    cleared: dict[TableKey, dict[str, set[str]]] = field(default_factory=dict)

    def applied(self, key: TableKey, rows: Iterable[Row]) -> list[Row]:
        """The rows that are left, with references cleared."""
        dropped = self.dropped.get(key, set())
        cleared = self.cleared.get(key, {})
        if not dropped and not cleared:
            return list(rows)
        return [
            row | dict.fromkeys(cleared.get(row["RID"], ()))
            for row in rows
            if row["RID"] not in dropped
        ]


@dataclass
class _Search:
    source: Source
    catalog: Catalog
    before: Model
    policy: LoadPolicy
    same: Sameness
    origin: str
    found: Dangling = field(default_factory=Dangling)
    problems: list[str] = field(default_factory=list)
    queue: deque[tuple[Table, set[str]]] = field(default_factory=deque)

    def run(self) -> Dangling:
        tables = {(t.schema, t.name): t for t in self.source.tables}
        for table in self.source.tables:
            for fkey in table.foreign_keys:
                if not set(fkey.columns) <= set(SYSTEM_COLUMNS):
                    self.look(table, fkey, tables.keys())
        while self.queue:
            self.cascade(*self.queue.popleft(), tables)
        if self.problems:
            raise ForeignKeyViolation(
                f"Rows of the bag refer to rows that are neither in it nor in the catalog."
                f"{some_of(self.problems)}",
                hint="Load a bag that has them first, or load with another policy for dangling "
                "references: 'delete' leaves the rows out, 'clear' makes the references empty.",
            )
        return self.found

    def look(self, table: Table, fkey: ForeignKey, loaded: Collection[TableKey]) -> None:
        target = (fkey.referenced_schema, fkey.referenced_table)
        if target in loaded:
            rows = self.source.without_partner(table, fkey)
        elif self.policy.covers(target) or self.exists(target):
            rows = with_reference(self.source.catalog, table, fkey)
        else:
            return  # left out with its table, so that nothing holds the catalog to it
        self.settle(table, fkey, rows)

    def exists(self, key: TableKey) -> bool:
        return key[0] in self.before.schemas and key[1] in self.before.schemas[key[0]].tables

    def settle(self, table: Table, fkey: ForeignKey, rows: list[Row]) -> None:
        """Do as the policy says with the rows whose reference the catalog does not know either."""
        key = (table.schema, table.name)
        gone = self.found.dropped.setdefault(key, set())
        absorbed = self.same.absorbed.get(key, set())
        rows = [row for row in rows if row["RID"] not in gone | absorbed]
        there = self.in_catalog(fkey, {tuple(row[c] for c in fkey.columns) for row in rows})
        lost = [row for row in rows if tuple(row[c] for c in fkey.columns) not in there]
        if not lost:
            return
        optional = [c for c in fkey.columns if table.by_name[c].nullok]
        if self.policy.dangling == "delete":
            rids = {row["RID"] for row in lost}
            gone |= rids
            self.queue.append((table, rids))
        elif self.policy.dangling == "clear" and optional:
            cleared = self.found.cleared.setdefault(key, {})
            for row in lost:
                cleared.setdefault(row["RID"], set()).update(optional)
        else:
            why = "" if self.policy.dangling == "refuse" else ", and may not be empty"
            self.problems += [
                f"{table.qualified} {row['RID']}: {', '.join(fkey.columns)}="
                f"{', '.join(str(row[c]) for c in fkey.columns)} of "
                f"{fkey.referenced_schema}:{fkey.referenced_table}{why}"
                for row in lost
            ]

    def in_catalog(self, fkey: ForeignKey, values: set[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
        """Those of the values that the catalog has a row for."""
        key = (fkey.referenced_schema, fkey.referenced_table)
        if not values or not self.exists(key):
            return set()
        table = self.before.schemas[key[0]].tables[key[1]]
        columns = fkey.referenced_columns
        if columns == ("RID",) and self.policy.rids == "fresh":
            for old, new in lease(
                self.catalog, self.origin, (str(v) for (v,) in values), ask=False
            ).items():
                self.same.called(key, "RID", old, new)
            known = self.same.values.get(key, {}).get("RID", {})
            rids = select(self.catalog, table, columns, "RID", known.values())
            here = {row["RID"] for row in rids}
            return {(v,) for (v,) in values if known.get(v) in here}
        found = select(self.catalog, table, columns, columns[0], {v[0] for v in values})
        return {tuple(row[c] for c in columns) for row in found}

    def cascade(self, table: Table, rids: set[str], tables: dict[TableKey, Table]) -> None:
        """Look at the rows of the bag that refer to rows that were left out."""
        inbound = self.source.catalog.model.inbound.get((table.schema, table.name), ())
        for referring, fkey in inbound:
            if (referring.schema, referring.name) not in tables:
                continue
            there = fkey.referenced_columns
            lost = {
                tuple(row[c] for c in there)
                for row in select(self.source.catalog, table, there, "RID", rids)
            }
            columns = ("RID", *fkey.columns)
            firsts = {value[0] for value in lost if value[0] is not None}
            rows = select(self.source.catalog, referring, columns, fkey.columns[0], firsts)
            self.settle(
                referring, fkey, [r for r in rows if tuple(r[c] for c in fkey.columns) in lost]
            )


def find_dangling(
    source: Source,
    catalog: Catalog,
    before: Model,
    policy: LoadPolicy,
    same: Sameness,
    origin: str,
) -> Dangling:
    """Find references to nothing, and decide about them as the policy says.

    Raises:
        ForeignKeyViolation: There are some, and the policy refuses them or they cannot be empty.

    Cost: one question to the bag for each foreign key, and one to the catalog for each that has
        candidates.
    """
    return _Search(source, catalog, before, policy, same, origin).run()
