"""Dataflows of pandas functions on Spark's pandas API.

That API cannot be imported beside every pandas: `make test-koalas` runs this file beside one that
it goes with.
"""

from __future__ import annotations

import pandas as pd
import pytest

from hamilton import ad_hoc_utils, base, driver, registry
from hamilton.plugins import h_spark

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:`to_pandas` loads all data"),
]
pyspark = pytest.importorskip("pyspark")


def imported():
    try:
        import pyspark.pandas as ps
    except ImportError as error:
        return None, f"pyspark.pandas cannot be imported with pandas {pd.__version__}: {error}"
    return ps, ""


@pytest.fixture(scope="module")
def ps(request):
    found, reason = imported()
    if found is None:
        pytest.skip(reason)
    request.getfixturevalue("spark")  # not before: starting it takes its time
    return found


@pytest.fixture(scope="module")
def frame(ps):
    index = pd.Index(["x", "y", "z"], name="key")
    return ps.from_pandas(pd.DataFrame({"spend": [10.0, 20.0, 60.0], "signups": [1, 4, 6]}, index))


def average(spend: pd.Series) -> float:
    return float(spend.mean())


def per_signup(spend: pd.Series, signups: pd.Series) -> pd.Series:
    return spend / signups


def centred(spend: pd.Series, average: float) -> pd.Series:
    return spend - average


def adapted(builder, spine="spend"):
    spark = pyspark.sql.SparkSession.active()
    module = ad_hoc_utils.create_temporary_module(average, per_signup, centred)
    adapter = h_spark.SparkKoalasGraphAdapter(spark, builder, spine_column=spine)
    return driver.Driver({}, module, adapter=adapter)


def test_pandas_functions_run_on_spark_and_give_a_pandas_frame(ps, frame):
    dr = adapted(base.PandasDataFrameResult())
    inputs = {"spend": frame.spend, "signups": frame.signups}
    found = dr.execute(["per_signup", "spend", "average", "centred"], inputs=inputs)
    assert type(found) is pd.DataFrame
    assert list(found.columns) == ["per_signup", "spend", "average", "centred"]
    assert found.loc["y"].tolist() == [5.0, 20.0, 30.0, -10.0]
    assert found.index.name == "key"


def test_the_result_may_stay_on_spark(ps, frame):
    dr = adapted(h_spark.KoalasDataFrameResult())
    inputs = {"spend": frame.spend, "signups": frame.signups}
    found = dr.execute(["spend", "per_signup"], inputs=inputs)
    assert type(found) is ps.DataFrame
    assert found.to_pandas()["per_signup"].tolist() == [10.0, 5.0, 10.0]


def test_columns_of_another_frame_are_joined_on_the_index_of_the_spine(ps, frame):
    other = ps.from_pandas(pd.Series([3, 2], index=pd.Index(["z", "y"], name="key"), name="n"))
    dr = adapted(base.PandasDataFrameResult())
    found = dr.execute(["n", "spend"], inputs={"spend": frame.spend, "n": other})
    assert found["n"].dropna().to_dict() == {"y": 2.0, "z": 3.0}
    assert len(found) == 3


def test_what_cannot_be_built_is_refused(ps, frame):
    with pytest.raises(ValueError, match="KoalasDataFrameResult"):
        h_spark.SparkKoalasGraphAdapter(None, base.DictResult(), spine_column="spend")
    dr = adapted(base.PandasDataFrameResult(), spine="nope")
    with pytest.raises(ValueError, match="spine column 'nope'"):
        dr.execute(["spend"], inputs={"spend": frame.spend})
    with pytest.raises(ValueError, match="spend"):
        dr.execute(["spend"], inputs={"spend": 7})
    build = h_spark.KoalasDataFrameResult.build_result
    with pytest.raises(ValueError, match="needs a pandas-on-Spark series"):
        build(a=1)
    with pytest.raises(ValueError, match="are frames"):
        build(a=frame, b=frame.spend)
    assert build(a=frame) is frame


def test_the_extension_knows_frames_and_series(ps, frame):
    assert registry.get_column_type_from_df_type(ps.DataFrame) is ps.Series
    assert registry.get_column(frame, "signups").to_pandas().tolist() == [1, 4, 6]
    filled = registry.fill_with_scalar(frame.copy(), "one", 1)
    assert filled["one"].to_pandas().tolist() == [1, 1, 1]
