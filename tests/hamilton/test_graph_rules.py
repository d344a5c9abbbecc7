# ruff: noqa: UP007, UP045 - both spellings of unions are tested
"""Linking nodes: duplicates, types of edges and inputs, cycles, validators."""

import re
import typing
from collections.abc import Callable, Sequence
from typing import Any, Literal, NewType, Optional, Union

import pytest

from hamilton import driver, lifecycle
from hamilton._matching import edge_accepts, value_accepted
from hamilton.errors import CycleError, DuplicateNodeError, EdgeTypeError
from hamilton.function_modifiers import extract_fields
from hamilton.lifecycle.base import ValidationException

N = NewType("N", int)
T = typing.TypeVar("T")


class Closed(typing.Protocol):
    def go(self) -> int: ...


@pytest.mark.parametrize(
    ("producer", "consumer", "accepted"),
    [
        (int, float, False),
        (bool, int, True),
        (int, Optional[int], True),
        (int, int | str, True),
        (Optional[int], int, False),
        (Union[int, str], Union[int, str, float], True),
        (list[int], list, True),
        (list, list[int], True),
        (list[int], Sequence[int], True),
        (list[int], typing.Iterable[int], True),
        (dict[str, int], typing.Mapping, True),
        (dict[str, int], dict[str, Any], True),
        (tuple[int, str], tuple, True),
        (type[int], type, True),
        (Any, int, True),
        (int, Any, True),
        (Literal["a"], str, True),
        (Literal["a"], int, False),
        (N, int, True),
        (Callable[[int], int], Callable, True),
        (int, Closed, True),
        (T, T, True),
        (int, T, False),
        (list[int], list[str], False),
        (typing.Annotated[int, "x"], int, True),
        (int, typing.Annotated[int, "x"], True),
    ],
)
def test_edge_table(producer, consumer, accepted):
    assert edge_accepts(producer, consumer) is accepted


@pytest.mark.parametrize(
    ("type_", "value", "accepted"),
    [
        (float, 1, True),
        (complex, 1.5, True),
        (int, True, True),
        (int, "1", False),
        (Callable, len, True),
        (Callable[[int], int], lambda x: x, True),
        (list[int], [1, "x"], True),
        (list[int], ["x", 1], False),
        (Optional[int], None, True),
        (Optional[int], "x", False),
        (Literal["a"], "b", False),
        (Any, object(), True),
        (dict[str, int], {}, True),
        (dict[str, int], [], False),
        (N, 3, True),
    ],
)
def test_value_table(type_, value, accepted):
    assert value_accepted(type_, value) is accepted


def test_refused_edge_names_both_functions_and_the_way_out(build):
    def a() -> int:
        return 1

    def b(a: str) -> str:
        return a

    with pytest.raises(EdgeTypeError, match="Error: b is expecting a:") as error:
        build(a, b)
    assert "NoEdgeAndInputTypeChecking" in str(error.value)
    assert str(error.value).count("test_graph_rules.py") == 2
    assert build(a, b, adapters=[lifecycle.NoEdgeAndInputTypeChecking()]).execute(["b"]) == {"b": 1}


def test_shared_input_takes_the_tighter_type(build):
    def a(x: int | str) -> int:
        return 1

    def b(x: int) -> int:
        return 2

    dr = build(a, b)
    (x,) = [v for v in dr.list_available_variables() if v.name == "x"]
    assert x.type is int
    with pytest.raises(ValueError, match="Type requirement mismatch"):
        dr.execute(["a"], inputs={"x": "text"})


def test_incompatible_requests_for_one_input_are_refused(build):
    def a(x: str) -> int:
        return 1

    def b(x: int) -> int:
        return 2

    with pytest.raises(
        ValueError, match="Error: Two or more functions are requesting x, but have incompatible"
    ):
        build(a, b)


def test_duplicate_in_two_modules_names_both_places_unless_overrides_are_allowed(source_module):
    one = source_module("def f() -> int:\n    return 1\n")
    two = source_module("def f() -> int:\n    return 2\n")
    with pytest.raises(ValueError, match="Cannot define function f more than once") as error:
        driver.Builder().with_modules(one, two).build()
    assert one.__name__ in str(error.value)
    assert two.__name__ in str(error.value)
    dr = driver.Builder().with_modules(one, two).allow_module_overrides().build()
    assert dr.execute(["f"]) == {"f": 2}
    classic = driver.Driver({}, one, two, allow_module_overrides=True)
    assert classic.execute(["f"])["f"].tolist() == [2]


def test_duplicate_made_by_a_modifier_names_both_places(build):
    @extract_fields({"part": int})
    def whole() -> dict:
        return {"part": 1}

    def part() -> int:
        return 2

    with pytest.raises(DuplicateNodeError, match="function part more than once") as error:
        build(whole, part)
    for function in (whole, part):
        assert f"{__file__}:{function.__code__.co_firstlineno}" in str(error.value)


LOOP = """
def a(b: int) -> int:
    return b

def b(c: int) -> int:
    return c

def c(a: int, x: int) -> int:
    return a + x

def free(x: int) -> int:
    return x
"""


def test_cycle_is_named_with_files_and_can_be_cut_by_an_override(build, caplog):
    dr = build(LOOP)
    assert "loop" in caplog.text
    with pytest.raises(CycleError) as error:
        dr.execute(["a"], inputs={"x": 1})
    assert set(error.value.path) == {"a", "b", "c"}
    path = error.value.path
    assert " -> ".join([*path, path[0]]) in str(error.value)
    for name, line in {"a": 2, "b": 5, "c": 8}.items():
        assert re.search(rf"\b{name} \(.*:{line}\)", str(error.value))
    assert isinstance(error.value, RecursionError)
    assert isinstance(error.value, ValueError)
    assert dr.has_cycles(["a"])
    assert not dr.has_cycles(["free"])
    assert dr.execute(["free"], inputs={"x": 1}) == {"free": 1}
    assert dr.execute(["a"], inputs={"x": 1}, overrides={"b": 5}) == {"a": 5}


def test_self_cycle_is_reported(build):
    dr = build("def a(a: int) -> int:\n    return a\n")
    with pytest.raises(CycleError):
        dr.execute(["a"])


def test_static_validators_refuse_with_all_reasons(build):
    def documented() -> int:
        """Has one."""
        return 1

    def bare() -> int:
        return 2

    adapters = [lifecycle.DocstringPresent(), lifecycle.NamesMatch("[a-z]+")]
    with pytest.raises(ValidationException, match="Node bare: has no docstring"):
        build(documented, bare, adapters=adapters)
    assert build(documented, adapters=adapters).execute(["documented"]) == {"documented": 1}
    with pytest.raises(ValidationException, match="lacks the tags"):
        build(documented, adapters=[lifecycle.TagsPresent("owner")])


def test_config_key_silences_the_function_of_its_name(build):
    def a() -> int:
        return 1

    def b(a: int) -> int:
        return a + 1

    dr = build(a, b, config={"a": 7})
    assert dr.execute(["b", "a"]) == {"b": 8, "a": 7}
    assert dr.execute(["b"], overrides={"a": 1}) == {"b": 2}


def test_config_only_keys_are_listed_and_requestable(build):
    def a() -> int:
        return 1

    dr = build(a, config={"unused": "v"})
    assert dr.execute(["unused"]) == {"unused": "v"}
    assert "unused" in {v.name for v in dr.list_available_variables()}
