"""Carrying out a plan: the rows of a wide table, as blocks of columns.

Each table is asked for once for each block of rows of the grain (there is one block, unless rows
are streamed), with the keys that were found so far; the join happens in memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deriva_ml.core.exceptions import DerivaMLValidationError
from deriva_ml.core.session import Session
from deriva_ml.feature.definition import Feature
from deriva_ml.feature.record import FeatureRecord, Selector, read_records

from .graph import TableKey, key_of
from .join import Joined, joined_with, start, values_at
from .plan import Plan, only_feature
from .rows import Objects, TableRows, rows_at, rows_by_rid
from .scope import Anchors, Scope

__all__ = ["Block", "blocks", "chosen_rids", "records_of"]

Block = dict[str, Objects]
"""Columns of equal length by name; values in the protocol's JSON form."""


@dataclass
class _Run:
    session: Session
    plan: Plan
    anchors: Anchors
    scope: Scope
    selector: Selector | None
    feature: Feature | None
    waiting: dict[TableKey, dict[str, None]] = field(default_factory=dict)

    def block(self, rids: Sequence[str]) -> Block:
        """The rows of the wide table for some rows of the grain."""
        nodes = self.plan.nodes
        tables = [self._chosen(0, rows_by_rid(self.session, nodes[0].table, self.names(0), rids))]
        joined = start(tables[0])
        for place in range(1, len(nodes)):
            node = nodes[place]
            step, parent = node.step, node.parent
            assert step is not None, "only the grain has none"
            assert parent is not None, "only the grain has none"
            above = tables[parent].where(self._met(joined, parent, tables[parent]))
            rows = rows_at(
                self.session,
                (nodes[parent].table, above),
                step.left,
                node.table,
                step.right,
                self.names(place),
            )
            tables.append(self._chosen(place, self._inside(place, rows)))
            joined = joined_with(
                joined,
                parent,
                tables[parent].keys(step.left),
                tables[place].keys(step.right),
                up=step.up,
                required=step.required,
            )
        self._strike_off(joined, tables)
        return self._shown(joined, tables)

    @staticmethod
    def _met(joined: Joined, parent: int, rows: TableRows) -> NDArray[np.bool_]:
        """Which rows of a table take part in the join so far."""
        met = np.zeros(rows.length, dtype=bool)
        at = joined.places[parent]
        met[at[at >= 0]] = True
        return met

    def names(self, place: int) -> list[str]:
        """The columns of a table that are shown or compared."""
        nodes = self.plan.nodes
        names = dict.fromkeys(("RID", *(c.column.name for c in self.plan.shown(place))))
        step = nodes[place].step
        names |= dict.fromkeys(step.right if step is not None else ())
        for node in nodes:
            if node.parent == place and node.step is not None:
                names |= dict.fromkeys(node.step.left)
        if self.feature is not None and self._is_feature(place):
            names |= dict.fromkeys(c.name for c in self.feature.feature_table.columns)
        names |= dict.fromkeys(self._dataset_columns(place))
        return list(names)

    def _is_feature(self, place: int) -> bool:
        node, feature = self.plan.nodes[place], self.feature
        if node.asked is None or feature is None:
            return False
        return key_of(node.table) == key_of(feature.feature_table)

    # --- what belongs to the dataset -------------------------------------------------

    def _dataset_columns(self, place: int) -> list[str]:
        """Columns of a linking table that say which dataset a row belongs to."""
        node = self.plan.nodes[place]
        if node.step is None or node.step.up or not self.anchors.datasets:
            return []
        dataset = self.plan.graph.dataset
        keys = node.table.foreign_keys
        found = [f for f in keys if (f.referenced_schema, f.referenced_table) == dataset]
        return [f.columns[0] for f in found if f.columns != node.step.fkey.columns]

    def _inside(self, place: int, rows: TableRows) -> TableRows:
        """The rows without those that do not belong to the dataset."""
        columns = self._dataset_columns(place)
        for name in columns:
            mine = {None, *self.anchors.datasets}
            rows = rows.where([v in mine for v in rows.columns[name].tolist()])
        steps = self.plan.steps_to(place)
        if columns or not steps or steps[-1].up:
            return rows
        if not rows.length or self.scope.inside.surely(steps, self.scope.depth):
            return rows
        known = self.scope.inside.rids(self.plan.nodes[place].table)
        if known is None:
            return rows
        return rows.where([rid in known for rid in rows.columns["RID"].tolist()])

    # --- choosing values of a feature ------------------------------------------------

    def _chosen(self, place: int, rows: TableRows) -> TableRows:
        """The rows without values of the feature that the selector did not choose."""
        if self.selector is None or self.feature is None or not self._is_feature(place):
            return rows
        kept = chosen_rids(self.feature, self.selector, rows)
        return rows.where([rid in kept for rid in rows.columns["RID"].tolist()])

    # --- members without a row -------------------------------------------------------

    def _strike_off(self, joined: Joined, tables: Sequence[TableRows]) -> None:
        """Take the members that have a row from those that wait for one."""
        for key, rids in self.waiting.items():
            place = self.plan.place_of(self.plan.graph.tables[key])
            for rid in values_at(tables[place].columns["RID"], joined.places[place]).tolist():
                rids.pop(rid, None)

    def orphans(self) -> Iterator[Block]:
        """A row for each member of a table of the request that no row of the grain belongs to."""
        for key, rids in self.waiting.items():
            if rids:
                place = self.plan.place_of(self.plan.graph.tables[key])
                table = self.plan.nodes[place].table
                rows = rows_by_rid(self.session, table, self.names(place), list(rids))
                yield self._alone(place, rows)

    def _alone(self, place: int, rows: TableRows) -> Block:
        empty = np.full(rows.length, None, dtype=object)
        return {
            c.name: rows.columns[c.column.name] if c.node == place else empty
            for c in self.plan.columns
        }

    def _shown(self, joined: Joined, tables: Sequence[TableRows]) -> Block:
        return {
            c.name: values_at(tables[c.node].columns[c.column.name], joined.places[c.node])
            for c in self.plan.columns
        }


def blocks(
    session: Session,
    plan: Plan,
    anchors: Anchors,
    scope: Scope,
    selector: Selector | None = None,
    size: int | None = None,
) -> Iterator[Block]:
    """The rows of a wide table: those of the grain in the order of their RIDs, then orphans.

    Args:
        session: Where the rows are.
        plan: The wide table.
        anchors: The rows that it starts from.
        scope: The rows of the grain.
        selector: Chooses between several values of the one feature of the request.
        size: How many rows of the grain one block is made of; None: all are one block.

    Raises:
        DerivaMLValidationError: There is a selector, but not exactly one feature.
    """
    feature = None if selector is None else only_feature(plan)
    run = _Run(session, plan, anchors, scope, selector, feature)
    rids = scope.rids
    for asked in plan.request.include:
        key = key_of(asked.table)
        if key in anchors.rids and key != key_of(plan.grain):
            run.waiting[key] = dict.fromkeys(anchors.rids[key])
    step = len(rids) if size is None or _needs_all(plan, feature) else size
    for first in range(0, len(rids), max(step, 1)):
        yield run.block(rids[first : first + step])
    yield from run.orphans()


def _needs_all(plan: Plan, feature: Feature | None) -> bool:
    """Whether a selector has to see values that would be in different blocks."""
    if feature is None:
        return False
    node = plan.nodes[plan.place_of(feature.feature_table)]
    return node.step is None or node.step.fkey.columns != (feature.target_column,)


def chosen_rids(feature: Feature, selector: Selector, rows: TableRows) -> set[str]:
    """RIDs of the values that a selector chooses, one for each row of the target at most.

    Raises:
        DerivaMLValidationError: The selector returned something that it was not given.
    """
    if not callable(selector):
        raise DerivaMLValidationError(
            f"A selector is a function of records, such as FeatureRecord.select_newest, not "
            f"{selector!r}."
        )
    records = records_of(feature, rows)
    rids = {id(r): rid for r, rid in zip(records, rows.columns["RID"].tolist(), strict=True)}
    groups: defaultdict[str, list[FeatureRecord]] = defaultdict(list)
    targets = rows.columns[feature.target_column].tolist()
    for record, target in zip(records, targets, strict=True):
        groups[target].append(record)
    kept = set()
    for group in groups.values():
        chosen = selector(group)
        if chosen is not None and id(chosen) not in rids:
            raise DerivaMLValidationError(
                f"The selector returned {chosen!r}, which is none of the records of "
                f"{str(feature)!r} that it was given."
            )
        if chosen is not None:
            kept.add(rids[id(chosen)])
    return kept


def records_of(feature: Feature, rows: TableRows) -> list[FeatureRecord]:
    """The records that rows of a feature's table are, in their order.

    Raises:
        DerivaMLValidationError: A row does not fit the feature's class.
    """
    made = feature.feature_record_class()
    names = list(made.model_fields)
    columns = (rows.columns[name].tolist() for name in names)
    given = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    return read_records(made, given)
