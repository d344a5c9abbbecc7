"""Columns, conditions and functions, as they are written in Python.

They name table *instances* of the builder; `Scope` turns them into the tree of a query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..errors import BadRequest
from ..model.elements import Column, ColumnType, Table
from .ast import AllOf, AnyOf, ColumnName, Comparison, Filter, Function, IsNull, Not, Operator, Star
from .filters import MAX_DEPTH, conjunction, disjunction, too_deep
from .literals import literal, required

if TYPE_CHECKING:
    from .builder import TablePath


@dataclass(frozen=True, eq=False, slots=True)
class Instance:
    """One occurrence of a table; two occurrences are never equal, even of one table."""

    table: Table
    alias: str | None = None


class Condition:
    """A test on rows; combine conditions with ``&``, ``|`` and ``~``.

    `combine` joins the filters of `terms`; without terms it is a single test, made from the
    name of its `column`.
    """

    __slots__ = ("column", "depth", "kind", "make", "terms")

    def __init__(
        self,
        kind: Literal["and", "or", "not", "test"],
        terms: tuple[Condition, ...] = (),
        column: ColumnRef | AnyColumn | None = None,
        make: Callable[[ColumnName | Star], Filter] | None = None,
    ) -> None:
        self.kind = kind
        self.terms = terms
        self.column = column
        self.make = make
        self.depth: int = 1 + max((t.depth for t in terms), default=-1)
        if self.depth > MAX_DEPTH:
            raise too_deep()

    def __and__(self, other: Condition) -> Condition:
        return _combined("and", self, other)

    def __or__(self, other: Condition) -> Condition:
        return _combined("or", self, other)

    def __invert__(self) -> Condition:
        return Condition("not", (self,))

    def __bool__(self) -> bool:
        raise TypeError(
            "A condition has no truth value in Python: it is tested in the catalog. Combine "
            "conditions with & | ~ and parentheses instead of 'and', 'or', 'not', 'a < b < c'."
        )

    def to_filter(self, name: Callable[[ColumnRef | AnyColumn], ColumnName | Star]) -> Filter:
        """The tree of this condition; `name` says how a column is called in the path."""
        if self.make is not None and self.column is not None:
            return self.make(name(self.column))
        terms = [t.to_filter(name) for t in self.terms]
        if self.kind == "not":
            return Not(terms[0])
        return conjunction(terms) if self.kind == "and" else disjunction(terms)


def _combined(kind: Literal["and", "or"], left: object, right: object) -> Condition:
    terms: list[Condition] = []
    for side in (left, right):
        if not isinstance(side, Condition):
            raise TypeError(
                f"A condition is combined with a {type(side).__name__}. Put parentheses around "
                "each comparison: (a == 1) & (b == 2)."
            )
        terms.extend(side.terms if side.kind == kind else (side,))
    return Condition(kind, tuple(terms))


class ColumnRef:
    """A column of one table instance.

    Comparing it gives a `Condition`; comparing with None tests for NULL.
    """

    __slots__ = ("column", "instance")

    def __init__(self, instance: Instance, column: Column) -> None:
        self.instance = instance
        self.column = column

    @property
    def name(self) -> str:
        """The name of the column."""
        return self.column.name

    @property
    def type(self) -> ColumnType:
        """The type of the column."""
        return self.column.type

    @property
    def desc(self) -> Descending:
        """The column as a sort key, greatest first and NULLs before all."""
        return Descending(self)

    def __repr__(self) -> str:
        where = self.instance.alias or self.instance.table.qualified
        return f"<column {where}:{self.name} ({self.type.typename})>"

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Condition:  # type: ignore[override]
        """Test for equality; on an array column, that some element equals `other`."""
        return self.is_null() if literal(other, self.type) is None else self._compared("EQ", other)

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]
        """Test for inequality; not true for NULL, unless `other` is None."""
        return ~(self == other)

    def __lt__(self, other: object) -> Condition:
        return self._compared("LT", other)

    def __le__(self, other: object) -> Condition:
        return self._compared("LEQ", other)

    def __gt__(self, other: object) -> Condition:
        return self._compared("GT", other)

    def __ge__(self, other: object) -> Condition:
        return self._compared("GEQ", other)

    def is_null(self) -> Condition:
        """Test for NULL."""
        return Condition("test", column=self, make=_is_null)

    def regexp(self, pattern: str) -> Condition:
        """Test that the text form contains a match of a regular expression."""
        return _search(self, Operator.REGEXP, pattern)

    def ciregexp(self, pattern: str) -> Condition:
        """Test for a match of a regular expression, whatever the case of letters."""
        return _search(self, Operator.CIREGEXP, pattern)

    def ts(self, words: str) -> Condition:
        """Test that all `words` occur in the text form."""
        return _search(self, Operator.TS, words)

    def any_of(self, values: Iterable[object]) -> Condition:
        """Test that the column equals one of `values`; no values, no rows.

        On an array column: that some element is among them.
        """
        texts = [literal(v, self.type) for v in _several(values)]
        listed = AnyOf(tuple(t for t in texts if t))
        terms = [] if not listed.values and texts else [self._test(Operator.EQ, listed)]
        if "" in texts:
            terms.append(self._test(Operator.EQ, ""))
        if None in texts:
            terms.append(self.is_null())
        return terms[0] if len(terms) == 1 else Condition("or", tuple(terms))

    def all_of(self, values: Iterable[object]) -> Condition:
        """Test that an array column contains each of `values`; no values, no rows.

        Raises:
            BadRequest: One of them is None.
        """
        where = f"all_of() of column {self.name!r}"
        texts = [required(v, self.type, where) for v in _several(values)]
        listed = AllOf(tuple(t for t in texts if t))
        terms = [] if not listed.values and texts else [self._test(Operator.EQ, listed)]
        if "" in texts:
            terms.append(self._test(Operator.EQ, ""))
        return terms[0] if len(terms) == 1 else Condition("and", tuple(terms))

    def _compared(self, operator: str, value: object) -> Condition:
        where = f"A comparison with column {self.name!r}"
        return self._test(Operator[operator], required(value, self.type, where))

    def _test(self, operator: Operator, operand: str | AnyOf | AllOf) -> Condition:
        return Condition("test", column=self, make=lambda c: Comparison(c, operator, operand))


class AnyColumn:
    """All text-searchable columns of one instance at once."""

    __slots__ = ("instance",)

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    def regexp(self, pattern: str) -> Condition:
        """Test that some column contains a match of a regular expression."""
        return _search(self, Operator.REGEXP, pattern)

    def ciregexp(self, pattern: str) -> Condition:
        """Test for a match of a regular expression, whatever the case of letters."""
        return _search(self, Operator.CIREGEXP, pattern)

    def ts(self, words: str) -> Condition:
        """Test that some column contains all `words`."""
        return _search(self, Operator.TS, words)


def _is_null(column: ColumnName | Star) -> Filter:
    assert isinstance(column, ColumnName), "only a ColumnRef makes this test"
    return IsNull(column)


def _search(column: ColumnRef | AnyColumn, operator: Operator, pattern: str) -> Condition:
    if not isinstance(pattern, str):
        raise BadRequest(f"A text search is given {pattern!r}, expected a str.")
    return Condition("test", column=column, make=lambda c: Comparison(c, operator, pattern))


def _several(values: Iterable[object]) -> list[object]:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise BadRequest(
            f"Several values are expected, found {values!r}.", hint="Put it in a list: [value]."
        )
    return list(values)


# --- sort keys and functions -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Descending:
    """An output to sort by, greatest first and NULLs before all."""

    output: ColumnRef | str


def desc(output: ColumnRef | str) -> Descending:
    """Sort by an output, given by its column or name, greatest first."""
    return Descending(output)


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """An aggregate function of a column; of whole rows when `argument` is a path or None."""

    function: Function
    argument: ColumnRef | TablePath | None


@dataclass(frozen=True, slots=True)
class BinCall:
    """The histogram bucket of a column's value."""

    column: ColumnRef
    count: int
    lower: str
    upper: str


def Min(column: ColumnRef) -> FunctionCall:
    """The least value."""
    return FunctionCall(Function.MIN, column)


def Max(column: ColumnRef) -> FunctionCall:
    """The greatest value."""
    return FunctionCall(Function.MAX, column)


def Sum(column: ColumnRef) -> FunctionCall:
    """The sum of a numeric column."""
    return FunctionCall(Function.SUM, column)


def Avg(column: ColumnRef) -> FunctionCall:
    """The mean of a numeric column."""
    return FunctionCall(Function.AVG, column)


def Cnt(column: ColumnRef | TablePath | None = None) -> FunctionCall:
    """The number of values that are not NULL; without a column, of rows."""
    return FunctionCall(Function.CNT, column)


def CntD(column: ColumnRef) -> FunctionCall:
    """The number of distinct values that are not NULL."""
    return FunctionCall(Function.CNT_D, column)


def Array(column: ColumnRef | TablePath | None = None) -> FunctionCall:
    """All values as a list; of a table instance, its rows as dictionaries."""
    return FunctionCall(Function.ARRAY, column)


def ArrayD(column: ColumnRef | TablePath | None = None) -> FunctionCall:
    """The distinct values as a list; of a table instance, its rows as dictionaries."""
    return FunctionCall(Function.ARRAY_D, column)


def Bin(column: ColumnRef, count: int, lower: object, upper: object) -> BinCall:
    """The bucket of a value among `count` of equal width: ``[number, lower, upper]``.

    Number 0 holds what is below `lower`, number ``count + 1`` what is at or above `upper`.
    """
    where = f"Bin of column {column.name!r}"
    ends = (required(end, column.type, where) for end in (lower, upper))
    return BinCall(column, count, *ends)
