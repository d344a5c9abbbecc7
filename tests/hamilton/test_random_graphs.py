"""Random dataflows give, in every way to run them, what a slow evaluator by definition gives."""

import asyncio
import tempfile
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hamilton import ad_hoc_utils, async_driver, driver
from hamilton.execution.executors import MultiThreadingExecutor
from hamilton.execution.grouping import GroupNodesAllAsOne, GroupNodesByLevel
from hamilton.lifecycle import NodeExecutionHook

INPUTS = ("x0", "x1", "x2")


@dataclass(frozen=True)
class Function:
    """A function of the dataflow: its parameters with their defaults (None: required)."""

    name: str
    parameters: tuple[tuple[str, int | None], ...]
    keyword_only: bool

    def text(self) -> str:
        ordered = sorted(self.parameters, key=lambda p: p[1] is not None)
        listed = [f"{n}: int" + ("" if d is None else f" = {d}") for n, d in ordered]
        if self.keyword_only and listed:
            listed.insert(0, "*")
        terms = [f"{n} * {i + 2}" for i, (n, _) in enumerate(self.parameters)]
        return (
            f"def {self.name}({', '.join(listed)}) -> int:\n"
            f"    ran.append({self.name!r})\n"
            f"    return {' + '.join([*terms, self.name[1:]])}\n"
        )

    def ordered(self) -> list[tuple[str, int | None]]:
        """Parameters in the order of the signature."""
        return sorted(self.parameters, key=lambda p: p[1] is not None)


@dataclass(frozen=True)
class Case:
    """A dataflow and a request."""

    functions: tuple[Function, ...]
    outputs: list[str]
    inputs: dict[str, int]
    overrides: dict[str, int]

    def module(self):
        return ad_hoc_utils.module_from_source(
            "ran = []\n\n" + "\n".join(f.text() for f in self.functions)
        )


class Missing(Exception):
    pass


def expected(case: Case) -> tuple[dict[str, int], list[str]]:
    """Evaluates a request by definition: the values, and the functions in the order they ran."""
    functions = {f.name: f for f in case.functions}
    known: dict[str, int] = {}
    ran: list[str] = []

    def value(name: str) -> int:
        if name in case.overrides:
            return case.overrides[name]
        if name not in functions:
            if name not in case.inputs:
                raise Missing(name)
            return case.inputs[name]
        if name not in known:
            given = {}
            for parameter, default in functions[name].ordered():
                absent = parameter not in {**functions, **case.inputs, **case.overrides}
                given[parameter] = default if absent and default is not None else value(parameter)
            terms = [given[n] * (i + 2) for i, (n, _) in enumerate(functions[name].parameters)]
            known[name] = sum(terms) + int(name[1:])
            ran.append(name)
        return known[name]

    return {name: value(name) for name in case.outputs}, ran


@st.composite
def cases(draw: st.DrawFn) -> Case:
    functions = []
    for i in range(draw(st.integers(1, 9))):
        names = [*INPUTS, *(f.name for f in functions)]
        chosen = draw(st.lists(st.sampled_from(names), max_size=3, unique=True))
        defaults = [draw(st.none() | st.integers(0, 3)) for _ in chosen]
        parameters = tuple(zip(chosen, defaults, strict=True))
        functions.append(Function(f"n{i}", parameters, draw(st.booleans())))
    taken = {name for f in functions for name, _ in f.parameters}
    nodes = [f.name for f in functions]
    supplied = draw(st.sets(st.sampled_from(INPUTS), min_size=1))
    requestable = [*nodes, *sorted(taken & supplied)]
    values = st.integers(-5, 5)
    replaced = draw(st.sets(st.sampled_from([*nodes, *sorted(taken - supplied)]), max_size=2))
    return Case(
        tuple(functions),
        draw(st.lists(st.sampled_from(requestable), min_size=1, max_size=5, unique=True)),
        {name: draw(values) for name in sorted(supplied)},
        {name: draw(values) for name in sorted(replaced)},
    )


class Silent(NodeExecutionHook):
    def run_before_node_execution(self, **kwargs):
        pass

    def run_after_node_execution(self, **kwargs):
        pass


def drivers(module, cache):
    """Every kind of synchronous driver; the last two share a cache."""

    def builder():
        return driver.Builder().with_modules(module)

    def tasks():
        return builder().enable_dynamic_execution()

    return {
        "bare": builder().build(),
        "hooks": builder().with_adapters(Silent()).build(),
        "tasks": tasks().build(),
        "threads": tasks().with_local_executor(MultiThreadingExecutor(2)).build(),
        "one task": tasks().with_grouping_strategy(GroupNodesAllAsOne()).build(),
        "levels": tasks().with_grouping_strategy(GroupNodesByLevel()).build(),
        "cached": builder().with_cache(cache).build(),
        "cached in tasks": tasks().with_cache(cache).build(),
    }


def run_async(module, case):
    dr = async_driver.Builder().with_modules(module).build_without_init()
    return asyncio.run(dr.execute(case.outputs, inputs=case.inputs, overrides=case.overrides))


@settings(max_examples=40, deadline=None)
@given(cases())
def test_every_way_to_run_gives_the_values_of_the_definition(case):
    module = case.module()
    with tempfile.TemporaryDirectory() as cache:
        found = drivers(module, cache)
        try:
            values, order = expected(case)
        except Missing as missing:
            for dr in found.values():
                with pytest.raises(ValueError, match=f"Required input {missing} not provided"):
                    dr.execute(case.outputs, inputs=case.inputs, overrides=case.overrides)
            assert module.ran == []
            return
        for name, dr in found.items():
            for again in range(2):
                result = dr.execute(case.outputs, inputs=case.inputs, overrides=case.overrides)
                assert result == values, (name, again)
                assert list(result) == list(values)
                if name in ("bare", "hooks"):
                    assert module.ran == order
                module.ran.clear()
        assert run_async(module, case) == values


@settings(max_examples=25, deadline=None)
@given(cases(), st.integers(-5, 5))
def test_a_request_made_often_stays_right_for_other_values(case, other):
    module = case.module()
    dr = driver.Builder().with_modules(module).build()
    changed = Case(
        case.functions, case.outputs, dict.fromkeys(case.inputs, other), dict(case.overrides)
    )
    try:
        expected(case)
    except Missing:
        return
    for _ in range(8):
        for now in (case, changed):
            module.ran.clear()
            result = dr.execute(now.outputs, inputs=now.inputs, overrides=now.overrides)
            assert (result, module.ran) == expected(now)


@settings(max_examples=25, deadline=None)
@given(cases())
def test_what_is_read_from_a_cache_of_other_runs_is_right(case):
    """Runs over changing inputs and overrides share one cache; each answer is the definition's."""
    module = case.module()
    with tempfile.TemporaryDirectory() as cache:
        for step in range(3):
            dr = driver.Builder().with_modules(module).with_cache(cache).build()
            now = Case(
                case.functions,
                case.outputs,
                {name: value + step % 2 for name, value in case.inputs.items()},
                case.overrides if step < 2 else {},
            )
            try:
                values, _ = expected(now)
            except Missing:
                continue
            assert dr.execute(now.outputs, inputs=now.inputs, overrides=now.overrides) == values, (
                step
            )
