"""Dataflows on a real Spark in this process's own local mode."""

from __future__ import annotations

import datetime
import os
import threading
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from hamilton import ad_hoc_utils, base, driver, registry
from hamilton.errors import CycleError, DefinitionError, EdgeTypeError
from hamilton.function_modifiers import extract_columns, load_from, source, value
from hamilton.function_modifiers.base import InvalidDecoratorException
from hamilton.htypes import column
from hamilton.io.materialization import from_
from hamilton.plugins import h_spark

pytestmark = pytest.mark.slow
sql = pytest.importorskip("pyspark.sql")
F, T = sql.functions, sql.types


def rows(frame):
    return [row.asDict() for row in frame.collect()]


@pytest.fixture(scope="module")
def frame(spark):
    return spark.createDataFrame([(1, 10.0), (2, 20.0), (3, 30.0)], "a long, b double")


def doubled(a: pd.Series) -> column[pd.Series, int]:
    return a * 2


def plus(doubled: int, b: float, step: int) -> float:
    return doubled + b + step


def ratio(a: sql.Column, plus: sql.Column) -> sql.Column:
    return plus / a


def step(start: int) -> int:
    return start + 1


def extended(*load_from, **options):
    """Returns a driver whose `final` hands on the extended frame."""

    @h_spark.with_columns(*load_from, **options)
    def final(frame: sql.DataFrame) -> sql.DataFrame:
        return frame

    return driver.Builder().with_modules(ad_hoc_utils.create_temporary_module(final)).build()


class TestWithColumns:
    def test_three_kinds_of_functions_become_columns_behind_the_frames_own(self, frame):
        dr = extended(ratio, plus, doubled, step, columns_to_pass=["a", "b"])
        found = dr.execute(["final", "final.step"], inputs={"frame": frame, "start": 0})
        assert found["final"].columns == ["a", "b", "ratio", "plus", "doubled"]
        assert [r["plus"] for r in rows(found["final"])] == [13.0, 25.0, 37.0]
        assert [r["ratio"] for r in rows(found["final"])] == [13.0, 12.5, 37.0 / 3]
        assert found["final.step"] == 1
        assert frame.columns == ["a", "b"]

    def test_selected_columns_are_appended_and_others_dropped(self, frame):
        dr = extended(
            plus, doubled, step, columns_to_pass=["a", "b"], select=["plus"], namespace="ns"
        )
        found = dr.execute(["final", "ns.doubled"], inputs={"frame": frame, "start": 0})
        assert found["final"].columns == ["a", "b", "plus"]
        assert found["ns.doubled"].columns == ["a", "b", "doubled"]

    def test_mode_select_gives_only_the_named_columns(self, frame):
        dr = extended(doubled, columns_to_pass=["a", "b"], select=["doubled", "b"], mode="select")
        found = dr.execute(["final"], inputs={"frame": frame})["final"]
        assert rows(found)[0] == {"doubled": 2, "b": 10.0}

    def test_select_hands_on_the_computed_columns_alone(self, frame):
        @h_spark.select(doubled, columns_to_pass=["a"])
        def final(frame: sql.DataFrame) -> sql.DataFrame:
            return frame

        @h_spark.select(doubled, columns_to_pass=["a"], output_cols=["a", "doubled"])
        def both(least: int, frame: sql.DataFrame) -> sql.DataFrame:
            return frame.filter(frame.doubled > least)

        module = ad_hoc_utils.create_temporary_module(final, both)
        dr = driver.Builder().with_modules(module).build()
        found = dr.execute(["final", "both"], inputs={"frame": frame, "least": 3})
        assert rows(found["final"]) == [{"doubled": 2}, {"doubled": 4}, {"doubled": 6}]
        assert rows(found["both"]) == [{"a": 2, "doubled": 4}, {"a": 3, "doubled": 6}]

    def test_functions_may_take_the_whole_frame(self, frame):
        def c(whole: sql.DataFrame) -> sql.Column:
            return whole.a + whole.b

        def largest(whole: sql.DataFrame) -> float:
            return whole.agg(F.max("b")).collect()[0][0]

        def share(c: pd.Series, largest: float) -> column[pd.Series, float]:
            return c / largest

        dr = extended(c, largest, share, pass_dataframe_as="whole")
        found = rows(dr.execute(["final"], inputs={"frame": frame})["final"])
        assert [r["c"] for r in found] == [11.0, 22.0, 33.0]
        assert [r["share"] for r in found] == [11 / 30, 22 / 30, 33 / 30]

    def test_a_replaced_column_is_the_old_one_for_those_that_asked_for_that(self, frame):
        def a(whole: sql.DataFrame) -> sql.Column:
            return whole.a * 100

        def more(whole: sql.DataFrame) -> sql.Column:
            return whole.a + 1

        def most(a: int) -> int:
            return a + 1

        dr = extended(a, more, most, pass_dataframe_as="whole")
        found = dr.execute(["final"], inputs={"frame": frame})["final"]
        assert found.columns == ["a", "b", "more", "most"]
        assert rows(found)[1] == {"a": 200, "b": 20.0, "more": 3, "most": 201}

    def test_a_function_of_the_frame_may_require_columns(self, frame):
        @h_spark.require_columns("doubled", "b")
        def both(anything: sql.DataFrame, step: int) -> sql.Column:
            return anything.doubled + anything["b"] + step

        dr = extended(both, doubled, columns_to_pass=["a", "b"], select=["both"])
        found = dr.execute(["final"], inputs={"frame": frame, "step": 5})["final"]
        assert [r["both"] for r in rows(found)] == [17.0, 29.0, 41.0]
        with pytest.raises(TypeError, match="carries @require_columns"):
            driver.Builder().with_modules(
                ad_hoc_utils.create_temporary_module(both, module_name="alone")
            ).build().execute(["both"], inputs={"doubled": F.lit(1), "b": F.lit(2), "step": 3})

    def test_a_required_column_must_not_be_a_replaced_one(self, frame):
        def a(whole: sql.DataFrame) -> sql.Column:
            return whole.a * 100

        @h_spark.require_columns("a")
        def next_(anything: sql.DataFrame) -> sql.Column:
            return anything.a + 1

        dr = extended(a, next_, pass_dataframe_as="whole")
        with pytest.raises(DefinitionError, match="another name"):
            dr.execute(["final"], inputs={"frame": frame})

    def test_default_values_and_missing_values(self, spark):
        def shifted(n: int, by: int = 7) -> int:
            return -1 if n is None else n + by

        holed = spark.createDataFrame([(1,), (None,)], "n long")
        dr = extended(shifted, columns_to_pass=["n"])
        found = dr.execute(["final"], inputs={"frame": holed})["final"]
        assert [r["shifted"] for r in rows(found)] == [8, -1]
        given = dr.execute(["final"], inputs={"frame": holed, "by": 1})["final"]
        assert [r["shifted"] for r in rows(given)] == [2, -1]

    def test_names_with_dots_and_big_numbers_are_kept(self, spark):
        def big(n: int) -> int:
            return n * 2**40

        dotted = spark.createDataFrame([(3, 1)], "n long, `x.y` long")
        dr = extended(big, columns_to_pass=["n"])
        found = dr.execute(["final"], inputs={"frame": dotted})["final"]
        assert rows(found) == [{"n": 3, "x.y": 1, "big": 3 * 2**40}]

    def test_a_failure_on_a_worker_says_in_which_node(self, frame):
        def broken(a: int) -> int:
            raise ValueError(f"cannot go on with {a}")

        dr = extended(broken, columns_to_pass=["a"])
        with pytest.raises(Exception, match="cannot go on with") as caught:
            dr.execute(["final"], inputs={"frame": frame})["final"].collect()
        assert "In node 'broken'" in str(caught.value)

    def test_a_value_that_cannot_be_sent_is_named(self, frame):
        def n(a: int, handle: object) -> int:
            return a

        dr = extended(n, columns_to_pass=["a"])
        with pytest.raises(TypeError, match=r"Column 'n'.*handle=<unlocked"):
            dr.execute(["final"], inputs={"frame": frame, "handle": threading.Lock()})

    def test_functions_of_a_module_run_on_processes_of_spark(self, spark, source_module):
        module = source_module("import os\n\ndef place(n: int) -> int:\n    return os.getpid()\n")
        frame = spark.range(4).withColumnRenamed("id", "n")
        found = extended(module, columns_to_pass=["n"]).execute(["final"], inputs={"frame": frame})
        assert os.getpid() not in {r["place"] for r in rows(found["final"])}


class TestMisuse:
    def test_options(self):
        with pytest.raises(ValueError, match="exactly one way"):
            h_spark.with_columns(doubled)
        with pytest.raises(ValueError, match="exactly one way"):
            h_spark.with_columns(doubled, columns_to_pass=["a"], pass_dataframe_as="frame")
        with pytest.raises(NotImplementedError, match="pass_dataframe_as"):
            h_spark.with_columns(doubled, on_input="frame")
        with pytest.raises(ValueError, match="name of a passed column"):
            h_spark.with_columns(doubled, columns_to_pass=["doubled"])
        with pytest.raises(ValueError, match="'append' or 'select'"):
            h_spark.with_columns(doubled, columns_to_pass=["a"], mode="both")
        with pytest.raises(ValueError, match="at least one column"):
            h_spark.require_columns()

    def test_decorated_functions(self):
        with pytest.raises(ValueError, match="no parameters"):

            @h_spark.with_columns(doubled, columns_to_pass=["a"])
            def nothing() -> int:
                return 1

        @h_spark.with_columns(doubled, columns_to_pass=["a"])
        def no_frame(n: int) -> int:
            return n

        with pytest.raises(InvalidDecoratorException, match=r"pyspark\.sql\.DataFrame"):
            driver.Builder().with_modules(ad_hoc_utils.create_temporary_module(no_frame)).build()

    def test_selected_names(self):
        with pytest.raises(ValueError, match="selects \\['nope', 'step'\\]"):
            extended(doubled, step, columns_to_pass=["a"], select=["nope", "step", "doubled"])

    def test_columns_that_need_each_other(self):
        def x(y: int) -> int:
            return y

        def y(x: int) -> int:
            return x

        with pytest.raises(CycleError, match="need each other"):
            extended(x, y, pass_dataframe_as="frame")

    def test_functions_that_cannot_be_columns(self):
        def untyped(a: pd.Series) -> pd.Series:
            return a

        def mixed(a: int) -> column[pd.Series, int]:
            return a

        def lonely(n: int) -> column[pd.Series, int]:
            return pd.Series([n])

        def stranger(z: pd.Series) -> int:
            return 1

        def odd(a: int) -> object:
            return a

        def series(a: pd.Series) -> int:
            return 1

        def native(a: int) -> sql.Column:
            return a

        def framed(a: int, whole: sql.DataFrame) -> int:
            return a

        for function, message in {
            untyped: r"htypes\.column\[pd\.Series, int\]",
            mixed: "takes columns as pd.Series",
            lonely: "takes no column",
            stranger: "nothing gives that column",
            odd: "no column type for <class 'object'>",
            series: "as single values",
            native: "takes columns as Column",
            framed: "whole frame",
        }.items():
            with pytest.raises(DefinitionError, match=message):
                extended(function, columns_to_pass=["a"])

    def test_require_columns_is_for_functions_of_one_frame(self):
        @h_spark.require_columns("a")
        def wrong(a: int) -> sql.Column:
            return a

        with pytest.raises(InvalidDecoratorException, match="exactly one parameter"):
            extended(wrong, columns_to_pass=["a"])


def test_types_of_python_numpy_and_spark(spark):
    from hamilton.plugins._spark_types import spark_type

    cases = {
        int: T.LongType(),
        float: T.DoubleType(),
        bool: T.BooleanType(),
        str: T.StringType(),
        bytes: T.BinaryType(),
        datetime.date: T.DateType(),
        datetime.datetime: T.TimestampType(),
        Decimal: T.DecimalType(38, 18),
        np.int32: T.IntegerType(),
        np.float32: T.FloatType(),
        np.uint8: T.ShortType(),
        np.bool_: T.BooleanType(),
        list[int]: T.ArrayType(T.LongType()),
        dict[str, float]: T.MapType(T.StringType(), T.DoubleType()),
        int | None: T.LongType(),
        T.ShortType: T.ShortType(),
        T.ShortType(): T.ShortType(),
        "array<bigint>": "array<bigint>",
    }
    assert {k: spark_type(k) for k in cases} == cases
    for unknown in (object, np.complex128, int | str, list):
        with pytest.raises(DefinitionError, match="no column type"):
            spark_type(unknown)


def udf_driver(*functions):
    module = ad_hoc_utils.create_temporary_module(*functions)
    return driver.Driver({}, module, adapter=h_spark.PySparkUDFGraphAdapter())


class TestUDFs:
    def test_requested_columns_are_appended_to_the_frame(self, frame):
        dr = udf_driver(doubled, plus, ratio, step)
        inputs = {name: frame for name in frame.columns} | {"start": 0}
        found = dr.execute(["ratio", "a", "plus", "step"], inputs=inputs)
        assert found.columns == ["a", "b", "ratio", "plus", "step"]
        expected = {"a": 2, "b": 20.0, "ratio": 12.5, "plus": 25.0, "step": 1}
        assert rows(found)[1] == expected
        again = dr.execute(["doubled"], inputs=inputs)
        assert rows(again)[2] == {"a": 3, "b": 30.0, "doubled": 6}

    def test_numpy_scalars_lists_and_required_columns(self, frame):
        def root(a: int) -> np.float64:
            return np.sqrt(a)

        def pair(a: int, b: float) -> list[float]:
            return [float(a), b]

        @h_spark.require_columns("a", "root")
        def total(anything: sql.DataFrame) -> sql.Column:
            return anything.a + anything.root

        dr = udf_driver(root, pair, total)
        found = rows(dr.execute(["pair", "total"], inputs={"a": frame, "b": frame}))
        assert found[0] == {"a": 1, "b": 10.0, "pair": [1.0, 10.0], "total": 2.0}

    def test_without_a_builder_each_value_is_a_frame_with_its_column(self, frame):
        dr = udf_driver(doubled, plus)
        inputs = {"a": frame, "b": frame, "step": 1}
        _, values = dr.materialize(additional_vars=["doubled", "plus"], inputs=inputs)
        assert values["doubled"].columns == ["a", "b", "doubled"]
        assert rows(values["plus"])[0] == {"a": 1, "b": 10.0, "plus": 13.0}

    def test_a_failed_run_leaves_nothing_for_the_next(self, frame):
        def broken(start: int) -> int:
            raise ValueError("no")

        dr = udf_driver(doubled, broken)
        with pytest.raises(ValueError, match="no"):
            dr.execute(["doubled", "broken"], inputs={"a": frame, "start": 1})
        other = frame.withColumn("a", frame.a * 10)
        assert rows(dr.execute(["doubled"], inputs={"a": other}))[0]["doubled"] == 20

    def test_columns_of_different_frames_do_not_mix(self, spark, frame):
        dr = udf_driver(doubled, plus)
        inputs = {"a": frame, "b": spark.createDataFrame([(1.0,)], "b double"), "step": 1}
        with pytest.raises(ValueError, match="2 different frames"):
            dr.execute(["plus"], inputs=inputs)
        with pytest.raises(ValueError, match="2 Spark frames"):
            dr.execute(["doubled", "b"], inputs=inputs)
        with pytest.raises(ValueError, match="does not have"):
            dr.execute(["doubled"], inputs={"a": inputs["b"]})

    def test_types_of_inputs_and_edges_are_checked(self, frame):
        def text(doubled: str) -> str:
            return doubled

        def number() -> int:
            return 1

        def n(number: str) -> str:
            return number

        with pytest.raises(EdgeTypeError):
            udf_driver(number, n)
        assert udf_driver(doubled, text).execute(["text"], inputs={"a": frame})
        with pytest.raises(ValueError, match="start"):
            udf_driver(step).execute(["step"], inputs={"start": "x"})


def test_spark_frames_of_any_kind_pass_the_input_check(frame):
    def columns(frame: sql.DataFrame, n: int) -> int:
        return len(frame.columns) + n

    class DataFrame:
        """Stands where the frame of Spark Connect stood before Spark 4: no classic subclass."""

        columns = ("a",)

    DataFrame.__module__ = "pyspark.sql.connect.dataframe"
    module = ad_hoc_utils.create_temporary_module(columns)
    plain = driver.Builder().with_modules(module).build()
    dr = driver.Builder().with_modules(module).with_adapters(h_spark.SPARK_INPUT_CHECK).build()
    assert dr.execute(["columns"], inputs={"frame": frame, "n": 1}) == {"columns": 3}
    assert dr.execute(["columns"], inputs={"frame": DataFrame(), "n": 1}) == {"columns": 2}
    with pytest.raises(ValueError, match="frame"):
        plain.execute(["columns"], inputs={"frame": DataFrame(), "n": 1})
    with pytest.raises(ValueError, match="frame"):
        dr.execute(["columns"], inputs={"frame": pd.DataFrame(), "n": 1})


class TestExtension:
    def test_types_and_columns(self, frame):
        assert registry.get_registered_dataframe_types()["spark"] is sql.DataFrame
        assert registry.get_column_type_from_df_type(sql.DataFrame) is sql.Column
        filled = registry.fill_with_scalar(frame, "c", 7)
        assert rows(filled.select(registry.get_column(filled, "c") + 1))[0] == {"(c + 1)": 8}

    def test_columns_are_extracted_as_expressions(self, frame):
        @extract_columns("a", "b")
        def parts(frame: sql.DataFrame) -> sql.DataFrame:
            return frame

        def total(frame: sql.DataFrame, a: sql.Column, b: sql.Column) -> float:
            return frame.agg(F.sum(a + b)).collect()[0][0]

        module = ad_hoc_utils.create_temporary_module(parts, total)
        dr = driver.Builder().with_modules(module).build()
        assert dr.execute(["total"], inputs={"frame": frame}) == {"total": 66.0}

    def test_files_are_loaded_with_a_session(self, spark, frame, tmp_path):
        frame.write.parquet(str(tmp_path / "p"))
        (tmp_path / "c.csv").write_text("a;b\n1;x\n2;y\n")

        @load_from.csv(
            spark=source("session"),
            path=value(str(tmp_path / "c.csv")),
            header=value(True),
            sep=value(";"),
            inferSchema=value(True),
        )
        def table(data: sql.DataFrame) -> sql.DataFrame:
            return data

        def rows_of(stored: sql.DataFrame) -> int:
            return stored.count()

        module = ad_hoc_utils.create_temporary_module(table, rows_of)
        dr = (
            driver.Builder()
            .with_modules(module)
            .with_materializers(
                from_.parquet(target="stored", spark=source("session"), path=str(tmp_path / "p"))
            )
            .build()
        )
        found = dr.execute(["table", "rows_of"], inputs={"session": spark})
        assert rows(found["table"]) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
        assert found["rows_of"] == 3

    def test_metadata_names_columns_and_counts_no_rows(self, spark, tmp_path):
        (tmp_path / "c.csv").write_text("a,b\n1,x\n")
        (loader,) = [
            c for c in registry.LOADER_REGISTRY["csv"] if c.__module__.endswith("spark_extensions")
        ]
        loaded, metadata = loader(spark=spark, path=str(tmp_path / "c.csv"), header=True).load_data(
            sql.DataFrame
        )
        facts = metadata["dataframe_metadata"]
        assert loaded.count() == 1
        assert (facts["rows"], facts["columns"]) == (None, 2)
        assert facts["column_names"] == ["a", "b"]
        assert facts["datatypes"] == ["string", "string"]
        assert metadata["file_metadata"]["size"] == 8


def test_a_pandas_that_does_not_go_with_sparks_is_named():
    try:
        import pyspark.pandas  # noqa: F401
    except ImportError:
        pass
    else:
        pytest.skip(f"pandas {pd.__version__} goes with pyspark.pandas")
    with pytest.raises(ImportError, match=r"pip install 'pandas<3'"):
        h_spark.SparkKoalasGraphAdapter(None, base.PandasDataFrameResult(), "spend")
