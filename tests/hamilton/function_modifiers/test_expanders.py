import pandas as pd
import pytest

from hamilton.function_modifiers import (
    InvalidDecoratorException,
    ParameterizedExtract,
    configuration,
    group,
    inject,
    parameterize,
    parameterize_extract_columns,
    parameterize_sources,
    parameterize_values,
    source,
    value,
)


def test_parameterize_binds_sources_values_and_literals(build):
    @parameterize(
        first=({"x": source("raw"), "y": value(3)}, "Takes {x} and {y} as {output_name}, {other}."),
        second={"x": value(1), "y": 4},
    )
    def f(x: int, y: int, z: int = 100) -> int:
        """Default."""
        return x + y + z

    dr = build(f)
    assert dr.execute(["first", "second"], inputs={"raw": 10}) == {"first": 113, "second": 105}
    assert dr.execute(["first"], inputs={"raw": 10, "z": 0}) == {"first": 13}
    docs = {v.name: v.documentation for v in dr.list_available_variables()}
    assert docs["first"] == "Takes raw and 3 as first, other."
    assert docs["second"] == "Default."
    assert f(1, 2, 3) == 6


def test_parameterize_groups(build):
    @parameterize(total={"xs": group(source("a"), source("b"), value(5))})
    def add(xs: list[int]) -> int:
        return sum(xs)

    @parameterize(named={"xs": group(one=source("a"), two=value(7))})
    def as_text(xs: dict[str, int]) -> str:
        return ",".join(f"{k}={v}" for k, v in sorted(xs.items()))

    result = build(add, as_text).execute(["total", "named"], inputs={"a": 1, "b": 2})
    assert result == {"total": 8, "named": "one=1,two=7"}


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"nope": value(1)}, "no such parameter"),
        ({"x": group(source("a"))}, "A group is bound"),
    ],
)
def test_parameterize_refuses_what_cannot_be_bound(mapping, message):
    with pytest.raises(InvalidDecoratorException, match=message):

        @parameterize(out=mapping)
        def f(x: int) -> int:
            return x


def test_parameterize_refuses_broken_templates_and_the_reserved_name():
    with pytest.raises(InvalidDecoratorException, match="not a usable template"):

        @parameterize(out=({"x": value(1)}, "broken {"))
        def f(x: int) -> int:
            return x

    with pytest.raises(InvalidDecoratorException, match="reserved"):

        @parameterize(out={"output_name": value(1)})
        def g(output_name: int) -> int:
            return output_name


def test_group_takes_one_kind_of_members():
    with pytest.raises(InvalidDecoratorException, match="either positional"):
        group()
    with pytest.raises(InvalidDecoratorException, match="either positional"):
        group(source("a"), b=source("b"))
    with pytest.raises(InvalidDecoratorException, match="Members of group"):
        group(5)
    assert source(source("a")) == source("a")
    assert value(value(1)) == value(1)
    assert configuration(configuration("k")) == configuration("k")


def test_parameterize_sources_and_values(build):
    @parameterize_sources(double_a={"x": "a"}, double_b={"x": "b"})
    def double(x: int) -> int:
        return 2 * x

    @parameterize_values(parameter="n", assigned_output={("plus1", "Adds one."): 1, "plus2": 2})
    def plus(a: int, n: int) -> int:
        return a + n

    result = build(double, plus).execute(
        ["double_a", "double_b", "plus1", "plus2"], inputs={"a": 1, "b": 5}
    )
    assert result == {"double_a": 2, "double_b": 10, "plus1": 2, "plus2": 3}
    with pytest.raises(ValueError, match="at least one output"):
        parameterize_sources()


def test_deprecated_spellings_warn_and_work(build):
    from hamilton.function_modifiers import parameterized_inputs, parametrized, parametrized_input

    with pytest.warns(DeprecationWarning, match="parameterize_values"):
        values = parametrized("x", {("one", "doc"): 1})
    with pytest.warns(DeprecationWarning, match="parameterize"):
        inputs = parametrized_input("x", {"a": ("two", "doc")})
    with pytest.warns(DeprecationWarning, match="parameterize_sources"):
        sources = parameterized_inputs(three={"x": "a"})

    def f(x: int) -> int:
        return x

    def g(x: int) -> int:
        return x

    def h(x: int) -> int:
        return x

    dr = build(values(f), inputs(g), sources(h))
    assert dr.execute(["one", "two", "three"], inputs={"a": 9}) == {"one": 1, "two": 9, "three": 9}


def test_inject_keeps_the_name_and_takes_configuration(build):
    @inject(x=configuration("size"), y=source("a"))
    def f(x: int, y: int) -> int:
        return x * y

    assert build(f, config={"size": 3}).execute(["f"], inputs={"a": 2}) == {"f": 6}
    with pytest.raises(Exception, match="size"):
        build(f)


def test_parameterize_extract_columns(build):
    @parameterize_extract_columns(
        ParameterizedExtract(("p", "q"), {"n": value(1)}),
        ParameterizedExtract(("r", "s"), {"n": source("raw")}),
    )
    def frame(n: int) -> pd.DataFrame:
        return pd.DataFrame({0: [n], 1: [n * 10]})

    result = build(frame).execute(["p", "q", "s", "frame__0"], inputs={"raw": 5})
    assert result["p"].tolist() == [1]
    assert result["q"].tolist() == [10]
    assert result["s"].tolist() == [50]
    assert list(result["frame__0"].columns) == ["p", "q"]


def test_second_expander_is_refused():
    with pytest.raises(ValueError, match="Got multiple decorators for decorator @parameterize"):

        @parameterize(a={"x": value(1)})
        @parameterize(b={"x": value(1)})
        def f(x: int) -> int:
            return x
