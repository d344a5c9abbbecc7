import sqlite3
from contextlib import closing

import polars as pl
import pytest

from hamilton import driver, registry
from hamilton.function_modifiers import InvalidDecoratorException, extract_columns
from hamilton.io.materialization import from_, to

FRAME = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})
SAME = """
import polars as pl

def same(frame: pl.DataFrame) -> pl.DataFrame:
    return frame

def lazily(lazy_frame: pl.LazyFrame) -> pl.LazyFrame:
    return lazy_frame
"""


@pytest.mark.parametrize("key", ["csv", "parquet", "feather", "json", "ndjson", "avro"])
def test_polars_round_trips(source_module, tmp_path, key):
    dr = driver.Builder().with_modules(source_module(SAME)).build()
    path = str(tmp_path / f"f.{key}")
    metadata, _ = dr.materialize(
        getattr(to, key)(id="s", dependencies=["same"], path=path), inputs={"frame": FRAME}
    )
    assert metadata["s"]["dataframe_metadata"]["column_names"] == ["a", "b"]
    _, values = dr.materialize(
        getattr(from_, key)(target="frame", path=path), additional_vars=["same"]
    )
    assert values["same"].equals(FRAME)


@pytest.mark.parametrize("key", ["csv", "parquet", "feather"])
def test_lazy_frames_are_saved_and_scanned(source_module, tmp_path, key):
    dr = driver.Builder().with_modules(source_module(SAME)).build()
    path = str(tmp_path / f"f.{key}")
    dr.materialize(
        getattr(to, key)(id="s", dependencies=["lazily"], file=path),
        inputs={"lazy_frame": FRAME.lazy()},
    )
    _, values = dr.materialize(
        getattr(from_, key)(target="lazy_frame", path=path), additional_vars=["lazily"]
    )
    assert isinstance(values["lazily"], pl.LazyFrame)
    assert values["lazily"].collect().equals(FRAME)


@pytest.mark.parametrize("lazy", [False, True], ids=["frame", "lazy"])
@pytest.mark.parametrize(("written", "read"), [("path", "path"), ("workbook", "source")])
def test_polars_spreadsheets(source_module, tmp_path, lazy, written, read):
    pytest.importorskip("xlsxwriter")
    pytest.importorskip("fastexcel")
    dr = driver.Builder().with_modules(source_module(SAME)).build()
    path = tmp_path / "new" / "f.xlsx"
    node, name = ("lazily", "lazy_frame") if lazy else ("same", "frame")
    metadata, _ = dr.materialize(
        to.spreadsheet(id="s", dependencies=[node], worksheet="first", **{written: str(path)}),
        inputs={name: FRAME.lazy() if lazy else FRAME},
    )
    assert metadata["s"]["file_metadata"]["size"] == path.stat().st_size
    assert [p.name for p in path.parent.iterdir()] == ["f.xlsx"]
    _, values = dr.materialize(
        from_.spreadsheet(target="frame", sheet_name="first", **{read: str(path)}),
        additional_vars=["same"],
    )
    assert values["same"].equals(FRAME)


@pytest.mark.parametrize("engine", ["sqlalchemy", "adbc"])
def test_polars_databases(source_module, tmp_path, engine):
    pytest.importorskip({"adbc": "adbc_driver_sqlite"}.get(engine, engine))
    dr = driver.Builder().with_modules(source_module(SAME)).build()
    place = f"sqlite:///{tmp_path / 'd.db'}"
    metadata, _ = dr.materialize(
        to.database(id="s", dependencies=["same"], table_name="t", connection=place, engine=engine),
        inputs={"frame": FRAME},
    )
    assert metadata["s"]["sql_metadata"]["table_name"] == "t"
    assert metadata["s"]["dataframe_metadata"]["rows"] == 2
    with closing(sqlite3.connect(tmp_path / "d.db")) as connection:
        loader = from_.database(
            target="frame", query="select * from t order by a", connection=connection
        )
        metadata, values = dr.materialize(loader, additional_vars=["same", "load_data.frame"])
    assert values["same"].equals(FRAME)
    facts = values["load_data.frame"][1]["sql_metadata"]
    assert (facts["rows"], facts["query"]) == (2, "select * from t order by a")


def test_polars_columns_are_extracted_and_filled(build):
    @extract_columns("a", "c", fill_with=0)
    def frame() -> pl.DataFrame:
        return pl.DataFrame({"a": [1, 2]})

    result = build(frame).execute(["a", "c"])
    assert result["a"].to_list() == [1, 2]
    assert result["c"].to_list() == [0, 0]


def test_unknown_argument_of_a_library_function_is_refused(source_module):
    dr = driver.Builder().with_modules(source_module(SAME)).build()
    with pytest.raises(InvalidDecoratorException, match=r"unknown: \['seperator'\]") as error:
        dr.materialize(
            to.csv(id="s", dependencies=["same"], path="p", seperator=";"), inputs={"frame": FRAME}
        )
    assert "separator" in error.value.candidates


def test_every_adapter_of_a_file_takes_path():
    from hamilton.function_modifiers.adapters import bound_arguments

    registry.load_extension("pandas")
    registry.load_extension("polars")
    classes = {c for found in registry.LOADER_REGISTRY.values() for c in found}
    classes |= {c for found in registry.SAVER_REGISTRY.values() for c in found}
    own_names = set()
    for cls in classes:
        required = list(cls.get_required_arguments())
        if cls.__module__.startswith("hamilton.") and len(required) == 1:
            first = required[0]
            if first in ("names", "value", "resource"):
                continue  # the environment, a literal, a resource of dlt
            own_names.add(first)
            assert list(bound_arguments(cls, {"path": "p"})) == [first], cls
    assert own_names >= {"path", "file", "source", "workbook", "io", "buf", "path_or_buffer"}


@pytest.mark.slow
@pytest.mark.parametrize("key", ["plt", "png"])
def test_figures_are_saved(source_module, tmp_path, key):
    import matplotlib as mpl

    mpl.use("Agg")
    module = source_module(
        "from matplotlib.figure import Figure\n\n"
        "def plot() -> Figure:\n    figure = Figure()\n    figure.subplots().plot([1, 2])\n"
        "    return figure\n"
    )
    dr = driver.Builder().with_modules(module).build()
    path = tmp_path / "plots" / "p.png"
    metadata, _ = dr.materialize(getattr(to, key)(id="s", dependencies=["plot"], path=str(path)))
    assert path.read_bytes().startswith(b"\x89PNG")
    assert metadata["s"]["file_metadata"]["size"] == path.stat().st_size
