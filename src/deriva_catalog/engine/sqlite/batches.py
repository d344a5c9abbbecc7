"""Inserting a batch of rows with as little work for each row as possible.

Handing a value to SQLite through Python costs more than storing it. So a value that all rows of
a batch share (the times, the client, often a reference) stands in the text of the statement,
and one statement inserts many rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import sqlalchemy as sa

_WORTH_GROUPING = 100
"""Rows from which on a statement of the batch's own pays."""
_ROWS_AT_ONCE = 64
_VALUES_AT_ONCE = 1_000
_LONGEST_LITERAL = 200

Columns = Mapping[str, Sequence[Any]]


def insert_batch(
    connection: sa.Connection,
    table: sa.Table,
    columns: Columns,
    new: sa.ColumnElement[bool],
    *,
    skip: bool = False,
) -> None:
    """Insert rows, given by column, in their order.

    When a row is refused, the rows before it are in the table, and no others.

    Args:
        connection: Inside a writing transaction.
        table: The table.
        columns: The stored values of each of its columns, by the column's key.
        new: Whether a row of the table is one of those.
        skip: Leave out rows that collide with others instead of failing.

    Raises:
        sqlalchemy.exc.IntegrityError: a unique index refused a row.
    """
    count = len(next(iter(columns.values())))
    shared = _shared(columns) if count >= _WORTH_GROUPING else {}
    varying = [columns[column.key] for column in table.c if column.key not in shared]
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(column.name) for column in table.c)
    head = f"INSERT INTO {quote(table.name)} ({names}) VALUES "
    row = f"({', '.join(shared.get(column.key, '?') for column in table.c)})"
    tail = " ON CONFLICT DO NOTHING" if skip else ""
    done = 0
    if count >= _WORTH_GROUPING:
        size = max(1, min(_ROWS_AT_ONCE, _VALUES_AT_ONCE // len(varying)))
        text = head + ", ".join([row] * size) + tail
        done = _insert_groups(connection, table, text, varying, size, new)
    if done < count:
        rest = list(zip(*(values[done:] for values in varying), strict=True))
        connection.exec_driver_sql(head + row + tail, rest)


def _insert_groups(
    connection: sa.Connection,
    table: sa.Table,
    text: str,
    varying: Sequence[Sequence[Any]],
    size: int,
    new: sa.ColumnElement[bool],
) -> int:
    """Insert the rows that fill whole groups; returns how many rows are dealt with.

    A group with a refused row is undone as a whole, and ends it: the caller inserts the rows from
    there on one by one, so that it meets the refused row itself.
    """
    values = chain.from_iterable(zip(*varying, strict=True))
    # Zipping one iterator with itself cuts it into pieces of one length.
    groups = list(zip(*[values] * (size * len(varying)), strict=False))
    if not groups:
        return 0
    try:
        connection.exec_driver_sql(text, groups)
    except sa.exc.IntegrityError:
        inserted = sa.select(sa.func.count()).select_from(table).where(new)
        return int(connection.execute(inserted).scalar_one())
    return len(groups) * size


def _shared(columns: Columns) -> dict[str, str]:
    """SQL literals of the columns in which all rows have the same value."""
    found: dict[str, str] = {}
    for key, values in columns.items():
        first = values[0]
        # Looking at the last one first spares nearly every other column the counting.
        if first == values[-1] and values.count(first) == len(values):
            literal = _literal(first)
            if literal is not None:
                found[key] = literal
    return found if len(found) < len(columns) else {}


def _literal(value: Any) -> str | None:
    """A value as SQL; None when it is better bound."""
    if value is None:
        return "NULL"
    if type(value) is int:
        return str(value)
    if type(value) is str and len(value) <= _LONGEST_LITERAL and "\0" not in value:
        return "'" + value.replace("'", "''") + "'"
    return None
