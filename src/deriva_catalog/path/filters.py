"""Filters put together so that they stay in normal form.

In normal form no `And` is a term of an `And`, no `Or` a term of an `Or`, and each of them has
at least two terms. The parser, the printer and the Python builder all go through here.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import BadRequest
from .ast import And, Filter, Not, Or

MAX_DEPTH = 64
"""How deep filters may nest, so that no recursion over them exhausts the stack."""


def conjunction(terms: Iterable[Filter]) -> Filter:
    """All of `terms`, which are in normal form themselves.

    Raises:
        BadRequest: There are none.
    """
    flat: list[Filter] = []
    for term in terms:
        flat.extend(term.terms if isinstance(term, And) else (term,))
    if not flat:
        raise BadRequest("A conjunction needs at least one term, found none.")
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def disjunction(terms: Iterable[Filter]) -> Filter:
    """Any of `terms`, which are in normal form themselves.

    Raises:
        BadRequest: There are none.
    """
    flat: list[Filter] = []
    for term in terms:
        flat.extend(term.terms if isinstance(term, Or) else (term,))
    if not flat:
        raise BadRequest("A disjunction needs at least one term, found none.")
    return flat[0] if len(flat) == 1 else Or(tuple(flat))


def normal(filter: Filter, depth: int = 0) -> Filter:
    """The same filter in normal form.

    Raises:
        BadRequest: It nests deeper than `MAX_DEPTH`, or a conjunction has no terms.
    """
    if depth > MAX_DEPTH:
        raise too_deep()
    match filter:
        case And(terms):
            return conjunction(normal(t, depth + 1) for t in terms)
        case Or(terms):
            return disjunction(normal(t, depth + 1) for t in terms)
        case Not(term):
            return Not(normal(term, depth + 1))
        case _:
            return filter


def too_deep() -> BadRequest:
    """The error for a filter that nests too deep."""
    return BadRequest(
        f"The filter nests deeper than {MAX_DEPTH} levels.",
        hint="Write alternatives for one column as any(...), or split it into several filters.",
    )
