"""Dynamic ACL bindings as SQL conditions on the row that they are about.

A projection is walked like a path: joins, filters, and the column that decides. It sees all
rows of the moment, whatever the client may read. The condition on a row is a correlated EXISTS,
or a plain condition when nothing is joined. The client's roles are a parameter, so that one
statement serves all clients who differ in nothing else.

Source: ERMrest, "Access control: dynamic ACL bindings".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from ...access import Client
from ...errors import CatalogError
from ...model.bindings import operand_text
from ...model.elements import ColumnType, Model, Table
from ...model.lookup import column_of, find_foreign_key_by_name, table_at
from ...model.types import is_textlike
from ...path.ast import And, AnyOf, ColumnName, Comparison, Filter, IsNull, Not, Operator, Or
from ..compile.filters import predicate
from ..dialect import Expressions, Test, Value
from ..resolve import Condition, Instance, Resolved

__all__ = ["Binding", "Grounds", "granted", "roles_parameter"]

Binding = Mapping[str, Any]
_ROLES = "client_roles"


def roles_parameter(client: Client) -> dict[str, str]:
    """The parameter of all statements that bindings are compiled into."""
    return {_ROLES: json.dumps(sorted(client.roles), ensure_ascii=False)}


@dataclass(frozen=True, slots=True)
class Grounds:
    """What bindings are evaluated on: the whole model of a moment and all of its rows."""

    model: Model
    relation: Callable[[Table], sa.FromClause]
    expressions: Expressions


def granted(
    grounds: Grounds, start: Table, bindings: Iterable[Binding], row: sa.FromClause
) -> Test:
    """Whether some of the bindings grant a row; never NULL where it is negated by `IS NULL`.

    Args:
        grounds: The rows that projections go through.
        start: The table that projections start at: the binding's own, or the one that its
            foreign key refers to.
        bindings: The bindings that are considered for the client.
        row: The row, a relation with all columns of `start`.
    """
    return sa.or_(sa.false(), *(_granted(grounds, start, binding, row) for binding in bindings))


def _granted(grounds: Grounds, start: Table, binding: Binding, row: sa.FromClause) -> Test:
    walk = _Walk.at(grounds, start, row)
    try:
        return walk.test(binding)
    except CatalogError:
        # What cannot be evaluated grants nothing: the path goes through a table that has no
        # history at this snapshot, or an operand is no value of its column.
        return sa.false()


@dataclass
class _Walk:
    """The way along one projection."""

    grounds: Grounds
    row: sa.FromClause
    instances: list[Instance]
    columns: dict[int, Mapping[str, Value]]
    aliases: dict[str, int] = field(default_factory=lambda: {"base": 0})
    context: int = 0
    joined: sa.FromClause | None = None
    where: list[Test] = field(default_factory=list)

    @classmethod
    def at(cls, grounds: Grounds, start: Table, row: sa.FromClause) -> _Walk:
        return cls(grounds, row, [Instance(0, start, "i0")], {0: dict(row.c.items())})

    def test(self, binding: Binding) -> Test:
        projection = binding["projection"]
        steps: list[Any] = [projection] if isinstance(projection, str) else list(projection)
        for element in steps[:-1]:
            if "outbound" in element or "inbound" in element:
                self._join(element)
            else:
                self._restrict(element)
        self.where.append(self._decide(steps[-1], binding.get("projection_type")))
        if self.joined is None:
            return sa.and_(*self.where)
        found = _one().select_from(self.joined).where(*self.where)
        return sa.exists(found.correlate(self.row))

    def _join(self, element: Mapping[str, Any]) -> None:
        direction = "outbound" if "outbound" in element else "inbound"
        if element.get("context") is not None:
            self.context = self.aliases[element["context"]]
        model = self.grounds.model
        referring, fkey = find_foreign_key_by_name(model, *element[direction])
        pairs = fkey.mapping.items()
        table = referring
        if direction == "outbound":
            table = table_at(model, fkey.referenced_schema, fkey.referenced_table)
        else:
            pairs = {there: here for here, there in pairs}.items()
        here, rows = self.columns[self.context], self.grounds.relation(table).alias()
        meets = sa.and_(*(here[a] == rows.c[b] for a, b in pairs))
        if self.joined is None:
            self.joined = rows
            self.where.append(meets)
        else:
            self.joined = self.joined.join(rows, meets)
        self.context = len(self.instances)
        self.instances.append(Instance(self.context, table, f"i{self.context}"))
        self.columns[self.context] = dict(rows.c.items())
        if isinstance(element.get("alias"), str):
            self.aliases[element["alias"]] = self.context

    def _restrict(self, element: Mapping[str, Any]) -> None:
        condition = Condition(self._filter(element), self.context)
        resolved = Resolved(tuple(self.instances), (), self.context)
        expressions = self.grounds.expressions
        self.where.append(predicate(condition, resolved, self.columns, expressions))

    def _filter(self, element: Mapping[str, Any]) -> Filter:
        made: Filter
        if "and" in element:
            terms = tuple(self._filter(term) for term in element["and"])
            made = terms[0] if len(terms) == 1 else And(terms)
        elif "or" in element:
            terms = tuple(self._filter(term) for term in element["or"])
            made = terms[0] if len(terms) == 1 else Or(terms)
        else:
            made = self._comparison(element)
        return Not(made) if element.get("negate") else made

    def _comparison(self, element: Mapping[str, Any]) -> Filter:
        named = element["filter"]
        parts = [named] if isinstance(named, str) else list(named)
        index = self.context if len(parts) == 1 else self.aliases[parts[0]]
        column = column_of(self.instances[index].table, parts[-1])
        name = ColumnName(column.name, f"i{index}")
        operator = element.get("operator", "=")
        if operator == "::null::":
            return IsNull(name)
        operand = element["operand"]
        if operand is None:
            return Comparison(name, Operator(operator), AnyOf(()))
        return Comparison(name, Operator(operator), operand_text(column, operand))

    def _decide(self, name: str, projection_type: str | None) -> Test:
        column = column_of(self.instances[self.context].table, name)
        value = self.columns[self.context][column.name]
        textlike = is_textlike(_element(column.type))
        kind = projection_type or ("acl" if textlike else "nonnull")
        if kind == "nonnull":
            return value.is_not(None)
        if not textlike:
            return sa.false()
        if column.type.is_array:
            return self.grounds.expressions.some_element(value, column.type, self._is_role)
        return sa.and_(value.is_not(None), self._is_role(value))

    def _is_role(self, value: Value) -> Test:
        given = sa.bindparam(_ROLES, type_=sa.Text)
        return value.in_(sa.select(self.grounds.expressions.texts_in(given).c.value))


def _one() -> sa.Select[Any]:
    return sa.select(sa.literal_column("1"))


def _element(column_type: ColumnType) -> ColumnType:
    return column_type.base if column_type.is_array and column_type.base else column_type
