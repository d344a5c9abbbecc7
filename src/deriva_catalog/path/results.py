"""What a path asks for: sorted, paged and fetched as rows, frames or streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any

from ..errors import BadRequest, UnknownName
from ..model.elements import ColumnType
from .ast import (
    Aggregate,
    AggregateQuery,
    AttributeGroupQuery,
    AttributeQuery,
    ColumnName,
    EntityQuery,
    Expression,
    Function,
    Item,
    Query,
    SortKey,
    Star,
    Window,
)
from .check import check_query, output_name
from .columns import ColumnRef, Descending
from .executor import Executor, MediaType, Row
from .frames import Output, arrow_table, data_frame
from .literals import literal
from .names import suggestion
from .printer import print_query
from .scope import Scope

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_ROWS = 10
_SAME_TYPE = (Function.MIN, Function.MAX)


class ResultSet:
    """The rows of a query, asked for each time they are wanted and never kept.

    Iterating, `fetch`, `len` and the frames each ask the catalog anew. ``list(result)`` asks
    for the number of rows as well; `fetch` does not.
    """

    def __init__(self, executor: Executor, scope: Scope, query: Query) -> None:
        self._executor = executor
        self._scope = scope
        self._query = query

    def as_query(self) -> Query:
        """The tree of this query.

        Raises:
            BadRequest: It is not well-formed, such as a position without an order.
        """
        check_query(self._query)
        return self._query

    @property
    def url(self) -> str:
        """The query as the part of a URL after the catalog's."""
        return print_query(self.as_query())

    # --- which rows ------------------------------------------------------------------

    def sort(self, *outputs: ColumnRef | str | Descending | SortKey) -> ResultSet:
        """These rows in order of outputs, each a column, its name, or ``column.desc``.

        Ascending puts NULLs last, descending first.

        Raises:
            UnknownName: An output does not exist.
        """
        return self._windowed(sort=tuple(self._sort_key(o) for o in outputs))

    def after(self, *position: object) -> ResultSet:
        """The rows after a position: one value for each sort key, or a row that has them."""
        return self._windowed(after=self._position(position))

    def before(self, *position: object) -> ResultSet:
        """The rows before a position; without `after`, the last `limit` of them."""
        return self._windowed(before=self._position(position))

    def limit(self, rows: int | None) -> ResultSet:
        """At most so many rows; None for all."""
        if rows is not None and (not isinstance(rows, int) or isinstance(rows, bool)):
            raise BadRequest(f"The limit of rows is {rows!r}, expected an int or None.")
        if isinstance(self._query, AggregateQuery):
            return self._with(replace(self._query, limit=rows))
        return self._windowed(limit=rows)

    # --- asking ----------------------------------------------------------------------

    def fetch(self, limit: int | None = None) -> list[Row]:
        """The rows, in the JSON form of the protocol; at most `limit` if it is given."""
        wanted = self if limit is None else self.limit(limit)
        return self._executor.fetch(wanted.as_query())

    def __iter__(self) -> Iterator[Row]:
        return iter(self.fetch())

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        """Whether there is any row."""
        return bool(self.limit(1 if self._limit is None else min(1, self._limit)).fetch())

    def count(self) -> int:
        """How many rows there are.

        Cost: one counting query for `entities` without a position, else all rows are fetched.
        """
        query = self.as_query()
        if not isinstance(query, EntityQuery) or _is_paged(query.window):
            return len(self.fetch())
        count = self._executor.count(query.path)
        return count if self._limit is None else min(count, self._limit)

    def stream(self, media_type: MediaType = "application/x-json-stream") -> Iterator[bytes]:
        """The result as bytes of a media type, in pieces, made by the database."""
        return self._executor.stream(self.as_query(), media_type)

    def dataframe(self) -> pd.DataFrame:
        """The rows as a pandas frame, typed by the model, in the order of the outputs.

        Times become UTC timestamps; whole numbers and booleans with NULLs the nullable types.
        """
        return data_frame(self.fetch(), self._outputs())

    def arrow(self) -> Any:
        """The rows as a ``pyarrow.Table``, typed by the model.

        Raises:
            ImportError: pyarrow is not installed.
        """
        return arrow_table(self.fetch(), self._outputs())

    def __repr__(self) -> str:
        return f"<result of {print_query(self._query)}>"

    def _repr_html_(self) -> str:
        shown = _SHOWN_ROWS if self._limit is None else min(_SHOWN_ROWS, self._limit)
        rows = self.fetch(limit=shown)
        names = [o.name for o in self._outputs()]
        cells = [[row.get(name) for name in names] for row in rows]
        return html_table(f"First rows of {print_query(self._query)}", names, cells)

    # --- details ---------------------------------------------------------------------

    @property
    def _limit(self) -> int | None:
        query = self._query
        return query.limit if isinstance(query, AggregateQuery) else query.window.limit

    def _with(self, query: Query) -> ResultSet:
        return ResultSet(self._executor, self._scope, query)

    def _window(self) -> Window:
        if isinstance(self._query, AggregateQuery):
            raise BadRequest("aggregates() gives one row, which cannot be sorted or paged.")
        return self._query.window

    def _windowed(self, **changes: Any) -> ResultSet:
        window = replace(self._window(), **changes)
        assert not isinstance(self._query, AggregateQuery), "_window has refused it"
        return self._with(replace(self._query, window=window))

    def _sort_key(self, output: ColumnRef | str | Descending | SortKey) -> SortKey:
        if isinstance(output, SortKey):
            return output
        if isinstance(output, Descending):
            return replace(self._sort_key(output.output), descending=True)
        names = [o.name for o in self._outputs()]
        name = output if isinstance(output, str) else self._name_of(output)
        if name not in names:
            shown = repr(output)
            raise UnknownName(f"The result has no output {shown}.", hint=suggestion(shown, names))
        return SortKey(name)

    def _name_of(self, column: ColumnRef) -> str | None:
        """The output that a column of the path has become."""
        index = self._scope.find(column.instance)
        if isinstance(self._query, EntityQuery):
            return column.name if index == self._scope.context else None
        alias = None if index == self._scope.context else self._scope.alias_at(index)
        if alias is None and index != self._scope.context:
            return None
        for item in self._items():
            if item.expression == ColumnName(column.name, alias):
                return output_name(item)
            if item.expression == Star(alias):
                return column.name if alias is None else f"{alias}:{column.name}"
        return None

    def _position(self, position: Sequence[object]) -> tuple[str | None, ...]:
        keys = self._window().sort
        if len(position) == 1 and isinstance(position[0], Mapping):
            row = position[0]
            missing = [k.name for k in keys if k.name not in row]
            if missing:
                raise BadRequest(f"The row has no member {missing[0]!r}, which is a sort key.")
            position = [row[k.name] for k in keys]
        types = {o.name: o.type for o in self._outputs()}
        known = [types.get(k.name) for k in keys]
        known += [None] * (len(position) - len(known))
        return tuple(literal(v, t) for v, t in zip(position, known, strict=False))

    def _items(self) -> tuple[Item, ...]:
        match self._query:
            case EntityQuery():
                return (Item(Star()),)
            case AttributeQuery(_, items):
                return items
            case AttributeGroupQuery(_, keys, values):
                return (*keys, *values)
            case AggregateQuery(_, values):
                return values

    def _outputs(self) -> list[Output]:
        found: list[Output] = []
        for item in self._items():
            if isinstance(item.expression, Star):
                prefix = f"{item.expression.alias}:" if item.expression.alias else ""
                table = self._table(item.expression.alias)
                found += [Output(prefix + c.name, c.type) for c in table.columns]
            else:
                found.append(Output(output_name(item) or "", self._type(item.expression)))
        return found

    def _table(self, alias: str | None) -> Any:
        if alias is None:
            return self._scope.table
        return self._scope.instances[self._scope.aliases()[alias]].table

    def _type(self, expression: Expression) -> ColumnType | None:
        """The type of an output where the model says it; else the values do."""
        match expression:
            case ColumnName(name, alias):
                column = self._table(alias).by_name[name]
                return column.type  # type: ignore[no-any-return]
            case Aggregate(function, ColumnName() as argument) if function in _SAME_TYPE:
                return self._type(argument)
            case Aggregate(Function.CNT | Function.CNT_D):
                return ColumnType("int8")
            case _:
                return None


def _is_paged(window: Window) -> bool:
    return window.after is not None or window.before is not None


def html_table(title: str, names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table for notebooks; every text in it is escaped, None is an empty cell."""
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{'' if v is None else escape(str(v))}</td>" for v in row) + "</tr>"
        for row in rows
    )
    return (
        f"<table><caption>{escape(title)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
