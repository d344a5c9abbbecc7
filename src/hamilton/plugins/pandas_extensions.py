"""pandas: column access, and loaders and savers that mirror its readers and writers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from hamilton import registry
from hamilton.plugins._mirrored import Kind, MirroredReader, MirroredWriter, file_kind, mirrored

__all__ = ["COLUMN_TYPE", "DATAFRAME_TYPE"]

DATAFRAME_TYPE = pd.DataFrame
COLUMN_TYPE = pd.Series


@registry.get_column.register(pd.DataFrame)
def get_column_pandas(df: pd.DataFrame, column_name: str) -> Any:
    """Returns a column of a DataFrame."""
    return df[column_name]


@registry.fill_with_scalar.register(pd.DataFrame)
def fill_with_scalar_pandas(df: pd.DataFrame, column_name: str, scalar_value: Any) -> pd.DataFrame:
    """Returns the DataFrame with a column of one value added to it."""
    df[column_name] = scalar_value
    return df


registry.register_types("pandas", DATAFRAME_TYPE, COLUMN_TYPE)

_FB, _F = "filepath_or_buffer", pd.DataFrame
_READERS = [
    file_kind("csv", "PandasCSVReader", "read_csv", _FB, "path", _F),
    file_kind("parquet", "PandasParquetReader", "read_parquet", "path", "path", _F),
    file_kind("pickle", "PandasPickleReader", "read_pickle", _FB, _FB, _F),
    file_kind("json", "PandasJsonReader", "read_json", "path_or_buf", _FB, _F),
    Kind(
        "sql",
        "PandasSqlReader",
        "read_sql",
        {"sql": "query_or_table", "con": "db_connection"},
        (_F,),
    ),
    file_kind("xml", "PandasXmlReader", "read_xml", "path_or_buffer", "path_or_buffer", _F),
    file_kind("html", "PandasHtmlReader", "read_html", "io", "io", list, _F),
    file_kind("stata", "PandasStataReader", "read_stata", _FB, _FB, _F),
    file_kind("feather", "PandasFeatherReader", "read_feather", "path", "path", _F),
    file_kind("orc", "PandasORCReader", "read_orc", "path", "path", _F),
    file_kind("excel", "PandasExcelReader", "read_excel", "io", "path", _F),
    file_kind("table", "PandasTableReader", "read_table", _FB, _FB, _F),
    file_kind("fwf", "PandasFWFReader", "read_fwf", _FB, _FB, _F),
    file_kind("spss", "PandasSPSSReader", "read_spss", "path", "path", _F),
]
_WRITERS = [
    file_kind("csv", "PandasCSVWriter", "to_csv", "path_or_buf", "path", _F),
    file_kind("parquet", "PandasParquetWriter", "to_parquet", "path", "path", _F),
    file_kind("pickle", "PandasPickleWriter", "to_pickle", "path", "path", _F),
    file_kind("json", "PandasJsonWriter", "to_json", "path_or_buf", _FB, _F),
    Kind("sql", "PandasSqlWriter", "to_sql", {"name": "table_name", "con": "db_connection"}, (_F,)),
    file_kind("xml", "PandasXmlWriter", "to_xml", "path_or_buffer", "path_or_buffer", _F),
    file_kind("html", "PandasHtmlWriter", "to_html", "buf", "buf", _F),
    file_kind("stata", "PandasStataWriter", "to_stata", "path", "path", _F),
    file_kind("feather", "PandasFeatherWriter", "to_feather", "path", "path", _F),
    file_kind("orc", "PandasORCWriter", "to_orc", "path", "path", _F),
    file_kind("excel", "PandasExcelWriter", "to_excel", "excel_writer", "path", _F),
]


class _Reader(MirroredReader):
    def _picked(self, found: Any, type_: Any) -> Any:
        """Returns the only table of a page when one DataFrame is wanted."""
        if not (isinstance(found, list) and isinstance(type_, type) and type_ is not list):
            return found
        if len(found) != 1:
            raise ValueError(
                f"{self._target()!r} holds {len(found)} tables; annotate the parameter as "
                "list[pd.DataFrame] to take them all."
            )
        return found[0]


for _kind in _READERS:
    globals()[_kind.class_name] = mirrored(_kind, _Reader, getattr(pd, _kind.function), __name__)
    registry.register_adapter(globals()[_kind.class_name])
for _kind in _WRITERS:
    _method = getattr(pd.DataFrame, _kind.function)
    globals()[_kind.class_name] = mirrored(_kind, MirroredWriter, _method, __name__)
    registry.register_adapter(globals()[_kind.class_name])
