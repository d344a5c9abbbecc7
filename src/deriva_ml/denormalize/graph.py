"""The tables of a catalog as a graph: which foreign key leads from which table to which.

A step goes *up* from the table that holds a key to the one that it refers to (an image to its
subject: one row at most), or *down* against it (a subject to its images: any number of rows).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from deriva_catalog.model.elements import ForeignKey, Table
from deriva_ml.dataset.elements import element_types
from deriva_ml.feature.definition import Feature, find_features
from deriva_ml.model.associations import Association, association_of
from deriva_ml.model.catalog import DerivaModel

__all__ = ["Graph", "MayFollow", "Step", "Steps", "TableKey", "key_of", "tables_on"]

TableKey = tuple[str, str]
StepId = tuple[str, str, tuple[str, ...], bool]


def key_of(table: Table) -> TableKey:
    """What tells a table from all others."""
    return table.schema, table.name


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One foreign key, followed up or down.

    Attributes:
        holder: The table that has the key.
        fkey: The key.
        referenced: The table that it refers to.
        up: From `holder` to `referenced`; else the other way.
    """

    holder: Table
    fkey: ForeignKey
    referenced: Table
    up: bool

    @property
    def source(self) -> Table:
        """Where the step begins."""
        return self.holder if self.up else self.referenced

    @property
    def target(self) -> Table:
        """Where the step ends."""
        return self.referenced if self.up else self.holder

    @property
    def left(self) -> tuple[str, ...]:
        """Columns of `source` that are compared with `right`."""
        return self.fkey.columns if self.up else self.fkey.referenced_columns

    @property
    def right(self) -> tuple[str, ...]:
        """Columns of `target` that are compared with `left`."""
        return self.fkey.referenced_columns if self.up else self.fkey.columns

    @property
    def required(self) -> bool:
        """Whether every row of `source` has a row of `target`."""
        return self.up and not any(self.holder.by_name[c].nullok for c in self.fkey.columns)

    @property
    def id(self) -> StepId:
        """What tells a step from all others."""
        return self.holder.schema, self.holder.name, self.fkey.columns, self.up

    @property
    def key_name(self) -> str:
        """The key as it can be named in ``via``: ``Table.column``."""
        return f"{self.holder.name}.{','.join(self.fkey.columns)}"


Steps = tuple[Step, ...]
MayFollow = Callable[[Steps, Step], bool]


def tables_on(start: Table, steps: Steps) -> list[Table]:
    """The tables that a way visits, in order."""
    return [start, *(step.target for step in steps)]


@dataclass
class Graph:
    """The tables of the domain and ML schemas, and the keys between them."""

    model: DerivaModel
    tables: dict[TableKey, Table] = field(default_factory=dict)
    features: dict[TableKey, Feature] = field(default_factory=dict)
    associations: dict[TableKey, Association] = field(default_factory=dict)
    vocabularies: set[TableKey] = field(default_factory=set)
    _steps: dict[TableKey, list[Step]] = field(default_factory=dict)
    _able: dict[TableKey, set[TableKey]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tables = {key_of(t): t for t in self.model.tables()}
        self.features = {key_of(f.feature_table): f for f in find_features(self.model)}
        for key, table in self.tables.items():
            link = association_of(table)
            if link is not None:
                self.associations[key] = link
            if self.model.is_vocabulary(table):
                self.vocabularies.add(key)
            for fkey in table.foreign_keys:
                referenced = self.tables.get((fkey.referenced_schema, fkey.referenced_table))
                if referenced is not None:
                    here = Step(table, fkey, referenced, up=True)
                    back = Step(table, fkey, referenced, up=False)
                    self._steps.setdefault(key, []).append(here)
                    self._steps.setdefault(key_of(referenced), []).append(back)
        self.domain = self.model.domain_schemas
        elements = element_types(self.model).values()
        self.memberships = {key_of(e.association) for e in elements}
        self.dataset = (self.model.ml_schema, "Dataset")

    def steps(self, table: Table) -> list[Step]:
        """Every step that begins at a table, up before down."""
        return sorted(self._steps.get(key_of(table), ()), key=lambda s: (not s.up, s.id))

    def is_plain(self, table: Table) -> bool:
        """Whether rows of the table stand for things, not for links or values of features."""
        link = self.associations.get(key_of(table))
        return key_of(table) not in self.features and (link is None or bool(link.metadata))

    def is_transparent(self, table: Table) -> bool:
        """Whether the table does nothing but link two tables of the domain schemas."""
        link = self.associations.get(key_of(table))
        return (
            link is not None
            and len(link.links) == 2
            and key_of(table) not in self.features
            and all(f.referenced_schema in self.domain for f in link.links)
        )

    def refers(self, table: Table, other: Table) -> bool:
        """Whether a table has a key to another one."""
        target = key_of(other)
        return any((f.referenced_schema, f.referenced_table) == target for f in table.foreign_keys)

    def ways(self, start: Table, goal: Table, may_follow: MayFollow) -> Iterator[Steps]:
        """Every way from one table to another that visits no table twice.

        Args:
            start: Where the ways begin.
            goal: Where they end.
            may_follow: Whether a step may be taken after those taken so far.
        """
        if key_of(goal) not in self._able:
            self._able[key_of(goal)] = self.connected([goal])
        able = self._able[key_of(goal)]
        visited = {key_of(start)}

        def walk(here: Table, taken: Steps) -> Iterator[Steps]:
            for step in self.steps(here):
                key = key_of(step.target)
                if key in visited or key not in able or not may_follow(taken, step):
                    continue
                longer = (*taken, step)
                if key == key_of(goal):
                    yield longer
                    continue
                visited.add(key)
                yield from walk(step.target, longer)
                visited.discard(key)

        return walk(start, ())

    def connected(self, start: Iterable[Table]) -> set[TableKey]:
        """The tables that some way leads from, not through vocabularies, runs or datasets.

        From a run to its workflow is fine (see `leaves_hub`).
        """
        waiting = list(start)
        found = {key_of(t) for t in waiting}
        while waiting:
            for step in self._steps.get(key_of(waiting.pop()), ()):
                key = key_of(step.target)
                if key not in found and key != self.dataset:
                    found.add(key)
                    above = not step.up and key not in self.vocabularies
                    if above or not self.is_hub(step.target):
                        waiting.append(step.target)
        return found

    def is_hub(self, table: Table) -> bool:
        """Whether the table has to do with everything: a vocabulary, or the ML schema's own."""
        key = key_of(table)
        return key in self.vocabularies or (
            key[0] == self.model.ml_schema and not self.model.is_asset(table)
        )

    def leaves_hub(self, taken: Steps, step: Step) -> bool:
        """Whether a step would go on from a hub to all that has to do with it.

        From a run to its workflow is fine; from a run to whatever else it made is not.
        """
        if not taken or not self.is_hub(step.source):
            return False
        return key_of(step.source) in self.vocabularies or not step.up
