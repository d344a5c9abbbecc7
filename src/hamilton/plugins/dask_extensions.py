"""Dask: column access to its frames."""

from __future__ import annotations

from typing import Any

import dask.dataframe as dd

from hamilton import registry

__all__ = ["COLUMN_TYPE", "DATAFRAME_TYPE"]

DATAFRAME_TYPE = dd.DataFrame
COLUMN_TYPE = dd.Series


@registry.get_column.register(dd.DataFrame)
def get_column_dask(df: Any, column_name: str) -> Any:
    """Returns a column of a frame, uncomputed."""
    return df[column_name]


@registry.fill_with_scalar.register(dd.DataFrame)
def fill_with_scalar_dask(df: Any, column_name: str, scalar_value: Any) -> Any:
    """Returns the frame with a column of one value."""
    return df.assign(**{column_name: scalar_value})


registry.register_types("dask", DATAFRAME_TYPE, COLUMN_TYPE)
