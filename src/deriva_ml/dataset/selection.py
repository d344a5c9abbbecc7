"""Choosing which rows go into which part of a dataset."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from operator import index
from typing import TYPE_CHECKING, Any, Literal

from deriva_ml.core.exceptions import DerivaMLValidationError, some_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Positions = NDArray[np.int64]
else:
    Positions = Any

__all__ = [
    "MISSING_CLASS",
    "Missing",
    "SelectionFunction",
    "check_seed",
    "check_selection",
    "in_order",
    "part_sizes",
    "random_split",
    "stratified_split",
]

SelectionFunction = Callable[["pd.DataFrame", dict[str, int], int], Mapping[str, Positions]]
"""From a frame, the size of each part and a seed to the row positions of each part."""

Missing = Literal["error", "drop", "include"]
MISSING_CLASS = "__missing__"


def part_sizes(total: int, wanted: Mapping[str, float | int | None]) -> dict[str, int]:
    """How many of `total` rows each part gets.

    Args:
        total: How many rows there are.
        wanted: A fraction (a float between 0 and 1, rounded) or a count for each part; None for
            at most one part, which takes the rest. Fractions that make up the whole leave no row
            out: where rounding would, or takes too many, the largest remainders count.

    Raises:
        DerivaMLValidationError: A size is neither, a part is empty, or the parts are more than
            there is.
    """
    sizes = {name: _size(name, total, w) for name, w in wanted.items() if w is not None}
    rest = total - sum(sizes.values())
    fractions = {name: w for name, w in wanted.items() if isinstance(w, float)}
    if rest and len(fractions) == len(wanted) and math.isclose(sum(fractions.values()), 1):
        sizes = _apportioned({name: total * w for name, w in fractions.items()}, total)
    result = {name: sizes.get(name, rest) for name in wanted}
    if empty := [name for name, size in result.items() if size < 1]:
        raise DerivaMLValidationError(
            f"{total} elements cannot be divided as {dict(wanted)!r}: the part {empty[0]!r} would "
            f"have {result[empty[0]]} elements."
        )
    if sum(result.values()) > total:
        raise DerivaMLValidationError(
            f"The parts {result!r} need {sum(result.values())} elements, but there are {total}."
        )
    return result


def _size(name: str, total: int, wanted: float | int) -> int:
    if isinstance(wanted, float) and 0 < wanted < 1:
        return round(total * wanted)
    if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted >= 1:
        return wanted
    raise DerivaMLValidationError(
        f"The size of the part {name!r} is a fraction between 0 and 1 or a count of at least 1, "
        f"not {wanted!r}."
    )


def check_seed(seed: Any) -> int:
    """The seed, unless the same parts could not be drawn again by it.

    Raises:
        DerivaMLValidationError: It is not a whole number of 0 or more.
    """
    if not hasattr(seed, "__index__") or index(seed) < 0:
        raise DerivaMLValidationError(
            f"seed is a whole number (0 or more), so that the parts can be drawn again, not "
            f"{seed!r}."
        )
    return index(seed)


def random_split(
    df: pd.DataFrame, partition_sizes: dict[str, int], seed: int
) -> dict[str, Positions]:
    """Row positions of each part, drawn at random; the same for the same seed."""
    import numpy as np

    order = np.random.default_rng(seed).permutation(len(df))
    return _cut(order, partition_sizes)


def in_order(df: pd.DataFrame, partition_sizes: dict[str, int], seed: int) -> dict[str, Positions]:
    """Row positions of each part, one part after the other; the seed has no part in it."""
    import numpy as np

    return _cut(np.arange(len(df)), partition_sizes)


def _cut(order: Positions, sizes: Mapping[str, int]) -> dict[str, Positions]:
    parts: dict[str, Positions] = {}
    start = 0
    for name, size in sizes.items():
        parts[name] = order[start : start + size]
        start += size
    return parts


def stratified_split(stratify_column: str, missing: Missing = "error") -> SelectionFunction:
    """A selection that gives every part the same shares of the classes of a column.

    Args:
        stratify_column: The column of the frame that holds the class.
        missing: What to do with rows without a class: refuse them, leave them out, or count
            them as a class of their own.

    Shares are rounded by the largest remainder, so the sizes of the parts are exact and a class
    is off its share by less than one row for each part.
    """
    if missing not in ("error", "drop", "include"):
        raise DerivaMLValidationError(
            f"missing is {missing!r}; it is one of 'error', 'drop' and 'include'."
        )

    def select(
        df: pd.DataFrame, partition_sizes: dict[str, int], seed: int
    ) -> dict[str, Positions]:
        import numpy as np

        classes = _classes(df, stratify_column, missing)
        rng = np.random.default_rng(seed)
        pools = {c: rng.permutation(p) for c, p in _positions(classes).items()}
        if (there := sum(len(p) for p in pools.values())) < sum(partition_sizes.values()):
            raise DerivaMLValidationError(
                f"The parts {partition_sizes!r} need more rows than the {there} that have a "
                f"class in {stratify_column!r}."
            )
        parts: dict[str, Positions] = {}
        for name, size in partition_sizes.items():
            taken = _shares({c: len(p) for c, p in pools.items()}, size)
            picked = [pools[c][:n] for c, n in taken.items()]
            pools = {c: pools[c][n:] for c, n in taken.items()}
            parts[name] = rng.permutation(np.concatenate(picked)) if picked else np.arange(0)
        return parts

    return select


def _classes(df: pd.DataFrame, column: str, missing: Missing) -> pd.Series[Any]:
    if column not in df.columns:
        raise DerivaMLValidationError(
            f"There is no column {column!r} to stratify by; there are {list(df.columns)}."
        )
    classes = df[column].reset_index(drop=True)
    absent = classes.isna()
    if missing == "error" and absent.any():
        raise DerivaMLValidationError(
            f"{int(absent.sum())} of {len(df)} rows have no value in {column!r}. Pass 'drop' to "
            "leave them out, or 'include' to count them as a class."
        )
    if missing == "include":
        return classes.astype(object).where(~absent, MISSING_CLASS)
    return classes[~absent]


def _positions(classes: pd.Series[Any]) -> dict[Any, Positions]:
    """Row positions by class, classes in a fixed order so that a seed gives one result."""
    import numpy as np

    groups = classes.groupby(classes.astype(str), sort=True).groups
    return {name: np.asarray(rows, dtype=np.int64) for name, rows in groups.items()}


def _shares(counts: Mapping[Any, int], size: int) -> dict[Any, int]:
    """How many of each class make up `size` rows in the proportions of `counts`."""
    total = sum(counts.values())
    return _apportioned({c: size * n / total for c, n in counts.items()} if total else {}, size)


def _apportioned(exact: Mapping[Any, float], size: int) -> dict[Any, int]:
    """Whole numbers that make up `size`, by the largest remainders of `exact`."""
    shares = {c: int(x) for c, x in exact.items()}
    by_remainder = sorted(exact, key=lambda c: (shares[c] - exact[c], str(c)))
    for name in by_remainder[: size - sum(shares.values())]:
        shares[name] += 1
    return shares


def check_selection(
    parts: Mapping[str, Any], sizes: Mapping[str, int], rows: int
) -> dict[str, list[int]]:
    """The positions that a selection function returned, as lists.

    Raises:
        DerivaMLValidationError: A part is missing or not asked for, has another size than asked
            for, or a position is out of range or in two parts.
    """
    if set(parts) != set(sizes):
        raise DerivaMLValidationError(
            f"The selection function returned the parts {sorted(parts)}, expected {sorted(sizes)}."
        )
    lists = {name: [int(p) for p in parts[name]] for name in sizes}
    everything = [p for positions in lists.values() for p in positions]
    if wrong := [p for p in everything if not 0 <= p < rows]:
        raise DerivaMLValidationError(
            f"The selection function returned the positions {some_of(wrong)}, but there are "
            f"{rows} rows."
        )
    if len(set(everything)) < len(everything):
        twice = sorted(p for p, count in Counter(everything).items() if count > 1)[:10]
        raise DerivaMLValidationError(
            f"The selection function put the positions {twice} into more than one place."
        )
    for name, size in sizes.items():
        if len(lists[name]) != size:
            raise DerivaMLValidationError(
                f"The selection function put {len(lists[name])} rows into {name!r}, expected "
                f"{size}."
            )
    return lists
