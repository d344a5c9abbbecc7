import importlib
import sys
from typing import ClassVar

import pandas as pd
import pytest

from hamilton import ad_hoc_utils, base, driver
from hamilton.function_modifiers import tag
from hamilton.function_modifiers.base import InvalidDecoratorException


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("h_dask", ["DaskGraphAdapter", "DaskDataFrameResult", "DaskExecutor"]),
        ("h_ray", ["RayGraphAdapter", "RayTaskExecutor"]),
        (
            "h_spark",
            ["KoalasDataFrameResult", "PySparkUDFGraphAdapter", "SparkKoalasGraphAdapter"],
        ),
        ("h_async", ["AsyncDriver"]),
    ],
)
def test_old_names_are_there_with_a_warning(module, names):
    full = f"hamilton.experimental.{module}"
    sys.modules.pop(full, None)
    with pytest.warns(DeprecationWarning, match="deprecated"):
        found = importlib.import_module(full)
    assert all(hasattr(found, name) for name in names)


class Log:
    ran: ClassVar[list] = []


def cached_driver(path, **options):
    from hamilton.experimental.h_cache import CachingGraphAdapter

    @tag(cache="parquet")
    def column(x: int) -> pd.Series:
        Log.ran.append("column")
        return pd.Series([x, 2], name="column")

    @tag(cache="json")
    def total(column: pd.Series) -> dict:
        Log.ran.append("total")
        return {"sum": int(column.sum())}

    with pytest.warns(DeprecationWarning, match="with_cache"):
        adapter = CachingGraphAdapter(path, base.DictResult(), **options)
    module = ad_hoc_utils.create_temporary_module(column, total)
    return driver.Driver({}, module, adapter=adapter)


def test_the_older_cache_reads_tagged_nodes_whatever_has_changed(tmp_path):
    pytest.importorskip("pyarrow")
    Log.ran.clear()
    assert cached_driver(tmp_path).execute(["total"], inputs={"x": 1}) == {"total": {"sum": 3}}
    found = cached_driver(tmp_path).execute(["total", "column"], inputs={"x": 50})
    assert found["total"] == {"sum": 3}
    assert list(found["column"]) == [1, 2]
    assert Log.ran == ["column", "total"]
    forced = cached_driver(tmp_path, force_compute={"column"})
    assert forced.execute(["total"], inputs={"x": 50}) == {"total": {"sum": 52}}


def test_the_older_cache_refuses_what_it_cannot_write(tmp_path):
    from hamilton.experimental.h_cache import CachingGraphAdapter

    @tag(cache="json")
    def odd() -> object:
        return object()

    @tag(cache="stone")
    def unknown() -> int:
        return 1

    module = ad_hoc_utils.create_temporary_module(odd, unknown)
    with pytest.warns(DeprecationWarning, match="with_cache"):
        adapter = CachingGraphAdapter(tmp_path, base.DictResult())
    dr = driver.Driver({}, module, adapter=adapter)
    with pytest.raises(NotImplementedError, match="no writer for 'json'"):
        dr.execute(["odd"])
    with pytest.raises(ValueError, match="unknown cache format 'stone'"):
        dr.execute(["unknown"])


def test_rows_of_a_frame_are_parameterizations():
    from hamilton.experimental.decorators.parameterize_frame import parameterize_frame

    table = pd.DataFrame(
        [["low", "high", "a", 5], ["small", "large", "b", 6]],
        columns=[["o1", "o2", "base", "step"], ["out", "out", "source", "value"]],
    )

    @parameterize_frame(table)
    def outputs(base: int, step: int) -> pd.DataFrame:
        return pd.DataFrame({0: [base], 1: [base + step]}).set_axis(
            ["low", "high"] if step == 5 else ["small", "large"], axis=1
        )

    module = ad_hoc_utils.create_temporary_module(outputs)
    dr = driver.Builder().with_modules(module).build()
    found = dr.execute(["low", "high", "large"], inputs={"a": 1, "b": 2})
    assert {k: list(v) for k, v in found.items()} == {"low": [1], "high": [6], "large": [8]}
    with pytest.raises(InvalidDecoratorException, match="'out'"):
        parameterize_frame(table[[("base", "source")]])
