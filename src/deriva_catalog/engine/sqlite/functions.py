"""Functions that SQLite lacks, in Python: `register` adds them to a connection.

SQLite reports that a function failed but not how, so the reason is kept for the thread until
`reporting` picks it up.
"""

from __future__ import annotations

import json
import operator
import re
import sqlite3
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from ...errors import CatalogError, QueryTimeout, Unavailable
from ...model.elements import ColumnType
from ...model.intervals import parse_interval
from ...model.literals import array_text
from ...path.ast import Operator
from ..bins import answers_of, bounds_of
from ..budget import Budget
from ..regexps import compile_pattern

__all__ = [
    "MOST_ARGUMENTS",
    "OLDEST",
    "bounded_functions",
    "finders",
    "interval_key",
    "register",
    "reporting",
]

OLDEST = (3, 38, 0)
"""The oldest SQLite that has everything that is used: its JSON functions are built in."""

MOST_ARGUMENTS = 100
"""How many arguments a function may have in every build of SQLite."""

SEARCH_SECONDS = 5.0
"""How long one pattern may be searched for in one text."""

_SHIFT = 1 << 62
_WORD = re.compile(r"\w+")
_LITERAL = re.compile(r"[A-Za-z0-9 _-]+")

_failed = threading.local()


def register(connection: sqlite3.Connection) -> None:
    """Add the functions that queries use to a connection.

    Raises:
        Unavailable: this Python comes with a SQLite that is too old.
    """
    if sqlite3.sqlite_version_info < OLDEST:
        raise Unavailable(
            f"SQLite is {sqlite3.sqlite_version}, at least {'.'.join(map(str, OLDEST))} is needed.",
            hint="Use a Python that is built with a newer SQLite.",
        )
    # A C function registered as it is costs half of what a Python function does.
    connection.create_function("deriva_float", 1, float.__repr__, deterministic=True)
    for name, arguments, function in (
        ("deriva_search", 2, _search),
        ("deriva_search_any", -1, _search_any),
        ("deriva_json", 1, _canonical_json),
        ("deriva_interval", 1, interval_key),
        ("deriva_array", 1, _array_text),
        ("deriva_bin", 2, _bin),
    ):
        connection.create_function(name, arguments, _keeping(function), deterministic=True)
    connection.create_aggregate("deriva_array_min", 1, _ArrayMin)  # type: ignore[arg-type]
    connection.create_aggregate("deriva_array_max", 1, _ArrayMax)  # type: ignore[arg-type]


@contextmanager
def reporting() -> Iterator[None]:
    """Raise what a function raised instead of SQLite's "user-defined function raised"."""
    _failed.error = None
    try:
        yield
    except (sa.exc.DBAPIError, sqlite3.Error) as error:
        cause: CatalogError | None = getattr(_failed, "error", None)
        if cause is None:
            raise
        raise cause from error
    finally:
        _failed.error = None


def _keeping(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except TimeoutError:
            _failed.error = QueryTimeout(
                "Query run time limit exceeded.",
                hint="A regular expression took too long; make it simpler.",
            )
            raise
        except CatalogError as error:
            _failed.error = error
            raise

    return call


# --- text search -------------------------------------------------------------------------


Finder = Callable[[str], bool]


@contextmanager
def bounded_functions(budget: Budget) -> Iterator[None]:
    """Let the functions that this thread's statements call take no longer than a budget."""
    _failed.budget = budget
    try:
        yield
    finally:
        _failed.budget = None


def _seconds() -> float:
    """How long a search may take now."""
    budget: Budget | None = getattr(_failed, "budget", None)
    return SEARCH_SECONDS if budget is None else max(0.001, min(SEARCH_SECONDS, budget.left))


@lru_cache(maxsize=64)
def finders(specification: str) -> tuple[bool, tuple[Finder, ...]]:
    """Whether every pattern must be found, and a function that looks for each of them.

    `specification` is the JSON text ``[operator, every, [pattern, ...]]``.

    Raises:
        Conflict: a pattern is no regular expression.
    """
    name, every, patterns = json.loads(specification)
    make = _words_finder if name == Operator.TS.value else _pattern_finder
    ignore_case = name == Operator.CIREGEXP.value
    return every, tuple(make(pattern, ignore_case) for pattern in patterns)


def _pattern_finder(pattern: str, ignore_case: bool) -> Finder:
    if _LITERAL.fullmatch(pattern):  # what most people search for; several times faster
        if ignore_case:
            folded = pattern.lower()
            return lambda text: folded in text.lower()
        return lambda text: pattern in text
    search = compile_pattern(pattern, ignore_case).search
    return lambda text: search(text, timeout=_seconds()) is not None


def _words_finder(query: str, ignored: bool) -> Finder:
    wanted = frozenset(_WORD.findall(query.casefold()))
    return lambda text: bool(wanted) and wanted.issubset(_WORD.findall(text.casefold()))


def _search(specification: str, text: Any) -> bool | None:
    if text is None:
        return None
    every, found = finders(specification)
    text = str(text)
    if every:
        return bool(found) and all(find(text) for find in found)
    return any(find(text) for find in found)


def _search_any(specification: str, *texts: Any) -> bool:
    every, found = finders(specification)
    known = [str(text) for text in texts if text is not None]
    if every:
        return bool(found) and all(any(map(find, known)) for find in found)
    return any(any(map(find, known)) for find in found)


# --- values ------------------------------------------------------------------------------


def _canonical_json(text: str | None) -> str | None:
    """A JSON text that is equal for equal values: members in order, 1.0 the same as 1."""
    if text is None:
        return None
    return json.dumps(_canonical(json.loads(text)), sort_keys=True)


def _canonical(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _canonical(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return value


def interval_key(text: str | None) -> str | None:
    """A text that sorts as the interval does; a month counts as 30 days, as in PostgreSQL."""
    if text is None:
        return None
    return f"{parse_interval(text).length + _SHIFT:020d}"


def _array_text(text: str | None) -> str | None:
    """A JSON array in the form ``{a,"b c",NULL}``."""
    if text is None:
        return None
    return array_text(json.loads(text))


@lru_cache(maxsize=64)
def _edges(specification: str) -> tuple[list[Any], list[str]]:
    """The edges of bins, and the answer for each number of edges that a value has passed."""
    typename, count, lower, upper = json.loads(specification)
    edges = bounds_of(ColumnType(typename), count, lower, upper)
    return edges, answers_of(edges)


def _bin(specification: str, value: Any) -> str:
    if value is None:
        return "[null,null,null]"
    edges, answers = _edges(specification)
    if isinstance(value, str) and not isinstance(edges[0], str):  # NaN and the infinities
        return answers[0 if value.startswith("-") else -1]
    return answers[bisect_right(edges, value)]


class _ArrayExtreme:
    """The least or greatest of JSON arrays, compared element by element."""

    better: Callable[[Any, Any], bool]

    def __init__(self) -> None:
        self.best: tuple[list[tuple[int, Any]], str] | None = None

    def step(self, text: str | None) -> None:
        if text is None:
            return
        key = [_element_key(element) for element in json.loads(text)]
        if self.best is None or self.better(key, self.best[0]):
            self.best = key, text

    def finalize(self) -> str | None:
        return None if self.best is None else self.best[1]


def _element_key(element: Any) -> tuple[int, Any]:
    if element is None:
        return 2, 0
    if element == "-Infinity":
        return 0, float("-inf")
    return (1, element) if isinstance(element, str) else (0, element)


class _ArrayMin(_ArrayExtreme):
    better = staticmethod(operator.lt)


class _ArrayMax(_ArrayExtreme):
    better = staticmethod(operator.gt)
