"""Pieces of SQL as templates.

Each is one element for SQLAlchemy, which then builds and caches a statement several times
faster than from its own operators.
"""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

__all__ = [
    "ArrayText",
    "CsvField",
    "IntervalKey",
    "JsonTime",
    "MomentText",
    "RowJson",
    "Subscript",
    "ZonedText",
]


class _Template(FunctionElement[Any]):
    """SQL in which ``{0}`` stands for the argument."""

    inherit_cache = True  # SQLAlchemy wants each class to say so
    template: ClassVar[str]


class IntervalKey(_Template):
    """The microseconds of an interval, a month counting as 30 days."""

    type = sa.BigInteger()
    inherit_cache = True
    template = (
        "CAST((SELECT (extract(year FROM i) * 12 + extract(month FROM i)) * 2592000000000"
        " + extract(day FROM i) * 86400000000 + extract(hour FROM i) * 3600000000"
        " + extract(minute FROM i) * 60000000 + extract(microseconds FROM i)"
        " FROM (SELECT CAST({0} AS interval) AS i) AS k) AS bigint)"
    )


class MomentText(_Template):
    """A time without zone as CSV has it: a blank for its ``T``."""

    type = postgresql.TEXT(collation="C")
    inherit_cache = True
    template = "overlay({0} placing ' ' from 11)"


class ZonedText(_Template):
    """A time with zone as CSV has it: a blank for its ``T``, the hours of the zone only."""

    type = postgresql.TEXT(collation="C")
    inherit_cache = True
    template = "left(overlay({0} placing ' ' from 11), -3)"


class JsonTime(_Template):
    """A time as text searches have it: no fraction, ``Z`` for UTC."""

    type = postgresql.TEXT(collation="C")
    inherit_cache = True
    template = "(left({0}, 19) || 'Z')"


class ArrayText(_Template):
    """A JSON array in the form ``{{a,"b c",NULL}}``."""

    type = postgresql.TEXT(collation="C")
    inherit_cache = True
    template = (
        "(SELECT CAST(coalesce(array_agg(CASE CAST(e AS text) WHEN 'true' THEN 't'"
        " WHEN 'false' THEN 'f' ELSE e #>> '{{}}' END), '{{}}') AS text)"
        " FROM json_array_elements(CAST({0} AS json)) AS x(e) WHERE {0} IS NOT NULL"
        " HAVING {0} IS NOT NULL)"
    )


class RowJson(FunctionElement[str]):
    """The compact JSON object of labelled values; their names must fit into identifiers."""

    type = sa.Text()
    inherit_cache = True


class CsvField(_Template):
    """A text as a field of CSV, with quotes around it when it needs them; NULL is empty."""

    type = sa.Text()
    inherit_cache = True
    template = (
        "(SELECT CASE WHEN f IS NULL THEN '' WHEN f = '' THEN '\"\"' "
        r"""WHEN f ~ '[,"\n\r]' THEN '"' || replace(f, '"', '""') || '"' ELSE f END """
        "FROM (SELECT CAST({0} AS text) AS f) AS x)"
    )


class Subscript(FunctionElement[Any]):
    """The element of an array at an index that counts from 0."""

    type = sa.Text()
    inherit_cache = True


@compiles(_Template)
def _write_template(element: _Template, compiler: SQLCompiler, **options: Any) -> str:
    (value,) = element.clauses
    text = compiler.process(value, **options)
    return element.template.format(text if isinstance(value, sa.Column) else f"({text})")


@compiles(RowJson)
def _write_row(element: RowJson, compiler: SQLCompiler, **options: Any) -> str:
    # row_to_json writes compactly, unlike the other functions, and takes names from columns.
    quote = compiler.preparer.quote_identifier
    columns = ", ".join(
        f"{compiler.process(label.element, **options)} AS {quote(label.name)}"
        for label in element.clauses
    )
    # A column of the same name would be taken for the row.
    row = "r"
    while any(label.name == row for label in element.clauses):
        row += "r"
    return f"CAST((SELECT row_to_json({row}) FROM (SELECT {columns}) AS {row}) AS text)"


@compiles(Subscript)
def _write_subscript(element: Subscript, compiler: SQLCompiler, **options: Any) -> str:
    array, index = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({array})[({index}) + 1]"
