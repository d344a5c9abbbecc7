"""Lines of CSV made by SQLite.

Each kind of field is one element whose SQL is a template, and so is a line. Built from
SQLAlchemy's own operators, a field would be two dozen elements, and building the statement for
a table would take longer than running it for thousands of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from ...model.elements import ColumnType
from ...model.types import Family, family
from ..dialect import Value

_AT_ONCE = 32
"""Texts that follow each other without parentheses: SQLite limits how deep operators nest."""


class _Field(FunctionElement[str]):
    """The text of one value; the template's ``{0}`` stands for the value."""

    type = sa.Text()
    inherit_cache = True  # SQLAlchemy wants each class to say so
    template: ClassVar[str]


class _Quoted(_Field):
    """A text, with quotes around it when it needs them; NULL is empty, empty is quoted."""

    inherit_cache = True
    # Four searches take half the time of one GLOB for any of the characters.
    template = (
        "CASE WHEN {0} IS NULL THEN '' "
        "WHEN instr({0}, ',') OR instr({0}, '\"') OR instr({0}, '\n') OR instr({0}, '\r') "
        "THEN '\"' || replace({0}, '\"', '\"\"') || '\"' "
        "WHEN {0} = '' THEN '\"\"' ELSE {0} END"
    )


class _Plain(_Field):
    """A value that never needs quotes."""

    inherit_cache = True
    template = "ifnull({0}, '')"


class _Flag(_Field):
    """A boolean."""

    inherit_cache = True
    template = "CASE {0} WHEN 1 THEN 't' WHEN 0 THEN 'f' ELSE '' END"


class _Moment(_Field):
    """A time without zone: a blank for its ``T``."""

    inherit_cache = True
    template = "ifnull(replace({0}, 'T', ' '), '')"


class _ZonedMoment(_Field):
    """A time with zone: a blank for its ``T``, the hours of the zone only."""

    inherit_cache = True
    template = "ifnull(substr({0}, 1, 10) || ' ' || substr({0}, 12, length({0}) - 14), '')"


class _FloatText(_Field):
    """A float as PostgreSQL writes it: the shortest digits, no fraction that is zero."""

    inherit_cache = True
    template = (
        "CASE WHEN typeof({0}) != 'real' THEN {0} "
        "WHEN {0} = CAST({0} AS BIGINT) AND {0} BETWEEN -1e15 AND 1e15 "
        "THEN CAST(CAST({0} AS BIGINT) AS TEXT) ELSE deriva_float({0}) END"
    )


class _Float(_Field):
    """The same as a field: NULL is empty."""

    inherit_cache = True
    template = f"ifnull({_FloatText.template}, '')"


class _Line(FunctionElement[str]):
    """Fields with commas between them."""

    type = sa.Text()
    inherit_cache = True


_BY_FAMILY: dict[Family, type[_Field]] = {
    Family.BOOLEAN: _Flag,
    Family.INTEGER: _Plain,
    Family.DATE: _Plain,
    Family.TIME: _Plain,
    Family.TIMETZ: _Plain,
    Family.UUID: _Plain,
    Family.FLOAT: _Float,
    Family.TIMESTAMP: _Moment,
    Family.TIMESTAMPTZ: _ZonedMoment,
}


def float_text(value: Value) -> Value:
    """A float as PostgreSQL writes it: the shortest digits, no fraction that is zero."""
    return _FloatText(value)


def csv_field(value: Value, column_type: ColumnType | None, *, arrays_json: bool) -> Value:
    """The text of a value (None: a JSON text) as a field of CSV."""
    kind = None if column_type is None else family(column_type)
    if kind is Family.ARRAY and not arrays_json:
        value = sa.func.deriva_array(value)
    field = _Quoted if kind is None else _BY_FAMILY.get(kind, _Quoted)
    return field(value)


def csv_line(fields: Sequence[Value]) -> Value:
    """The fields with commas between them."""
    return _Line(*fields)


@compiles(_Field)
def _write_field(element: _Field, compiler: SQLCompiler, **options: Any) -> str:
    (value,) = element.clauses
    text = compiler.process(value, **options)
    return element.template.format(text if isinstance(value, sa.Column) else f"({text})")


@compiles(_Line)
def _write_line(element: _Line, compiler: SQLCompiler, **options: Any) -> str:
    return _concatenated([f"({compiler.process(field, **options)})" for field in element.clauses])


def _concatenated(texts: Sequence[str]) -> str:
    if len(texts) == 1:  # without an operator, a number would stay one
        return f"CAST({texts[0]} AS TEXT)"
    if len(texts) <= _AT_ONCE:
        return " || ',' || ".join(texts) or "''"
    half = len(texts) // 2
    return f"({_concatenated(texts[:half])}) || ',' || ({_concatenated(texts[half:])})"
