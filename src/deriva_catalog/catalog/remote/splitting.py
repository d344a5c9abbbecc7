"""Questions that are too long for a URL, in parts that are not.

What makes a question long is a list of values, ``RID=any(...)``. Asked for a part of the list at
a time, the answers together are the answer, if each row of it belongs to one value: when the list
is about a column of the context, from which the rows come. Rows that could come twice (the list
is about another table of the path) are told apart by their RIDs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ...errors import BadRequest
from ...path.ast import (
    AnyOf,
    AttributeGroupQuery,
    AttributeQuery,
    ColumnName,
    Comparison,
    EndpointLink,
    EntityQuery,
    ExplicitLink,
    Operator,
    Path,
    Query,
    Reset,
    Restrict,
    TableLink,
)
from ...path.printer import print_query
from .resources import encoded

__all__ = ["Parts", "split_path", "split_query"]


@dataclass(frozen=True, slots=True)
class Parts:
    """A question in parts.

    `column` is what the list of values is about and `is_context` whether it belongs to the
    context; then no row of the answer comes from two parts.
    """

    queries: tuple[Query, ...]
    column: str
    is_context: bool


@dataclass(frozen=True, slots=True)
class _List:
    """The longest list of values in a path: where it stands, and of which table instance."""

    element: int
    column: ColumnName
    values: tuple[str, ...]
    is_context: bool


def split_query(query: Query, longest: int) -> Parts:
    """Parts of a query whose texts have at most `longest` characters.

    Raises:
        BadRequest: it cannot be asked in parts.
    """
    if not isinstance(query, (EntityQuery, AttributeQuery, AttributeGroupQuery)):
        raise _too_long("its functions are of all rows together")
    if isinstance(query, AttributeGroupQuery) and query.values:
        raise _too_long("its groups are of all rows together")
    found = _longest_list(query.path)
    if isinstance(query, AttributeQuery) and not found.is_context:
        raise _too_long(f"the list of {found.column.name!r} is not about the table of its rows")
    rest = len(print_query(_with_values(query, found, ("",))))
    return Parts(
        tuple(_with_values(query, found, part) for part in _portions(found.values, longest - rest)),
        found.column.name,
        found.is_context,
    )


def split_path(path: Path, longest: int) -> Iterator[Path]:
    """Parts of a path whose context rows are disjoint and together those of the path.

    Raises:
        BadRequest: there are none.
    """
    found = _longest_list(path)
    if not found.is_context:
        raise _too_long(f"the list of {found.column.name!r} is not about the table of its rows")
    rest = len(print_query(EntityQuery(_replaced(path, found, ("",)))))
    for part in _portions(found.values, longest - rest):
        yield _replaced(path, found, part)


def _longest_list(path: Path) -> _List:
    """The longest list of values in the filters of a path."""
    current, made = 0, 0
    aliases = {} if path.root.alias is None else {path.root.alias: 0}
    lists: list[tuple[int, int, ColumnName, tuple[str, ...]]] = []
    for number, element in enumerate(path.elements):
        match element:
            case TableLink(alias=alias) | EndpointLink(alias=alias) | ExplicitLink(alias=alias):
                made += 1
                current = made
                if alias is not None:
                    aliases[alias] = made
            case Reset(alias):
                current = aliases.get(alias, current)
            case Restrict(Comparison(ColumnName() as column, Operator.EQ, AnyOf(values))):
                instance = current if column.qualifier is None else aliases.get(column.qualifier)
                if instance is not None:
                    lists.append((number, instance, column, values))
    if not lists:
        raise _too_long("it has no list of values to divide")
    number, instance, column, values = max(lists, key=lambda found: len(found[3]))
    return _List(number, column, tuple(sorted(set(values))), instance == current)


def _portions(values: Sequence[str], room: int) -> Iterator[tuple[str, ...]]:
    part: list[str] = []
    length = 0
    for value in values:
        size = len(encoded(value)) + 1
        if size > room:
            raise _too_long("one value, or all but the list, is longer than that")
        if length + size > room:
            yield tuple(part)
            part, length = [], 0
        part.append(value)
        length += size
    yield tuple(part)


def _replaced(path: Path, found: _List, values: tuple[str, ...]) -> Path:
    elements = list(path.elements)
    elements[found.element] = Restrict(Comparison(found.column, Operator.EQ, AnyOf(values)))
    return replace(path, elements=tuple(elements))


def _with_values(
    query: EntityQuery | AttributeQuery | AttributeGroupQuery, found: _List, values: tuple[str, ...]
) -> Query:
    return replace(query, path=_replaced(query.path, found, values))


def _too_long(why: str) -> BadRequest:
    return BadRequest(
        f"The question is too long for this server and cannot be asked in parts: {why}.",
        hint="Ask with fewer values at a time.",
    )
