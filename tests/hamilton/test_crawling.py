# ruff: noqa: UP045 - both spellings of unions are tested
"""Which functions become nodes, and what is read from them."""

import sys
from types import ModuleType
from typing import Optional

import pytest

from hamilton import ad_hoc_utils, driver
from hamilton.errors import DefinitionError


def names(dr):
    return {variable.name for variable in dr.list_available_variables()}


def test_only_public_functions_of_the_module_become_nodes(build):
    dr = build(
        """
import functools
import json
from os.path import join

class Thing:
    pass

def _private(x: int) -> int:
    return x

shaped = lambda x: x
partial = functools.partial(_private, 1)
number = 5

def b(a: int) -> int:
    return a
"""
    )
    assert names(dr) == {"a", "b"}


def test_function_of_a_submodule_counts_and_of_a_look_alike_does_not():
    parent = ModuleType("crawl_parent")

    def inner() -> int:
        return 1

    def stranger() -> int:
        return 2

    inner.__module__ = "crawl_parent.child"
    stranger.__module__ = "crawl_parent_other"
    parent.inner, parent.stranger = inner, stranger
    dr = driver.Builder().with_modules(parent).build()
    assert names(dr) == {"inner"}


def test_members_are_visited_in_alphabetical_order(build):
    dr = build("def b() -> int:\n    return 1\n\ndef a() -> int:\n    return 2\n")
    assert [v.name for v in dr.list_available_variables()] == ["a", "b"]


def test_same_function_under_two_names_is_a_duplicate(build):
    with pytest.raises(ValueError, match="Cannot define function a more than once"):
        build("def a() -> int:\n    return 1\n\nb = a\n")


def test_docstring_types_and_defaults_are_read(build):
    def f(x: int, *, y: str = "q") -> float | None:
        """Says something."""
        return float(x) if y else None

    dr = build(f)
    (node,) = [v for v in dr.list_available_variables() if v.name == "f"]
    assert node.documentation == "Says something."
    assert node.type == Optional[float]
    assert node.required_dependencies == {"x"}
    assert node.optional_dependencies == {"y"}
    assert node.optional_dependencies_default_values == {"y": "q"}
    assert node.tags["module"].startswith("temporary_module_")
    assert dr.execute(["f"], inputs={"x": 1}) == {"f": 1.0}


def test_string_annotations_are_resolved(build):
    dr = build(
        "from __future__ import annotations\n\ndef f(x: list[int]) -> int:\n    return sum(x)\n"
    )
    assert dr.execute(["f"], inputs={"x": [1, 2]}) == {"f": 3}


def test_unknown_name_in_an_annotation_is_a_name_error(build):
    with pytest.raises(NameError):
        build("from __future__ import annotations\n\ndef f(x: Nowhere) -> int:\n    return 1\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(x: int):\n    return x\n", "Missing type hint for return value in function f"),
        ("def f(x) -> int:\n    return x\n", "Missing type hint for x in function f"),
        ("def f(x: int, /) -> int:\n    return x\n", "positional-only"),
        ("def f(*args: int) -> int:\n    return 1\n", "args"),
        ("def f(**kw: int) -> int:\n    return 1\n", "kw"),
    ],
)
def test_functions_that_cannot_be_nodes_are_refused_with_their_place(build, text, message):
    with pytest.raises(DefinitionError, match=message) as error:
        build(text)
    assert error.value.line == 1
    assert error.value.file
    assert error.value.function == "f"


def test_none_is_an_allowed_return_type(build):
    dr = build("def f() -> None:\n    pass\n")
    assert dr.execute(["f"]) == {"f": None}


def test_optional_type_alone_does_not_make_a_dependency_optional(build):
    def f(x: int | None) -> int:
        return 1

    with pytest.raises(ValueError, match="Required input x"):
        build(f).execute(["f"])


def test_default_is_used_only_when_nobody_supplies_the_name(build):
    def x(seed: int) -> int:
        return seed

    def f(x: int = 100) -> int:
        return x

    assert build(x, f).execute(["f"], inputs={"seed": 1}) == {"f": 1}
    assert build(f).execute(["f"]) == {"f": 100}
    assert build(f).execute(["f"], inputs={"x": 7}) == {"f": 7}


def test_input_is_required_when_any_function_on_the_path_requires_it(build):
    def f(x: int = 1) -> int:
        return x

    def g(x: int, f: int) -> int:
        return x + f

    dr = build(f, g)
    assert dr.execute(["f"]) == {"f": 1}
    with pytest.raises(ValueError, match=r"Required input x not provided for nodes: \['g'\]"):
        dr.execute(["g"])


def test_double_underscore_stays_without_config(build):
    dr = build("def a__x() -> int:\n    return 1\n")
    assert "a__x" in names(dr)


def test_wrapped_functions_keep_their_signature(build):
    dr = build(
        """
import functools

def _twice(fn):
    @functools.wraps(fn)
    def inner(*args, **kwargs):
        return fn(*args, **kwargs) * 2
    return inner

@_twice
def f(x: int) -> int:
    return x
"""
    )
    assert dr.execute(["f"], inputs={"x": 3}) == {"f": 6}


def test_async_function_is_refused_by_the_synchronous_driver(build):
    with pytest.raises(ValueError, match="async_driver"):
        build("async def f() -> int:\n    return 1\n")


def test_user_functions_are_never_changed(source_module):
    module = source_module(
        """
from hamilton.function_modifiers import config

@config.when(kind="a")
def f__a() -> str:
    return "a"

@config.when(kind="b")
def f__b() -> str:
    return "b"
"""
    )
    for kind in ("a", "b", "a"):
        dr = driver.Builder().with_modules(module).with_config({"kind": kind}).build()
        assert dr.execute(["f"]) == {"f": kind}
    assert module.f__a.__name__ == "f__a"


def test_temporary_modules_copy_functions_and_guard_names():
    def f(x: int = 2) -> int:
        return x

    module = ad_hoc_utils.create_temporary_module(f, module_name="ad_hoc_case")
    try:
        assert module.f is not f
        assert module.f.__module__ == "ad_hoc_case"
        assert f.__module__ == __name__
        with pytest.raises(ValueError, match="exists already"):
            ad_hoc_utils.create_temporary_module(f, module_name="ad_hoc_case")
        with pytest.raises(ValueError, match="Two functions"):
            ad_hoc_utils.create_temporary_module(f, f)
    finally:
        del sys.modules["ad_hoc_case"]

    def _hidden() -> int:
        return 1

    with pytest.raises(ValueError, match="underscore"):
        ad_hoc_utils.create_temporary_module(_hidden)


def test_module_from_source_has_findable_source():
    import inspect

    module = ad_hoc_utils.module_from_source("def f() -> int:\n    return 1\n")
    assert inspect.getsource(module.f) == "def f() -> int:\n    return 1\n"


def test_create_module_is_a_real_module():
    module = ad_hoc_utils.create_module("def f() -> int:\n    return 1\n", "created_case")
    try:
        assert module.__spec__ is not None
        assert module.f() == 1
    finally:
        del sys.modules["created_case"]
