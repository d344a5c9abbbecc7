"""Which rows go into which part."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml.core.exceptions import DerivaMLValidationError
from deriva_ml.dataset.selection import (
    MISSING_CLASS,
    check_selection,
    in_order,
    part_sizes,
    random_split,
    stratified_split,
)


@pytest.mark.parametrize(
    ("wanted", "sizes"),
    [
        ({"a": None, "b": 0.2}, {"a": 80, "b": 20}),
        ({"a": 0.5, "b": 0.25, "c": 10}, {"a": 50, "b": 25, "c": 10}),
        ({"a": None, "b": 99}, {"a": 1, "b": 99}),
        ({"a": None, "b": 0.125}, {"a": 88, "b": 12}),
    ],
)
def test_a_size_is_a_fraction_or_a_count_and_one_part_takes_the_rest(
    wanted: dict[str, float | None], sizes: dict[str, int]
) -> None:
    assert part_sizes(100, wanted) == sizes


@pytest.mark.parametrize(
    ("total", "wanted", "sizes"),
    [
        (10, {"a": 0.7, "b": 0.15, "c": 0.15}, {"a": 7, "b": 2, "c": 1}),
        (102, {"a": 0.6, "b": 0.2, "c": 0.2}, {"a": 61, "b": 21, "c": 20}),
        (5, {"a": 0.5, "b": 0.5}, {"a": 3, "b": 2}),
        (3, {"a": 0.5, "b": 0.5}, {"a": 2, "b": 1}),
        (6, {"a": 0.25, "b": 0.75}, {"a": 2, "b": 4}),
        (10, {"a": 0.25, "b": 0.25}, {"a": 2, "b": 2}),
    ],
)
def test_fractions_of_the_whole_leave_no_row_out(
    total: int, wanted: dict[str, float], sizes: dict[str, int]
) -> None:
    assert part_sizes(total, wanted) == sizes


@pytest.mark.parametrize(
    "wanted",
    [
        {"a": None, "b": 100},
        {"a": 60, "b": 50},
        {"a": 0.001, "b": 0.5},
        {"a": 1.5, "b": None},
        {"a": 0, "b": None},
        {"a": -3, "b": None},
        {"a": True, "b": None},
        {"a": 1.0, "b": None},
    ],
)
def test_sizes_that_do_not_fit_are_refused(wanted: dict[str, float | None]) -> None:
    with pytest.raises(DerivaMLValidationError):
        part_sizes(100, wanted)


def test_a_seed_gives_the_same_random_parts_every_time() -> None:
    frame = pd.DataFrame({"x": range(50)})
    first = random_split(frame, {"a": 30, "b": 20}, 7)
    again = random_split(frame, {"a": 30, "b": 20}, 7)
    other = random_split(frame, {"a": 30, "b": 20}, 8)
    assert all((first[k] == again[k]).all() for k in first)
    assert not (first["a"] == other["a"]).all()


def test_without_shuffling_parts_follow_each_other() -> None:
    parts = in_order(pd.DataFrame({"x": range(5)}), {"a": 3, "b": 2}, 0)
    assert [list(p) for p in parts.values()] == [[0, 1, 2], [3, 4]]


@settings(max_examples=60, deadline=None)
@given(
    classes=st.lists(st.sampled_from("abcde"), min_size=4, max_size=80),
    share=st.floats(0.1, 0.9),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_part_gets_its_share_of_every_class(
    classes: list[str], share: float, seed: int
) -> None:
    frame = pd.DataFrame({"c": classes})
    first = min(max(1, round(len(classes) * share)), len(classes) - 1)
    sizes = {"a": first, "b": len(classes) - first}
    parts = check_selection(stratified_split("c")(frame, sizes, seed), sizes, len(frame))
    assert sorted(parts["a"] + parts["b"]) == list(range(len(classes)))
    whole = Counter(classes)
    for name, size in sizes.items():
        part = Counter(classes[p] for p in parts[name])
        for label, count in whole.items():
            assert abs(part[label] - size * count / len(classes)) < 1


def test_rows_without_a_class_are_an_error_left_out_or_a_class() -> None:
    frame = pd.DataFrame({"c": ["x", None, "x", None, "y", "y"]})
    sizes = {"a": 2, "b": 2}
    with pytest.raises(DerivaMLValidationError, match="2 of 6 rows have no value"):
        stratified_split("c")(frame, sizes, 1)
    dropped = stratified_split("c", "drop")(frame, sizes, 1)
    assert {1, 3}.isdisjoint(np.concatenate(list(dropped.values())).tolist())
    included = stratified_split("c", "include")(frame, {"a": 3, "b": 3}, 1)
    assert all({1, 3} & set(p.tolist()) for p in included.values())
    assert MISSING_CLASS == "__missing__"


def test_dropping_rows_can_leave_too_few() -> None:
    frame = pd.DataFrame({"c": ["x", None, None]})
    with pytest.raises(DerivaMLValidationError, match="need more rows than the 1"):
        stratified_split("c", "drop")(frame, {"a": 1, "b": 1}, 1)


def test_a_column_that_is_not_there_and_an_unknown_way_are_refused() -> None:
    with pytest.raises(DerivaMLValidationError, match="no column 'd'"):
        stratified_split("d")(pd.DataFrame({"c": ["x"]}), {"a": 1}, 1)
    with pytest.raises(DerivaMLValidationError, match="one of 'error'"):
        stratified_split("c", "ignore")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"a": [0]}, r"expected \['a', 'b'\]"),
        ({"a": [0], "b": [9]}, "positions '9'"),
        ({"a": [0], "b": [-1]}, "positions '-1'"),
        ({"a": [0], "b": [0]}, "more than one place"),
        ({"a": [0, 1], "b": [2]}, "put 2 rows into 'a', expected 1"),
    ],
)
def test_what_a_selection_function_returns_is_checked(
    parts: dict[str, list[int]], message: str
) -> None:
    with pytest.raises(DerivaMLValidationError, match=message):
        check_selection(parts, {"a": 1, "b": 1}, 3)
