"""A wide table: one row for each row of a table, with the columns of what it refers to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table
from deriva_catalog.path.frames import Output, arrow_of, frame_of
from deriva_ml.core.exceptions import translated
from deriva_ml.core.session import Session
from deriva_ml.core.table_frames import as_polars
from deriva_ml.feature.definition import Feature
from deriva_ml.feature.record import FeatureRecord, Selector

from .graph import Graph, key_of
from .plan import Plan, make_plan, only_feature
from .request import Tables, find_feature
from .rows import TableRows, rows_at
from .scope import Anchors, Scope, anchors_of_dataset, find_scope, refuse_unrelated
from .wide import Block, blocks, records_of

if TYPE_CHECKING:
    import pandas as pd
    import polars

__all__ = ["Source", "WideTable", "feature_values", "grain_rids", "make_wide_table"]

_BLOCK = 10_000


@dataclass(frozen=True)
class Source:
    """Where the rows of a wide table come from.

    Attributes:
        session: The live catalog, a snapshot of it, or a bag.
        kind: ``catalog``, ``snapshot`` or ``bag``.
        dataset: RID of the dataset; None where `given` are the anchors.
        given: Rows to start from in place of a dataset's members.
    """

    session: Session
    kind: str
    dataset: str | None = None
    given: Anchors | None = None

    def graph(self) -> Graph:
        """The tables and the keys between them."""
        return Graph(self.session.model)

    def anchors(self) -> Anchors:
        """The rows to start from."""
        if self.given is not None:
            return self.given
        assert self.dataset is not None, "there is a dataset or there are rows"
        return anchors_of_dataset(self.session, self.dataset)


@dataclass(frozen=True)
class WideTable:
    """A wide table that is planned, with the rows of its grain found; asked for when wanted."""

    session: Session
    plan: Plan
    anchors: Anchors
    scope: Scope
    selector: Selector | None = None

    def blocks(self, size: int | None = None) -> Iterator[Block]:
        """The rows in blocks of columns (see `wide.blocks`)."""
        with translated():
            yield from blocks(
                self.session, self.plan, self.anchors, self.scope, self.selector, size
            )

    def rows(self) -> Iterator[Row]:
        """The rows as dictionaries, in the protocol's JSON form; memory stays flat."""
        names = [c.name for c in self.plan.columns]
        for block in self.blocks(_BLOCK):
            for values in zip(*(block[n].tolist() for n in names), strict=True):
                yield dict(zip(names, values, strict=True))

    def dataframe(self) -> pd.DataFrame:
        """The rows as a pandas frame, typed by the model."""
        outputs, columns = self.content()
        return frame_of(columns, outputs)

    def arrow(self) -> Any:
        """The rows as a ``pyarrow.Table``, typed by the model.

        Raises:
            ImportError: pyarrow is not installed.
        """
        outputs, columns = self.content()
        return arrow_of(columns, outputs)

    def polars(self) -> polars.DataFrame:
        """The rows as a Polars frame, typed by the model.

        Raises:
            ImportError: polars or pyarrow is not installed.
        """
        return as_polars(self.arrow())

    def content(self) -> tuple[list[Output], list[list[Any]]]:
        """Names and types of the columns, and the values of each in the JSON form."""
        found: list[list[Any]] = [[] for _ in self.plan.columns]
        for block in self.blocks():
            for values, column in zip(found, self.plan.columns, strict=True):
                values.extend(block[column.name].tolist())
        return [Output(c.name, c.column.type) for c in self.plan.columns], found


def make_wide_table(
    source: Source,
    include_tables: Tables,
    *,
    row_per: str | Table | None = None,
    via: Tables = None,
    ignore_unrelated_anchors: bool = False,
    selector: Selector | None = None,
    system_columns: Iterable[str] | None = None,
) -> WideTable:
    """Plan a wide table and find the rows of its grain; see `Dataset` for the arguments."""
    with translated():
        plan = make_plan(source.graph(), include_tables, row_per, via, system_columns)
        if selector is not None:
            only_feature(plan)
        anchors = source.anchors()
        scope = find_scope(source.session, plan.graph, plan.grain, anchors)
        if not ignore_unrelated_anchors:
            refuse_unrelated(scope, anchors, plan.grain)
        return WideTable(source.session, plan, anchors, scope, selector)


def grain_rids(source: Source, table: Table, *, reachable: bool = True) -> list[str]:
    """RIDs of the rows of a table that belong to the anchors, or only of those among them."""
    anchors = source.anchors()
    if not reachable:
        return anchors.rids.get(key_of(table), [])
    return find_scope(source.session, source.graph(), table, anchors).rids


def feature_values(source: Source, name: str | Feature) -> tuple[Feature, list[FeatureRecord]]:
    """A feature, and its values about rows that belong to the anchors, in the order of their RIDs.

    Args:
        source: Where the rows come from.
        name: The feature, its name, or ``Table:name``.

    Raises:
        DerivaMLTableNotFound: There is no such feature.
        DerivaMLDenormalizeError: Several tables have a feature of that name.
    """
    graph = source.graph()
    feature = find_feature(graph, name) if isinstance(name, str) else name
    rids = find_scope(source.session, graph, feature.target_table, source.anchors()).rids
    about = TableRows.of([{"RID": rid} for rid in rids], ["RID"])
    target, names = feature.target_column, feature.feature_record_class().model_fields
    rows = rows_at(
        source.session,
        (feature.target_table, about),
        ("RID",),
        feature.feature_table,
        (target,),
        ["RID", *names],
    )
    mine = set(rids)
    rows = rows.where([rid in mine for rid in rows.columns[target].tolist()])
    return feature, records_of(feature, rows)


def orphan_count(table: WideTable) -> int:
    """How many rows stand for a member that no row of the grain belongs to.

    Cost: the join, without the columns that are shown.
    """
    waiting = [a for a in table.plan.request.include if key_of(a.table) in table.anchors.rids]
    if not [a for a in waiting if key_of(a.table) != key_of(table.plan.grain)]:
        return 0
    bare = Plan(
        table.plan.graph,
        table.plan.request,
        table.plan.nodes,
        tuple(c for c in table.plan.columns if c.column.name == "RID"),
    )
    grain = next(c.name for c in bare.columns if c.node == 0)
    found = WideTable(table.session, bare, table.anchors, table.scope)
    return sum(block[grain].tolist().count(None) for block in found.blocks())


def columns_of(plan: Plan) -> list[tuple[str, str]]:
    """Names and types of the columns of a wide table."""
    return [(c.name, c.column.type.typename) for c in plan.columns]


def joined_tables(plan: Plan) -> list[str]:
    """Names of the tables in the order in which they are joined."""
    return [node.table.name for node in plan.nodes]


def between_tables(plan: Plan) -> list[str]:
    """Names of the tables that are joined but not shown."""
    return sorted({node.table.name for node in plan.nodes if node.asked is None})
