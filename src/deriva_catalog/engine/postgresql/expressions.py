"""How PostgreSQL says what a query needs: comparing, searching, aggregating, writing JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ...errors import BadRequest, Conflict
from ...model.elements import ColumnType
from ...model.intervals import parse_interval
from ...model.types import Family, Scalar, bin_allowed, family, is_integer
from ...path.ast import Function, Outer
from ..bins import answers_of, bounds_of
from ..dialect import Bins, Field, Search, Stored, Test, Value
from ..dialect import bound as _bind
from .searching import search, search_any
from .streaming import Copies, copied, is_shared
from .templates import (
    ArrayText,
    CsvField,
    IntervalKey,
    JsonTime,
    MomentText,
    RowJson,
    Subscript,
    ZonedText,
)
from .types import TEXT, array_type

__all__ = ["PostgresExpressions"]

MOST_BOUND = 100
"""How many intervals or JSON values a list to compare with may have."""

_LONGEST_NAME = 63
_FLOAT: sa.types.TypeEngine[Any] = postgresql.DOUBLE_PRECISION()
_JSON = postgresql.JSON()
_JSONB = postgresql.JSONB()


class PostgresExpressions:
    """`deriva_catalog.engine.dialect.Expressions` for PostgreSQL.

    Args:
        collation: The name of the collation for text searches, which knows Unicode's letters.
    """

    most_joined = 60

    def __init__(self, collation: str = "default") -> None:
        self.collation = collation
        self._copies = Copies()

    def check_join(self, outer: Outer) -> None:
        """PostgreSQL has all of them."""

    # --- comparing -------------------------------------------------------------------

    def order_key(self, value: Value, column_type: ColumnType) -> Value:
        """The value itself, save for intervals."""
        return IntervalKey(value) if family(column_type) is Family.INTERVAL else value

    def literal_key(self, literal: Scalar, column_type: ColumnType) -> Any:
        """See `order_key`; NaN and infinity come after the numbers as texts, too."""
        kind = family(column_type)
        if literal == "-Infinity" and kind is Family.FLOAT:
            return -math.inf
        if isinstance(literal, str) and kind is Family.INTERVAL:
            return parse_interval(literal).length
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
            return sa.cast(value, _JSONB) == sa.cast(_bind(text), _JSONB)
        return value == _bind(literal)

    def one_of(self, value: Value, column_type: ColumnType, literals: Sequence[Scalar]) -> Test:
        """``= ANY``: the list is one parameter, so that its length makes no other statement."""
        if not literals:
            return sa.false()
        if len(literals) == 1:
            return self.equals(value, column_type, literals[0])
        if family(column_type) is Family.INTERVAL:
            keys = [self.literal_key(v, column_type) for v in literals]
            return self.order_key(value, column_type) == _any(keys, ColumnType("int8"))
        if family(column_type) is Family.JSON:
            if len(literals) > MOST_BOUND:
                raise BadRequest(
                    f"A list has {len(literals)} values of type {column_type.typename};"
                    f" at most {MOST_BOUND} can be compared.",
                )
            return sa.or_(*(self.equals(value, column_type, literal) for literal in literals))
        return value == _any(literals, column_type)

    def some_element(
        self, value: Value, column_type: ColumnType, test: Callable[[Value], Test]
    ) -> Test:
        """``EXISTS`` over the elements."""
        rows, item = _elements(value, _element(column_type))
        found = sa.exists(sa.select(sa.literal_column("1")).select_from(rows).where(test(item)))
        return _unless_null(value, found)

    def contains_all(
        self, value: Value, column_type: ColumnType, literals: Sequence[Scalar]
    ) -> Test:
        """No literal is missing among the elements."""
        element = _element(column_type)
        given = [literal for literal in literals if literal is not None]
        if family(element) in (Family.JSON, Family.INTERVAL) or len(given) <= 4:
            tests = [
                self.some_element(value, column_type, lambda e, g=g: self.equals(e, element, g))  # type: ignore[misc]
                for g in given
            ]
            return sa.and_(*tests) if tests else sa.false()
        wanted = _rows(given, element)
        rows, item = _elements(value, element)
        present = sa.select(item).select_from(rows).where(item.is_not(None))
        missing = sa.exists(
            sa.select(sa.literal_column("1"))
            .select_from(wanted)
            .where(wanted.c.value.not_in(present))
        )
        return _unless_null(value, sa.not_(missing))

    def search_form(self, value: Value, column_type: ColumnType) -> Value:
        """The text that PostgreSQL itself would write, for times without fractions."""
        match family(column_type):
            case Family.TIMESTAMPTZ:
                return JsonTime(value)
            case Family.TIMESTAMP:
                return sa.func.left(value, 19, type_=TEXT)
            case Family.BOOLEAN | Family.INTEGER | Family.FLOAT:
                return sa.cast(value, TEXT)
            case _:
                return value

    def search(self, text: Value, search_for: Search) -> Test:
        """PostgreSQL's own regular expressions."""
        return search(text, search_for, self.collation)

    def search_any(self, texts: Sequence[Value], search_for: Search) -> Test:
        """A disjunction over the texts."""
        return search_any(texts, search_for, self.collation)

    def texts_in(self, array: Value) -> sa.FromClause:
        """``json_array_elements_text``, compared as texts are."""
        return _elements(array, ColumnType("text"))[0]

    # --- making values ---------------------------------------------------------------

    def aggregate(self, function: Function, value: Value, column_type: ColumnType) -> Value:
        """PostgreSQL's aggregates, with care for values that are stored as text."""
        match function:
            case Function.CNT:
                return sa.func.count(value)
            case Function.CNT_D:
                return sa.func.count(sa.distinct(self._distinct_form(value, column_type)))
            case Function.MIN | Function.MAX:
                return self._extreme(function.value, value, column_type)
            case Function.SUM if is_integer(column_type):
                return sa.cast(sa.func.sum(value), sa.BigInteger)
            case Function.SUM:
                return sa.func.sum(value, type_=_FLOAT)
            case Function.AVG:
                return sa.cast(sa.func.avg(value), _FLOAT)
            case _:
                raise AssertionError(f"{function} makes an array")

    def _distinct_form(self, value: Value, column_type: ColumnType) -> Value:
        if family(column_type) is Family.JSON:
            return sa.cast(value, _JSONB)
        return self.order_key(value, column_type)

    def _extreme(self, name: str, value: Value, column_type: ColumnType) -> Value:
        make: Callable[..., Value] = getattr(sa.func, name)
        match family(column_type):
            case Family.ARRAY:
                return _json_of(make(_native(value, _element(column_type))))
            case Family.INTERVAL:
                key = self.order_key(value, column_type)
                order = key.asc() if name == "min" else key.desc()
                sorted_values = sa.func.array_agg(postgresql.aggregate_order_by(value, order))
                found = sorted_values.filter(value.is_not(None))
                return sa.type_coerce(Subscript(found, sa.literal_column("0")), TEXT)
            case _:
                return make(value, type_=value.type)

    def array(self, element: Value, *, distinct: bool) -> Value:
        """The elements joined with commas: NULL for no rows."""
        text = sa.type_coerce(element, sa.Text)
        joined = sa.func.string_agg(sa.distinct(text) if distinct else text, sa.text("','"))
        return self.array_of_one(joined)

    def array_of_one(self, element: Value) -> Value:
        """The text in brackets."""
        text = sa.type_coerce(element, sa.Text)
        return sa.literal_column("'['", sa.Text).concat(text).concat(sa.literal_column("']'"))

    def any_value(self, value: Value) -> Value:
        """An aggregate of this name."""
        return sa.func.any_value(value, type_=value.type)

    def bin(self, value: Value, column_type: ColumnType, bins: Bins) -> Value:
        """``width_bucket`` over the edges, and the answer for each bucket."""
        if not bin_allowed(column_type):
            raise Conflict(
                f"bin() cannot be applied to a column of type {column_type.typename}.",
                hint="It works on numbers, dates and timestamps.",
            )
        edges = bounds_of(column_type, bins.count, bins.lower, bins.upper)
        kind = array_type(column_type)
        if family(column_type) is Family.FLOAT:
            edges = [float(edge) for edge in edges]
        if family(column_type) is Family.INTEGER:
            value = sa.cast(value, sa.BigInteger)
        bucket = sa.func.width_bucket(value, sa.cast(_bind(edges), kind), type_=sa.Integer)
        answers = sa.cast(_bind(answers_of(edges)), postgresql.ARRAY(sa.Text))
        absent = sa.literal_column("'[null,null,null]'", sa.Text)
        return sa.case((value.is_(None), absent), else_=Subscript(answers, bucket))

    def bin_key(self, bin: Value) -> Value:
        """The first element of the array."""
        number = sa.cast(bin, _JSON).op("->>")(sa.literal_column("0"))
        return sa.cast(number, sa.Integer)

    def one_row_per(self, select: sa.Select[Any], identity: Sequence[Value]) -> sa.Select[Any]:
        """``DISTINCT ON``."""
        if not hasattr(postgresql, "distinct_on"):  # SQLAlchemy 2.0
            return select.distinct(*identity)
        return select.ext(postgresql.distinct_on(*identity))

    # --- documents -------------------------------------------------------------------

    def json_text(self, value: Value, column_type: ColumnType | None) -> Value:
        """The value as JSON."""
        match None if column_type is None else family(column_type):
            case None | Family.JSON | Family.ARRAY:
                text = value
            case Family.INTEGER | Family.BOOLEAN:
                text = sa.cast(value, sa.Text)
            case _:
                text = sa.cast(sa.func.to_json(value, type_=_JSON), sa.Text)
        return sa.func.coalesce(text, sa.literal_column("'null'"), type_=sa.Text)

    def json_object(self, fields: Sequence[Field]) -> Value:
        """``row_to_json``; for names that are too long for it, the pieces one after the other."""
        if not fields:
            return sa.literal_column("'{}'", sa.Text)
        if all(len(name.encode()) <= _LONGEST_NAME for name, _, _ in fields):
            return RowJson(*(_argument(value, kind).label(name) for name, value, kind in fields))
        pieces: list[Value] = []
        for name, value, kind in fields:
            head = json.dumps(name, ensure_ascii=False) + ":"
            pieces += [_bind(("," if pieces else "{") + head), self.json_text(value, kind)]
        return sa.func.concat(*pieces, _bind("}"), type_=sa.Text)

    def csv_line(self, fields: Sequence[Field], *, arrays_json: bool) -> Value:
        """The fields with commas between them."""
        texts = [
            CsvField(sa.func.left(sa.cast(value, sa.Text), 1))
            if kind is not None and family(kind) is Family.BOOLEAN
            else CsvField(csv_value(value, kind, arrays_json=arrays_json))
            for _, value, kind in fields
        ]
        return sa.func.concat_ws(sa.literal_column("','"), *texts, type_=sa.Text)

    def lines(
        self,
        connection: sa.Connection,
        select: sa.Select[Any],
        fields: Sequence[Field],
        *,
        csv: bool,
        arrays_json: bool,
        parameters: Mapping[str, Any] | None = None,
    ) -> Iterator[bytes] | None:
        """COPY, which also writes CSV; not where the connection has to serve others meanwhile."""
        if is_shared(connection):
            return None

        def columns() -> list[Value]:
            if not csv:
                return [self.json_object(fields)]
            return [csv_value(value, kind, arrays_json=arrays_json) for _, value, kind in fields]

        kind = ("csv with arrays as json" if arrays_json else "csv") if csv else "json"
        text, values = self._copies.text(connection, select, columns, kind)
        return copied(connection, text, {**values, **(parameters or {})})

    def decoder(self, column_type: ColumnType | None) -> Callable[[Any], Any] | None:
        """JSON values and arrays are stored as JSON text; NaN and infinities are texts."""
        if column_type is None or family(column_type) in (Family.JSON, Family.ARRAY):
            return json.loads
        return _float if family(column_type) is Family.FLOAT else None

    def reporting(self) -> AbstractContextManager[None]:
        """Nothing to add: the server tells what is wrong."""
        return nullcontext()


def csv_value(value: Value, column_type: ColumnType | None, *, arrays_json: bool) -> Value:
    """A value as something whose text is right for CSV, but for quotes."""
    match None if column_type is None else family(column_type):
        case Family.TIMESTAMP:
            return MomentText(value)
        case Family.TIMESTAMPTZ:
            return ZonedText(value)
        case Family.ARRAY if not arrays_json:
            return ArrayText(value)
        case _:
            return value


# --- pieces ------------------------------------------------------------------------------


def _float(value: float) -> float | str:
    if value - value == 0.0:  # finite
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _argument(value: Value, column_type: ColumnType | None) -> Value:
    """A value as a column for ``row_to_json``."""
    if column_type is None or family(column_type) in (Family.JSON, Family.ARRAY):
        return sa.cast(sa.type_coerce(value, Stored()), _JSON)
    return value


def _element(column_type: ColumnType) -> ColumnType:
    return column_type.base or ColumnType("text")


def _stored_element(item: Value, element: ColumnType) -> Value:
    """The stored form of an element from its text."""
    match family(element):
        case Family.BOOLEAN:
            return sa.cast(item, sa.Boolean)
        case Family.INTEGER:
            return sa.cast(item, sa.BigInteger)
        case Family.FLOAT:
            return sa.cast(item, _FLOAT)
        case _:
            return sa.cast(item, TEXT)


def _elements(value: Value, element: ColumnType) -> tuple[sa.FromClause, Value]:
    """The elements of an array as rows, and the stored form of an element."""
    array = sa.cast(sa.type_coerce(value, Stored()), _JSON)
    if family(element) is Family.JSON:
        rows = sa.func.json_array_elements(array).table_valued(sa.column("value", _JSON)).alias()
    else:
        text = sa.column("value", sa.Text)
        rows = sa.func.json_array_elements_text(array).table_valued(text).alias()
    return rows, _stored_element(rows.c.value, element)


def _native(value: Value, element: ColumnType) -> Value:
    """An array of JSON text as an array of the database; NULL for NULL."""
    rows, item = _elements(value, element)
    made = sa.select(
        sa.func.coalesce(sa.func.array_agg(item), sa.cast(sa.text("'{}'"), array_type(element)))
    )
    found = made.select_from(rows).scalar_subquery()
    return sa.case((value.is_not(None), found))


def _json_of(array: Value) -> Value:
    return sa.cast(sa.func.to_json(array, type_=_JSON), TEXT)


def _any(literals: Sequence[Scalar], column_type: ColumnType) -> sa.CollectionAggregate[Any]:
    return sa.any_(sa.cast(_bind(_plain(literals, column_type)), array_type(column_type)))


def _plain(literals: Sequence[Scalar], column_type: ColumnType) -> list[Any]:
    """Literals of one Python type, as the driver wants them."""
    if family(column_type) is Family.FLOAT:
        return [None if v is None else float(v) for v in literals]
    return list(literals)


def _rows(literals: Sequence[Scalar], column_type: ColumnType) -> sa.FromClause:
    """Any number of literals as rows of one parameter."""
    kind = array_type(column_type)
    array = sa.cast(_bind(_plain(literals, column_type)), kind)
    return sa.func.unnest(array).table_valued(sa.column("value", kind.item_type)).render_derived()


def _unless_null(value: Value, test: Test) -> Test:
    return sa.case((value.is_(None), sa.null()), else_=test)
