"""A catalog's SQLite file under the names of its model, for tools that speak SQL.

Physical tables and columns have names of their own (see `layout`). Here each table is a view under
``schema.Table``, and under ``Table`` where only one schema has that name.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path

import sqlalchemy as sa

from ...model.elements import Model, Table
from ..layout import live_name

__all__ = ["named_engine"]


def named_engine(path: Path, model: Model) -> sa.Engine:
    """An engine over the live rows of a file, which cannot be changed through it.

    Values are as they are stored: booleans as 0 and 1, times as ISO 8601 text, arrays and JSON as
    JSON text. The views belong to the connection; nothing is written to the file.
    """
    statements = _views(model)
    address = f"{path.absolute().as_uri()}?mode=ro"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(address, uri=True, check_same_thread=False)
        connection.executescript(statements)
        return connection

    return sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool)


def _views(model: Model) -> str:
    tables = list(model.tables())
    names = Counter(table.name.lower() for table in tables)
    statements = []
    for table in tables:
        statements.append(_view(f"{table.schema}.{table.name}", table))
        if names[table.name.lower()] == 1:
            statements.append(_view(table.name, table))
    return "\n".join(statements)


def _view(name: str, table: Table) -> str:
    columns = ", ".join(f"{_quoted(c.physical)} AS {_quoted(c.name)}" for c in table.columns)
    source = _quoted(live_name(table))
    return f"CREATE TEMP VIEW {_quoted(name)} AS SELECT {columns} FROM main.{source};"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
