"""Text searches: regular expressions and words.

A pattern is checked before anything runs, by the reading of it that SQLite uses: so a bad one is
refused by both, and also where there is no row to look at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from ...path.ast import Operator
from ..dialect import Search, Test, Value
from ..dialect import bound as _bind
from ..regexps import compile_pattern

__all__ = ["search", "search_any"]

_LITERAL = re.compile(r"[A-Za-z0-9 _-]+")
_WORD = re.compile(r"\w+")

Finder = Callable[[Value], Test]


def search(text: Value, wanted: Search, collation: str) -> Test:
    """Whether a text matches; NULL for NULL.

    Raises:
        Conflict: a pattern is no regular expression.
    """
    letters = _with_letters(text, collation)
    found = [find(letters) for find in _finders(wanted)]
    if not found:
        return sa.false()
    return sa.and_(*found) if wanted.every else sa.or_(*found)


def search_any(texts: Sequence[Value], wanted: Search, collation: str) -> Test:
    """Whether each pattern (or one of them) is found in some text; NULL texts have none.

    Raises:
        Conflict: a pattern is no regular expression.
    """
    finders = _finders(wanted)
    if not texts or not finders:
        return sa.false()
    letters = [_with_letters(text, collation) for text in texts]
    each = [
        sa.or_(*(sa.func.coalesce(find(text), sa.false()) for text in letters)) for find in finders
    ]
    return sa.and_(*each) if wanted.every else sa.or_(*each)


def _with_letters(text: Value, collation: str) -> Value:
    """The text with a collation that knows which characters are letters, and their cases."""
    return sa.type_coerce(text, sa.Text).collate(collation)


def _finders(wanted: Search) -> list[Finder]:
    if wanted.operator is Operator.TS:
        return [_words(pattern) for pattern in wanted.patterns]
    ignore_case = wanted.operator is Operator.CIREGEXP
    return [_pattern(pattern, ignore_case) for pattern in wanted.patterns]


def _pattern(pattern: str, ignore_case: bool) -> Finder:
    if _LITERAL.fullmatch(pattern):  # what most people search for; several times faster
        if ignore_case:
            folded = _bind(pattern.lower())
            return lambda text: sa.func.strpos(sa.func.lower(text), folded) > 0
        return lambda text: sa.func.strpos(text, _bind(pattern)) > 0
    compile_pattern(pattern, ignore_case)
    operator = "~*" if ignore_case else "~"
    return lambda text: text.op(operator, is_comparison=True)(_bind(pattern))


def _words(query: str) -> Finder:
    words = sorted(set(_WORD.findall(query.lower())))

    def find(text: Value) -> Test:
        if not words:  # nothing is found, but NULL stays unknown
            return sa.and_(text.is_(None), sa.null())
        lower = sa.func.lower(text, type_=sa.Text)
        tests = (
            lower.op("~", is_comparison=True)(_bind(rf"\m{re.escape(word)}\M")) for word in words
        )
        return sa.and_(*tests)

    return find
