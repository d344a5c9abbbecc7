"""What changed in a dataset between two moments: rows added, changed and deleted, by table.

The rows that belong to a dataset are those that a bag of it would hold (see `reach`). Two states
are compared as sets: the RIDs that each can reach, and of those that both can reach the ones that
were modified in between.

What records the use and the making of rows is not content and does not count: executions,
workflows, who read or made a file, and the numbers of versions themselves. Of a vocabulary only
changed and deleted terms count, since a new term that a row of the dataset refers to shows in
that row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deriva_catalog import snaptime
from deriva_catalog.model.elements import Table
from deriva_catalog.path.ast import ColumnName, Comparison, Operator
from deriva_ml.core.exceptions import DerivaMLValidationError, translated
from deriva_ml.core.html_tables import cell, rows_html
from deriva_ml.core.query import any_of, attributes
from deriva_ml.core.session import Session

from .history import DatasetHistory, Versions
from .reach import Reached, TableKey, reach
from .versions import DatasetVersion

if TYPE_CHECKING:
    from .collection import Datasets

__all__ = ["Drift", "TableDrift", "drift", "drift_between", "drift_since_release"]


@dataclass(frozen=True, slots=True)
class TableDrift:
    """The RIDs of the rows of one table that differ, each list in order."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many rows differ."""
        return len(self.added) + len(self.changed) + len(self.deleted)


@dataclass(frozen=True)
class Drift:
    """How a dataset differs between two moments.

    Attributes:
        dataset_rid: The dataset.
        since: The version compared from.
        until: The version compared with; None is the present state.
        tables: What differs, by table name; tables without differences are left out.
    """

    dataset_rid: str
    since: DatasetVersion
    until: DatasetVersion | None
    tables: Mapping[str, TableDrift] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """How many rows differ, by table name."""
        return {name: table.count for name, table in self.tables.items()}

    def __bool__(self) -> bool:
        return bool(self.tables)

    def __str__(self) -> str:
        head = f"Dataset {self.dataset_rid}, {self.since} to {self.until or 'now'}"
        if not self.tables:
            return f"{head}: no difference"
        lines = [
            f"  {name}: {len(t.added)} added, {len(t.changed)} changed, {len(t.deleted)} deleted"
            for name, t in self.tables.items()
        ]
        return "\n".join([f"{head}:", *lines])

    def _repr_html_(self) -> str:
        head = f"Dataset {self.dataset_rid}, {self.since} to {self.until or 'now'}"
        if not self.tables:
            return f"<div>{cell(head)}: no difference</div>"
        rows = (
            (name, len(t.added), len(t.changed), len(t.deleted)) for name, t in self.tables.items()
        )
        columns = ("Table", "Added", "Changed", "Deleted")
        return f"<div>{cell(head)}{rows_html(columns, rows)}</div>"


def drift(
    self: Datasets,
    rid: str,
    since: DatasetVersion | str | None = None,
    until: DatasetVersion | str | None = None,
) -> Drift:
    """What changed in a dataset; from its last release to now unless versions are given.

    Raises:
        DerivaMLValidationError: Only `until` is given, or a version is under development.
        DerivaMLNotFoundError: The dataset has no such version.
    """
    if since is not None:
        return drift_between(self.session, rid, since, until)
    if until is not None:
        raise DerivaMLValidationError(
            f"Version {str(until)!r} is to be compared with what? Give since=... too."
        )
    return drift_since_release(self.session, rid)


@translated()
def drift_since_release(session: Session, dataset: str) -> Drift:
    """How the present state of a dataset differs from its last release.

    Raises:
        DerivaMLDatasetNotFound: There is no such dataset.
        DerivaMLValidationError: It was never released.
    """
    released = [h for h in Versions(session).history(dataset) if h.snapshot is not None]
    if not released:
        Versions(session).current(dataset)  # says so when there is no such dataset
        raise DerivaMLValidationError(
            f"Dataset {dataset!r} has no released version to compare with. Call release() first."
        )
    return _compare(session, dataset, released[-1], None)


@translated()
def drift_between(
    session: Session,
    dataset: str,
    since: DatasetVersion | str,
    until: DatasetVersion | str | None = None,
) -> Drift:
    """How two versions of a dataset differ, or one version and the present state.

    Args:
        session: The connection.
        dataset: RID of the dataset.
        since: A released version.
        until: Another one, or None for the dataset as it is now.

    Raises:
        DerivaMLNotFoundError: The dataset has no such version.
        DerivaMLValidationError: A version is under development, so that its state is not kept.

    Cost: the two walks of `reach`, and one query for each table that both can reach.
    """
    versions = Versions(session)
    for label in (since, until):
        if label is not None:
            versions.snapshot(dataset, label)
    end = None if until is None else versions.find(dataset, until)
    return _compare(session, dataset, versions.find(dataset, since), end)


@dataclass(frozen=True)
class _State:
    """A moment, and what belongs to the dataset then."""

    session: Session
    reached: Reached
    moment: int | None

    @classmethod
    def of(cls, session: Session, dataset: str, version: DatasetHistory | None) -> _State:
        if version is None or version.snapshot is None:
            return cls(session, reach(session, dataset), None)
        past = session.at(version.snapshot)
        return cls(past, reach(past, dataset), snaptime.decode(version.snapshot))

    def table(self, key: TableKey) -> Table:
        return self.session.model.schemas[key[0]].tables[key[1]]

    def is_later_than(self, other: _State) -> bool:
        return self.moment is None or (other.moment is not None and self.moment > other.moment)


def _compare(
    session: Session, dataset: str, since: DatasetHistory, until: DatasetHistory | None
) -> Drift:
    before = _State.of(session, dataset, since)
    after = _State.of(session, dataset, until)
    tables = {}
    left_out = _bookkeeping(session)
    for key in sorted({*before.reached.rids, *after.reached.rids} - left_out):
        mine, theirs = set(before.reached.rids.get(key, ())), set(after.reached.rids.get(key, ()))
        tables[key] = TableDrift(
            tuple(sorted(theirs - mine)),
            tuple(_changed(before, after, key, mine & theirs)),
            tuple(sorted(mine - theirs)),
        )
    for key in sorted((before.reached.whole | after.reached.whole) - left_out):
        tables[key] = _terms(before, after, key)
    label = None if until is None else until.dataset_version
    return Drift(dataset, since.dataset_version, label, _named(tables))


def _changed(before: _State, after: _State, key: TableKey, both: set[str]) -> list[str]:
    """Those rows that both states have and that were modified between them."""
    if not both:
        return []
    early, late = (before, after) if after.is_later_than(before) else (after, before)
    if key == (late.session.model.ml_schema, "Dataset"):
        return _described_otherwise(before, after, key, both)
    if early.moment is None:
        return []  # both are the present
    since = Comparison(ColumnName("RMT"), Operator.GT, snaptime.to_iso(early.moment))
    rows = late.session.fetch(attributes(late.table(key), ("RID",), since))
    return sorted(both.intersection(row["RID"] for row in rows))


def _described_otherwise(
    before: _State, after: _State, key: TableKey, both: Iterable[str]
) -> list[str]:
    """The datasets whose description differs; a row is also modified by each new version."""
    columns, mine = ("RID", "Description"), any_of("RID", sorted(both))
    states = [
        {
            row["RID"]: row["Description"]
            for row in state.session.fetch(attributes(state.table(key), columns, mine))
        }
        for state in (before, after)
    ]
    return sorted(rid for rid in both if states[0].get(rid) != states[1].get(rid))


def _terms(before: _State, after: _State, key: TableKey) -> TableDrift:
    """The terms of a vocabulary that are no longer there, or were modified."""
    there = []
    for state in (before, after):
        tables = state.session.model.schemas[key[0]].tables
        found = (
            state.session.fetch(attributes(tables[key[1]], ("RID",))) if key[1] in tables else []
        )
        there.append({row["RID"] for row in found})
    both = there[0] & there[1]
    deleted = tuple(sorted(there[0] - there[1]))
    return TableDrift((), tuple(_changed(before, after, key, both)), deleted)


def _bookkeeping(session: Session) -> set[TableKey]:
    """The tables that say who made and who used what."""
    model = session.model
    ml = {
        (model.ml_schema, name)
        for name in ("Dataset_Version", "Dataset_Execution", "Execution", "Execution_Execution")
    }
    ml |= {(model.ml_schema, name) for name in ("Workflow", "Workflow_Workflow_Type")}
    ml |= {(model.ml_schema, name) for name in ("Workflow_Type", "Execution_Status")}
    return ml | {(t.schema, t.name) for t in model.find_asset_execution_tables()}


def _named(tables: Mapping[TableKey, TableDrift]) -> dict[str, TableDrift]:
    """The tables that differ by name; one whose name two schemas have is ``schema:Table``."""
    differing = {key: table for key, table in tables.items() if table.count}
    names = [name for _, name in differing]
    return {
        name if names.count(name) == 1 else f"{schema}:{name}": table
        for (schema, name), table in differing.items()
    }
