"""ACL bindings across changes of the model: what they use, and how they follow it.

A projection names columns and foreign keys. When one of them is renamed or moved the
projection is rewritten; when one is removed the binding goes with it.

Source: ERMrest, "Access control: dynamic ACL bindings"; "The model: operations", delete.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import BadRequest, CatalogError, Conflict, UnknownName
from .documents import copy_json
from .elements import AclBindings, Column, ColumnType, ForeignKey, Model, Table
from .literals import text_encoder
from .lookup import column_of, find_foreign_key_by_name, table_at
from .typenames import is_json, is_textlike

__all__ = ["operand_text", "projected_column", "settle_bindings", "with_connected_bindings"]

_OnColumn = Callable[[Column], str]
_OnForeignKey = Callable[[ForeignKey, list[str]], list[str]]
_OnFilter = Callable[[Column, Mapping[str, Any]], None]
_COMPARING = ("=", "::lt::", "::leq::", "::gt::", "::geq::")


def settle_bindings(old: Model, new: Model) -> Model:
    """The new model with every ACL binding consistent with it.

    Bindings that `old` has too follow the renames, and go when something they use is gone.
    Others are checked, and given their default `projection_type`.

    Raises:
        Conflict: a new binding names an unknown column or foreign key.
        BadRequest: a new binding's path does not connect.
    """
    tables = [table for table in new.tables() if _has_bindings(table)]
    if not tables:
        return new
    changer = _Settling.between(old, new)
    schemas = dict(new.schemas)
    for table in tables:
        home = schemas[table.schema]
        settled = changer.table(table)
        schemas[table.schema] = replace(home, tables={**home.tables, table.name: settled})
    return replace(new, schemas=schemas)


def projected_column(
    model: Model, subject: Table, start: Table, projection: str | list[Any]
) -> Column:
    """The column that a projection ends in, and a check that everything it names exists.

    Args:
        model: The model that the names are looked up in.
        subject: The table that has the binding, for messages.
        start: Where the path begins: `subject`, or for a foreign key the referenced table.
        projection: As in the binding's document.

    Raises:
        Conflict: a column or foreign key is unknown.
        BadRequest: the path does not connect, or an operand is no value of its column.
    """
    found: list[Column] = []

    def note(column: Column) -> str:
        found.append(column)
        return column.name

    try:
        walk = _Walk(model, start, note, lambda _fkey, pair: pair, check_operand)
        walk.projection(projection)
    except UnknownName as error:
        raise Conflict(
            f"An ACL binding of {subject.qualified!r}: {error.message}", hint=error.hint
        ) from None
    return found[-1]


def with_connected_bindings(model: Model) -> Model:
    """The model without those ACL bindings that use something that it does not have.

    A part of a model, such as what a client sees, may lack what a binding goes through.
    """
    schemas = dict(model.schemas)
    for table in filter(_has_bindings, model.tables()):
        home = schemas[table.schema]
        kept = _connected(model, table)
        schemas[table.schema] = replace(home, tables={**home.tables, table.name: kept})
    return replace(model, schemas=schemas)


def _connected(model: Model, table: Table) -> Table:
    def usable(start: Table, bindings: AclBindings) -> AclBindings:
        return {
            name: binding
            for name, binding in bindings.items()
            if binding is False or connects(start, binding)
        }

    def connects(start: Table, binding: Mapping[str, Any]) -> bool:
        try:
            projected_column(model, table, start, binding["projection"])
        except (Conflict, BadRequest):
            return False
        return True

    def target(fkey: ForeignKey) -> Table:
        return table_at(model, fkey.referenced_schema, fkey.referenced_table)

    return replace(
        table,
        columns=tuple(
            replace(c, acl_bindings=usable(table, c.acl_bindings)) if c.acl_bindings else c
            for c in table.columns
        ),
        foreign_keys=tuple(
            replace(f, acl_bindings=usable(target(f), f.acl_bindings)) if f.acl_bindings else f
            for f in table.foreign_keys
        ),
        acl_bindings=usable(table, table.acl_bindings),
    )


def _has_bindings(table: Table) -> bool:
    return bool(
        table.acl_bindings
        or any(column.acl_bindings for column in table.columns)
        or any(fkey.acl_bindings for fkey in table.foreign_keys)
    )


class _Gone(Exception):
    """Something that a binding uses exists no more."""


@dataclass
class _Settling:
    old: Model
    new: Model
    known: Mapping[str, tuple[Table, AclBindings]]
    columns: Mapping[str, str]
    foreign_keys: Mapping[str, list[str]]

    @classmethod
    def between(cls, old: Model, new: Model) -> _Settling:
        known: dict[str, tuple[Table, AclBindings]] = {}
        for table in old.tables():
            known[table.rid] = (table, table.acl_bindings)
            known |= {column.rid: (table, column.acl_bindings) for column in table.columns}
            for fkey in table.foreign_keys:
                start = table_at(old, fkey.referenced_schema, fkey.referenced_table)
                known[fkey.rid] = (start, fkey.acl_bindings)
        return cls(
            old,
            new,
            known,
            {column.rid: column.name for table in new.tables() for column in table.columns},
            {f.rid: [table.schema, f.name] for table in new.tables() for f in table.foreign_keys},
        )

    def table(self, table: Table) -> Table:
        columns = tuple(
            replace(c, acl_bindings=self._bindings(table, table, c.rid, c.acl_bindings))
            if c.acl_bindings
            else c
            for c in table.columns
        )
        foreign_keys = tuple(
            replace(f, acl_bindings=self._of_foreign_key(table, f)) if f.acl_bindings else f
            for f in table.foreign_keys
        )
        own = self._bindings(table, table, table.rid, table.acl_bindings)
        return replace(table, columns=columns, foreign_keys=foreign_keys, acl_bindings=own)

    def _of_foreign_key(self, table: Table, fkey: ForeignKey) -> AclBindings:
        start = table_at(self.new, fkey.referenced_schema, fkey.referenced_table)
        return self._bindings(table, start, fkey.rid, fkey.acl_bindings)

    def _bindings(
        self, subject: Table, start: Table, rid: str, bindings: AclBindings
    ) -> AclBindings:
        old_start, before = self.known.get(rid, (start, {}))
        settled: dict[str, Any] = {}
        for name, binding in bindings.items():
            if binding is False:
                settled[name] = False
            elif name in before and before[name] == binding:
                try:
                    settled[name] = self._carried(old_start, binding)
                except _Gone:
                    continue
            else:
                settled[name] = self._checked(subject, start, binding)
        return settled

    def _checked(self, subject: Table, start: Table, binding: Mapping[str, Any]) -> dict[str, Any]:
        column = projected_column(self.new, subject, start, binding["projection"])
        kind = column.type.base if column.type.is_array and column.type.base else column.type
        default = "acl" if is_textlike(kind) else "nonnull"
        if binding.get("projection_type") == "acl" != default:
            raise Conflict(
                f"An ACL binding of {subject.qualified!r} finds roles in column {column.name!r} "
                f"of type {column.type.typename!r}, which holds no text.",
                hint="Project a text column, or say 'nonnull' as the 'projection_type'.",
            )
        return {"projection_type": default, **binding}

    def _carried(self, start: Table, binding: Mapping[str, Any]) -> dict[str, Any]:
        walk = _Walk(self.old, start, self._column_now, self._foreign_key_now)
        return {**binding, "projection": walk.projection(binding["projection"])}

    def _column_now(self, column: Column) -> str:
        if column.rid not in self.columns:
            raise _Gone
        return self.columns[column.rid]

    def _foreign_key_now(self, fkey: ForeignKey, _pair: list[str]) -> list[str]:
        if fkey.rid not in self.foreign_keys:
            raise _Gone
        return self.foreign_keys[fkey.rid]


@dataclass
class _Walk:
    """Goes along a projection and gives back one with the names that the callbacks return."""

    model: Model
    start: Table
    on_column: _OnColumn
    on_foreign_key: _OnForeignKey
    on_filter: _OnFilter = lambda _column, _filter: None
    aliases: dict[str, Table] = field(default_factory=dict)

    def projection(self, projection: str | list[Any]) -> str | list[Any]:
        self.aliases = {"base": self.start}
        context = self.start
        if isinstance(projection, str):
            return self.on_column(column_of(context, projection))
        renamed: list[Any] = []
        for element in projection[:-1]:
            if "outbound" in element or "inbound" in element:
                changed, context = self._join(element, context)
            else:
                changed = self._filter(element, context)
            renamed.append(changed)
        return [*renamed, self.on_column(column_of(context, projection[-1]))]

    def _join(self, element: Mapping[str, Any], context: Table) -> tuple[dict[str, Any], Table]:
        direction = "outbound" if "outbound" in element else "inbound"
        if element.get("context") is not None:
            context = self._alias(element["context"])
        pair = list(element[direction])
        referring, fkey = find_foreign_key_by_name(self.model, *pair)
        referred = table_at(self.model, fkey.referenced_schema, fkey.referenced_table)
        here, there = (referring, referred) if direction == "outbound" else (referred, referring)
        if here.rid != context.rid:
            raise BadRequest(
                f"The {direction} foreign key {pair!r} of a projection starts at "
                f"{here.qualified!r}, but the path is at {context.qualified!r}."
            )
        if isinstance(element.get("alias"), str):
            self.aliases[element["alias"]] = there
        return {**copy_json(element), direction: self.on_foreign_key(fkey, pair)}, there

    def _alias(self, alias: Any) -> Table:
        if alias not in self.aliases:
            raise BadRequest(f"The projection of an ACL binding uses an unknown alias {alias!r}.")
        return self.aliases[alias]

    def _filter(self, element: Mapping[str, Any], context: Table) -> dict[str, Any]:
        changed: dict[str, Any] = copy_json(element)
        for junction in ("and", "or"):
            if junction in element:
                changed[junction] = [self._filter(term, context) for term in element[junction]]
                return changed
        named = element["filter"]
        parts = [named] if isinstance(named, str) else list(named)
        column = column_of(context if len(parts) == 1 else self._alias(parts[0]), parts[-1])
        self.on_filter(column, element)
        name = self.on_column(column)
        changed["filter"] = name if isinstance(named, str) else [*parts[:-1], name]
        return changed


# --- operands of filters -----------------------------------------------------------------


def operand_text(column: Column, operand: Any) -> str:
    """The operand of a binding's filter as a literal of a path.

    Raises:
        BadRequest: a list or an object is compared with what is no JSON.
    """
    if isinstance(operand, str):
        return operand
    if isinstance(operand, (dict, list)) and not is_json(_element(column)):
        raise BadRequest(f"{operand!r} is no value of column {column.name!r}.")
    return json.dumps(operand, ensure_ascii=False)


def check_operand(column: Column, element: Mapping[str, Any]) -> None:
    """Refuse a filter whose operand its column cannot be compared with.

    Raises:
        BadRequest: it is no value of the column's type, or the type has no order.
    """
    operator, operand = element.get("operator", "="), element.get("operand")
    if operator not in _COMPARING or operand is None:
        return
    text = operand_text(column, operand)
    if operator != "=" and is_json(_element(column)):
        raise BadRequest(f"Column {column.name!r} has JSON values, which have no order.")
    if column.name == "RID":
        return
    try:
        text_encoder(_element(column), column.name)(text)
    except CatalogError as error:
        raise BadRequest(f"The filter of an ACL binding: {error.message}") from None


def _element(column: Column) -> ColumnType:
    return column.type.base if column.type.is_array and column.type.base else column.type
