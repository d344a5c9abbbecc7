"""Spark SQL: column access, and loaders that mirror its readers of files.

The frame's column is an expression, which stands for the values without computing them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from pyspark.sql import Column, DataFrame, DataFrameReader
from pyspark.sql.functions import lit

from hamilton import registry
from hamilton.plugins._mirrored import MirroredReader, file_kind, mirrored

__all__ = ["COLUMN_TYPE", "DATAFRAME_TYPE"]

DATAFRAME_TYPE = DataFrame
COLUMN_TYPE = Column


@registry.get_column.register(DataFrame)
def get_column_spark(df: DataFrame, column_name: str) -> Column:
    """Returns the expression that stands for a column of the frame."""
    return df[column_name]


@registry.fill_with_scalar.register(DataFrame)
def fill_with_scalar_spark(df: DataFrame, column_name: str, scalar_value: Any) -> DataFrame:
    """Returns the frame with a column of one value."""
    return df.withColumn(column_name, lit(scalar_value))


registry.register_types("spark", DATAFRAME_TYPE, COLUMN_TYPE)


def _csv(spark: Any, path: Any, **options: Any) -> DataFrame:
    found: DataFrame = spark.read.csv(path, **options)
    return found


def _parquet(spark: Any, path: Any, **options: Any) -> DataFrame:
    # The reader takes any number of paths, where the one for CSV takes a list.
    paths = path if isinstance(path, (list, tuple)) else [path]
    found: DataFrame = spark.read.parquet(*paths, **options)
    return found


_PARQUET_OPTIONS = (
    "mergeSchema",
    "pathGlobFilter",
    "recursiveFileLookup",
    "modifiedBefore",
    "modifiedAfter",
    "datetimeRebaseMode",
    "int96RebaseMode",
)


def _like(read: Callable[..., DataFrame], options: list[str]) -> Callable[..., DataFrame]:
    """Has a reader show the session, the path and its options as its arguments."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("spark", keyword),
        inspect.Parameter("path", keyword),
        *(inspect.Parameter(name, keyword, default=None) for name in options),
    ]
    read.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return read


_CSV_OPTIONS = [
    p for p in inspect.signature(DataFrameReader.csv).parameters if p not in ("self", "path")
]

for _kind, _function in (
    (
        file_kind("csv", "CSVDataLoader", "csv", "path", "path", DataFrame),
        _like(_csv, _CSV_OPTIONS),
    ),
    (
        file_kind("parquet", "ParquetDataLoader", "parquet", "path", "path", DataFrame),
        _like(_parquet, list(_PARQUET_OPTIONS)),
    ),
):
    globals()[_kind.class_name] = mirrored(_kind, MirroredReader, _function, __name__)
    registry.register_adapter(globals()[_kind.class_name])
