"""Access control on rows and cells in plain Python: slow, and meant to be obviously right.

`Rights` answers for one model, its rows as dictionaries and one client. It looks at one row at a
time and knows nothing of SQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deriva_catalog.access import Client
from deriva_catalog.model.elements import Column, ForeignKey, Model, Table
from deriva_catalog.model.lookup import find_foreign_key_by_name, table_at

Row = dict[str, Any]
Rows = Mapping[str, list[Row]]

_GIVES = {
    "owner": {"insert", "update", "delete", "select", "enumerate"},
    "write": {"insert", "update", "delete", "select", "enumerate"},
    "update": {"update", "select", "enumerate"},
    "delete": {"delete", "select", "enumerate"},
    "insert": {"insert", "enumerate"},
    "select": {"select", "enumerate"},
    "enumerate": {"enumerate"},
}


@dataclass
class Rights:
    """What a client may do with rows; `rows` are those of each table by its name."""

    model: Model
    rows: Rows
    client: Client
    historic: bool = False

    # --- lists -----------------------------------------------------------------------

    def _list(self, name: str, *elements: Any) -> tuple[str, ...]:
        """The list of that name which counts: that of the innermost element that has one."""
        for element in reversed(elements):
            if name in element.acls:
                return element.acls[name]
        return ()

    def _listed(self, name: str, *elements: Any) -> bool:
        if name == "owner":
            return any(self.client.roles & set(e.acls.get("owner", ())) for e in elements)
        return bool(self.client.roles & set(self._list(name, *elements)))

    def _static(self, right: str, *elements: Any) -> bool:
        if right not in ("select", "enumerate") and (self.client.is_anonymous or self.historic):
            return False
        return any(right in _GIVES[name] and self._listed(name, *elements) for name in _GIVES)

    def _above(self, table: Table) -> tuple[Any, ...]:
        return self.model, self.model.schemas[table.schema], table

    def table(self, table: Table, right: str) -> bool:
        """Whether the lists give a right on a table."""
        return self._static(right, *self._above(table))

    def column_lists(self, table: Table, column: Column, right: str) -> bool:
        """Whether the lists of a column and those that it inherits give a right."""
        if right not in ("select", "enumerate") and (self.client.is_anonymous or self.historic):
            return False
        elements = (*self._above(table), column)
        owner = self._listed("owner", *elements)
        for name in _GIVES:
            if name == "delete" and "select" in column.acls and not owner:
                continue
            if right in _GIVES[name] and self._listed(name, *elements):
                return True
        return False

    # --- bindings --------------------------------------------------------------------

    def _in_scope(self, bindings: Mapping[str, Any], right: str) -> list[Mapping[str, Any]]:
        if right != "select" and (self.client.is_anonymous or self.historic):
            return []
        return [
            b
            for b in bindings.values()
            if b is not False
            and self.client.roles & set(b.get("scope_acl", ["*"]))
            and (
                right in b["types"]
                or "owner" in b["types"]
                or (right == "select" and {"update", "delete"} & set(b["types"]))
            )
        ]

    def _row_bindings(self, table: Table, right: str) -> list[Mapping[str, Any]]:
        return self._in_scope(table.acl_bindings, right)

    def _cell_bindings(self, table: Table, column: Column, right: str) -> list[Mapping[str, Any]]:
        return self._in_scope({**table.acl_bindings, **column.acl_bindings}, right)

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
        if self._owns(table) or any(
            self.client.roles & set(fkey.acls.get(name, ("*",) if name == right else ()))
            for name in (right, "write")
        ):
            return not self.client.is_anonymous
        target = table_at(self.model, fkey.referenced_schema, fkey.referenced_table)
        bindings = [
            b
            for b in fkey.acl_bindings.values()
            if self.client.roles & set(b.get("scope_acl", ["*"]))
            and {right, "owner"} & set(b["types"])
        ]
        there = [
            other
            for other in self.rows[target.name]
            if all(other[b] == row[a] for a, b in fkey.mapping.items())
        ]
        return any(self.binding(target, b, other) for b in bindings for other in there)

    def _owns(self, table: Table) -> bool:
        return self._listed("owner", *self._above(table))

    # --- what is there ---------------------------------------------------------------

    def enumerates(self, table: Table, column: Column | None = None) -> bool:
        """Whether the client knows of a table or a column."""
        if not self._static("enumerate", self.model, self.model.schemas[table.schema]):
            return False
        if not self.table(table, "enumerate"):
            return False
        return column is None or self.column_lists(table, column, "enumerate")
