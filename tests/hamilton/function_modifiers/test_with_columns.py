import pandas as pd
import polars as pl
import pytest

from hamilton.function_modifiers import extract_columns
from hamilton.plugins import h_pandas, h_polars


def doubled(a: pd.Series) -> pd.Series:
    return a * 2


def total(doubled: pd.Series, b: pd.Series, extra: int) -> pd.Series:
    return doubled + b + extra


def note(a: pd.Series) -> str:
    return "not a column"


FRAME = pd.DataFrame({"a": [1, 2], "b": [10, 20]})


def test_columns_are_computed_and_appended(build):
    @h_pandas.with_columns(doubled, total, note, columns_to_pass=["a", "b"])
    def final(frame: pd.DataFrame) -> pd.DataFrame:
        return frame

    dr = build(final)
    result = dr.execute(["final", "final._append"], inputs={"frame": FRAME, "extra": 100})
    assert list(result["final"].columns) == ["a", "b", "doubled", "total"]
    assert result["final"]["total"].tolist() == [112, 124]
    assert list(FRAME.columns) == ["a", "b"]
    assert {"final.a", "final.b", "final.doubled"} <= {
        v.name for v in dr.list_available_variables()
    }


def test_selected_columns_and_namespace(build):
    @h_pandas.with_columns(
        doubled, total, columns_to_pass=["a", "b"], select=["total"], namespace="ns"
    )
    def final(frame: pd.DataFrame) -> pd.DataFrame:
        return frame

    result = build(final).execute(["final", "ns.doubled"], inputs={"frame": FRAME, "extra": 0})
    assert list(result["final"].columns) == ["a", "b", "total"]
    assert result["ns.doubled"].tolist() == [2, 4]


def test_functions_may_take_the_frame_as_a_whole(build):
    @extract_columns("a")
    def parts(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[["a"]] + 1

    @h_pandas.with_columns(parts, doubled, on_input="frame", select=["doubled"])
    def final(factor: int, frame: pd.DataFrame) -> pd.DataFrame:
        return frame * factor

    result = build(final).execute(["final"], inputs={"frame": FRAME, "factor": 2})
    assert result["final"]["doubled"].tolist() == [8, 12]


def test_polars_frames_eager_and_lazy(build):
    def twice(a: pl.Series) -> pl.Series:
        return a * 2

    def thrice(a: pl.Expr) -> pl.Expr:
        return a * 3

    @h_polars.with_columns(twice, columns_to_pass=["a"])
    def eager(frame: pl.DataFrame) -> pl.DataFrame:
        return frame

    @h_polars.with_columns(thrice, columns_to_pass=["a"])
    def lazy(lazy_frame: pl.LazyFrame) -> pl.LazyFrame:
        return lazy_frame

    frame = pl.DataFrame({"a": [1, 2]})
    result = build(eager, lazy).execute(
        ["eager", "lazy"], inputs={"frame": frame, "lazy_frame": frame.lazy()}
    )
    assert result["eager"]["twice"].to_list() == [2, 4]
    assert result["lazy"].collect()["thrice"].to_list() == [3, 6]


def test_misuse_is_refused(build):
    with pytest.raises(ValueError, match="exactly one way"):
        h_pandas.with_columns(doubled)
    with pytest.raises(ValueError, match="exactly one way"):
        h_pandas.with_columns(doubled, columns_to_pass=["a"], on_input="frame")
    with pytest.raises(NotImplementedError):
        h_pandas.with_columns(doubled, pass_dataframe_as="frame")
    with pytest.raises(ValueError, match="name of a passed column"):
        h_pandas.with_columns(doubled, columns_to_pass=["doubled"])
    with pytest.raises(ValueError, match="no parameters"):

        @h_pandas.with_columns(doubled, columns_to_pass=["a"])
        def nothing() -> pd.DataFrame:
            return FRAME

    @h_pandas.with_columns(doubled, columns_to_pass=["a"], select=["nope"])
    def final(frame: pd.DataFrame) -> pd.DataFrame:
        return frame

    with pytest.raises(ValueError, match="selects"):
        build(final)
