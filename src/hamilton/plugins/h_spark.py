"""Dataflows on Spark: pandas functions on its pandas API, functions as columns, frames.

`with_columns`, `select` and `require_columns` are for dataflows of Spark frames, some of whose
steps compute many columns; they need no adapter. `PySparkUDFGraphAdapter` turns a whole dataflow
of column functions into columns of one frame. `SparkKoalasGraphAdapter` runs a dataflow that was
written for pandas on Spark's pandas API.
"""

from __future__ import annotations

from hamilton.plugins._spark_decorators import require_columns, select, with_columns
from hamilton.plugins._spark_koalas import KoalasDataFrameResult, SparkKoalasGraphAdapter
from hamilton.plugins._spark_udf_adapter import (
    SPARK_INPUT_CHECK,
    PySparkUDFGraphAdapter,
    SparkInputValidator,
)

__all__ = [
    "SPARK_INPUT_CHECK",
    "KoalasDataFrameResult",
    "PySparkUDFGraphAdapter",
    "SparkInputValidator",
    "SparkKoalasGraphAdapter",
    "require_columns",
    "select",
    "with_columns",
]
