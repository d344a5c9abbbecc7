"""Bringing the rows of a bag into a catalog: what is new, what is there, what is other there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import Conflict
from ..interface import Catalog, Row
from ..model.elements import SYSTEM_COLUMNS, Model, Table
from ..path.ast import TableName
from .loading_dangling import Dangling
from .loading_files import Files
from .loading_policy import LoadPolicy, TableKey, some_of
from .loading_same import Sameness, lease
from .loading_source import Source, in_parts, name_of, select

__all__ = ["RowPlan", "TableKnowledge", "plan_rows", "write_rows"]

Rewrite = Callable[[Table, list[Row], str | None], list[Row]]
_ASKED_AT_ONCE = 20_000
_CLIENTS = TableName("ERMrest_Client", "public")


@dataclass(frozen=True, slots=True)
class TableKnowledge:
    """What the caller knows of tables and their schema does not tell.

    Attributes:
        identities: By table, columns that tell whether a row of the bag is one of the catalog.
        known: RIDs of rows of the bag that are rows of the catalog, and their RIDs there.
        local_columns: By table, columns that mean something in one catalog only: they are not
            compared, nor replaced.
        rewrite: Changes rows of the bag, as they are there, right before they are inserted; the
            last argument is the snapshot that the transaction will be, None where there is no
            transaction.
    """

    identities: Mapping[TableKey, Sequence[str]] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)
    local_columns: Mapping[TableKey, Collection[str]] = field(default_factory=dict)
    rewrite: Rewrite | None = None


@dataclass(slots=True)
class RowPlan:
    """What is to be done with the rows of each table.

    Attributes:
        present: RIDs of the bag's rows that the catalog has.
        differing: RIDs of those that are other there.
        fresh: RIDs of the bag that are given another identifier, also in the catalog.
    """

    present: dict[TableKey, set[str]] = field(default_factory=dict)
    differing: dict[TableKey, set[str]] = field(default_factory=dict)
    fresh: dict[TableKey, set[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Work:
    """What the steps of loading share."""

    source: Source
    catalog: Catalog
    before: Model
    policy: LoadPolicy
    knowledge: TableKnowledge
    same: Sameness
    dangling: Dangling
    origin: str

    def rows(self, table: Table) -> Iterator[list[Row]]:
        """The rows of a table that are rows of their own in the catalog, some at a time."""
        key = (table.schema, table.name)
        absorbed = self.same.absorbed.get(key, set())
        for page in self.source.pages(table):
            mine = [row for row in page if row["RID"] not in absorbed] if absorbed else page
            rows = self.dangling.applied(key, mine)
            if rows:
                yield rows

    def existing(self, table: Table) -> Table | None:
        """The catalog's table of that name, before anything was changed."""
        schema = self.before.schemas.get(table.schema)
        return None if schema is None else schema.tables.get(table.name)


# --- planning ----------------------------------------------------------------------------


def plan_rows(work: Work, ignored: Callable[[Table], Collection[str]]) -> RowPlan:
    """Find out which rows the catalog has.

    Args:
        work: What is loaded.
        ignored: Columns of a table that are not compared.

    Raises:
        Conflict: The catalog has an identifier of the bag in another table, or a row with other
            content, and the policy refuses that.
    """
    plan = RowPlan()
    occupied = any(
        work.catalog.count(name_of(t)) for t in work.before.tables() if work.policy.covers(_key(t))
    )
    for table in work.source.tables:
        plan.fresh[_key(table)] = _fresh(work, table)
    if occupied:
        for table in work.source.tables:
            _compare(work, plan, table, frozenset(ignored(table)))
        _refuse_taken(work, plan)
    _refuse_differing(work, plan)
    return plan


def _key(table: Table) -> TableKey:
    return table.schema, table.name


def _fresh(work: Work, table: Table) -> set[str]:
    """The rows of a table that get another identifier; known ones are noted in `work.same`."""
    key = _key(table)
    if work.policy.rids == "keep":
        rids = work.same.renamed.get(key, set())
    else:
        all_rids = {row["RID"] for row in work.source.whole(table, ("RID",))}
        rids = all_rids - work.same.absorbed.get(key, set())
    for old, new in lease(work.catalog, work.origin, sorted(rids), ask=False).items():
        work.same.called(key, "RID", old, new)
    return rids


def _compare(work: Work, plan: RowPlan, table: Table, ignored: frozenset[str]) -> None:
    key, there = _key(table), work.existing(table)
    if there is None or not work.catalog.count(name_of(there)):
        return
    mapped = work.same.row_mapping(table)
    fresh = plan.fresh[key]
    leased = work.same.values.get(key, {}).get("RID", {})
    compared = [
        c.name
        for c in table.columns
        if c.name not in ignored and c.name not in SYSTEM_COLUMNS and c.name in there.by_name
    ]
    columns = ("RID", *compared)
    for rows in work.rows(table):
        known = {row["RID"]: mapped(row) for row in rows if row["RID"] not in fresh - leased.keys()}
        found = {
            row["RID"]: row
            for row in select(
                work.catalog, there, columns, "RID", (row["RID"] for row in known.values())
            )
        }
        for rid, row in known.items():
            other = found.get(row["RID"])
            if other is not None:
                plan.present.setdefault(key, set()).add(rid)
                if any(row[c] != other[c] for c in compared):
                    plan.differing.setdefault(key, set()).add(rid)


def _refuse_taken(work: Work, plan: RowPlan) -> None:
    """Refuse identifiers that the catalog has in another table."""
    mine: dict[str, TableKey] = {}
    for table in work.source.tables:
        key = _key(table)
        out = plan.present.get(key, set()) | plan.fresh[key] | work.same.absorbed.get(key, set())
        rids = (row["RID"] for row in work.source.whole(table, ("RID",)))
        mine.update((rid, key) for rid in rids if rid not in out)
    taken: list[str] = []
    for some in in_parts(list(mine), _ASKED_AT_ONCE):
        taken += [
            f"{rid} is a row of {':'.join(mine[rid])} in the bag, and of {p.schema}:{p.table} in "
            "the catalog"
            for rid, p in work.catalog.resolve_rids(some).items()
            if (p.schema, p.table) != mine[rid]
        ]
    if taken:
        raise Conflict(
            f"{len(taken)} identifiers of the bag are taken in the catalog.{some_of(taken)}",
            hint="The two have different origins: load with rids='fresh', which gives the rows "
            "other identifiers, or load into a new catalog.",
        )


def _refuse_differing(work: Work, plan: RowPlan) -> None:
    if work.policy.existing != "refuse":
        return
    other = [f"{s}:{t} {rid}" for (s, t), rids in plan.differing.items() for rid in sorted(rids)]
    if other:
        raise Conflict(
            f"The catalog has {len(other)} rows of the bag with other content.{some_of(other)}",
            hint="Load with existing='replace' to take the content of the bag, or with "
            "existing='keep' to leave these rows alone.",
        )


# --- writing -----------------------------------------------------------------------------


@dataclass(slots=True)
class Written:
    """What `write_rows` did, by table."""

    inserted: dict[TableKey, int] = field(default_factory=dict)
    updated: dict[TableKey, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manner:
    """How rows are written: in a transaction or not, and with which system columns."""

    snapshot: str | None
    in_transaction: bool
    recorded: bool
    files: Files
    progress: Callable[[int], object] | None = None


def write_rows(work: Work, plan: RowPlan, manner: Manner) -> Written:
    """Write what the plan says, tables in the order of their references.

    In a transaction references may be ahead of what they refer to. Elsewhere those of cycles are
    empty at first and set at the end.
    """
    written = Written()
    _lease_fresh(work, plan)
    if work.policy.system_columns == "keep":
        _insert_clients(work)
    later: list[tuple[Table, list[str], list[Row]]] = []
    for table in work.source.tables:
        inserted, updated, rest = _write_table(work, plan, manner, table)
        later += rest
        if inserted:
            written.inserted[_key(table)] = inserted
        if updated:
            written.updated[_key(table)] = updated
    for table, columns, rows in later:
        work.catalog.update(name_of(table), rows, targets=columns)
    for key, rows in work.same.terms.items():
        targets = [c for c in rows[0] if c != "RID"]
        work.catalog.update(TableName(key[1], key[0]), rows, targets=targets)
        written.updated[key] = written.updated.get(key, 0) + len(rows)
    return written


def _lease_fresh(work: Work, plan: RowPlan) -> None:
    for table in work.source.tables:
        key = _key(table)
        named = work.same.values.get(key, {}).get("RID", {})
        missing = sorted(plan.fresh[key] - named.keys())
        if not missing:
            continue
        for old, new in lease(work.catalog, work.origin, missing, ask=True).items():
            work.same.called(key, "RID", old, new)


def _insert_clients(work: Work) -> None:
    """Make records of the people who made the rows, so that the rows can name them."""
    people: set[str] = set()
    for table in work.source.tables:
        named = work.source.different(table, ("RCB", "RMB"))
        people |= {row[c] for row in named for c in ("RCB", "RMB") if row[c] is not None}
    known = work.before.schemas["public"].tables.get(_CLIENTS.name)
    if known is None or not people:
        return
    here = {row["ID"] for row in select(work.catalog, known, ("ID",), "ID", people)}
    rows = [{"ID": p, "Display_Name": p, "Client_Object": {"id": p}} for p in sorted(people - here)]
    if rows:
        work.catalog.insert(_CLIENTS, rows, returning=False)


def _write_table(
    work: Work, plan: RowPlan, manner: Manner, table: Table
) -> tuple[int, int, list[tuple[Table, list[str], list[Row]]]]:
    key, name = _key(table), name_of(table)
    mapped, placed = work.same.row_mapping(table), manner.files.placed(table)
    renamed = _renaming(table, plan.fresh[key])
    waiting = [] if manner.in_transaction else _waiting(work, table)
    present, differing = plan.present.get(key, set()), plan.differing.get(key, set())
    options = _options(work, manner, table)
    later: list[tuple[Table, list[str], list[Row]]] = []
    inserted = updated = 0
    for page in work.rows(table):
        fresh = [row for row in page if row["RID"] not in present]
        if fresh:
            if work.knowledge.rewrite is not None:
                fresh = work.knowledge.rewrite(table, fresh, manner.snapshot)
            new = [renamed(mapped(placed(row)), row["RID"]) for row in fresh]
            if waiting:
                later.append((table, waiting, [_only(row, waiting) for row in new]))
                new = [row | dict.fromkeys(waiting) for row in new]
            work.catalog.insert(name, new, returning=False, **options)
            inserted += len(new)
        if differing and work.policy.existing == "replace":
            for rows in manner.files.parted([r for r in page if r["RID"] in differing], table):
                updated += _replace(work, table, [mapped(row) for row in rows])
        if manner.progress is not None:
            manner.progress(len(page))
    return inserted, updated, later


def _options(work: Work, manner: Manner, table: Table) -> dict[str, Any]:
    given = ["RID"]
    if work.policy.system_columns == "keep":
        given += ["RCT", "RCB", "RMT", "RMB"] if manner.recorded else ["RCT", "RCB"]
    there = work.existing(table)
    extra = [] if there is None else [c.name for c in there.columns if c.name not in table.by_name]
    options: dict[str, Any] = {"nondefaults": given, "defaults": extra}
    if manner.recorded and "RMT" in given:
        options["recorded"] = True
    if work.same.touches(table) and _only_links(table):
        # Two rows that became one may both have had the same link.
        options["on_conflict"] = "skip"
    return options


def _only_links(table: Table) -> bool:
    """Whether a table does nothing but link rows of others."""
    linking = {c for f in table.foreign_keys for c in f.columns}
    own = {c.name for c in table.columns if not c.is_system}
    return own <= linking and any(set(k.columns) == own for k in table.keys)


def _renaming(table: Table, fresh: Collection[str]) -> Callable[[Row, str], Row]:
    """What gives rows with another identifier the texts that are made of it."""
    templates = {
        c.name: c.default
        for c in table.columns
        if isinstance(c.default, str) and "{RID}" in c.default
    }
    if not templates or not fresh:
        return lambda row, _: row

    def renamed(row: Row, rid: str) -> Row:
        if rid not in fresh:
            return row
        return row | {c: text.replace("{RID}", row["RID"]) for c, text in templates.items()}

    return renamed


def _waiting(work: Work, table: Table) -> list[str]:
    """Columns whose references must wait, where every insertion is on its own."""
    return [
        c
        for f in table.foreign_keys
        if (table.schema, table.name, f.name) in work.source.cyclic
        for c in f.columns
        if table.by_name[c].nullok
    ]


def _only(row: Row, columns: Sequence[str]) -> Row:
    return {c: row[c] for c in ("RID", *columns)}


def _replace(work: Work, table: Table, rows: list[Row]) -> int:
    """Give rows of the catalog the values that rows of the bag have, all in the same columns."""
    if not rows:
        return 0
    local = {*work.knowledge.local_columns.get(_key(table), ()), *SYSTEM_COLUMNS}
    targets = [c.name for c in table.columns if c.name not in local and c.name in rows[0]]
    if not targets:
        return 0
    work.catalog.update(
        name_of(table), [{c: row[c] for c in ("RID", *targets)} for row in rows], targets=targets
    )
    return len(rows)
