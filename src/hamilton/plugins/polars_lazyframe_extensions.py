"""polars lazily: column access by expression, and loaders that scan."""

from __future__ import annotations

from typing import Any

import polars as pl

from hamilton import registry
from hamilton.plugins._mirrored import MirroredReader, file_kind, mirrored

__all__ = ["COLUMN_TYPE", "DATAFRAME_TYPE"]

DATAFRAME_TYPE = pl.LazyFrame
COLUMN_TYPE = pl.Expr


@registry.get_column.register(pl.LazyFrame)
def get_column_lazy(df: pl.LazyFrame, column_name: str) -> pl.Expr:
    """Returns the expression that stands for a column."""
    return pl.col(column_name)


@registry.fill_with_scalar.register(pl.LazyFrame)
def fill_with_scalar_lazy(df: pl.LazyFrame, column_name: str, scalar_value: Any) -> pl.LazyFrame:
    """Returns the frame with a column of one value."""
    return df.with_columns(pl.lit(scalar_value).alias(column_name))


registry.register_types("polars_lazyframe", DATAFRAME_TYPE, COLUMN_TYPE)

for _kind in (
    file_kind("csv", "PolarsScanCSVReader", "scan_csv", "source", "file", pl.LazyFrame),
    file_kind("parquet", "PolarsScanParquetReader", "scan_parquet", "source", "file", pl.LazyFrame),
    file_kind("feather", "PolarsScanFeatherReader", "scan_ipc", "source", "source", pl.LazyFrame),
):
    _function = getattr(pl, _kind.function)
    globals()[_kind.class_name] = mirrored(_kind, MirroredReader, _function, __name__)
    registry.register_adapter(globals()[_kind.class_name])
