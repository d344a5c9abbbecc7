"""What reading needs to know about the kind of database, and nothing else.

The compiler builds statements with SQLAlchemy and leaves to `Expressions` what databases do
differently: how stored values are ordered, searched, aggregated and turned into JSON and CSV.

A *stored value* is a column as the database keeps it; which form that is depends on the column
type and on the database. A *JSON text* is an expression whose value is one JSON document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from ..model.elements import ColumnType, Table
from ..model.types import Scalar
from ..path.ast import Function, Operator, Outer, RightsFunction

Value = sa.ColumnElement[Any]
Test = sa.ColumnElement[bool]
Field = tuple[str, Value, ColumnType | None]
"""An output: its name, its value and its type (None when the value is a JSON text)."""


class Stored(sa.types.UserDefinedType[Any]):
    """The SQL type of values that go to and come from the driver exactly as they are.

    SQLAlchemy's own types convert: its floats would turn the stored text ``NaN`` into NULL.
    """

    cache_ok = True


def bound(value: Any) -> sa.BindParameter[Any]:
    """A parameter with a stored value."""
    return sa.bindparam(None, value, Stored(), unique=True)


@dataclass(frozen=True, slots=True)
class Search:
    """A text search: an operator, its patterns, and whether each of them must be found."""

    operator: Operator
    patterns: tuple[str, ...]
    every: bool


@dataclass(frozen=True, slots=True)
class Bins:
    """Equal parts of the range from `lower` to `upper`, which are literals of a column type."""

    count: int
    lower: str
    upper: str


class Expressions(Protocol):
    """How one kind of database says what a query needs."""

    @property
    def most_joined(self) -> int:
        """How many tables one statement can join."""
        ...

    def check_join(self, outer: Outer) -> None:
        """Raise `Conflict` when the database cannot do this kind of outer join."""
        ...

    # --- comparing -------------------------------------------------------------------

    def order_key(self, value: Value, column_type: ColumnType) -> Value:
        """What orders values as their type does, NULL for NULL."""
        ...

    def literal_key(self, literal: Scalar, column_type: ColumnType) -> Any:
        """The order key of a literal, as a Python value (numbers come before texts)."""
        ...

    def equals(self, value: Value, column_type: ColumnType, literal: Scalar) -> Test:
        """Whether a value that is no array equals a literal; NULL for NULL."""
        ...

    def one_of(self, value: Value, column_type: ColumnType, literals: Sequence[Scalar]) -> Test:
        """Whether a value equals one of any number of literals; NULL for NULL."""
        ...

    def some_element(
        self, value: Value, column_type: ColumnType, test: Callable[[Value], Test]
    ) -> Test:
        """Whether some element of an array passes a test; NULL for a NULL array."""
        ...

    def contains_all(
        self, value: Value, column_type: ColumnType, literals: Sequence[Scalar]
    ) -> Test:
        """Whether an array has each of the literals as an element; NULL for a NULL array."""
        ...

    def search_form(self, value: Value, column_type: ColumnType) -> Value:
        """The text in which a text search looks for its patterns."""
        ...

    def search(self, text: Value, search: Search) -> Test:
        """Whether a text matches; NULL for NULL. Raises `Conflict` for a bad pattern."""
        ...

    def search_any(self, texts: Sequence[Value], search: Search) -> Test:
        """Whether each pattern (or one of them) is found in some text; NULL texts have none."""
        ...

    def texts_in(self, array: Value) -> sa.FromClause:
        """A relation with one column, ``value``: the elements of a JSON array of texts."""
        ...

    # --- making values ---------------------------------------------------------------

    def aggregate(self, function: Function, value: Value, column_type: ColumnType) -> Value:
        """MIN, MAX, SUM, AVG, CNT or CNT_D of a group's values."""
        ...

    def array(self, element: Value, *, distinct: bool) -> Value:
        """The JSON array of a group's JSON texts; NULL when the group is empty."""
        ...

    def array_of_one(self, element: Value) -> Value:
        """The JSON array of one JSON text."""
        ...

    def any_value(self, value: Value) -> Value:
        """Some value of a group."""
        ...

    def bin(self, value: Value, column_type: ColumnType, bins: Bins) -> Value:
        """The JSON array ``[bucket, lower, upper]`` of a value.

        Raises:
            BadRequest: the bins are not a range of the type, or too many.
        """
        ...

    def bin_key(self, bin: Value) -> Value:
        """What orders the results of `bin`: the number of the bucket, NULL for NULL."""
        ...

    def one_row_per(self, select: sa.Select[Any], identity: Sequence[Value]) -> sa.Select[Any]:
        """The statement with one of its rows, whichever, for each identity."""
        ...

    # --- documents -------------------------------------------------------------------

    def json_text(self, value: Value, column_type: ColumnType | None) -> Value:
        """The JSON text of a value; ``null`` for NULL."""
        ...

    def json_object(self, fields: Sequence[Field]) -> Value:
        """The compact JSON object with these members in this order."""
        ...

    def csv_line(self, fields: Sequence[Field], *, arrays_json: bool) -> Value:
        """The line of CSV with these fields, without its end."""
        ...

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
        """The result of a statement with these fields, in pieces of whole lines with their ends.

        Lines are JSON objects or, without a header, CSV; `parameters` are values of the named
        parameters of the statement. None where the database has no faster
        way than to select `json_object` or `csv_line`.
        """
        ...

    def decoder(self, column_type: ColumnType | None) -> Callable[[Any], Any] | None:
        """What turns a fetched value (not None) into its JSON value; None for nothing to do."""
        ...

    def reporting(self) -> AbstractContextManager[None]:
        """While a statement runs: turn the failures of functions into our exceptions."""
        ...


@dataclass(frozen=True, slots=True)
class RowRights:
    """What the caller may do with the row of an instance, as conditions on that row."""

    update: Test
    delete: Test
    column_update: Mapping[str, Test]


Rights = Callable[[RightsFunction, Table, Mapping[str, Value]], RowRights]
"""From a table and the columns of one instance of it to the caller's rights on its row."""


def owner_rights(function: RightsFunction, table: Table, columns: Mapping[str, Value]) -> RowRights:
    """The rights of an owner: everything, except to set the system columns."""
    return RowRights(
        update=sa.true(),
        delete=sa.true(),
        column_update={c.name: sa.false() if c.is_system else sa.true() for c in table.columns},
    )
