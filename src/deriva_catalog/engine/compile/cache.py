"""Compiled queries kept for the next time: building a statement costs more than running it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from ...model.elements import Model, Table
from ...path.ast import AllOf, And, AnyOf, Comparison, Filter, Not, Or, Path, Query, Restrict
from ..dialect import Expressions, Rights, owner_rights
from .guarded import Source
from .outputs import Compiled
from .queries import compile_query

_MOST_LITERALS = 1000


class CompileCache:
    """The latest `size` compiled queries of one catalog. Usable from many threads."""

    def __init__(self, size: int = 256) -> None:
        self._size = size
        self._lock = threading.Lock()
        # The model is kept with what was compiled for it, so that its identity stays its own: two
        # models of one transaction have the same version.
        self._kept: OrderedDict[Hashable, tuple[Model, Compiled]] = OrderedDict()

    def compile(
        self,
        query: Query,
        model: Model,
        source: Source,
        expressions: Expressions,
        *,
        source_key: Hashable = None,
        rights: Rights = owner_rights,
        has_costly_rights: Callable[[Table], bool] | None = None,
        keep: bool = True,
    ) -> Compiled:
        """As `compile_query`, or what it gave before for the same query, model and source.

        Args:
            query: What to read.
            model: The model; a query is compiled again for each model object.
            source: Where the rows of a table come from.
            expressions: How the database says things; the same for each call.
            source_key: What tells sources apart: None for live rows, or what a snapshot's rows
                depend on.
            rights: What the caller may do with a row; each function has entries of its own.
            has_costly_rights: See `compile_query`.
            keep: Whether it is looked for among what is kept, and kept; else it is made anew.
        """
        key = (query, id(model), source_key, rights)
        with self._lock:
            found = self._kept.get(key) if keep else None
            if found is not None:
                self._kept.move_to_end(key)
                return found[1]
        compiled = compile_query(
            query, model, source, expressions, rights, has_costly_rights=has_costly_rights
        )
        if keep and literals_in(query.path) <= _MOST_LITERALS:
            with self._lock:
                self._kept[key] = (model, compiled)
                while len(self._kept) > self._size:
                    self._kept.popitem(last=False)
        return compiled


def literals_in(path: Path) -> int:
    """How many values the filters of a path compare with."""
    return sum(_count(e.filter) for e in path.elements if isinstance(e, Restrict))


def _count(term: Filter) -> int:
    match term:
        case And(terms) | Or(terms):
            return sum(map(_count, terms))
        case Not(inner):
            return _count(inner)
        case Comparison(_, _, AnyOf(values) | AllOf(values)):
            return len(values)
        case _:
            return 1
