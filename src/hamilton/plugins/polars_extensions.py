"""polars: column access, and loaders and savers that mirror its readers and writers."""

from __future__ import annotations

from typing import Any

import polars as pl

from hamilton import registry
from hamilton.plugins._mirrored import Kind, MirroredReader, MirroredWriter, file_kind, mirrored

__all__ = ["COLUMN_TYPE", "DATAFRAME_TYPE"]

DATAFRAME_TYPE = pl.DataFrame
COLUMN_TYPE = pl.Series


@registry.get_column.register(pl.DataFrame)
def get_column_polars(df: pl.DataFrame, column_name: str) -> pl.Series:
    """Returns a column of a DataFrame."""
    return df[column_name]


@registry.fill_with_scalar.register(pl.DataFrame)
def fill_with_scalar_polars(df: pl.DataFrame, column_name: str, scalar_value: Any) -> pl.DataFrame:
    """Returns the DataFrame with a column of one value."""
    return df.with_columns(pl.lit(scalar_value).alias(column_name))


registry.register_types("polars", DATAFRAME_TYPE, COLUMN_TYPE)

_F = pl.DataFrame
_BOTH = (pl.DataFrame, pl.LazyFrame)
_READERS = [
    file_kind("csv", "PolarsCSVReader", "read_csv", "source", "file", _F),
    file_kind("parquet", "PolarsParquetReader", "read_parquet", "source", "file", _F),
    file_kind("avro", "PolarsAvroReader", "read_avro", "source", "file", _F),
    file_kind("feather", "PolarsFeatherReader", "read_ipc", "source", "source", _F),
    file_kind("json", "PolarsJSONReader", "read_json", "source", "source", _F),
    file_kind("ndjson", "PolarsNDJSONReader", "read_ndjson", "source", "source", _F),
    file_kind("spreadsheet", "PolarsSpreadsheetReader", "read_excel", "source", "source", _F),
    Kind(
        "database",
        "PolarsDatabaseReader",
        "read_database",
        {"query": "query", "connection": "connection"},
        (_F,),
    ),
]
_WRITERS = [
    file_kind("csv", "PolarsCSVWriter", "write_csv", "file", "file", *_BOTH),
    file_kind("parquet", "PolarsParquetWriter", "write_parquet", "file", "file", *_BOTH),
    file_kind("avro", "PolarsAvroWriter", "write_avro", "file", "file", *_BOTH),
    file_kind("feather", "PolarsFeatherWriter", "write_ipc", "file", "file", *_BOTH),
    file_kind("json", "PolarsJSONWriter", "write_json", "file", "file", *_BOTH),
    file_kind("ndjson", "PolarsNDJSONWriter", "write_ndjson", "file", "file", *_BOTH),
    file_kind(
        "spreadsheet", "PolarsSpreadsheetWriter", "write_excel", "workbook", "workbook", *_BOTH
    ),
    Kind(
        "database",
        "PolarsDatabaseWriter",
        "write_database",
        {"table_name": "table_name", "connection": "connection"},
        _BOTH,
    ),
]


class _Writer(MirroredWriter):
    def _prepared(self, data: Any) -> Any:
        """Returns lazy frames collected."""
        return data.collect() if isinstance(data, pl.LazyFrame) else data


for _kind in _READERS:
    _function = getattr(pl, _kind.function)
    globals()[_kind.class_name] = mirrored(_kind, MirroredReader, _function, __name__)
    registry.register_adapter(globals()[_kind.class_name])
for _kind in _WRITERS:
    _method = getattr(pl.DataFrame, _kind.function)
    globals()[_kind.class_name] = mirrored(_kind, _Writer, _method, __name__)
    registry.register_adapter(globals()[_kind.class_name])
