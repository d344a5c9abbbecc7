"""The column types: names, aliases, domains, arrays, and what may be done with each.

Source: ERMrest, "Column types and values".
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from enum import Enum
from typing import Any

from ..errors import BadRequest, Conflict
from .elements import ColumnType

__all__ = [
    "Family",
    "are_comparable",
    "array_of",
    "bin_allowed",
    "family",
    "function_allowed",
    "function_result",
    "is_boolean",
    "is_float",
    "is_indexable",
    "is_integer",
    "is_json",
    "is_numeric",
    "is_searchable",
    "is_serial",
    "is_temporal",
    "is_textlike",
    "named_type",
    "parse_type",
    "read_type",
    "type_document",
]


class Family(Enum):
    """What kind of values a type holds; types of one family compare with each other."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    FLOAT = "float"
    TEXT = "text"
    DATE = "date"
    TIMESTAMPTZ = "timestamptz"
    TIMESTAMP = "timestamp"
    TIME = "time"
    TIMETZ = "timetz"
    INTERVAL = "interval"
    JSON = "json"
    UUID = "uuid"
    ARRAY = "array"
    OTHER = "other"


_FAMILIES = {
    "boolean": Family.BOOLEAN,
    "int2": Family.INTEGER,
    "int4": Family.INTEGER,
    "int8": Family.INTEGER,
    "serial2": Family.INTEGER,
    "serial4": Family.INTEGER,
    "serial8": Family.INTEGER,
    "float4": Family.FLOAT,
    "float8": Family.FLOAT,
    "text": Family.TEXT,
    "date": Family.DATE,
    "timestamptz": Family.TIMESTAMPTZ,
    "timestamp": Family.TIMESTAMP,
    "time": Family.TIME,
    "timetz": Family.TIMETZ,
    "interval": Family.INTERVAL,
    "json": Family.JSON,
    "jsonb": Family.JSON,
    "uuid": Family.UUID,
}
_DOMAINS = {
    "longtext": "text",
    "markdown": "text",
    "gene_sequence": "text",
    "color_rgb_hex": "text",
    "ermrest_uri": "text",
    "ermrest_curie": "text",
    "ermrest_rid": "text",
    "ermrest_rcb": "text",
    "ermrest_rmb": "text",
    "url": "text",
    "uri": "text",
    "curie": "text",
    "ermrest_rct": "timestamptz",
    "ermrest_rmt": "timestamptz",
}
_ALIASES = {
    "bool": "boolean",
    "smallint": "int2",
    "integer": "int4",
    "int": "int4",
    "bigint": "int8",
    "smallserial": "serial2",
    "serial": "serial4",
    "bigserial": "serial8",
    "real": "float4",
    "double precision": "float8",
    "character varying": "text",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "time without time zone": "time",
    "time with time zone": "timetz",
}
_NAMED: dict[str, ColumnType] = {name: ColumnType(name) for name in _FAMILIES}
_NAMED |= {name: ColumnType(name, base=_NAMED[base]) for name, base in _DOMAINS.items()}
_NAMED |= {alias: _NAMED[name] for alias, name in _ALIASES.items()}

_COMMON = "Use text, int4, int8, float8, boolean, date, timestamptz, jsonb, or one of the others."

_NUMERIC = frozenset({Family.INTEGER, Family.FLOAT})
_TEMPORAL = frozenset(
    {Family.DATE, Family.TIMESTAMPTZ, Family.TIMESTAMP, Family.TIME, Family.TIMETZ, Family.INTERVAL}
)
_ORDERED = _NUMERIC | _TEMPORAL | {Family.TEXT}
_BINNED = _NUMERIC | {Family.DATE, Family.TIMESTAMPTZ, Family.TIMESTAMP}


# --- names and documents -----------------------------------------------------------------


def named_type(name: str) -> ColumnType:
    """The base type or domain called `name` (canonical name or alias).

    Raises:
        Conflict: there is no such type, or none that a column may be created with.
    """
    found = _NAMED.get(name)
    if found is None:
        near = difflib.get_close_matches(name, _NAMED, n=3)
        hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else _COMMON
        raise Conflict(f'Unsupported type "{name}"', hint=hint, typename=name)
    return found


def array_of(base: ColumnType) -> ColumnType:
    """The array type whose elements are `base`.

    Raises:
        Conflict: `base` is an array or a serial type.
    """
    if base.is_array or is_serial(base):
        raise Conflict(
            f'Unsupported type "{base.typename}[]"',
            hint="Arrays have one dimension, and elements of any type but arrays and serials.",
            typename=f"{base.typename}[]",
        )
    return ColumnType(f"{base.typename}[]", base=base, is_array=True)


def parse_type(document: str | Mapping[str, Any] | ColumnType) -> ColumnType:
    """The column type that a type document, or a type's name alone, describes.

    Aliases become their canonical names; ``text[]`` as a name alone is an array too.

    Raises:
        BadRequest: the document has not the form of a type.
        Conflict: no column can be created with this type.
    """
    if isinstance(document, ColumnType):
        return document
    if isinstance(document, str):
        return (
            array_of(parse_type(document[:-2])) if document[-2:] == "[]" else named_type(document)
        )
    if not isinstance(document, Mapping):
        raise BadRequest(f"A column type is an object with a 'typename', not {document!r}.")
    name = document.get("typename")
    if document.get("is_array"):
        base = document.get("base_type")
        if base is None and isinstance(name, str) and name[-2:] == "[]":
            base = name[:-2]
        if base is None:
            raise BadRequest(f"The array type {name!r} has no 'base_type'.", typename=name)
        return array_of(parse_type(base))
    if not isinstance(name, str) or not name:
        raise BadRequest(f"A column type needs a 'typename' that is text, not {name!r}.")
    return parse_type(name)


def read_type(document: Mapping[str, Any]) -> ColumnType:
    """The column type in the document of an existing column, whatever that type is.

    Unlike `parse_type` this accepts types that can be read but not created, such as
    ``numeric`` in a catalog mapped onto an existing database.
    """
    name = document["typename"]
    base = document.get("base_type")
    if document.get("is_array") and base is not None:
        return ColumnType(name, base=read_type(base), is_array=True)
    if document.get("is_domain") and base is not None:
        return ColumnType(name, base=read_type(base))
    return _NAMED.get(name) or ColumnType(name)


def type_document(column_type: ColumnType) -> dict[str, Any]:
    """The canonical document of a type."""
    document: dict[str, Any] = {"typename": column_type.typename}
    if column_type.base is not None:
        document["is_array" if column_type.is_array else "is_domain"] = True
        document["base_type"] = type_document(column_type.base)
    return document


# --- properties --------------------------------------------------------------------------


def family(column_type: ColumnType) -> Family:
    """What kind of values the type holds; `Family.ARRAY` for every array."""
    if column_type.is_array:
        return Family.ARRAY
    return _FAMILIES.get(column_type.storage, Family.OTHER)


def is_boolean(column_type: ColumnType) -> bool:
    """Whether values are true or false."""
    return family(column_type) is Family.BOOLEAN


def is_integer(column_type: ColumnType) -> bool:
    """Whether values are whole numbers."""
    return family(column_type) is Family.INTEGER


def is_float(column_type: ColumnType) -> bool:
    """Whether values are binary floating point numbers."""
    return family(column_type) is Family.FLOAT


def is_numeric(column_type: ColumnType) -> bool:
    """Whether values are numbers."""
    return family(column_type) in _NUMERIC


def is_serial(column_type: ColumnType) -> bool:
    """Whether a sequence of its own supplies the column's default."""
    return not column_type.is_array and column_type.storage.startswith("serial")


def is_textlike(column_type: ColumnType) -> bool:
    """Whether values are text or of a domain over text."""
    return family(column_type) is Family.TEXT


def is_temporal(column_type: ColumnType) -> bool:
    """Whether values are dates, times or intervals."""
    return family(column_type) in _TEMPORAL


def is_json(column_type: ColumnType) -> bool:
    """Whether values are JSON documents."""
    return family(column_type) is Family.JSON


def is_searchable(column_type: ColumnType) -> bool:
    """Whether the ``*`` of a text search covers columns of this type: text and numbers.

    Dates and times are covered too, in their text form; JSON, arrays and booleans are not.
    """
    return family(column_type) in _ORDERED - {Family.INTERVAL} | {Family.UUID}


def is_indexable(column_type: ColumnType) -> bool:
    """Whether values can be compared for equality, and so belong to a key."""
    element = column_type.base if column_type.is_array and column_type.base else column_type
    return element.storage != "json"


def are_comparable(one: ColumnType, other: ColumnType) -> bool:
    """Whether a value of one type can equal a value of the other (the sides of a foreign key)."""
    if one.is_array or other.is_array:
        if not (one.is_array and other.is_array) or one.base is None or other.base is None:
            return False
        return one.base.storage == other.base.storage
    kinds = {family(one), family(other)}
    if Family.OTHER in kinds:
        return one.storage == other.storage
    if kinds == {Family.JSON}:
        return one.storage == other.storage == "jsonb"
    return len(kinds) == 1 or kinds <= _NUMERIC


def function_allowed(function: str, column_type: ColumnType) -> bool:
    """Whether the aggregate function (``min``, ``avg``, ``cnt_d`` ...) applies to the type.

    Source: ERMrest, "Functions".
    """
    if function in ("sum", "avg"):
        return is_numeric(column_type) or column_type.storage == "numeric"
    if function in ("min", "max"):
        element = column_type.base if column_type.is_array and column_type.base else column_type
        return family(element) in _ORDERED or element.storage == "numeric"
    if function == "cnt_d":
        return is_indexable(column_type)
    return True


def function_result(function: str, column_type: ColumnType) -> ColumnType:
    """The type of what an aggregate function makes of values of `column_type`."""
    if function in ("cnt", "cnt_d"):
        return _NAMED["int8"]
    if function in ("array", "array_d"):
        return _NAMED["jsonb"]
    if function == "avg":
        return _NAMED["float8"]
    if function == "sum":
        return _NAMED["int8"] if is_integer(column_type) else _NAMED["float8"]
    return column_type


def bin_allowed(column_type: ColumnType) -> bool:
    """Whether ``bin(...)`` applies to the type."""
    return family(column_type) in _BINNED
