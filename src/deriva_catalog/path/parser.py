"""From the text of a data request to its tree: recursive descent over raw URL text.

Source: ERMrest, "Data resources: URL grammar".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from .ast import (
    Aggregate,
    AggregateQuery,
    AllOf,
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
    Function,
    IsNull,
    Item,
    Not,
    Operand,
    Operator,
    Outer,
    Path,
    Query,
    Reset,
    Restrict,
    Rights,
    RightsFunction,
    Root,
    SortKey,
    Star,
    TableLink,
    TableName,
    Window,
)
from .check import check_filter, check_path, check_query
from .filters import MAX_DEPTH, conjunction, disjunction, too_deep
from .options import Options, parse_options
from .tokens import END, STRING, Cursor, Token

T = TypeVar("T")

_OUTER = {o.value: o for o in Outer}
_OPERATORS = {o.value.strip(":"): o for o in Operator if o is not Operator.EQ}
_FUNCTIONS = {f.value: f for f in Function}
_RIGHTS = {f.value: f for f in RightsFunction}
_QUANTIFIERS: dict[str, type[AnyOf] | type[AllOf]] = {"any": AnyOf, "all": AllOf}


@dataclass(frozen=True, slots=True)
class Request:
    """A data request: the query, with its limit in it, and the other options."""

    query: Query
    options: Options = field(default_factory=Options)


def parse_query(url_tail: str) -> Request:
    """The request that the part of a URL after the catalog spells, such as ``entity/S:T?limit=3``.

    The text is the raw one, as it came over the wire.

    Raises:
        BadRequest: It is malformed; `facts` has the ``position``, the message a caret.
        Conflict: It is well-formed but contradicts itself in a way that has this status,
            such as a negative limit or a filter on an alias that the path does not define.
    """
    text, mark, _ = url_tail.partition("?")
    cursor = Cursor(text)
    query = _query(cursor)
    limit, options = parse_options(url_tail, len(text) + 1) if mark else (None, Options())
    if limit is not None:
        query = _limited(query, limit)
    check_query(query)
    return Request(query, options)


def parse_path(text: str) -> Path:
    """The path that `text` spells, such as ``M:=S:A/T:=S:B/v=x``.

    Raises:
        BadRequest: It is malformed.
        Conflict: It contradicts itself.
    """
    cursor = Cursor(text)
    path = _path(cursor, len(cursor.tokens) - 1)
    cursor.expect(END, "'/' or the end")
    check_path(path)
    return path


def parse_filter(text: str) -> Filter:
    """The filter that `text` spells, such as ``a=1;b::gt::2&!c::null::``.

    Which aliases exist is not checked.

    Raises:
        BadRequest: It is malformed.
        Conflict: It contradicts itself.
    """
    cursor = Cursor(text)
    filter = _disjunction(cursor, 0)
    cursor.expect(END, "'&', ';' or the end")
    check_filter(filter)
    return filter


# --- queries -----------------------------------------------------------------------------


def _query(c: Cursor) -> Query:
    apis = {"entity": _entity, "attribute": _attribute, "attributegroup": _group, "aggregate": _agg}
    api = apis.get(c.peek().raw.lower())
    if api is None:
        raise c.unexpected("'entity', 'attribute', 'attributegroup' or 'aggregate'")
    c.index += 1
    c.expect("/", "'/'")
    query = api(c)
    c.expect(END, "the end")
    return query


def _limited(query: Query, limit: int) -> Query:
    if isinstance(query, AggregateQuery):
        return replace(query, limit=limit)
    return replace(query, window=replace(query.window, limit=limit))


def _entity(c: Cursor) -> Query:
    path = _path(c, len(c.tokens) - 1)
    if not c.at("@", END):
        raise c.unexpected("'/', '@sort(' or the end")
    return EntityQuery(path, _window(c))


def _attribute(c: Cursor) -> Query:
    path = _path_before_projection(c)
    return AttributeQuery(path, _list(c, _item), _window(c))


def _group(c: Cursor) -> Query:
    path = _path_before_projection(c)
    keys = _list(c, _item)
    values = _list(c, _item) if c.take(";") else ()
    return AttributeGroupQuery(path, keys, values, _window(c))


def _agg(c: Cursor) -> Query:
    path = _path_before_projection(c)
    values = _list(c, _item)
    if c.at("@"):
        raise c.malformed("an aggregate is one row, which cannot be sorted or paged")
    return AggregateQuery(path, values)


def _path_before_projection(c: Cursor) -> Path:
    """The path up to the last slash, which is where the list of columns starts."""
    last = max(i for i, token in enumerate(c.tokens) if token.kind == "/")
    if last < c.index:
        c.index = len(c.tokens) - 1
        raise c.unexpected("'/' and the columns to return")
    path = _path(c, last)
    c.expect("/", "'/'")
    return path


def _window(c: Cursor) -> Window:
    sort: tuple[SortKey, ...] = ()
    pages: dict[str, tuple[str | None, ...]] = {}
    first = True
    while c.take("@"):
        word = c.keyword(("sort",) if first else ("after", "before"))
        if word is None:
            raise c.unexpected("'sort('" if first else "'after(' or 'before('")
        if word in pages:
            raise c.malformed(f"'@{word}' given twice")
        c.expect("(", "'('")
        if first:
            sort = _list(c, _sort_key)
        else:
            pages[word] = _list(c, _page_value)
        c.expect(")", "',' or ')'")
        first = False
    return Window(sort, pages.get("after"), pages.get("before"))


def _sort_key(c: Cursor) -> SortKey:
    name = c.expect(STRING, "the name of an output column").value
    if not c.take("::"):
        return SortKey(name)
    _word(c, ("desc",))
    return SortKey(name, descending=True)


def _page_value(c: Cursor) -> str | None:
    if c.take("::"):
        _word(c, ("null",))
        return None
    return c.expect(STRING, "a value").value if c.at(STRING) else ""


def _word(c: Cursor, words: tuple[str, ...]) -> str:
    """One of `words` and the ``::`` after it; the ``::`` before it has been read."""
    word = c.peek().raw.lower()
    if word not in words:
        raise c.unexpected("one of " + ", ".join(f"'::{w}::'" for w in words))
    c.index += 1
    c.expect("::", "'::'")
    return word


# --- projections -------------------------------------------------------------------------


def _item(c: Cursor) -> Item:
    output = _binding(c)
    return Item(_expression(c), output)


def _expression(c: Cursor) -> Expression:
    if c.peek().kind != STRING or c.peek(1).kind != "(":
        return _column_or_star(c)
    word = c.keyword((*_FUNCTIONS, *_RIGHTS, "bin"))
    if word is None:
        raise c.unexpected("one of the functions " + ", ".join((*_FUNCTIONS, *_RIGHTS, "bin")))
    c.expect("(", "'('")
    expression: Expression
    if word == "bin":
        column = _column(c)
        count, lower, upper = (_bin_parameter(c, w) for w in ("count", "lower end", "upper end"))
        expression = Bin(column, count, lower, upper)
    elif word in _RIGHTS:
        expression = Rights(_RIGHTS[word], _column(c))
    else:
        expression = Aggregate(_FUNCTIONS[word], _column_or_star(c))
    c.expect(")", "')'")
    return expression


def _bin_parameter(c: Cursor, what: str) -> str:
    c.expect(";", "';'")
    return c.expect(STRING, f"the {what} of the bins").value


# --- paths -------------------------------------------------------------------------------


def _path(c: Cursor, stop: int) -> Path:
    """A path that ends before the token number `stop`, or at what cannot continue it."""
    root = Root(alias=_binding(c), table=_table(c))
    elements = []
    while c.index < stop and c.take("/"):
        elements.append(_element(c))
    return Path(root, tuple(elements))


def _element(c: Cursor) -> Element:
    if c.take("$"):
        return Reset(c.expect(STRING, "an alias").value)
    alias = _binding(c)
    if alias is None and _at_filter(c):
        return Restrict(_disjunction(c, 0))
    outer = c.keyword(_OUTER)
    if outer is None and not c.at("("):
        return TableLink(_table(c), alias)
    kind = _OUTER[outer] if outer else None
    left = _column_list(c)
    if not c.take("="):
        return EndpointLink(left, kind, alias)
    return ExplicitLink(left, _column_list(c), kind, alias)


def _at_filter(c: Cursor) -> bool:
    """Whether a filter starts here: ``(id)`` is a link, ``(id=1)`` a filter."""
    if c.at("!"):
        return True
    ahead = 0
    if c.at("("):
        ahead = 1
        while c.peek(ahead).kind in (STRING, ":", ","):
            ahead += 1
        return c.peek(ahead).kind != ")" or ahead == 1
    while c.peek(ahead).kind in (STRING, ":"):
        ahead += 1
    return ahead > 0 and c.peek(ahead).kind in ("=", "::")


def _binding(c: Cursor) -> str | None:
    """The name before ``:=``, if there is one."""
    if c.peek(1).kind != ":=":
        return None
    name = c.expect(STRING, "a name before ':='")
    c.index += 1
    return name.value


def _table(c: Cursor) -> TableName:
    parts = _parts(c, 2, "the name of a table")
    return TableName(parts[-1].value, parts[0].value if len(parts) == 2 else None)


def _column_list(c: Cursor) -> tuple[ColumnName, ...]:
    c.expect("(", "'('")
    columns = _list(c, _column)
    c.expect(")", "',' or ')'")
    return columns


def _column(c: Cursor) -> ColumnName:
    token = c.peek()
    column = _column_or_star(c)
    if isinstance(column, Star):
        hint = "A column whose name is an asterisk is written %2A."
        raise c.malformed("'*' where one column is expected", hint, token)
    return column


def _column_or_star(c: Cursor) -> ColumnName | Star:
    parts = _parts(c, 3, "a column")
    names = [p.value for p in parts]
    if parts[-1].raw == "*" and len(parts) < 3:
        return Star(names[0] if len(parts) == 2 else None)
    qualifier = names[-2] if len(names) > 1 else None
    return ColumnName(names[-1], qualifier, names[0] if len(names) == 3 else None)


def _parts(c: Cursor, most: int, what: str) -> list[Token]:
    c.take(":")
    parts = [c.expect(STRING, what)]
    while len(parts) < most and c.take(":"):
        parts.append(c.expect(STRING, what))
    return parts


def _list(c: Cursor, element: Callable[[Cursor], T]) -> tuple[T, ...]:
    found = [element(c)]
    while c.take(","):
        found.append(element(c))
    return tuple(found)


# --- filters -----------------------------------------------------------------------------


def _disjunction(c: Cursor, depth: int) -> Filter:
    terms = [_conjunction(c, depth)]
    while c.take(";"):
        terms.append(_conjunction(c, depth))
    return disjunction(terms)


def _conjunction(c: Cursor, depth: int) -> Filter:
    terms = [_term(c, depth)]
    while c.take("&"):
        terms.append(_term(c, depth))
    return conjunction(terms)


def _term(c: Cursor, depth: int) -> Filter:
    if c.take("!"):
        return Not(_positive_term(c, depth))
    return _positive_term(c, depth)


def _positive_term(c: Cursor, depth: int) -> Filter:
    if not c.at("("):
        return _predicate(c)
    if depth >= MAX_DEPTH:
        raise too_deep()
    c.expect("(", "'('")
    filter = _disjunction(c, depth + 1)
    c.expect(")", "'&', ';' or ')'")
    return filter


def _predicate(c: Cursor) -> Filter:
    start = c.peek()
    column = _column_or_star(c)
    if c.take("="):
        return Comparison(column, Operator.EQ, _operand(c))
    c.expect("::", "'=' or '::' and an operator")
    word = _word(c, (*_OPERATORS, "null"))
    if word != "null":
        return Comparison(column, _OPERATORS[word], _operand(c))
    if isinstance(column, Star):
        raise c.malformed("'*' with '::null::', which tests one column", token=start)
    return IsNull(column)


def _operand(c: Cursor) -> Operand:
    quantifier = c.keyword(_QUANTIFIERS)
    if quantifier is None:
        if c.at("("):
            raise c.unexpected("a value", "A list of values is written any(...) or all(...).")
        return c.expect(STRING, "a value").value if c.at(STRING) else ""
    c.expect("(", "'('")
    values = () if c.at(")") else _list(c, _literal)
    c.expect(")", "',' or ')'")
    return _QUANTIFIERS[quantifier](values)


def _literal(c: Cursor) -> str:
    return c.expect(STRING, "a value").value
