"""How column types are stored in PostgreSQL.

Values have the same canonical form as in SQLite, so that results are the same: booleans and
numbers are native, dates and times are ISO 8601 text in UTC, json, jsonb and arrays are compact
JSON text, everything else is text. Texts have the collation ``C``, which orders them by code point
whatever the database's language is. Both kinds of floats are double precision: a single is kept
as the shortest decimal that means it, which must be compared as a decimal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ...model.elements import ColumnType
from ...model.types import Family, family
from ..dialect import Stored

__all__ = ["TEXT", "array_type", "storage_type", "text_array"]

TEXT = postgresql.TEXT(collation="C")

_STORAGE: dict[str, sa.types.TypeEngine[Any]] = {
    "boolean": sa.Boolean(),
    "int2": sa.SmallInteger(),
    "int4": sa.Integer(),
    "int8": sa.BigInteger(),
    "serial2": sa.SmallInteger(),
    "serial4": sa.Integer(),
    "serial8": sa.BigInteger(),
    "float4": postgresql.DOUBLE_PRECISION(),
    "float8": postgresql.DOUBLE_PRECISION(),
}


def storage_type(column_type: ColumnType) -> sa.types.TypeEngine[Any]:
    """Return the SQLAlchemy type that a column of `column_type` has in PostgreSQL."""
    if column_type.is_array:
        return TEXT
    return _STORAGE.get(column_type.storage, TEXT)


def array_type(column_type: ColumnType) -> postgresql.ARRAY[Any]:
    """The type of a list of values of a column type, as a parameter."""
    match family(column_type):
        case Family.BOOLEAN:
            return postgresql.ARRAY(sa.Boolean())
        case Family.INTEGER:
            return postgresql.ARRAY(sa.BigInteger())
        case Family.FLOAT:
            return postgresql.ARRAY(postgresql.DOUBLE_PRECISION())
        case _:
            return postgresql.ARRAY(postgresql.TEXT())


def text_array(texts: Sequence[Any]) -> sa.Cast[Any]:
    """Any number of texts as one parameter."""
    given = sa.bindparam(None, list(texts), Stored(), unique=True)
    return sa.cast(given, postgresql.ARRAY(postgresql.TEXT()))
