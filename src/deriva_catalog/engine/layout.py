"""How tables of the model lie in the database.

Each table of the model is two physical tables with the same columns:

- ``t<RID>`` holds the live rows and, hidden, ``_vs``: when this version of the row began;
- ``h<RID>`` holds closed versions only, with ``_vs`` and ``_ve``: when it ended (exclusive).

Times are microseconds since 1970-01-01T00:00Z. Physical column names come from the column's
RID and generation, so renaming anything changes the model document and nothing else. In the
SQLAlchemy tables made here, ``table.c`` is keyed by the *logical* column name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from ..model.elements import ColumnType, Key, Table

VERSION_START = "_vs"
VERSION_END = "_ve"

_TIME = sa.BigInteger()
StorageType = Callable[[ColumnType], "sa.types.TypeEngine[Any]"]


def live_name(table: Table) -> str:
    """The physical name of the table of live rows."""
    return f"t{table.rid.replace('-', '')}"


def history_name(table: Table) -> str:
    """The physical name of the table of closed row versions."""
    return f"h{table.rid.replace('-', '')}"


def key_index_name(key: Key) -> str:
    """The physical name of the unique index of a key."""
    return f"u{key.rid.replace('-', '')}"


def live_table(table: Table, storage: StorageType) -> sa.Table:
    """The live table as SQLAlchemy sees it, without constraints."""
    return _table(live_name(table), table, storage, (VERSION_START,))


def history_table(table: Table, storage: StorageType) -> sa.Table:
    """The history table as SQLAlchemy sees it, without constraints."""
    return _table(history_name(table), table, storage, (VERSION_START, VERSION_END))


def _table(name: str, table: Table, storage: StorageType, hidden: tuple[str, ...]) -> sa.Table:
    columns = [
        sa.Column(c.physical, storage(c.type), key=c.name, nullable=c.nullok) for c in table.columns
    ]
    # Logical names may be anything, so the hidden columns get keys no user can name: NUL.
    columns += [sa.Column(h, _TIME, key=f"\0{h}", nullable=False) for h in hidden]
    return sa.Table(name, sa.MetaData(), *columns)
