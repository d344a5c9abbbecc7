"""Joining tables in memory: for each row of the result, the place of its row in each table.

Tables are not copied while they are joined. A join is an array of places for each table, -1 where
there is no row; values are taken at the end, and only those that are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rows import Objects, TableRows

__all__ = ["Joined", "joined_with", "start", "values_at"]

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Joined:
    """Rows of a join: for each table that takes part so far, the place of each row's row."""

    places: tuple[Places, ...]

    @property
    def length(self) -> int:
        """How many rows there are."""
        return len(self.places[0])

    def taken(self, index: Places | NDArray[np.bool_]) -> Joined:
        """Some of the rows, perhaps repeated."""
        return Joined(tuple(p[index] for p in self.places))


def start(rows: TableRows) -> Joined:
    """The rows of the grain."""
    return Joined((np.arange(rows.length, dtype=np.intp),))


def joined_with(
    joined: Joined,
    parent: int,
    parent_keys: Sequence[Any],
    child_keys: Sequence[Any],
    *,
    up: bool,
    required: bool,
) -> Joined:
    """A join with one more table.

    Args:
        joined: The rows so far.
        parent: Which of their tables is joined to.
        parent_keys: The key of each row of that table; None is no key.
        child_keys: The key of each row of the table that is added.
        up: A row of the parent has one row of it at most; otherwise any number.
        required: Rows without a row of it are left out, unless they have none of the parent.
    """
    at = joined.places[parent]
    if up:
        return _up(joined, at, parent_keys, child_keys, required)
    return _down(joined, at, parent_keys, child_keys)


def _up(
    joined: Joined,
    at: Places,
    parent_keys: Sequence[Any],
    child_keys: Sequence[Any],
    required: bool,
) -> Joined:
    known = {key: place for place, key in enumerate(child_keys) if key is not None}
    found = (-1 if key is None else known.get(key, -1) for key in parent_keys)
    of_parent = np.fromiter(found, dtype=np.intp, count=len(parent_keys))
    places = _take(of_parent, at)
    whole = Joined((*joined.places, places))
    if required and (lost := (places < 0) & (at >= 0)).any():
        return whole.taken(~lost)
    return whole


def _down(
    joined: Joined, at: Places, parent_keys: Sequence[Any], child_keys: Sequence[Any]
) -> Joined:
    known = {key: place for place, key in enumerate(parent_keys) if key is not None}
    found = (-1 if key is None else known.get(key, -1) for key in child_keys)
    owner = np.fromiter(found, dtype=np.intp, count=len(child_keys))
    children = np.argsort(owner, kind="stable")[np.count_nonzero(owner < 0) :]
    counts = np.bincount(owner[owner >= 0], minlength=len(parent_keys)).astype(np.intp)
    starts = np.cumsum(counts) - counts
    mine = _take(counts, at, missing=0)
    repeats = np.maximum(mine, 1)
    rows = np.repeat(np.arange(joined.length, dtype=np.intp), repeats)
    nth = np.arange(len(rows), dtype=np.intp) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    offsets = _take(starts, at, missing=0)[rows] + nth
    places = _take(children, np.where(mine[rows] > 0, offsets, -1))
    return Joined((*joined.taken(rows).places, places))


def _take(values: Places, at: Places, missing: int = -1) -> Places:
    """The value at each place; `missing` where there is none."""
    if not len(values):
        return np.full(len(at), missing, dtype=np.intp)
    return np.where(at >= 0, values[at], missing)


def values_at(column: Objects, at: Places) -> Objects:
    """The value at each place; None where there is none."""
    if not len(column):
        return np.full(len(at), None, dtype=object)
    taken = column[at]
    taken[at < 0] = None
    return taken
