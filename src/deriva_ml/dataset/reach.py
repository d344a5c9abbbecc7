"""Which rows of which tables belong to a dataset: its members and what goes with them.

The walk starts at the dataset and the datasets inside it and follows foreign keys, a whole set
of rows at a time:

- From a row to those it refers to, always, so that no reference points at nothing.
- From a row to those that refer to it, but only away from the dataset: not into a table that is
  nearer to it. A dataset of images brings their subjects, and the subjects' other observations,
  but not the other images of the same subjects.
- A vocabulary is taken whole and is the end of its path.
- Executions and workflows are entered but not left towards what refers to them, save for the
  terms (types) that apply to them.
- Membership is read from the side of the dataset only: that an image is also in another dataset
  brings nothing of that dataset.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

from deriva_catalog.interface import Row
from deriva_catalog.model.elements import ForeignKey, Table
from deriva_catalog.path.ast import ColumnName, ExplicitLink, Query
from deriva_ml.core.query import any_of, attributes
from deriva_ml.core.session import Session
from deriva_ml.model.associations import association_of
from deriva_ml.model.catalog import DerivaModel

from .elements import element_types
from .nesting import descendants

__all__ = ["Reached", "asset_tables", "reach"]

TableKey = tuple[str, str]


@dataclass(frozen=True)
class Reached:
    """The rows that belong to a dataset.

    Attributes:
        datasets: RIDs of the dataset and of all datasets inside it.
        rids: RIDs by table, for tables of which some rows are reached.
        whole: Vocabularies, which are taken with all of their terms.
        lengths: Bytes of the files of asset tables, as far as their rows tell.
        unmeasured: How many rows of asset tables do not tell.
    """

    datasets: tuple[str, ...]
    rids: dict[TableKey, list[str]]
    whole: frozenset[TableKey]
    lengths: dict[TableKey, int] = field(default_factory=dict)
    unmeasured: dict[TableKey, int] = field(default_factory=dict)


@dataclass
class _Batch:
    """Rows that were reached for the first time, with the columns that lead on from them."""

    table: Table
    rows: list[Row]
    onward: bool


@dataclass(frozen=True)
class _Step:
    """One question to the catalog, and the table that its rows are of."""

    table: Table
    query: Query
    depth: int
    onward: bool


@dataclass
class _Walk:
    """The walk, in waves: all questions about rows at one distance are asked at the same time.

    What a step brings decides nothing about other steps of its wave, so the result does not depend
    on how many are asked at once.
    """

    session: Session
    excluded: frozenset[str]
    anchors: tuple[str, ...]
    fetch_all: Callable[[list[Query]], Iterable[list[Row]]]
    depth: dict[TableKey, int] = field(default_factory=dict)
    rids: dict[TableKey, dict[str, None]] = field(default_factory=dict)
    whole: set[TableKey] = field(default_factory=set)
    queue: deque[_Batch] = field(default_factory=deque)

    def __post_init__(self) -> None:
        model = self.session.model
        self.schemas = {model.ml_schema, *model.domain_schemas}
        self.memberships = {
            _key(e.association): e.dataset_column for e in element_types(model).values()
        }
        self.terminal = {(model.ml_schema, "Execution"), (model.ml_schema, "Workflow")}
        self.dataset = (model.ml_schema, "Dataset")
        self.lengths = {_key(table): 0 for table in asset_tables(model)}
        self.unmeasured = dict.fromkeys(self.lengths, 0)

    def run(self, others: Mapping[TableKey, Iterable[str]] | None = None) -> Reached:
        self.depth[self.dataset] = 0
        starts = {self.dataset: self.anchors, **(others or {})}
        for schema, name in starts:
            self.depth[schema, name] = 0
        tables = {(t.schema, t.name): t for t in self.session.model.tables()}
        self.take(
            [
                self.pull(tables[key], "RID", sorted(rids), 0, onward=True)
                for key, rids in starts.items()
                if rids
            ]
        )
        while self.queue:
            self.take([step for batch in self.wave() for step in self.steps(batch)])
        rids = {k: sorted(v) for k, v in self.rids.items()}
        return Reached(
            self.anchors,
            rids,
            frozenset(self.whole),
            {key: length for key, length in self.lengths.items() if key in rids},
            {key: count for key, count in self.unmeasured.items() if count},
        )

    def wave(self) -> list[_Batch]:
        """The batches that come next and are at one distance."""
        batches = [self.queue.popleft()]
        depth = self.depth[_key(batches[0].table)]
        while self.queue and self.depth[_key(self.queue[0].table)] == depth:
            batches.append(self.queue.popleft())
        return batches

    def steps(self, batch: _Batch) -> Iterator[_Step]:
        """What leads on from a batch."""
        for fkey in batch.table.foreign_keys:
            yield from self.follow_out(batch, fkey)
        if batch.onward:
            for table, fkey in self.session.model.model.inbound.get(_key(batch.table), ()):
                yield from self.follow_in(batch, table, fkey)

    def take(self, steps: list[_Step]) -> None:
        """Ask the questions of a wave, and remember the answers in their order."""
        answers = self.fetch_all([step.query for step in steps])
        for step, rows in zip(steps, answers, strict=True):
            self.keep(step.table, rows, step.depth, step.onward)

    def allowed(self, schema: str, table: str) -> bool:
        return schema in self.schemas and table not in self.excluded

    def follow_out(self, batch: _Batch, fkey: ForeignKey) -> Iterator[_Step]:
        """To the rows that the batch refers to."""
        key = (fkey.referenced_schema, fkey.referenced_table)
        if not self.allowed(*key):
            return
        target = self.session.model.schemas[key[0]].tables[key[1]]
        if self.session.model.is_vocabulary(target):
            self.whole.add(key)
            return
        here = self.depth[_key(batch.table)]
        onward = key != self.dataset and self.depth.get(key, here + 1) >= here
        yield from self.step(batch, target, fkey.columns, fkey.referenced_columns, here + 1, onward)

    def follow_in(self, batch: _Batch, table: Table, fkey: ForeignKey) -> Iterator[_Step]:
        """To the rows that refer to the batch, away from the dataset."""
        key, origin = _key(table), _key(batch.table)
        here = self.depth[origin]
        if not self.allowed(*key) or self.depth.get(key, here) < here:
            return
        if origin in self.terminal and not self._only_terms(table):
            return
        if key in self.memberships and (self.memberships[key],) != fkey.columns:
            return
        yield from self.step(
            batch, table, fkey.referenced_columns, fkey.columns, here + 1, onward=True
        )

    def _only_terms(self, table: Table) -> bool:
        """Whether the table does nothing but say which terms apply to a row."""
        link = association_of(table)
        if link is None or len(link.links) != 2 or link.metadata or link.qualifiers:
            return False
        ends = (self._referenced(f) for f in link.links)
        return any(self.session.model.is_vocabulary(t) for t in ends)

    def _referenced(self, fkey: ForeignKey) -> Table:
        schema = self.session.model.schemas[fkey.referenced_schema]
        return schema.tables[fkey.referenced_table]

    def step(
        self,
        batch: _Batch,
        table: Table,
        left: tuple[str, ...],
        right: tuple[str, ...],
        depth: int,
        onward: bool,
    ) -> Iterator[_Step]:
        """To the rows of `table` whose `right` columns equal the `left` columns of the batch."""
        if len(left) > 1:
            yield self.join(batch, table, left, right, depth, onward)
            return
        values = {str(row[left[0]]) for row in batch.rows if row[left[0]] is not None}
        if right == ("RID",):
            values -= self.rids.get(_key(table), {}).keys()
        if values:
            yield self.pull(table, right[0], sorted(values), depth, onward)

    def pull(
        self, table: Table, column: str, values: Iterable[str], depth: int, onward: bool
    ) -> _Step:
        query = attributes(table, self._columns(table), any_of(column, values))
        return _Step(table, query, depth, onward)

    def join(
        self,
        batch: _Batch,
        table: Table,
        left: tuple[str, ...],
        right: tuple[str, ...],
        depth: int,
        onward: bool,
    ) -> _Step:
        """`step` for keys of several columns, which are compared inside the database."""
        target = (ColumnName(c, qualifier=table.name, schema=table.schema) for c in right)
        link = ExplicitLink(tuple(ColumnName(c) for c in left), tuple(target))
        mine = any_of("RID", (row["RID"] for row in batch.rows))
        query = attributes(batch.table, self._columns(table), mine, link)
        return _Step(table, query, depth, onward)

    def keep(self, table: Table, rows: list[Row], depth: int, onward: bool) -> None:
        """Remember rows that are new, and go on from them later."""
        known = self.rids.setdefault(_key(table), {})
        new = rows
        fresh = dict.fromkeys([row["RID"] for row in rows])
        if len(fresh) < len(rows) or not known.keys().isdisjoint(fresh):
            new = list({row["RID"]: row for row in rows if row["RID"] not in known}.values())
        if new:
            self.depth.setdefault(_key(table), depth)
            known.update(fresh)
            self.measure(_key(table), new)
            self.queue.append(_Batch(table, new, onward))

    def measure(self, key: TableKey, rows: Iterable[Row]) -> None:
        """Add up the files of an asset table's rows."""
        if key in self.lengths:
            lengths = [row["Length"] for row in rows]
            told = [int(length) for length in lengths if length is not None]
            self.lengths[key] += sum(told)
            self.unmeasured[key] += len(lengths) - len(told)

    def _columns(self, table: Table) -> list[str]:
        """The columns that lead on from a table: `RID`, its references, what is referred to.

        Those of an asset table also tell how long its files are.
        """
        inbound = self.session.model.model.inbound.get(_key(table), ())
        names = {"RID": None}
        if _key(table) in self.lengths:
            names["Length"] = None
        for fkey in table.foreign_keys:
            if self.allowed(fkey.referenced_schema, fkey.referenced_table):
                names.update(dict.fromkeys(fkey.columns))
        for other, fkey in inbound:
            if self.allowed(other.schema, other.name):
                names.update(dict.fromkeys(fkey.referenced_columns))
        return list(names)


def reach(
    session: Session,
    dataset: str | Iterable[str],
    exclude_tables: Iterable[str] = (),
    *,
    concurrency: int = 1,
    others: Mapping[TableKey, Iterable[str]] | None = None,
) -> Reached:
    """The rows that belong to a dataset in the state that the session shows.

    Args:
        session: On the live catalog, or on the snapshot of a version.
        dataset: RID of the dataset, or of several.
        exclude_tables: Names of tables that are not entered.
        others: RIDs of other rows to start at, by table.
        concurrency: How many questions are asked of a served catalog at the same time; one in
            this process is asked one after the other.

    Cost: one query for each foreign key that leads on, with the RIDs of one step as its filter.
    """
    roots = [dataset] if isinstance(dataset, str) else list(dataset)
    nested = (inner for root in roots for inner in descendants(session, root))
    anchors = tuple(dict.fromkeys([*roots, *nested]))
    is_served = session.catalog.url.startswith(("http://", "https://"))
    with ExitStack() as life:
        fetch_all: Callable[[list[Query]], Iterable[list[Row]]]
        if is_served and concurrency > 1:
            pool = life.enter_context(ThreadPoolExecutor(concurrency, thread_name_prefix="reach"))

            def fetch_all(queries: list[Query]) -> Iterable[list[Row]]:
                return pool.map(session.fetch, queries)
        else:

            def fetch_all(queries: list[Query]) -> Iterable[list[Row]]:
                return map(session.fetch, queries)

        return _Walk(session, frozenset(exclude_tables), anchors, fetch_all).run(others)


def asset_tables(model: DerivaModel) -> list[Table]:
    """The tables whose files go into bags: all that have any but ``File``.

    Its rows describe files that stay where they are.
    """
    described = (model.ml_schema, "File")
    return [table for table in model.find_assets() if _key(table) != described]


def _key(table: Table) -> TableKey:
    return table.schema, table.name
