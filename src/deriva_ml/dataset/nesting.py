"""Datasets inside datasets: who contains whom, one query for each level of nesting."""

from __future__ import annotations

from collections.abc import Iterable

from deriva_ml.core.exceptions import DerivaMLCycleError
from deriva_ml.core.query import any_of, attributes, equals
from deriva_ml.core.session import Session

__all__ = ["ancestors", "children", "descendants", "outside_parents", "parents", "refuse_cycle"]

PARENT, CHILD = "Dataset", "Nested_Dataset"


def children(session: Session, rids: Iterable[str]) -> list[str]:
    """RIDs of the datasets nested directly in any of `rids`, each once."""
    return _step(session, rids, PARENT, CHILD)


def parents(session: Session, rids: Iterable[str]) -> list[str]:
    """RIDs of the datasets that directly contain any of `rids`, each once."""
    return _step(session, rids, CHILD, PARENT)


def descendants(session: Session, rid: str) -> list[str]:
    """RIDs of all datasets inside `rid`: the direct ones, then theirs, each once."""
    return _closure(session, rid, PARENT, CHILD)


def ancestors(session: Session, rid: str) -> list[str]:
    """RIDs of all datasets that contain `rid`: the nearest first, each once."""
    return _closure(session, rid, CHILD, PARENT)


def outside_parents(session: Session, rids: list[str]) -> list[str]:
    """RIDs of the datasets that contain one of `rids`, are none of them, and are not deleted."""
    above = [p for p in parents(session, rids) if p not in rids]
    if not above:
        return []
    alive = (any_of("RID", above), equals("Deleted", "false"))
    query = attributes(session.ml("Dataset"), ("RID",), *alive, sort=("RID",))
    return [row["RID"] for row in session.fetch(query)]


def refuse_cycle(session: Session, dataset: str, nested: Iterable[str]) -> None:
    """Check that nesting `nested` in `dataset` makes no dataset contain itself.

    Raises:
        DerivaMLCycleError: It would.
    """
    wanted = set(nested)
    if dataset in wanted:
        raise DerivaMLCycleError([dataset], f"Dataset {dataset!r} cannot contain itself.")
    if above := sorted(wanted.intersection(ancestors(session, dataset))):
        raise DerivaMLCycleError(
            [*above, dataset],
            f"Dataset {above[0]!r} contains {dataset!r} already, so it cannot be nested in it.",
        )


def _step(session: Session, rids: Iterable[str], start: str, end: str) -> list[str]:
    wanted = tuple(rids)
    if not wanted:
        return []
    query = attributes(
        session.ml("Dataset_Dataset"), (start, end), any_of(start, wanted), sort=(end,)
    )
    return list(dict.fromkeys(row[end] for row in session.fetch(query)))


def _closure(session: Session, rid: str, start: str, end: str) -> list[str]:
    found: dict[str, None] = {}
    level = [rid]
    while level:
        level = [r for r in _step(session, level, start, end) if r not in found and r != rid]
        found.update(dict.fromkeys(level))
    return list(found)
