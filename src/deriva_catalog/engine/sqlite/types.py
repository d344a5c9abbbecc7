"""How column types are stored in SQLite.

Values are kept in the canonical JSON form of the protocol, so that the database can serialise
a row without help: numbers as INTEGER and REAL (NaN and the infinities as the texts ``NaN``,
``Infinity`` and ``-Infinity``, which REAL affinity leaves alone and which sort after numbers),
booleans as 0 and 1, dates and times as ISO 8601 text in UTC (canonical, so that text order is
time order), json, jsonb and arrays as compact JSON text, everything else as text.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ...model.elements import ColumnType

# One object for each type: SQLAlchemy works out once for each object what a database makes of it.
_TEXT = sa.Text()
_STORAGE: dict[str, sa.types.TypeEngine[Any]] = {
    "boolean": sa.SmallInteger(),
    "int2": sa.SmallInteger(),
    "int4": sa.Integer(),
    "int8": sa.BigInteger(),
    "serial2": sa.SmallInteger(),
    "serial4": sa.Integer(),
    "serial8": sa.BigInteger(),
    "float4": sa.REAL(),
    "float8": sa.REAL(),
}


def storage_type(column_type: ColumnType) -> sa.types.TypeEngine[Any]:
    """Return the SQLAlchemy type that a column of `column_type` has in SQLite."""
    if column_type.is_array:
        return _TEXT
    return _STORAGE.get(column_type.storage, _TEXT)
