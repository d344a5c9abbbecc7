import logging
import typing

import numpy as np
import pandas as pd
import pytest

from hamilton import base, driver


def test_dict_result_keeps_order():
    assert list(base.DictResult().build_result(b=1, a=2)) == ["b", "a"]
    assert base.DictResult().output_type() == dict[str, typing.Any]


def test_single_frame_is_returned_as_it_is():
    frame = pd.DataFrame({"a": [1]})
    assert base.PandasDataFrameResult.build_result(f=frame) is frame


def test_scalars_make_one_row():
    result = base.PandasDataFrameResult.build_result(a=1, b="x")
    assert result.to_dict("records") == [{"a": 1, "b": "x"}]


def test_series_are_joined_on_the_index_in_request_order():
    b = pd.Series([1, 2], index=[0, 1])
    a = pd.Series([3, 4], index=[1, 2])
    result = base.PandasDataFrameResult.build_result(b=b, a=a)
    assert list(result.columns) == ["b", "a"]
    assert list(result.index) == [0, 1, 2]
    assert result.loc[1].tolist() == [2, 3]


def test_frames_among_outputs_are_unpacked():
    frame = pd.DataFrame({"x": [1], "y": [2]})
    result = base.PandasDataFrameResult.build_result(f=frame, s=pd.Series([3]))
    assert list(result.columns) == ["f.x", "f.y", "s"]
    clash = {"f": frame, "f.x": pd.Series([1])}
    with pytest.raises(ValueError, match=r"Series f\.x already exists in the output"):
        base.PandasDataFrameResult.build_result(**clash)
    with pytest.raises(ValueError, match=r"Non series output f\.x already exists"):
        base.PandasDataFrameResult.build_result(**{"f": frame, "f.x": 5})


DATES = pd.date_range("2022-01-01", periods=2)


@pytest.mark.parametrize(
    ("outputs", "matches", "message"),
    [
        (
            {"a": pd.Series([1, 2], index=DATES), "b": pd.Series([1, 2], index=DATES.to_period())},
            False,
            "WARNING: Time/Categorical index type mismatches detected - ",
        ),
        (
            {"a": pd.Series([1, 2]), "b": pd.Series([1, 2], index=["x", "y"])},
            False,
            "WARNING: Multiple index types detected - ",
        ),
        (
            {"a": pd.Series([1, 2]), "b": 1},
            True,
            "WARNING: a single pandas index was found, but there are also 1 outputs without",
        ),
        ({"a": 1, "b": [1]}, False, "It appears no Pandas index type was detected "),
        ({"a": pd.Series([1]), "b": pd.Series([2])}, True, ""),
    ],
)
def test_index_alignment(outputs, matches, message, caplog):
    result = base.PandasDataFrameResult
    with caplog.at_level(logging.WARNING, logger="hamilton.base"):
        types = result.pandas_index_types(outputs)
        assert result.check_pandas_index_types_match(*types) is matches
    assert [r.getMessage().startswith(message) for r in caplog.records] == [True] * bool(message)


def test_index_types_are_keyed_by_class_and_dtype():
    everything, time, none = base.PandasDataFrameResult.pandas_index_types(
        {"a": pd.Series([1]), "b": pd.Series([1], index=DATES[:1]), "c": 5, "d": pd.Index([1])}
    )
    assert everything["RangeIndex:::int64"] == ["a", "d"]
    assert list(time.values()) == [["b"]]
    assert none == {"no-index": ["c"]}


def test_strict_builder_raises_on_mismatch():
    with pytest.raises(ValueError, match="Error: pandas index types did not match exactly"):
        base.StrictIndexTypePandasDataFrameResult.build_result(
            a=pd.Series([1]), b=pd.Series([1], index=["x"])
        )
    result = base.StrictIndexTypePandasDataFrameResult.build_result(a=pd.Series([1]), b=2)
    assert result.to_dict("records") == [{"a": 1, "b": 2}]


def test_numpy_matrix_expands_scalars():
    result = base.NumpyMatrixResult.build_result(b=2, a=np.array([1, 3]))
    assert isinstance(result, np.matrix)
    assert result.tolist() == [[2, 1], [2, 3]]
    assert base.NumpyMatrixResult().output_type() is np.matrix
    with pytest.raises(ValueError, match="Error, got non scalar result that mismatches length"):
        base.NumpyMatrixResult.build_result(a=[1, 2], b=[1, 2, 3])


def test_adapters_choose_the_builder(source_module):
    module = source_module("def f() -> int:\n    return 1\n")
    assert driver.Driver({}, module, adapter=base.DefaultAdapter()).execute(["f"]) == {"f": 1}
    assert driver.Driver({}, module, adapter=base.SimplePythonGraphAdapter()).execute(["f"]) == {
        "f": 1
    }
    given = []
    result = driver.Driver({}, module, adapter=given).execute(["f"])
    assert isinstance(result, pd.DataFrame)
    assert given == []
    with pytest.raises(ValueError, match="build_result"):
        base.SimplePythonGraphAdapter(5)


def test_two_result_builders_are_refused(source_module):
    module = source_module("def f() -> int:\n    return 1\n")
    with pytest.raises(ValueError, match=r"Multiple adapters cannot \(currently\) implement"):
        driver.Driver({}, module, adapter=[base.DictResult(), base.PandasDataFrameResult()])
