"""Which rows belong to a dataset, so that a wide table is the same live and in a bag.

A bag holds what `deriva_ml.dataset.reach` reaches: it goes down from a table only to tables that
are not nearer to the dataset. Most wide tables never leave that. Whether one could is decided by
how far the tables are from the dataset, without asking anything; only where it could are the rows
of the dataset looked up.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from deriva_catalog.model.elements import Table
from deriva_ml.core.session import Session
from deriva_ml.dataset.reach import Reached, reach

from .graph import Graph, Step, Steps, TableKey, key_of

__all__ = ["MEMBERS", "Inside"]

MEMBERS = 2
"""How far members are from their dataset: one step to the link, one to the member."""

_FAR = 1_000_000


@dataclass
class Inside:
    """What belongs to a dataset.

    Attributes:
        session: Where the dataset is.
        graph: The tables.
        datasets: The dataset and those inside it; empty where there is no dataset, and then
            everything counts.
        links: The tables that link the dataset's members with it, if there are any members.
    """

    session: Session
    graph: Graph
    datasets: tuple[str, ...]
    links: frozenset[TableKey]
    _reached: Reached | None = None
    _depths: dict[TableKey, int] = field(default_factory=dict)

    def surely(self, steps: Steps, depth: int) -> bool:
        """Whether all rows that steps lead to belong to the dataset, from rows that do.

        Args:
            steps: One after the other.
            depth: How far the rows that they start from are from the dataset, at most.
        """
        if not self.datasets:
            return True
        lowest = max((place for place, step in enumerate(steps) if not step.up), default=-1)
        return all(
            self._depth(step.target) >= depth + place
            for place, step in enumerate(steps[: lowest + 1])
        )

    def rids(self, table: Table) -> set[str] | None:
        """RIDs of the rows of a table that belong to the dataset; None when all do."""
        key = key_of(table)
        if not self.datasets or key in self.graph.vocabularies:
            return None
        if self._reached is None:
            self._reached = reach(self.session, self.datasets[0])
        return set(self._reached.rids.get(key, ()))

    def _depth(self, table: Table) -> int:
        """How far a table is from the dataset, at least."""
        if not self._depths:
            self._depths = self._walk()
        return self._depths.get(key_of(table), _FAR)

    def _walk(self) -> dict[TableKey, int]:
        start = self.graph.dataset
        found = {start: 0}
        waiting = deque([self.graph.tables[start]])
        while waiting:
            here = waiting.popleft()
            for step in self.graph.steps(here):
                key = key_of(step.target)
                if key not in found and self._leads_on(step):
                    found[key] = found[key_of(here)] + 1
                    waiting.append(step.target)
        return found

    def _leads_on(self, step: Step) -> bool:
        if key_of(step.target) in self.graph.vocabularies:
            return False
        if step.up:
            return True
        if key_of(step.source) != self.graph.dataset:
            return not self.graph.is_hub(step.source) and not self._is_membership(step.target)
        return not self._is_membership(step.target) or key_of(step.target) in self.links

    def _is_membership(self, table: Table) -> bool:
        return key_of(table) in self.graph.memberships
