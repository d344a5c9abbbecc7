"""Metadata about what was loaded or saved."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from hamilton.io.files import placed

__all__ = [
    "DATAFRAME_METADATA",
    "FILE_METADATA",
    "SQL_METADATA",
    "get_dataframe_metadata",
    "get_file_and_dataframe_metadata",
    "get_file_metadata",
    "get_sql_metadata",
]

DATAFRAME_METADATA = "dataframe_metadata"
SQL_METADATA = "sql_metadata"
FILE_METADATA = "file_metadata"
_VERSION = "1.0.0"


def get_file_metadata(path: str | PathLike[str]) -> dict[str, Any]:
    """Returns ``{"file_metadata": ...}``; for paths that are no local file the size is None."""
    text = str(path)
    scheme = urlparse(text).scheme
    local = len(scheme) <= 1 or scheme == "file"  # one letter is a drive
    place = Path(urlparse(text).path) if scheme == "file" else placed(text)
    size: int | None = None
    modified: float | None = None
    notes = "File metadata is unsupported for this scheme."
    if local:
        notes = ""
        text = text if scheme == "file" else str(place)
        if place.exists():
            facts = place.stat()
            size, modified = facts.st_size, facts.st_mtime
        else:
            notes = "The file does not exist."
    return {
        FILE_METADATA: {
            "size": size,
            "path": text,
            "last_modified": modified,
            "timestamp": datetime.now(UTC).timestamp(),
            "scheme": scheme,
            "notes": notes,
            "__version__": _VERSION,
        }
    }


def get_dataframe_metadata(df: Any) -> dict[str, Any]:
    """Returns ``{"dataframe_metadata": ...}`` of a dataframe of any library."""
    facts: dict[str, Any] = {"__version__": _VERSION}
    shape = getattr(df, "shape", None)
    if isinstance(shape, tuple) and len(shape) == 2:
        facts["rows"], facts["columns"] = shape
    else:
        facts["rows"] = facts["columns"] = None
    if facts["rows"] is None and hasattr(df, "collect_schema"):  # a lazy frame
        schema = df.collect_schema()
        facts["columns"] = len(schema)
        names, types = schema.names(), schema.dtypes()
    elif hasattr(df, "column_names"):  # Arrow tables and what is made of them
        names, types = df.column_names, getattr(getattr(df, "schema", None), "types", None)
    else:
        names, types = getattr(df, "columns", None), getattr(df, "dtypes", None)
    if facts["columns"] is None and names is not None:
        facts["columns"] = len(names)
    if isinstance(types, list) and types and isinstance(types[0], tuple):
        types = [type_ for _, type_ in types]  # Spark's are pairs of name and type
    facts["column_names"] = None if names is None else [str(name) for name in names]
    facts["datatypes"] = None if types is None else [str(type_) for type_ in types]
    return {DATAFRAME_METADATA: facts}


def get_file_and_dataframe_metadata(path: str | PathLike[str], df: Any) -> dict[str, Any]:
    """Returns the metadata of a file and of the dataframe in it."""
    return {**get_file_metadata(path), **get_dataframe_metadata(df)}


def get_sql_metadata(query_or_table: str, results: Any) -> dict[str, Any]:
    """Returns ``{"sql_metadata": ...}``; `results` is a dataframe or a number of rows."""
    is_query = " " in query_or_table.strip()
    rows = results if isinstance(results, int) else len(results) if results is not None else None
    return {
        SQL_METADATA: {
            "rows": rows,
            "query": query_or_table if is_query else None,
            "table_name": None if is_query else query_or_table,
            "timestamp": time.time(),
            "__version__": _VERSION,
        }
    }
