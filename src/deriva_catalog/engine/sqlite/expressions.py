"""How SQLite says what a query needs: comparing, searching, aggregating, writing JSON and CSV.

SQLite's own JSON functions write a float with 15 digits, which loses some of its value. A float
that is a short decimal is left to them; others are written with 17 digits where this SQLite can
(`digits`), and by Python's ``repr``, the shortest and slowest way, where it cannot.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa

from ...errors import BadRequest, Conflict
from ...model.elements import ColumnType
from ...model.types import Family, Scalar, bin_allowed, family, is_integer
from ...path.ast import Function, Operator, Outer
from ..bins import bounds_of
from ..dialect import Bins, Field, Search, Stored, Test, Value
from ..dialect import bound as _bind
from .csvtext import csv_field, csv_line, float_text
from .digits import ORDINARY, SEVENTEEN, writes_seventeen_digits
from .functions import MOST_ARGUMENTS, finders, interval_key, reporting

__all__ = ["SqliteExpressions"]

MOST_BOUND = 100
"""Lists of more literals than this are one parameter."""

_FULL_JOIN = (3, 39, 0)
_MEMBERS = MOST_ARGUMENTS // 2  # a name and a value each
_ANY = Stored()


class SqliteExpressions:
    """`deriva_catalog.engine.dialect.Expressions` for SQLite."""

    most_joined = 60

    def check_join(self, outer: Outer) -> None:
        """FULL joins came with SQLite 3.39; RIGHT joins are written as LEFT joins."""
        if outer is Outer.FULL and sqlite3.sqlite_version_info < _FULL_JOIN:
            raise Conflict(
                f"SQLite is {sqlite3.sqlite_version}; full outer joins need 3.39.",
                hint="Use left joins, or a Python that is built with a newer SQLite.",
            )

    # --- comparing -------------------------------------------------------------------

    def order_key(self, value: Value, column_type: ColumnType) -> Value:
        """The value itself, save for intervals and for the infinities, which are texts."""
        kind = family(column_type)
        if kind is Family.FLOAT:
            return sa.case((value == _bind("-Infinity"), _bind(float("-inf"))), else_=value)
        if kind is Family.INTERVAL:
            return sa.func.deriva_interval(value, type_=sa.Text)
        return value

    def literal_key(self, literal: Scalar, column_type: ColumnType) -> Any:
        """See `order_key`."""
        if literal == "-Infinity" and family(column_type) is Family.FLOAT:
            return float("-inf")
        if isinstance(literal, str) and family(column_type) is Family.INTERVAL:
            return interval_key(literal)
        return literal

    def equals(self, value: Value, column_type: ColumnType, literal: Scalar) -> Test:
        """Plain equality; JSON values by what they mean."""
        if family(column_type) is Family.INTERVAL:
            key = self.literal_key(literal, column_type)
            return self.order_key(value, column_type) == _bind(key)
        if family(column_type) is Family.JSON:
            text = str(literal)
            if column_type.storage == "jsonb" and not any(c.isdigit() for c in text):
                return value == _bind(text)  # stored in canonical form
            return _canonical(value) == _canonical(_bind(text))
        return value == _bind(literal)

    def one_of(self, value: Value, column_type: ColumnType, literals: Sequence[Scalar]) -> Test:
        """``IN``; a long list is one JSON array."""
        if family(column_type) in (Family.JSON, Family.INTERVAL):
            if not literals:
                return sa.false()
            if len(literals) > MOST_BOUND:
                raise BadRequest(
                    f"A list has {len(literals)} values of type {column_type.typename};"
                    f" at most {MOST_BOUND} can be compared.",
                )
            return sa.or_(*(self.equals(value, column_type, literal) for literal in literals))
        return _in(value, literals)

    def some_element(
        self, value: Value, column_type: ColumnType, test: Callable[[Value], Test]
    ) -> Test:
        """``EXISTS`` over the elements."""
        element = _element(column_type)
        rows, item = _elements(value, element)
        found = sa.exists(sa.select(sa.literal_column("1")).select_from(rows).where(test(item)))
        return _unless_null(value, found)

    def contains_all(
        self, value: Value, column_type: ColumnType, literals: Sequence[Scalar]
    ) -> Test:
        """No literal is missing among the elements."""
        element = _element(column_type)
        given = [literal for literal in literals if literal is not None]
        if family(element) is Family.JSON or len(given) <= 4:
            tests = [
                self.some_element(value, column_type, lambda e, g=g: self.equals(e, element, g))  # type: ignore[misc]
                for g in given
            ]
            return sa.and_(*tests) if tests else sa.false()
        wanted = _values(given)
        rows, item = _elements(value, element)
        present = sa.select(item).select_from(rows).where(item.is_not(None))
        missing = sa.exists(
            sa.select(sa.literal_column("1"))
            .select_from(wanted)
            .where(wanted.c.value.not_in(present))
        )
        return _unless_null(value, sa.not_(missing))

    def search_form(self, value: Value, column_type: ColumnType) -> Value:
        """Numbers and times as PostgreSQL writes them in text."""
        match family(column_type):
            case Family.BOOLEAN:
                return sa.case((value == 1, _bind("true")), (value == 0, _bind("false")))
            case Family.FLOAT:
                return float_text(value)
            case Family.TIMESTAMPTZ:
                return sa.func.substr(value, 1, 19).concat(_bind("Z"))
            case Family.TIMESTAMP:
                return sa.func.substr(value, 1, 19)
            case _:
                return value

    def search(self, text: Value, search: Search) -> Test:
        """A function in Python: SQLite has no regular expressions of its own."""
        return sa.func.deriva_search(_specification(search), text, type_=sa.Boolean)

    def search_any(self, texts: Sequence[Value], search: Search) -> Test:
        """One call for as many columns as a function may have arguments."""
        if not texts:
            return sa.false()
        most = MOST_ARGUMENTS - 1
        parts = [texts[i : i + most] for i in range(0, len(texts), most)]
        if search.every and len(parts) > 1:
            each = [Search(search.operator, (p,), every=False) for p in search.patterns]
            return sa.and_(*(self.search_any(texts, one) for one in each)) if each else sa.false()
        given = _specification(search)
        return sa.or_(
            *(sa.func.deriva_search_any(given, *part, type_=sa.Boolean) for part in parts)
        )

    def texts_in(self, array: Value) -> sa.FromClause:
        """``json_each``."""
        return sa.func.json_each(array).table_valued(sa.column("value", sa.Text)).alias()

    # --- making values ---------------------------------------------------------------

    def aggregate(self, function: Function, value: Value, column_type: ColumnType) -> Value:
        """SQLite's aggregates, with care for values that it knows only as text."""
        match function:
            case Function.CNT:
                return sa.func.count(value)
            case Function.CNT_D:
                return sa.func.count(sa.distinct(self._distinct_form(value, column_type)))
            case Function.MIN | Function.MAX:
                return self._extreme(function.value, value, column_type)
            case Function.SUM if is_integer(column_type):
                return sa.func.sum(value)
            case Function.SUM | Function.AVG:
                total = sa.func.sum(value) if function is Function.SUM else sa.func.avg(value)
                made: Value = sa.cast(total, sa.REAL)
                return made if is_integer(column_type) else _with_specials(made, value)
            case _:
                raise AssertionError(f"{function} makes an array")

    def _distinct_form(self, value: Value, column_type: ColumnType) -> Value:
        if family(column_type) is Family.JSON:
            return _canonical(value)
        return self.order_key(value, column_type)

    def _extreme(self, name: str, value: Value, column_type: ColumnType) -> Value:
        make: Callable[..., Value] = getattr(sa.func, name)
        match family(column_type):
            case Family.ARRAY:
                arrays: Callable[..., Value] = getattr(sa.func, f"deriva_array_{name}")
                return arrays(value, type_=sa.Text)
            case Family.INTERVAL:  # the key has 20 characters; the value itself follows it
                keyed = make(self.order_key(value, column_type).concat(value), type_=sa.Text)
                return sa.func.substr(keyed, 21)
            case Family.FLOAT:
                found = make(self.order_key(value, column_type), type_=_ANY)
                return sa.case((found == _bind(float("-inf")), _bind("-Infinity")), else_=found)
            case _:
                return make(value, type_=value.type)

    def array(self, element: Value, *, distinct: bool) -> Value:
        """The elements joined with commas: NULL for no rows, which json_group_array lacks."""
        if distinct:
            joined = sa.func.group_concat(sa.distinct(element))
        else:
            joined = sa.func.group_concat(element)
        return _joined([_bind("["), joined, _bind("]")])

    def array_of_one(self, element: Value) -> Value:
        """The text in brackets."""
        return _joined([_bind("["), element, _bind("]")])

    def any_value(self, value: Value) -> Value:
        """The bare column: SQLite takes it from some row of the group."""
        return value

    def bin(self, value: Value, column_type: ColumnType, bins: Bins) -> Value:
        """A function in Python, which keeps the edges that it works out once."""
        if not bin_allowed(column_type):
            raise Conflict(
                f"bin() cannot be applied to a column of type {column_type.typename}.",
                hint="It works on numbers, dates and timestamps.",
            )
        bounds_of(column_type, bins.count, bins.lower, bins.upper)
        given = [column_type.storage, bins.count, bins.lower, bins.upper]
        return sa.func.deriva_bin(_bind(json.dumps(given)), value, type_=sa.Text)

    def bin_key(self, bin: Value) -> Value:
        """The first element of the array."""
        return sa.func.json_extract(bin, _bind("$[0]"), type_=_ANY)

    def one_row_per(self, select: sa.Select[Any], identity: Sequence[Value]) -> sa.Select[Any]:
        """``GROUP BY``: SQLite takes the other columns from one row of the group."""
        return select.group_by(*identity)

    # --- documents -------------------------------------------------------------------

    def json_text(self, value: Value, column_type: ColumnType | None) -> Value:
        """``json_quote`` of what `json_object` would be given."""
        return sa.func.json_quote(_argument(value, column_type), type_=sa.Text)

    def json_object(self, fields: Sequence[Field]) -> Value:
        """``json_object``, in pieces when there are more members than it takes arguments."""
        parts = [fields[i : i + _MEMBERS] for i in range(0, len(fields), _MEMBERS)]
        made = [_object(part) for part in parts] or [_object([])]
        if len(made) == 1:
            return made[0]
        pieces: list[Value] = [_bind("{")]
        for i, piece in enumerate(made):
            inner = sa.func.substr(piece, 2, sa.func.length(piece) - 2)
            pieces += [_bind(","), inner] if i else [inner]
        return sa.func.json(_joined([*pieces, _bind("}")]), type_=sa.Text)

    def csv_line(self, fields: Sequence[Field], *, arrays_json: bool) -> Value:
        """The fields with commas between them."""
        return csv_line([csv_field(v, kind, arrays_json=arrays_json) for _, v, kind in fields])

    def lines(
        self,
        connection: sa.Connection,
        select: sa.Select[Any],
        fields: Sequence[Field],
        *,
        csv: bool,
        arrays_json: bool,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """Rows are fetched as texts."""
        return

    def decoder(self, column_type: ColumnType | None) -> Callable[[Any], Any] | None:
        """Booleans are stored as 0 and 1, JSON values and arrays as JSON text."""
        if column_type is None or family(column_type) in (Family.JSON, Family.ARRAY):
            return json.loads
        return bool if family(column_type) is Family.BOOLEAN else None

    def reporting(self) -> AbstractContextManager[None]:
        """See `functions.reporting`."""
        return reporting()


# --- pieces ------------------------------------------------------------------------------


def _joined(pieces: Sequence[Value]) -> Value:
    """Texts one after the other; nested like a tree, because SQLite limits how deep they nest."""
    if len(pieces) == 1:
        return pieces[0]
    if len(pieces) > 32:
        half = len(pieces) // 2
        left, right = _joined(pieces[:half]), _joined(pieces[half:])
        return sa.type_coerce(left, sa.Text).concat(sa.type_coerce(right, sa.Text).self_group())
    made: Value = sa.type_coerce(pieces[0], sa.Text)
    for piece in pieces[1:]:
        made = made.concat(sa.type_coerce(piece, sa.Text))
    return made


def _canonical(value: Value) -> Value:
    return sa.func.deriva_json(value, type_=sa.Text)


def _element(column_type: ColumnType) -> ColumnType:
    return column_type.base or ColumnType("text")


def _elements(value: Value, element: ColumnType) -> tuple[sa.FromClause, Value]:
    """The elements of an array as rows, and the stored form of an element."""
    columns = (sa.column("value", _ANY), sa.column("type", sa.Text))
    rows = sa.func.json_each(value).table_valued(*columns).alias()
    item: Value = rows.c.value
    if family(element) is Family.JSON:
        kind = rows.c.type
        item = sa.case(
            (kind == _bind("true"), _bind("true")),
            (kind == _bind("false"), _bind("false")),
            (kind == _bind("null"), _bind("null")),
            (kind == _bind("text"), sa.func.json_quote(item)),
            else_=sa.cast(item, sa.Text),
        )
    return rows, item


def _values(literals: Sequence[Scalar]) -> sa.FromClause:
    """Any number of literals as rows of one parameter."""
    given = [int(v) if isinstance(v, bool) else v for v in literals]
    text = json.dumps(given, ensure_ascii=False)
    return sa.func.json_each(_bind(text)).table_valued(sa.column("value", _ANY)).alias()


def _in(value: Value, literals: Sequence[Scalar]) -> Test:
    if not literals:
        return sa.false()
    if len(literals) == 1:
        return value == _bind(literals[0])
    if len(literals) <= MOST_BOUND:
        return value.in_([_bind(literal) for literal in literals])
    return value.in_(sa.select(_values(literals).c.value))


def _unless_null(value: Value, test: Test) -> Test:
    return sa.case((value.is_(None), sa.null()), else_=test)


def _specification(search: Search) -> Value:
    text = json.dumps([search.operator.value, search.every, search.patterns], ensure_ascii=False)
    if search.operator is not Operator.TS:
        finders(text)  # a bad pattern is reported before anything runs
    return _bind(text)


def _is_short(value: Value) -> Test:
    """Whether a float is a decimal with six places or fewer, which 15 digits write exactly.

    The nearest whole number of millionths, divided by a million, is the value itself: then both
    are the float nearest to that decimal. Its size leaves digits to spare, so that it is
    written right also where SQLite computes without extended precision.
    """
    plain = sa.type_coerce(value, _ANY)
    half = sa.case((plain > _bind(0), _bind(0.5)), else_=_bind(-0.5))
    millionths = sa.cast(plain.op("*")(_bind(1e6)).op("+")(half), sa.BigInteger)
    nearest = sa.type_coerce(millionths, _ANY).op("/")(_bind(1e6))
    return sa.and_(plain.between(_bind(-1e7), _bind(1e7)), nearest == plain)


def _needs_seventeen(value: Value) -> Test:
    """Whether a float of ordinary size is lost when SQLite writes 15 digits and reads them.

    Not so the other way round: its reading is not correctly rounded, so that some floats
    survive it which others would read as their neighbours.
    """
    plain = sa.type_coerce(value, _ANY)
    least, greatest = ORDINARY
    lost = sa.cast(sa.cast(plain, sa.Text), sa.REAL) != plain
    return sa.and_(lost, sa.func.abs(value).between(_bind(least), _bind(greatest)))


def _argument(value: Value, column_type: ColumnType | None) -> Value:
    """A value as an argument of SQLite's JSON functions."""
    if column_type is None:
        return sa.func.json(value, type_=_ANY)
    match family(column_type):
        case Family.BOOLEAN:
            true, false = sa.func.json(_bind("true")), sa.func.json(_bind("false"))
            return sa.case((value == _bind(1), true), (value == _bind(0), false))
        case Family.FLOAT:
            exact = sa.func.json(sa.func.deriva_float(value))
            real = sa.func.typeof(value) == _bind("real")
            whens = [(_is_short(value), value), (real, exact)]
            if writes_seventeen_digits():  # first, because most measurements end here
                long = sa.func.json(sa.func.format(_bind(SEVENTEEN), value))
                whens.insert(0, (_needs_seventeen(value), long))
            return sa.case(*whens, else_=value)
        case Family.JSON | Family.ARRAY:
            return sa.func.json(value, type_=_ANY)
        case _:
            return value


def _object(fields: Sequence[Field]) -> Value:
    arguments: list[Value] = []
    for name, value, column_type in fields:
        arguments += [_bind(name), _argument(value, column_type)]
    return sa.func.json_object(*arguments, type_=sa.Text)


def _with_specials(total: Value, value: Value) -> Value:
    """A sum or mean of floats, among which there may be NaN and the infinities (as texts)."""

    def some(text: str) -> Test:
        return sa.func.max(value == _bind(text)) == 1

    largest = _bind(1.7976931348623157e308)
    special = sa.case(
        (
            sa.or_(some("NaN"), sa.and_(some("Infinity"), some("-Infinity"))),
            _bind("NaN"),
        ),
        (some("Infinity"), _bind("Infinity")),
        else_=_bind("-Infinity"),
    )
    return sa.case(
        (sa.func.max(sa.func.typeof(value) == _bind("text")) == 1, special),
        (total > largest, _bind("Infinity")),
        (total < -largest, _bind("-Infinity")),
        else_=total,
    )
