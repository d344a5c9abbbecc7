"""A task is its values; its name can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexlock.tasks.identity import task_id, task_name

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


def test_id_depends_on_the_values_and_not_on_their_order() -> None:
    assert task_id({"a": 1, "b": 2}) == task_id({"b": 2, "a": 1})
    assert task_id({"a": 1}) != task_id({"a": "1"}) != task_id({"b": "1"})
    assert task_id({"a": 1}, copy=2) == f"{task_id({'a': 1})}-2"


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"param": 1}, "param=1"),
        ({"model.lr": 0.001, "name": "res-net"}, "model.lr=0.001,name=res-net"),
        ({"flag": True, "seed": None}, "flag=true,seed=null"),
    ],
)
def test_plain_values_are_their_own_names(values: dict[str, object], name: str) -> None:
    assert task_name(values) == name
    assert task_name(values, copy=3) == f"{name}~3"


@pytest.mark.parametrize("value", ["a/b", "1", "a b", "", "a,b=c", "true", [1, 2], "ü", "x" * 300])
def test_a_hash_follows_where_the_text_is_not_the_value(value: object) -> None:
    name = task_name({"p": value})
    assert name.endswith(task_id({"p": value})[:8])
    assert "/" not in name
    assert len(name.encode()) <= 120


@given(SCALARS, SCALARS)
def test_different_values_have_different_names(one: object, other: object) -> None:
    names = {task_name({"p": one}), task_name({"p": other})}
    assert len(names) == len({task_id({"p": one}), task_id({"p": other})})


@given(st.dictionaries(st.text(min_size=1, max_size=20), SCALARS, min_size=1, max_size=4))
def test_names_are_one_component_of_a_path(values: dict[str, object]) -> None:
    name = task_name(values)
    assert name not in ("", ".", "..")
    assert not set(name) & set('/\\:*?"<>|\0\n')
    assert len(name.encode()) <= 120
