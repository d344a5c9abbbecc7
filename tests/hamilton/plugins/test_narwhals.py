import pandas as pd
import pytest

from hamilton import ad_hoc_utils, base, driver, registry

pytest.importorskip("narwhals")
pl = pytest.importorskip("polars")

FLOW = """
import narwhals as nw
import pandas as pd
import polars as pl
from hamilton.function_modifiers import config


@config.when(library="pandas")
def frame__pandas() -> pd.DataFrame:
    return pd.DataFrame({"g": ["a", "a", "b"], "v": [1, 2, 5]})


@config.when(library="polars")
def frame__polars() -> nw.DataFrame:
    return pl.DataFrame({"g": ["a", "a", "b"], "v": [1, 2, 5]})


def means(frame: nw.DataFrame) -> nw.DataFrame:
    return frame.group_by("g").agg(nw.col("v").mean()).sort("g")


def column(frame: nw.DataFrame, name: str) -> nw.Series:
    return frame[name]


def longest(column: nw.Series) -> int:
    return len(column)

"""


def built(config, *adapters, source=FLOW):
    module = ad_hoc_utils.module_from_source(source)
    return driver.Builder().with_modules(module).with_config(config).with_adapters(*adapters)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_one_flow_runs_on_either_library(library):
    from hamilton.plugins.h_narwhals import NarwhalsAdapter, NarwhalsDataFrameResultBuilder
    from hamilton.plugins.h_polars import PolarsDataFrameResult

    plain = base.PandasDataFrameResult() if library == "pandas" else PolarsDataFrameResult()
    dr = built(
        {"library": library}, NarwhalsAdapter(), NarwhalsDataFrameResultBuilder(plain)
    ).build()
    found = dr.execute(["means"])
    kind = pd.DataFrame if library == "pandas" else pl.DataFrame
    assert isinstance(found, kind)
    assert list(found["v"]) == [1.5, 5.0]
    both = dr.execute(["column", "longest"], inputs={"name": "v"})
    assert isinstance(both, kind)
    assert list(both["longest"]) == [3, 3, 3]


def test_without_the_adapter_the_edge_is_refused():
    with pytest.raises(ValueError, match="frame"):
        built({"library": "pandas"}).build()


def test_inputs_of_any_library_are_taken_and_others_are_not():
    from hamilton.plugins.h_narwhals import NarwhalsAdapter

    text = (
        "import narwhals as nw\nimport pandas as pd\n\n"
        "def rows(frame: nw.DataFrame) -> int:\n    return frame.shape[0]\n\n"
        "def plain(table: pd.DataFrame) -> str:\n    return type(table).__name__\n\n"
        "def total(values: nw.Series) -> int:\n    return int(values.sum())\n"
    )
    import narwhals as nw

    dr = built({}, NarwhalsAdapter(), source=text).build()
    frame = pd.DataFrame({"a": [1, 2]})
    for given in (frame, pl.DataFrame(frame.to_dict("list")), nw.from_native(frame)):
        assert dr.execute(["rows"], inputs={"frame": given}) == {"rows": 2}
    found = dr.execute(["plain"], inputs={"table": nw.from_native(frame)})
    assert found == {"plain": "DataFrame"}
    assert dr.execute(["total"], inputs={"values": frame["a"]}) == {"total": 3}
    with pytest.raises(ValueError, match="frame"):
        dr.execute(["rows"], inputs={"frame": 5})
    with pytest.raises(ValueError, match="values"):
        dr.execute(["total"], inputs={"values": frame})
    with pytest.raises(ValueError, match="table"):
        dr.execute(["plain"], inputs={"table": nw.from_native(pl.DataFrame())})


def test_frames_do_not_feed_columns():
    from hamilton.plugins.h_narwhals import NarwhalsAdapter

    text = (
        "import narwhals as nw\nimport pandas as pd\n\n"
        "def frame() -> pd.DataFrame:\n    return pd.DataFrame()\n\n"
        "def wrong(frame: nw.Series) -> int:\n    return 1\n"
    )
    with pytest.raises(ValueError, match="wrong"):
        built({}, NarwhalsAdapter(), source=text).build()


def test_classes_stand_for_frames_without_importing_anything():
    from hamilton.experimental import h_databackends as backends

    frame = pd.DataFrame({"a": [1]})
    assert isinstance(frame, backends.AbstractPandasDataFrame)
    assert isinstance(frame["a"], backends.AbstractPandasColumn)
    assert not isinstance(frame, backends.AbstractPolarsDataFrame)
    assert issubclass(pl.DataFrame, backends.AbstractPolarsDataFrame)
    assert isinstance(pl.LazyFrame(), backends.DATAFRAME_TYPES)
    assert isinstance(pl.col("a"), backends.COLUMN_TYPES)
    assert not isinstance(5, backends.DATAFRAME_TYPES)
    assert not isinstance(frame, backends.AbstractSparkDataFrame)


def test_the_classes_can_be_registered_beside_the_libraries(monkeypatch):
    from hamilton.experimental import h_databackends as backends

    monkeypatch.setattr(registry, "_DATAFRAME_TYPES", dict(registry._DATAFRAME_TYPES))
    monkeypatch.setattr(registry, "_COLUMN_TYPES", dict(registry._COLUMN_TYPES))
    backends.register_backends()
    assert registry.get_registered_dataframe_types()["pandas"] is pd.DataFrame
    found = registry.get_column_type_from_df_type(backends.AbstractPolarsDataFrame)
    assert found is backends.AbstractPolarsColumn
    assert registry.get_column_type_from_df_type(pd.DataFrame) is pd.Series
