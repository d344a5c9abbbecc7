import pytest

from hamilton import ad_hoc_utils
from hamilton.function_modifiers import (
    InvalidDecoratorException,
    apply_to,
    configuration,
    extract_fields,
    mutate,
    parameterized_subdag,
    pipe_input,
    pipe_output,
    source,
    step,
    subdag,
    value,
)
from hamilton.function_modifiers.macros import NotSameModuleError, SingleTargetError


def inner(z: int, scale: int) -> int:
    return z * scale


def twice(inner: int, outside: int) -> int:
    return inner * 2 + outside


def names(dr):
    return {v.name for v in dr.list_available_variables()}


def test_subdag_prefixes_inner_nodes_and_lets_others_through(build):
    @subdag(inner, twice, inputs={"z": source("raw")}, config={"scale": 10})
    def sub(twice: int) -> int:
        return twice + 1

    dr = build(sub)
    assert {"sub.z", "sub.scale", "sub.inner", "sub.twice", "sub", "outside"} <= names(dr)
    assert dr.execute(["sub", "sub.inner"], inputs={"raw": 2, "outside": 1000}) == {
        "sub": 1041,
        "sub.inner": 20,
    }


def test_subdag_namespace_final_name_and_external_inputs(build):
    @subdag(
        inner,
        inputs={"z": value(3)},
        config={"scale": configuration("factor")},
        namespace="ns",
        final_node_name="done",
        external_inputs=["extra"],
    )
    def sub(inner: int, extra: int) -> int:
        return inner + extra

    dr = build(sub, config={"factor": 5})
    assert dr.execute(["done", "ns.inner"], inputs={"extra": 1}) == {"done": 16, "ns.inner": 15}
    with pytest.raises(InvalidDecoratorException, match="factor"):
        build(sub)


def test_subdag_of_a_module_with_its_own_config(build):
    module = ad_hoc_utils.module_from_source(
        """
from hamilton.function_modifiers import config

@config.when(kind="a")
def part__a() -> str:
    return "a"

@config.when(kind="b")
def part__b() -> str:
    return "b"
"""
    )

    @parameterized_subdag(module, config={"kind": "a"}, one={}, two={"config": {"kind": "b"}})
    def both(part: str) -> str:
        return part * 2

    assert build(both).execute(["one", "two"]) == {"one": "aa", "two": "bb"}


def test_subdags_nest(build):
    @subdag(inner, inputs={"z": source("seed")}, config={"scale": 2})
    def middle(inner: int) -> int:
        return inner

    @subdag(middle, inputs={"seed": source("raw")})
    def outer(middle: int) -> int:
        return middle + 1

    dr = build(outer)
    assert "outer.middle.inner" in names(dr)
    assert dr.execute(["outer"], inputs={"raw": 5}) == {"outer": 11}


def test_unknown_inner_name_gives_candidates(build):
    @subdag(inner, inputs={"z": value(1)}, config={"scale": 1})
    def sub(innr: int) -> int:
        return innr

    with pytest.raises(InvalidDecoratorException, match="namespace 'sub'") as error:
        build(sub)
    assert error.value.candidates == ("inner",)


def test_subdag_argument_errors():
    with pytest.raises(InvalidDecoratorException, match="both as inputs and as config"):
        subdag(inner, inputs={"z": value(1)}, config={"z": 1})
    with pytest.raises(InvalidDecoratorException, match="Inputs of a sub-dag"):
        subdag(inner, inputs={"z": 1})
    with pytest.raises(ValueError, match="at least one function"):
        subdag()


def _add(v: int, n: int = 1) -> int:
    return v + n


def _times(v: int, n: int) -> int:
    return v * n


def test_pipe_input_chains_steps_before_the_function(build):
    @pipe_input(step(_add), step(_add, n=10).named("again"), step(_times, n=source("factor")))
    def f(x: int) -> int:
        return x

    dr = build(f)
    assert {"f.with_add", "f.again", "f.with_times"} <= names(dr)
    assert dr.execute(["f"], inputs={"x": 1, "factor": 3}) == {"f": 36}


def test_pipe_input_names(build):
    @pipe_input(step(_add, 1), step(_add, 1), namespace=None)
    def f(x: int) -> int:
        return x

    @pipe_input(step(_add, 1), namespace="ns", on_input="y")
    def g(x: int, y: int) -> int:
        return x * y

    dr = build(f, g)
    assert {"with_add", "with_add_1", "ns.with_add"} <= names(dr)
    assert dr.execute(["f", "g"], inputs={"x": 2, "y": 4}) == {"f": 4, "g": 10}


def test_pipe_steps_obey_config(build):
    @pipe_input(step(_add, 1).when(on=True), step(_add, 10).when_in(kind=["a"]))
    @pipe_output(step(_times, 2).when_not(on=True))
    def f(x: int) -> int:
        return x

    assert build(f, config={"on": True, "kind": "a"}).execute(["f"], inputs={"x": 0}) == {"f": 11}
    plain = build(f, config={"on": True})
    assert "f.raw" not in names(plain)
    assert plain.execute(["f"], inputs={"x": 0}) == {"f": 1}
    assert build(f).execute(["f"], inputs={"x": 3}) == {"f": 6}


def test_pipe_output_on_a_target(build):
    @pipe_output(step(_add, 100).on_output("p"), step(_times, 2).on_output("q"))
    @extract_fields({"p": int, "q": int})
    def fields() -> dict:
        return {"p": 1, "q": 2}

    dr = build(fields)
    assert {"p.raw", "p.with_add", "q.raw"} <= names(dr)
    assert dr.execute(["p", "q"]) == {"p": 101, "q": 4}


def test_pipe_errors():
    with pytest.raises(ValueError, match="not possible"):
        pipe_output(step(_add, 1), on_output=...)
    with pytest.raises(SingleTargetError):
        pipe_output(step(_add, 1).on_output("a"), on_output="b")
    with pytest.raises(NotImplementedError):
        pipe_input(step(_add, 1), collapse=True)
    with pytest.raises(TypeError):
        step("not a function")
    with pytest.raises(InvalidDecoratorException, match="namespace"):
        pipe_input(step(_add, 1).namespaced("a"), namespace="b")
    with pytest.raises(InvalidDecoratorException, match="no parameters"):

        @pipe_input(step(_add, wrong=1))
        def f(x: int) -> int:
            return x


MUTATING = """
from hamilton.function_modifiers import apply_to, mutate, source, value

def a() -> int:
    return 1

def b() -> int:
    return 2

@mutate(a, apply_to(b, n=value(50)), n=10)
def _more(v: int, n: int) -> int:
    return v + n

@mutate(a)
def _double(v: int) -> int:
    return v * 2
"""


def test_mutate_pipes_the_outputs_of_its_targets(build):
    dr = build(MUTATING)
    assert dr.execute(["a", "b"]) == {"a": 22, "b": 52}
    assert {"a.with_more", "a.with_double", "b.with_more"} <= names(dr)


def test_mutate_only_within_a_module():
    foreign = ad_hoc_utils.module_from_source("def f() -> int:\n    return 1\n").f
    with pytest.raises(NotSameModuleError):

        @mutate(apply_to(foreign))
        def _more(v: int) -> int:
            return v
