"""Access control on rows and cells in plain Python: slow, and meant to be obviously right.

What lists give is the business of `slow_access`.
`Rights` answers for one model, its rows as dictionaries and one client. It looks at one row at a
time and knows nothing of SQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import slow_access as slow
from deriva_catalog.access import Client
from deriva_catalog.model.elements import Column, ForeignKey, Model, Table
from deriva_catalog.model.lookup import find_foreign_key_by_name, table_at

Row = dict[str, Any]
Rows = Mapping[str, list[Row]]


@dataclass
class Rights:
    """What a client may do with rows; `rows` are those of each table by its name."""

    model: Model
    rows: Rows
    client: Client
    historic: bool = False

    # --- lists -----------------------------------------------------------------------

    @property
    def _asking(self) -> slow.Asking:
        return slow.Asking(self.client.roles, self.client.is_anonymous, self.historic)

    def _above(self, table: Table) -> list[Any]:
        return [self.model, self.model.schemas[table.schema], table]

    def _may(self, right: str) -> bool:
        return not self.historic or right in ("select", "enumerate")

    def table(self, table: Table, right: str) -> bool:
        """Whether the lists give a right on a table."""
        return self._may(right) and slow.has_static(self._asking, self._above(table), right)

    def column_lists(self, table: Table, column: Column, right: str) -> bool:
        """Whether the lists of a column and those that it inherits give a right."""
        chain = [*self._above(table), column]
        return self._may(right) and slow.follows_in(self._asking, chain, right)

    # --- bindings --------------------------------------------------------------------

    def _in_scope(self, bindings: Iterable[Any], right: str) -> list[Mapping[str, Any]]:
        if not self._may(right):
            return []
        return [b for b in bindings if slow.may_give(self._asking, b, right)]

    def _row_bindings(self, table: Table, right: str) -> list[Mapping[str, Any]]:
        return self._in_scope(table.acl_bindings.values(), right)

    def _cell_bindings(self, table: Table, column: Column, right: str) -> list[Mapping[str, Any]]:
        return self._in_scope(slow.effective_bindings(table, column), right)

    def binding(self, start: Table, binding: Mapping[str, Any], row: Row) -> bool:
        """Whether a binding grants a row of the table that its projection starts at."""
        projection = binding["projection"]
        steps = [projection] if isinstance(projection, str) else projection
        ways = self._walk(start, steps, row)
        return any(self._decides(binding, steps[-1], way) for way in ways)

    def _walk(self, start: Table, steps: list[Any], row: Row) -> Iterator[dict[str, Any]]:
        ways = [{"base": (start, row), "": (start, row)}]
        for element in steps[:-1]:
            if "outbound" in element or "inbound" in element:
                ways = [longer for way in ways for longer in self._join(element, way)]
            else:
                ways = [way for way in ways if self._holds(element, way) is True]
        yield from ways

    def _join(self, element: Mapping[str, Any], way: dict[str, Any]) -> Iterator[dict[str, Any]]:
        _, here = way[element.get("context") or ""]
        outbound = "outbound" in element
        referring, fkey = find_foreign_key_by_name(
            self.model, *element["outbound" if outbound else "inbound"]
        )
        target = table_at(self.model, fkey.referenced_schema, fkey.referenced_table)
        table = target if outbound else referring
        for other in self.rows[table.name]:
            child, parent = (here, other) if outbound else (other, here)
            if all(child[a] is not None and child[a] == parent[b] for a, b in fkey.mapping.items()):
                longer = {**way, "": (table, other)}
                if "alias" in element:
                    longer[element["alias"]] = (table, other)
                yield longer

    def _holds(self, element: Mapping[str, Any], way: dict[str, Any]) -> bool | None:
        found: bool | None
        if "and" in element or "or" in element:
            each = [self._holds(term, way) for term in element.get("and", element.get("or"))]
            decisive = "or" in element
            found = decisive if decisive in each else None if None in each else not decisive
        else:
            found = self._compare(element, way)
        return found if found is None or not element.get("negate") else not found

    def _compare(self, element: Mapping[str, Any], way: dict[str, Any]) -> bool | None:
        named = element["filter"]
        alias, name = ("", named) if isinstance(named, str) else named
        value, operator = way[alias][1][name], element.get("operator", "=")
        if operator == "::null::":
            return value is None
        if value is None:
            return None
        operand = element["operand"]
        if operator == "::regexp::":
            return re.search(operand, str(value)) is not None
        operand = type(value)(operand)
        return {
            "=": value == operand,
            "::lt::": value < operand,
            "::leq::": value <= operand,
            "::gt::": value > operand,
            "::geq::": value >= operand,
        }[operator]

    def _decides(self, binding: Mapping[str, Any], name: str, way: dict[str, Any]) -> bool:
        value = way[""][1][name]
        if binding["projection_type"] == "nonnull":
            return value is not None
        roles = value if isinstance(value, list) else [value]
        return any(role in self.client.roles for role in roles)

    # --- rows and cells --------------------------------------------------------------

    def can(self, table: Table, right: str) -> bool:
        """Whether the client may have a right on some row."""
        return self.table(table, right) or bool(self._row_bindings(table, right))

    def can_column(self, table: Table, column: Column, right: str) -> bool:
        """Whether the client may have a right on some cell of a column."""
        if not self.can(table, right):
            return False
        lists = self.column_lists(table, column, right)
        return lists or bool(self._cell_bindings(table, column, right))

    def row(self, table: Table, row: Row, right: str) -> bool:
        """Whether the client has a right on a row."""
        return self.table(table, right) or any(
            self.binding(table, b, row) for b in self._row_bindings(table, right)
        )

    def cell(self, table: Table, column: Column, row: Row, right: str) -> bool:
        """Whether the client has a right on a cell."""
        if not self.row(table, row, right):
            return False
        return self.column_lists(table, column, right) or any(
            self.binding(table, b, row) for b in self._cell_bindings(table, column, right)
        )

    def readable(self, table: Table) -> list[Row]:
        """The rows as the client reads them: those granted, with None for other cells."""
        return [
            {c.name: row[c.name] if self.cell(table, c, row, "select") else None for c in columns}
            for columns in [table.columns]
            for row in self.rows[table.name]
            if self.row(table, row, "select")
        ]

    def reference(self, table: Table, fkey: ForeignKey, row: Row, right: str) -> bool:
        """Whether the client may make a row refer to what it refers to."""
        values = [row[name] for name in fkey.columns]
        if None in values:
            return True
        if slow.has_static_on_foreign_key(self._asking, self._above(table), fkey, right):
            return True
        target = table_at(self.model, fkey.referenced_schema, fkey.referenced_table)
        bindings = [
            b
            for b in fkey.acl_bindings.values()
            if self.client.roles & set(b["scope_acl"]) and {right, "owner"} & set(b["types"])
        ]
        there = [
            other
            for other in self.rows[target.name]
            if all(other[b] == row[a] for a, b in fkey.mapping.items())
        ]
        return any(self.binding(target, b, other) for b in bindings for other in there)

    # --- what is there ---------------------------------------------------------------

    def enumerates(self, table: Table, column: Column | None = None) -> bool:
        """Whether the client knows of a table or a column."""
        if not slow.has_static(self._asking, self._above(table)[:-1], "enumerate"):
            return False
        if not self.table(table, "enumerate"):
            return False
        return column is None or self.column_lists(table, column, "enumerate")
