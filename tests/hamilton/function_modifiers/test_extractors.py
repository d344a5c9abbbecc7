from typing import TypedDict

import pandas as pd
import pytest

from hamilton.function_modifiers import (
    InvalidDecoratorException,
    extract_columns,
    extract_fields,
    parameterize,
    tag,
    unpack_fields,
    value,
)


def types(dr):
    return {v.name: v.type for v in dr.list_available_variables()}


def test_extract_columns_makes_series_nodes(build):
    @extract_columns("a", ("b", "The b."))
    def frame() -> pd.DataFrame:
        return pd.DataFrame({"a": [1], "b": [2]})

    dr = build(frame)
    assert types(dr)["a"] is pd.Series
    assert dr.execute(["b"])["b"].tolist() == [2]
    assert {v.documentation for v in dr.list_available_variables()} == {"", "The b."}


def test_missing_column_is_an_error_or_filled(build):
    @extract_columns("a", "missing")
    def frame() -> pd.DataFrame:
        return pd.DataFrame({"a": [1]})

    with pytest.raises(InvalidDecoratorException, match="No such column: missing produced by"):
        build(frame).execute(["missing"])

    @extract_columns("a", "other", fill_with=0)
    def filled() -> pd.DataFrame:
        return pd.DataFrame({"a": [1, 2]})

    assert build(filled).execute(["other"])["other"].tolist() == [0, 0]


def test_extract_columns_refuses_lists_nothing_and_other_types():
    with pytest.raises(InvalidDecoratorException, match="at least one"):
        extract_columns()
    with pytest.raises(InvalidDecoratorException, match="unpack"):
        extract_columns(["a"])
    with pytest.raises(InvalidDecoratorException, match="does not output a type we know about"):

        @extract_columns("a")
        def f() -> int:
            return 1


def test_extract_after_parameterize_prefixes_columns(build):
    @extract_columns("c")
    @parameterize(one={"n": value(1)}, two={"n": value(2)})
    def frame(n: int) -> pd.DataFrame:
        return pd.DataFrame({"c": [n]})

    result = build(frame).execute(["one.c", "two.c"])
    assert {k: v.tolist() for k, v in result.items()} == {"one.c": [1], "two.c": [2]}


def test_stacked_extractions_both_apply(build):
    @extract_columns("a")
    @extract_columns("b")
    def frame() -> pd.DataFrame:
        return pd.DataFrame({"a": [1], "b": [2]})

    assert set(build(frame).execute(["a", "b"])) == {"a", "b"}


def test_tags_go_to_the_extracted_columns(build):
    @tag(owner="me")
    @extract_columns("a")
    def frame() -> pd.DataFrame:
        return pd.DataFrame({"a": [1]})

    found = build(frame).list_available_variables(tag_filter={"owner": "me"})
    assert [v.name for v in found] == ["a"]


class Fields(TypedDict):
    p: int
    q: str


@pytest.mark.parametrize(
    ("given", "returned"),
    [
        (({"p": int, "q": str},), dict),
        (({"p": int, "q": str},), dict[str, object]),
        ((["p", "q"],), dict[str, int]),
        (("p", "q"), dict[str, int]),
        ((), Fields),
        (("p", "q"), Fields),
        (({"p": int, "q": str},), Fields),
    ],
)
def test_extract_fields_forms(build, given, returned):
    def fields():
        return {"p": 1, "q": "x"}

    fields.__annotations__["return"] = returned
    dr = build(extract_fields(*given)(fields))
    assert dr.execute(["p", "q", "fields"]) == {"p": 1, "q": "x", "fields": {"p": 1, "q": "x"}}


@pytest.mark.parametrize(
    ("given", "returned", "message"),
    [
        (("p",), dict, "cannot tell the types"),
        ((), dict[str, int], "cannot tell the types"),
        (({"p": int},), int, "returns a dict or a TypedDict"),
        (("zz",), Fields, "not a field"),
        (({"p": str},), Fields, "but @extract_fields says"),
    ],
)
def test_extract_fields_refuses(given, returned, message):
    def fields():
        return {}

    fields.__annotations__["return"] = returned
    with pytest.raises(InvalidDecoratorException, match=message):
        extract_fields(*given)(fields)


def test_missing_field_is_an_error_or_filled(build):
    @extract_fields({"p": int})
    def one() -> dict:
        return {}

    with pytest.raises(InvalidDecoratorException, match="No such field: p"):
        build(one).execute(["p"])

    @extract_fields({"q": int}, fill_with=7)
    def two() -> dict:
        return {}

    assert build(two).execute(["q"]) == {"q": 7}


def test_unpack_fields(build):
    @unpack_fields("a", "b")
    def three() -> tuple[int, str, float]:
        return 1, "x", 2.0

    @unpack_fields("c", "d")
    def many() -> tuple[int, ...]:
        return 1, 2, 3

    dr = build(three, many)
    assert dr.execute(["a", "b", "c", "d"]) == {"a": 1, "b": "x", "c": 1, "d": 2}
    assert types(dr)["b"] is str
    with pytest.raises(InvalidDecoratorException, match="names 3 elements"):

        @unpack_fields("a", "b", "c")
        def pair() -> tuple[int, int]:
            return 1, 2
