"""Inserting a batch of rows: COPY from text that is made a column at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from .address import psycopg
from .connecting import quoted

__all__ = ["copy_in", "first_existing", "insert_few", "insert_skipping"]

_AT_ONCE = 10_000
"""Rows that are made into text at once."""

_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TRANSLATION = str.maketrans(_ESCAPES)

Columns = Mapping[str, Sequence[Any]]


def insert_few(connection: sa.Connection, table: sa.Table, columns: Columns) -> None:
    """Insert rows by one prepared statement for each; what is refused is undone as a whole.

    The savepoint and the rows are sent together, so the server is waited for once.
    """
    text = f"INSERT INTO {_target(table)} VALUES ({', '.join(['%s'] * len(table.c))})"
    rows = list(zip(*(columns[column.key] for column in table.c), strict=True))
    driver: Any = connection.connection.driver_connection
    try:
        with driver.pipeline(), driver.cursor() as cursor:
            cursor.execute("SAVEPOINT few")
            cursor.executemany(text, rows)
            cursor.execute("RELEASE SAVEPOINT few")
    except psycopg().Error:
        if not driver.closed:
            driver.execute("ROLLBACK TO SAVEPOINT few")
        raise


def copy_in(
    connection: sa.Connection, table: sa.Table, columns: Columns, *, into: str | None = None
) -> None:
    """Insert rows with COPY; `into` names another table with the same columns."""
    driver: Any = connection.connection.driver_connection
    values = [columns[column.key] for column in table.c]
    text = f"COPY {_target(table, into)} FROM STDIN"
    with driver.cursor() as cursor, cursor.copy(text) as copy:
        for start in range(0, len(values[0]), _AT_ONCE):
            copy.write(_lines([column[start : start + _AT_ONCE] for column in values]))


def insert_skipping(connection: sa.Connection, table: sa.Table, columns: Columns) -> list[str]:
    """Insert those rows that collide with no other; returns their RIDs."""
    held = f"_c{table.name}"
    names = ", ".join(quoted(column.name) for column in table.c)
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE {quoted(held)} (LIKE {quoted(table.name)}) ON COMMIT DROP"
    )
    copy_in(connection, table, columns, into=held)
    inserted = connection.exec_driver_sql(
        f"INSERT INTO {_target(table)} SELECT {names} FROM {quoted(held)} "
        f"ON CONFLICT DO NOTHING RETURNING {quoted(table.c.RID.name)}"
    )
    found = [str(rid) for rid in inserted.scalars()]
    connection.exec_driver_sql(f"DROP TABLE {quoted(held)}")
    return found


def first_existing(
    connection: sa.Connection, table: sa.Table, names: Sequence[str], columns: Columns
) -> int | None:
    """The position of the first row whose values in the columns `names` are in the table."""
    arrays = ", ".join(
        f"CAST(%s AS {table.c[name].type.compile(connection.dialect).split(' COLLATE')[0]}[])"
        for name in names
    )
    values = ", ".join(f"v{i}" for i in range(len(names)))
    same = " AND ".join(f"t.{quoted(table.c[name].name)} = g.v{i}" for i, name in enumerate(names))
    found = connection.exec_driver_sql(
        f"SELECT min(g.n) FROM unnest({arrays}) WITH ORDINALITY AS g ({values}, n) "
        f"WHERE EXISTS (SELECT 1 FROM {quoted(table.name)} AS t WHERE {same})",
        tuple([_alike(columns[name]) for name in names]),
    ).scalar()
    return None if found is None else int(found) - 1


def _alike(values: Sequence[Any]) -> list[Any]:
    """Values of one Python type, as the driver wants them: numbers may be among texts."""
    kinds = set(map(type, values)) - {type(None)}
    return [None if v is None else str(v) for v in values] if len(kinds) > 1 else list(values)


def _target(table: sa.Table, name: str | None = None) -> str:
    names = ", ".join(quoted(column.name) for column in table.c)
    return f"{quoted(name or table.name)} ({names})"


def _lines(columns: Sequence[Sequence[Any]]) -> str:
    """Rows in COPY's text format."""
    return "\n".join(map("\t".join, zip(*map(_texts, columns), strict=True))) + "\n"


def _texts(values: Sequence[Any]) -> Sequence[str]:
    """The values of a column as COPY's text format has them."""
    kinds = set(map(type, values))
    if kinds <= {int, float}:
        return list(map(repr, values))
    texts: Sequence[str | None] = values
    if kinds - {str, type(None)}:
        texts = [None if v is None else _text(v) for v in values]
    every = "".join(filter(None, texts))
    if any(special in every for special in _ESCAPES):
        texts = [None if t is None else t.translate(_TRANSLATION) for t in texts]
    return [r"\N" if t is None else t for t in texts]


def _text(value: Any) -> str:
    if value is True or value is False:
        return "t" if value else "f"
    return value if isinstance(value, str) else repr(value)
