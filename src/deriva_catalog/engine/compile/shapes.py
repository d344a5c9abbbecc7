"""Queries that differ only in the values they look for, as one: compiled once, run with each.

Looking a row up by a key is what clients do most. Building and compiling its statement takes
several times as long as running it, so the values of plain equalities are taken out of a query;
what is left is its shape, which stays the same from row to row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...path.ast import (
    And,
    AttributeQuery,
    ColumnName,
    Comparison,
    EntityQuery,
    Filter,
    Operator,
    Path,
    Query,
    Restrict,
)

__all__ = ["NotShared", "Slot", "finds_one_row", "lifted"]

Encode = Callable[[str], Mapping[str, Any]]


class NotShared(Exception):
    """A value decides what the statement looks like, so it cannot be taken out."""


class Slot(str):
    """Stands for a value that was taken out of a query; its text is the name of a parameter.

    Whoever compiles it says how a value becomes parameters of the statement (`to_parameters`).
    """

    to_parameters: Encode | None = None

    def __eq__(self, other: object) -> bool:
        """Never equal to a text, which a user may have written."""
        return isinstance(other, Slot) and str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        """The opposite."""
        return not self == other

    def __hash__(self) -> int:
        return hash((Slot, str.__hash__(self)))


def lifted(query: Query) -> tuple[Query, list[tuple[Slot, str]]]:
    """The shape of a query, and its slots with the values that were there."""
    found: list[tuple[Slot, str]] = []

    def shape(term: Filter) -> Filter:
        match term:
            case And(terms):
                return And(tuple(map(shape, terms)))
            case Comparison(ColumnName() as column, Operator.EQ, str() as text):
                slot = Slot(f"slot{len(found)}")
                found.append((slot, text))
                return Comparison(column, Operator.EQ, slot)
            case _:
                return term

    elements = tuple(
        Restrict(shape(element.filter)) if isinstance(element, Restrict) else element
        for element in query.path.elements
    )
    return replace(query, path=Path(query.path.root, elements)), found


def finds_one_row(query: Query) -> bool:
    """Whether a query asks for the row of one RID of its context."""
    if not isinstance(query, (EntityQuery, AttributeQuery)):
        return False
    for element in reversed(query.path.elements):
        if not isinstance(element, Restrict):
            return False
        terms = element.filter.terms if isinstance(element.filter, And) else (element.filter,)
        for term in terms:
            match term:
                case Comparison(ColumnName("RID", None, None), Operator.EQ, str()):
                    return True
    return False
