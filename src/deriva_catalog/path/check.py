"""What can be wrong with a query whatever the model is.

The parser checks what it has read and the Python builder what it has put together, so the
compiler meets only queries that are well-formed. Whether tables and columns exist is its part.

Source: ERMrest, "path semantics", "Filters", "Reading" and "Sorting, paging, limits".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches

from ..errors import BadRequest, Conflict, UnknownName
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
    EndpointLink,
    EntityQuery,
    ExplicitLink,
    Expression,
    Filter,
    Function,
    IsNull,
    Item,
    Not,
    Operator,
    Or,
    Path,
    Query,
    Reset,
    Restrict,
    Rights,
    Star,
    TableName,
    Window,
)
from .filters import MAX_DEPTH, too_deep

_TEXT_SEARCH = (Operator.REGEXP, Operator.CIREGEXP, Operator.TS)
_OF_ROWS = (Function.CNT, Function.ARRAY, Function.ARRAY_D)
_COUNT = re.compile(r"0*[1-9][0-9]{0,8}")


def check_query(query: Query) -> None:
    """Refuse a query that is not well-formed.

    Raises:
        BadRequest: See the module's source sections for each rule with status 400.
        Conflict: A negative limit, columns of several tables on one side of a link.
        UnknownName: A filter, ``alias:*`` or argument uses an alias that does not exist.
    """
    require_query(query)
    aliases = check_path(query.path)
    match query:
        case EntityQuery(_, window):
            _check_window(window, None)
        case AttributeQuery(_, items, window):
            _check_items(items, "attribute", (ColumnName, Star, Bin), aliases)
            _check_window(window, outputs(items))
        case AttributeGroupQuery(_, keys, values, window):
            _check_items(keys, "the keys of attributegroup", (ColumnName, Star, Bin), aliases)
            kinds = (ColumnName, Bin, Aggregate, Rights)
            if values:
                _check_items(values, "the values of attributegroup", kinds, aliases)
            _check_window(window, outputs((*keys, *values)))
        case AggregateQuery(_, values, limit):
            _check_items(values, "aggregate", (Aggregate,), aliases)
            outputs(values)
            _check_limit(limit)


def check_path(path: Path) -> frozenset[str]:
    """Refuse a path that is not well-formed; return the aliases that it defines.

    Raises:
        BadRequest: An alias is defined twice, ``$alias`` names none, or a link is malformed.
        Conflict: Columns of several tables on one side of a link.
        UnknownName: A filter uses an alias that is not defined before it.
    """
    require_path(path)
    _check_table(path.root.table)
    aliases: set[str] = set()
    _define(path.root.alias, aliases)
    for element in path.elements:
        match element:
            case Restrict(filter):
                check_filter(filter, aliases)
            case Reset(alias):
                if alias not in aliases:
                    message, hint = _unknown_alias(f"'${alias}'", alias, aliases)
                    raise BadRequest(message, hint=hint, alias=alias)
            case EndpointLink(columns, _, alias):
                _check_side(columns)
                _define(alias, aliases)
            case ExplicitLink(left, right, _, alias):
                _check_join(left, right)
                _define(alias, aliases)
            case _:
                _check_table(element.table)
                _define(element.alias, aliases)
    return frozenset(aliases)


def require_query(given: object) -> None:
    """Raise `BadRequest` if something is no query, nor a text to be read as one."""
    if not isinstance(given, Query):
        raise BadRequest(
            f"A query is expected, not {_told(given)}.",
            hint="Give a text such as 'entity/lab:Image', or use the path builder, whose "
            "'.entities().fetch()' asks by itself.",
        )


def require_path(given: object) -> None:
    """Raise `BadRequest` if something is no path."""
    if not isinstance(given, Path):
        raise BadRequest(
            f"A path is expected, not {_told(given)}.",
            hint="A text becomes one by deriva_catalog.path.parser.parse_path('lab:Image/Name=x'); "
            "the path builder makes its own.",
        )


def _told(given: object) -> str:
    return repr(given)[:80] if isinstance(given, str | int | float | None) else type(given).__name__


def check_filter(filter: Filter, aliases: Iterable[str] | None = None, depth: int = 0) -> None:
    """Refuse a filter that is not well-formed; `aliases` are those it may use, None for any.

    Raises:
        BadRequest: It nests too deep, or compares ``*`` with anything but text search.
        Conflict: It names a column with schema and table.
        UnknownName: It uses another alias.
    """
    if depth > MAX_DEPTH:
        raise too_deep()
    match filter:
        case And(terms) | Or(terms):
            if len(terms) < 2:
                raise BadRequest(f"{type(filter).__name__} has {len(terms)} terms, needs two.")
            for term in terms:
                check_filter(term, aliases, depth + 1)
        case Not(term):
            check_filter(term, aliases, depth + 1)
        case IsNull(column):
            _check_filter_column(column, aliases)
        case Comparison():
            _check_comparison(filter, aliases)


def outputs(items: Sequence[Item]) -> list[str] | None:
    """The output names of a projection; None when ``*`` leaves that to the model.

    Raises:
        BadRequest: Two outputs have one name.
    """
    names: list[str] = []
    for item in items:
        name = output_name(item)
        if name in names:
            raise BadRequest(
                f"Two outputs are called {name!r}.",
                hint=f"Give one of them another name, such as {name}_2:=...",
                output=name,
            )
        if name is not None:
            names.append(name)
    return names if all(not isinstance(i.expression, Star) for i in items) else None


def output_name(item: Item) -> str | None:
    """The name of an item in the result; None for ``*``, which has one for each column."""
    if item.output is None and isinstance(item.expression, ColumnName):
        return item.expression.name
    return item.output


# --- names -------------------------------------------------------------------------------


def _check_text(text: str, what: str) -> None:
    if "\0" in text:
        raise BadRequest(f"{what} {text!r} contains a NUL character, which none may.")


def _check_name(name: str | None, what: str) -> None:
    if name is None:
        return
    if not name:
        raise BadRequest(f"{what} is empty, expected at least one character.")
    _check_text(name, what)


def _check_table(table: TableName) -> None:
    _check_name(table.name, "The name of a table")
    _check_name(table.schema, "The name of a schema")


def _check_column(column: ColumnName) -> None:
    _check_name(column.name, "The name of a column")
    _check_name(column.qualifier, "The alias or table of a column")
    _check_name(column.schema, "The schema of a column")
    if column.schema is not None and column.qualifier is None:
        raise BadRequest(
            f"Column {column.name!r} names the schema {column.schema!r} but no table.",
            hint="Write schema:table:column.",
        )


def _define(alias: str | None, aliases: set[str]) -> None:
    if alias is None:
        return
    _check_name(alias, "An alias")
    if alias in aliases:
        raise BadRequest(
            f"The path defines the alias {alias!r} twice.",
            hint="Each table instance needs an alias of its own.",
            alias=alias,
        )
    aliases.add(alias)


def _unknown_alias(where: str, alias: str, aliases: Iterable[str]) -> tuple[str, str]:
    known = sorted(aliases)
    message = f"{where} names the alias {alias!r}, which the path does not define before it."
    near = get_close_matches(alias, known, n=1)
    if near:
        return message, f"Did you mean {near[0]!r}?"
    if known:
        return message, f"Defined are {', '.join(repr(a) for a in known[:10])}."
    return message, "Define it where the table joins the path: alias:=table."


def _check_alias_use(where: str, alias: str | None, aliases: Iterable[str] | None) -> None:
    if alias is None or aliases is None or alias in aliases:
        return
    message, hint = _unknown_alias(where, alias, aliases)
    raise UnknownName(message, hint=hint, alias=alias)


# --- links and filters -------------------------------------------------------------------


def _check_side(columns: Sequence[ColumnName]) -> None:
    """Columns on one side of a link belong to one table."""
    if not columns:
        raise BadRequest("A link names no columns, expected at least one.")
    for column in columns:
        _check_column(column)
    tables = {c.qualifier for c in columns if c.qualifier is not None}
    schemas = {c.schema for c in columns if c.schema is not None}
    if len(tables) > 1 or len(schemas) > 1:
        shown = ", ".join(repr(t) for t in sorted(tables if len(tables) > 1 else schemas))
        raise Conflict(
            f"One side of a link names columns of several tables: {shown}.",
            hint="All columns of one side must belong to one table instance.",
        )


def _check_join(left: Sequence[ColumnName], right: Sequence[ColumnName]) -> None:
    _check_side(left)
    _check_side(right)
    if len(left) != len(right):
        raise BadRequest(
            f"A link equates {len(left)} columns with {len(right)}.",
            hint="Both lists need the same length.",
        )
    if right[0].qualifier is None:
        raise BadRequest(
            f"The link to column {right[0].name!r} does not say which table it belongs to.",
            hint="Write the first column on the right as table:column or schema:table:column.",
            column=right[0].name,
        )


def _check_filter_column(column: ColumnName, aliases: Iterable[str] | None) -> None:
    _check_column(column)
    if column.schema is not None:
        raise Conflict(
            f"A filter names the column {column.name!r} with its schema and table.",
            hint="In filters write column, or alias:column for another instance of the path.",
            column=column.name,
        )
    _check_alias_use(f"The filter on column {column.name!r}", column.qualifier, aliases)


def _check_comparison(filter: Comparison, aliases: Iterable[str] | None) -> None:
    column, operand = filter.column, filter.operand
    if isinstance(column, ColumnName):
        _check_filter_column(column, aliases)
    else:
        _check_alias_use("The filter on '*'", column.alias, aliases)
        if filter.operator not in _TEXT_SEARCH:
            raise BadRequest(
                f"'*' is compared with {filter.operator.value!r}.",
                hint="'*' works with ::regexp::, ::ciregexp:: and ::ts:: only.",
            )
    values = operand.values if isinstance(operand, AnyOf | AllOf) else (operand,)
    for value in values:
        _check_text(value, "The value")
    if isinstance(operand, AnyOf | AllOf) and "" in values:
        raise BadRequest(
            "A list of values contains the empty string, which a list cannot express.",
            hint="Compare with the empty string in a term of its own.",
        )


# --- projections -------------------------------------------------------------------------


def _check_items(
    items: Sequence[Item],
    where: str,
    kinds: tuple[type[Expression], ...],
    aliases: frozenset[str],
) -> None:
    if not items:
        raise BadRequest(f"There is nothing to return in {where}.", hint="Name a column.")
    for item in items:
        _check_name(item.output, "The name of an output")
        if not isinstance(item.expression, kinds):
            raise BadRequest(
                f"{_describe(item.expression)} cannot be used in {where}.",
                hint="Allowed are: " + ", ".join(_KINDS[k] for k in kinds) + ".",
            )
        _check_item(item, aliases)


def _check_item(item: Item, aliases: frozenset[str]) -> None:
    expression = item.expression
    match expression:
        case ColumnName():
            _check_column(expression)
            return
        case Star(alias):
            _check_alias_use(f"'{alias}:*'", alias, aliases)
            if item.output is not None:
                raise BadRequest(f"'*' is given the output name {item.output!r}; it has many.")
            return
        case Bin():
            _check_bin(expression)
        case Aggregate(function, argument):
            _check_aggregate(function, argument, aliases)
        case Rights(function, column):
            _check_column(column)
            if column.name != "RID":
                raise BadRequest(
                    f"{function.value}() is asked about the column {column.name!r}.",
                    hint="Its argument is the RID column of an instance.",
                    column=column.name,
                )
    if item.output is None:
        raise BadRequest(
            f"{_describe(expression)} has no output name.",
            hint="Write name:=function(...).",
        )


def _describe(expression: Expression) -> str:
    match expression:
        case Aggregate(function) | Rights(function):
            return f"The function {function.value}()"
        case Bin():
            return "The function bin()"
        case Star():
            return "'*'"
        case ColumnName(name):
            return f"The plain column {name!r}"


_KINDS: dict[type[Expression], str] = {
    ColumnName: "columns",
    Star: "'*'",
    Bin: "bin()",
    Aggregate: "aggregate functions",
    Rights: "trs() and tcrs()",
}


def _check_aggregate(
    function: Function, argument: ColumnName | Star, aliases: frozenset[str]
) -> None:
    if isinstance(argument, ColumnName):
        _check_column(argument)
        return
    _check_alias_use(f"{function.value}()", argument.alias, aliases)
    if function not in _OF_ROWS:
        raise BadRequest(
            f"The function {function.value}() is applied to '*'.",
            hint="Name a column; only cnt, array and array_d work on whole rows.",
        )


def _check_bin(bin: Bin) -> None:
    _check_column(bin.column)
    for value in (bin.count, bin.lower, bin.upper):
        _check_name(value, "A parameter of bin()")
    if not _COUNT.fullmatch(bin.count):
        raise BadRequest(f"bin() is given {bin.count!r} bins, expected a positive integer.")
    if not _ascends(bin.lower, bin.upper):
        raise BadRequest(
            f"bin() is given the range from {bin.lower!r} to {bin.upper!r}.",
            hint="The lower end must be less than the upper end.",
        )


def _ascends(lower: str, upper: str) -> bool:
    """Whether a range is one, as numbers or as times; others are for the column's type to say."""
    try:
        return float(lower) < float(upper)
    except ValueError:
        pass
    try:
        return _moment(lower) < _moment(upper)
    except ValueError:
        return True


def _moment(text: str) -> datetime:
    """An ISO 8601 time, in UTC when it has no zone."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


# --- windows -----------------------------------------------------------------------------


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 0:
        raise Conflict(f"The limit of rows is {limit}, expected 0 or more.", limit=limit)


def _check_window(window: Window, names: list[str] | None) -> None:
    """`names` are the outputs that can be sorted by; None when only the model knows."""
    _check_limit(window.limit)
    for key in window.sort:
        _check_name(key.name, "A sort key")
        if names is not None and key.name not in names:
            raise BadRequest(
                f"The result is sorted by {key.name!r}, which is not one of its columns.",
                hint=f"They are {', '.join(repr(n) for n in names[:10])}.",
                column=key.name,
            )
    for word, page in (("@after", window.after), ("@before", window.before)):
        if page is not None:
            _check_page(word, page, window)
    if window.before is not None and window.after is None and window.limit is None:
        raise BadRequest(
            "'@before' is given without a limit of rows.",
            hint="Add ?limit=N: the result is the last N rows before the position.",
        )


def _check_page(word: str, page: Sequence[str | None], window: Window) -> None:
    if not window.sort:
        raise BadRequest(f"'{word}' is given without '@sort'.", hint="Sort the result first.")
    if len(page) != len(window.sort):
        raise BadRequest(
            f"'{word}' has {len(page)} values for {len(window.sort)} sort keys.",
            hint="Give one value for each sort key.",
        )
    for value in page:
        _check_text(value or "", "The value")
