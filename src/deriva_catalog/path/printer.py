"""From the tree of a query to its text: canonical, with the fewest parentheses.

Everything in a name or a literal that is not an ASCII letter, a digit or one of ``-_.~`` is
percent-encoded, so the text reads back as the same tree.

Source: ERMrest, "Percent-encoding" and "Data resources: URL grammar".
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from ..errors import BadRequest
from .ast import (
    Aggregate,
    AggregateQuery,
    AllOf,
    And,
    AnyOf,
    AttributeGroupQuery,
    AttributeQuery,
    Bin,
    ColumnName,
    Comparison,
    Element,
    EndpointLink,
    EntityQuery,
    ExplicitLink,
    Expression,
    Filter,
    IsNull,
    Item,
    Not,
    Operand,
    Or,
    Outer,
    Path,
    Query,
    Reset,
    Restrict,
    Rights,
    SortKey,
    Star,
    TableLink,
    TableName,
    Window,
)
from .filters import normal


def print_query(query: Query) -> str:
    """The text after the catalog's URL that asks for `query`, such as ``entity/S:T?limit=3``.

    Raises:
        BadRequest: A name or literal cannot be encoded, or a filter nests too deep.
    """
    path = print_path(query.path)
    match query:
        case EntityQuery(_, window):
            return f"entity/{path}{_window(window)}"
        case AttributeQuery(_, items, window):
            return f"attribute/{path}/{_items(items)}{_window(window)}"
        case AttributeGroupQuery(_, keys, values, window):
            rest = f";{_items(values)}" if values else ""
            return f"attributegroup/{path}/{_items(keys)}{rest}{_window(window)}"
        case AggregateQuery(_, values, limit):
            return f"aggregate/{path}/{_items(values)}{_limit(limit)}"


def print_path(path: Path) -> str:
    """The text of `path`, such as ``M:=S:A/T:=S:B/v=x``.

    Raises:
        BadRequest: A name or literal cannot be encoded, or a filter nests too deep.
    """
    root = _bound(path.root.alias) + print_table(path.root.table)
    return "/".join((root, *(_element(e) for e in path.elements)))


def print_filter(filter: Filter) -> str:
    """The text of `filter` in normal form, such as ``a=1;b::gt::2&!c::null::``.

    Raises:
        BadRequest: A name or literal cannot be encoded, or the filter nests too deep.
    """
    return _filter(normal(filter))


def print_table(table: TableName) -> str:
    """The text of a table's name, ``T`` or ``S:T``."""
    return ":".join(_text(part) for part in (table.schema, table.name) if part is not None)


def _text(value: str) -> str:
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise BadRequest(
            f"The text {value!r} contains half of a surrogate pair, which UTF-8 cannot write.",
            hint="Decode the text with its right encoding first.",
        ) from None


def _bound(name: str | None) -> str:
    return "" if name is None else f"{_text(name)}:="


def _column(column: ColumnName | Star) -> str:
    if isinstance(column, Star):
        return "*" if column.alias is None else f"{_text(column.alias)}:*"
    parts = (column.schema, column.qualifier, column.name)
    return ":".join(_text(part) for part in parts if part is not None)


def _columns(columns: Iterable[ColumnName]) -> str:
    return f"({','.join(_column(c) for c in columns)})"


def _outer(outer: Outer | None) -> str:
    return "" if outer is None else outer.value


def _element(element: Element) -> str:
    match element:
        case TableLink(table, alias):
            return _bound(alias) + print_table(table)
        case EndpointLink(columns, outer, alias):
            return _bound(alias) + _outer(outer) + _columns(columns)
        case ExplicitLink(left, right, outer, alias):
            return f"{_bound(alias)}{_outer(outer)}{_columns(left)}={_columns(right)}"
        case Restrict(filter):
            return print_filter(filter)
        case Reset(name):
            return f"${_text(name)}"


def _filter(filter: Filter, within: type[Filter] | None = None) -> str:
    """The text of a filter in normal form that is a term of a `within`."""
    match filter:
        case Comparison(column, operator, operand):
            return _column(column) + operator.value + _operand(operand)
        case IsNull(column):
            return f"{_column(column)}::null::"
        case Not(term):
            text = f"!{_filter(term, Not)}"
            return f"({text})" if within is Not else text
        case And(terms):
            text = "&".join(_filter(t, And) for t in terms)
            return f"({text})" if within is Not else text
        case Or(terms):
            text = ";".join(_filter(t, Or) for t in terms)
            return f"({text})" if within in (And, Not) else text


def _operand(operand: Operand) -> str:
    match operand:
        case AnyOf(values):
            return f"any({','.join(_text(v) for v in values)})"
        case AllOf(values):
            return f"all({','.join(_text(v) for v in values)})"
        case _:
            return _text(operand)


def _items(items: Iterable[Item]) -> str:
    return ",".join(_bound(i.output) + _expression(i.expression) for i in items)


def _expression(expression: Expression) -> str:
    match expression:
        case Bin(column, count, lower, upper):
            return f"bin({_column(column)};{_text(count)};{_text(lower)};{_text(upper)})"
        case Aggregate(function, argument):
            return f"{function.value}({_column(argument)})"
        case Rights(rights, column):
            return f"{rights.value}({_column(column)})"
        case _:
            return _column(expression)


def _window(window: Window) -> str:
    text = ""
    if window.sort:
        text += f"@sort({','.join(_sort_key(k) for k in window.sort)})"
    for word, page in (("after", window.after), ("before", window.before)):
        if page is not None:
            values = ("::null::" if v is None else _text(v) for v in page)
            text += f"@{word}({','.join(values)})"
    return text + _limit(window.limit)


def _sort_key(key: SortKey) -> str:
    return _text(key.name) + ("::desc::" if key.descending else "")


def _limit(limit: int | None) -> str:
    return "" if limit is None else f"?limit={limit}"
