"""From filters to SQL conditions, with three-valued logic.

Source: ERMrest, "Filters".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ... import rid
from ...errors import BadRequest, CatalogError, Conflict
from ...model.elements import Column, ColumnType
from ...model.types import Family, Scalar, family, is_searchable, text_encoder
from ...path.ast import (
    AllOf,
    And,
    AnyOf,
    ColumnName,
    Comparison,
    Filter,
    IsNull,
    Not,
    Operand,
    Operator,
    Or,
    Path,
    Restrict,
)
from ..dialect import Expressions, Search, Stored, Test, Value, bound
from ..resolve import Condition, Resolved
from .guarded import searched_text
from .shapes import NotShared, Slot

_TEXT_SEARCH = (Operator.REGEXP, Operator.CIREGEXP, Operator.TS)
_WIDTH = 200
_MOST_TERMS = 30_000


def predicate(
    condition: Condition,
    resolved: Resolved,
    columns: Mapping[int, Mapping[str, Value]],
    expressions: Expressions,
) -> Test:
    """The SQL condition of a filter on the instances whose columns are given.

    Raises:
        UnknownName: a column or alias does not exist.
        BadRequest: a literal is no number, for a numeric column.
        Conflict: another literal does not fit its column, or a pattern is malformed.
    """
    return _Compiler(condition.context, resolved, columns, expressions).test(condition.filter)


def searches_texts(path: Path) -> bool:
    """Whether some filter of a path searches in texts."""
    return any(_searches(e.filter) for e in path.elements if isinstance(e, Restrict))


def _searches(term: Filter) -> bool:
    match term:
        case And(terms) | Or(terms):
            return any(map(_searches, terms))
        case Not(inner):
            return _searches(inner)
        case Comparison(_, operator):
            return operator in _TEXT_SEARCH
        case _:
            return False


class _Compiler:
    def __init__(
        self,
        context: int,
        resolved: Resolved,
        columns: Mapping[int, Mapping[str, Value]],
        expressions: Expressions,
    ) -> None:
        self._context = context
        self._resolved = resolved
        self._columns = columns
        self._expressions = expressions

    def test(self, term: Filter) -> Test:
        match term:
            case And(terms):
                return _combined(sa.and_, [self.test(t) for t in terms])
            case Or(terms):
                return _combined(sa.or_, [self.test(t) for t in _merged(terms)])
            case Not(inner):
                return sa.not_(self.test(inner))
            case IsNull(name):
                return self._find(name)[0].is_(None)
            case Comparison(ColumnName() as name, operator, operand):
                found = self._find(name, searched=operator in _TEXT_SEARCH)
                return self._compare(*found, operator, operand)
            case Comparison():
                return self._search_row(term)

    def _find(self, name: ColumnName, *, searched: bool = False) -> tuple[Value, Column]:
        reference = self._resolved.column(name, self._context)
        columns = self._columns[reference.instance.index]
        value = columns[reference.column.name]
        return searched_text(columns, value) if searched else value, reference.column

    def _compare(self, value: Value, column: Column, operator: Operator, operand: Operand) -> Test:
        if isinstance(operand, Slot):
            return _equals_slot(value, column, operand)
        if operand in (AnyOf(()), AllOf(())):
            return sa.false()
        if not column.type.is_array:
            return self._compare_scalar(value, column, column.type, operator, operand)
        element = column.type.base or ColumnType("text")
        values = _literals(operand)
        every = isinstance(operand, AllOf)
        if every and operator is Operator.EQ:
            return self._expressions.contains_all(
                value, column.type, _encoded(values, element, column)
            )
        if every:
            return _combined(
                sa.and_,
                [self._some(value, column, element, operator, AnyOf((v,))) for v in values],
            )
        return self._some(value, column, element, operator, AnyOf(values))

    def _some(
        self, value: Value, column: Column, element: ColumnType, operator: Operator, operand: AnyOf
    ) -> Test:
        def test(item: Value) -> Test:
            return self._compare_scalar(item, column, element, operator, operand)

        return self._expressions.some_element(value, column.type, test)

    def _compare_scalar(
        self,
        value: Value,
        column: Column,
        column_type: ColumnType,
        operator: Operator,
        operand: Operand,
    ) -> Test:
        literals = _literals(operand)
        every = isinstance(operand, AllOf)
        if operator in _TEXT_SEARCH:
            text = self._expressions.search_form(value, column_type)
            return self._expressions.search(text, Search(operator, literals, every))
        if column.name == "RID" and operator is Operator.EQ:
            return self._same_rid(value, column_type, literals, every)
        encoded = _encoded(literals, column_type, column)
        if operator is not Operator.EQ:
            return self._order(value, column, column_type, operator, encoded, every)
        if not every:
            return self._expressions.one_of(value, column_type, encoded)
        # Equal to all of them: two different ones rule it out, but NULL stays unknown.
        return sa.and_(*(self._expressions.equals(value, column_type, e) for e in encoded[:2]))

    def _same_rid(
        self, value: Value, column_type: ColumnType, literals: Sequence[str], every: bool
    ) -> Test:
        """A RID matches as it is written or in its canonical form."""
        if every and len(literals) > 1:
            one_by_one = [self._same_rid(value, column_type, [v], False) for v in literals]
            return _combined(sa.and_, one_by_one)
        forms = dict.fromkeys(form for literal in literals for form in _rid_forms(literal))
        return self._expressions.one_of(value, column_type, list(forms))

    def _order(
        self,
        value: Value,
        column: Column,
        column_type: ColumnType,
        operator: Operator,
        literals: Sequence[Scalar],
        every: bool,
    ) -> Test:
        if family(column_type) is Family.JSON:
            raise Conflict(
                f"Column {column.name!r} is of type {column_type.typename}, which has no order.",
                hint="Compare it with = or search it with ::regexp::.",
                column=column.name,
            )
        key = self._expressions.order_key(value, column_type)
        keys = [self._expressions.literal_key(v, column_type) for v in literals]
        rising = operator in (Operator.LT, Operator.LEQ)
        # Less than any of several is less than the greatest; than all, less than the least.
        pick = max if rising is not every else min
        limit = bound(pick(keys, key=lambda k: (isinstance(k, str), k)))
        match operator:
            case Operator.LT:
                return key < limit
            case Operator.LEQ:
                return key <= limit
            case Operator.GT:
                return key > limit
            case _:
                return key >= limit

    def _search_row(self, term: Comparison) -> Test:
        """``*``: each of the texts may be found in any column that can be searched."""
        assert not isinstance(term.column, ColumnName), "a column is compared elsewhere"
        if term.operator not in _TEXT_SEARCH:
            raise BadRequest(
                f"'*' is compared with {term.operator.value!r}.",
                hint="'*' works with ::regexp::, ::ciregexp:: and ::ts:: only.",
            )
        instance = self._resolved.star(term.column, self._context)
        columns = self._columns[instance.index]
        texts = [
            self._expressions.search_form(searched_text(columns, columns[c.name]), c.type)
            for c in instance.table.columns
            if is_searchable(c.type)
        ]
        search = Search(term.operator, _literals(term.operand), isinstance(term.operand, AllOf))
        return self._expressions.search_any(texts, search)


def _equals_slot(value: Value, column: Column, slot: Slot) -> Test:
    """Equality with a value that is known only when the statement runs.

    Raises:
        NotShared: what the comparison looks like depends on the value.
    """
    if column.type.is_array or family(column.type) in (Family.JSON, Family.INTERVAL):
        raise NotShared
    name = str(slot)
    if column.name == "RID":  # as it is written or in its canonical form
        names = (name, f"{name}c")
        slot.to_parameters = lambda text: dict(zip(names, _rid_forms(text) * 2, strict=False))
        return value.in_(list(map(_parameter, names)))
    encode = text_encoder(column.type, column.name)
    slot.to_parameters = lambda text: {name: encode(text)}
    return value == _parameter(name)


def _parameter(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, None, Stored())


def _literals(operand: Operand) -> tuple[str, ...]:
    return operand.values if isinstance(operand, AnyOf | AllOf) else (operand,)


def _encoded(literals: Iterable[str], column_type: ColumnType, column: Column) -> list[Scalar]:
    encode = text_encoder(column_type, column.name)
    return list(dict.fromkeys(encode(literal) for literal in literals))


def _rid_forms(literal: str) -> tuple[str, ...]:
    try:
        return literal, rid.normalize(literal)
    except CatalogError:
        return (literal,)


def _merged(terms: Sequence[Filter]) -> list[Filter]:
    """The terms of a disjunction, equalities of one column as one: ``a=1;a=2`` is a list."""
    merged: dict[object, Filter] = {}
    for i, term in enumerate(terms):
        match term:
            case Comparison(ColumnName() as name, Operator.EQ, (str() | AnyOf()) as operand):
                known = merged.get(name)
                before = _literals(known.operand) if isinstance(known, Comparison) else ()
                values = before + _literals(operand)
                merged[name] = Comparison(name, Operator.EQ, AnyOf(values))
            case _:
                merged[i] = term
    return list(merged.values())


def _combined(combine: Callable[..., Test], tests: Sequence[Test]) -> Test:
    """A conjunction or disjunction; a long one in parts, because databases limit its depth.

    SQLAlchemy would flatten plain parts into one chain again, so they are written with the
    opposite operator: a OR b is NOT (NOT a AND NOT b), also where something is unknown.
    """
    if len(tests) <= _WIDTH:
        return combine(*tests)
    if len(tests) > _MOST_TERMS:
        raise BadRequest(
            f"A filter has {len(tests)} terms in a row; at most {_MOST_TERMS} can be evaluated.",
            hint="Write alternatives for one column as any(...).",
        )
    opposite = sa.and_ if combine is sa.or_ else sa.or_
    parts = [tests[i : i + _WIDTH] for i in range(0, len(tests), _WIDTH)]
    return combine(*(sa.not_(opposite(*map(sa.not_, part))) for part in parts))
