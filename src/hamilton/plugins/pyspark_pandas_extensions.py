"""Spark's pandas API: column access."""

from __future__ import annotations

from typing import Any

import pyspark.pandas as ps

from hamilton import registry

__all__ = ["COLUMN_TYPE", "DATAFRAME_TYPE"]

DATAFRAME_TYPE = ps.DataFrame
COLUMN_TYPE = ps.Series


@registry.get_column.register(ps.DataFrame)
def get_column_pyspark_pandas(df: ps.DataFrame, column_name: str) -> ps.Series:
    """Returns a column of a pandas-on-Spark frame."""
    return df[column_name]


@registry.fill_with_scalar.register(ps.DataFrame)
def fill_with_scalar_pyspark_pandas(
    df: ps.DataFrame, column_name: str, scalar_value: Any
) -> ps.DataFrame:
    """Returns the frame with a column of one value added to it."""
    df[column_name] = scalar_value
    return df


registry.register_types("pyspark_pandas", DATAFRAME_TYPE, COLUMN_TYPE)
