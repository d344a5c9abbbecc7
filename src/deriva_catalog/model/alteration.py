"""Changing elements of the model: a sparse document names the members that change.

Source: ERMrest, "The model: operations", change: sparse PUT; "Comments and annotations".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import BadRequest, Conflict, Forbidden, NotFound
from .address import Address
from .changes import (
    ColumnRetyped,
    Draft,
    ForeignKeyAltered,
    ModelChange,
    NullabilityChanged,
    Structural,
)
from .definitions import BUILTIN_TABLES
from .documents import SYSTEM_DEFAULTS, copy_json
from .elements import Column, ForeignKey, Key, Model, Schema, Table
from .inputs import (
    as_document,
    check_home,
    converted_default,
    default_value,
    metadata,
    read_action,
    read_constraint_name,
    read_nullok,
)
from .lookup import find_element, table_at
from .names import check_name
from .typenames import are_comparable, is_indexable, is_serial, parse_type

__all__ = ["alter", "refuse_builtin", "set_annotation"]


def alter(
    model: Model,
    address: Address,
    document: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    version: int,
) -> ModelChange:
    """Change the members of an element that `document` gives; others stay as they are.

    The document of a foreign key may be the one item of a list, as the protocol returns it.
    The one element of the result's `elements` is where the element is afterwards.

    Raises:
        NotFound, UnknownName: the element, or something on the way to it, does not exist.
        BadRequest: a member is malformed, or tries what a system column does not allow.
        Forbidden: the default of a system column.
        Conflict: the change contradicts the model.
    """
    sole: object = document
    if address.foreign_key is not None and isinstance(document, Sequence) and len(document) == 1:
        sole = document[0]
    given = as_document(sole, "model element")
    element = find_element(model, address)
    draft = Draft(model)
    if isinstance(element, Model):
        changed = replace(element, **metadata(given, "catalog"), version=version)
        return ModelChange(changed, (), (address,))
    if isinstance(element, Schema):
        name = _alter_schema(draft, element, given)
        return ModelChange(draft.finish(version), (), (Address(name),))
    if isinstance(element, Table):
        schema, name = _alter_table(draft, element, given)
        return ModelChange(draft.finish(version), (), (Address(schema, name),))
    table = table_at(model, str(address.schema), str(address.table))
    if isinstance(element, Column):
        structure = _alter_column(draft, table, element, given)
        name = str(given.get("name", element.name))
        after = Address(table.schema, table.name, column=name)
    elif isinstance(element, Key):
        structure = _alter_key(draft, table, element, given)
        after = address
    else:
        structure = _alter_foreign_key(draft, table, element, given)
        after = address
    return ModelChange(draft.finish(version), structure, (after,))


def set_annotation(
    model: Model, address: Address, key: str, value: Any, *, version: int
) -> ModelChange:
    """Set one annotation of an element; None removes it.

    Raises:
        NotFound: the element does not exist, or the annotation to remove.
        UnknownName: something on the way to the element does not exist.
    """
    element = find_element(model, address)
    annotations = dict(element.annotations)
    if value is not None:
        annotations[key] = copy_json(value)
    elif annotations.pop(key, None) is None and key not in element.annotations:
        raise NotFound(f"There is no annotation {key!r}.", key=key)
    return alter(model, address, {"annotations": annotations}, version=version)


def refuse_builtin(table: Table, act: str) -> None:
    """Refuse what would break a table that the catalog itself uses.

    Raises:
        Conflict: `table` is built in.
    """
    if table.schema == "public" and table.name in BUILTIN_TABLES:
        raise Conflict(f"Table {table.qualified!r} is built in and cannot be {act}.")


# --- schemas and tables ------------------------------------------------------------------


def _alter_schema(draft: Draft, schema: Schema, document: Mapping[str, Any]) -> str:
    name = check_name(document.get("schema_name", schema.name), "schema")
    changed = replace(schema, name=name, **metadata(document, "schema"))
    if name == schema.name:
        draft.schemas[name] = changed
        return name
    if schema.name == "public":
        raise Conflict("Schema 'public' is built in and cannot be renamed.")
    if name in draft.schemas:
        raise Conflict(f"Schema {name!r} exists already.", schema=name)
    tables = [replace(table, schema=name) for table in schema.tables.values()]
    del draft.schemas[schema.name]
    draft.schemas[name] = replace(changed, tables={table.name: table for table in tables})
    for table in tables:
        draft.redirect((schema.name, table.name), (name, table.name))
    return name


def _alter_table(draft: Draft, table: Table, document: Mapping[str, Any]) -> tuple[str, str]:
    schema = check_name(document.get("schema_name", table.schema), "schema")
    name = check_name(document.get("table_name", table.name), "table")
    changed = draft.put(replace(table, **metadata(document, "table")))
    if (schema, name) == (table.schema, table.name):
        return schema, name
    refuse_builtin(table, "renamed or moved")
    if schema not in draft.schemas:
        raise Conflict(f"There is no schema {schema!r} to move {table.qualified!r} to.")
    if draft.table(schema, name) is not None:
        raise Conflict(f"Table '{schema}:{name}' exists already.", table=name)
    draft.rename_table(changed, schema, name)
    return schema, name


# --- columns -----------------------------------------------------------------------------


def _alter_column(
    draft: Draft, table: Table, old: Column, document: Mapping[str, Any]
) -> tuple[Structural, ...]:
    new = replace(old, **metadata(document, "column"))
    if old.is_system:
        _check_system_change(table, old, document)
    else:
        new = _redefined(table, new, document)
    if new.name != old.name:
        _rename_column(draft, table, old, new)
    changed = draft.put(_with_column(_current(draft, table), old, new))
    structure: list[Structural] = []
    if new.type != old.type:
        _check_constraints(draft, changed, new)
        structure.append(ColumnRetyped(changed, old, new))
    if new.nullok != old.nullok:
        structure.append(NullabilityChanged(changed, new))
    return tuple(structure)


def _current(draft: Draft, table: Table) -> Table:
    return draft.tables_of(table.schema)[table.name]


def _with_column(table: Table, old: Column, new: Column) -> Table:
    return replace(table, columns=tuple(new if c.rid == old.rid else c for c in table.columns))


def _check_system_change(table: Table, column: Column, document: Mapping[str, Any]) -> None:
    what = f"Column {column.name!r} of table {table.qualified!r} is a system column"
    if document.get("name", column.name) != column.name:
        raise Conflict(f"{what} and cannot be renamed.")
    if "type" in document and parse_type(document["type"]) != column.type:
        raise BadRequest(f"{what}: its type cannot change.")
    if "nullok" in document and read_nullok(document) != column.nullok:
        raise BadRequest(f"{what}: its nullok cannot change.")
    if document.get("default") not in (None, SYSTEM_DEFAULTS[column.name]):
        raise Forbidden(f"{what}: its default cannot change.")


def _redefined(table: Table, column: Column, document: Mapping[str, Any]) -> Column:
    name = check_name(document.get("name", column.name), "column")
    if name != column.name and name in table.by_name:
        raise Conflict(f"Table {table.qualified!r} has a column {name!r} already.")
    new_type = parse_type(document["type"]) if "type" in document else column.type
    default, nullok, generation = column.default, column.nullok, column.generation
    if new_type != column.type:
        if is_serial(new_type):
            raise Conflict(
                f"Column {column.name!r} of table {table.qualified!r} cannot become "
                f"{new_type.typename}.",
                hint="Create a new column of that type.",
            )
        generation += 1
        if "default" not in document:
            default = converted_default(default, new_type, name)
    if "default" in document:
        default = default_value(document["default"], new_type, name)
    if "nullok" in document:
        nullok = read_nullok(document)
        if nullok and is_serial(new_type):
            raise Conflict(f"Column {name!r} is of type {new_type.typename}: it is never NULL.")
    return replace(
        column, name=name, type=new_type, default=default, nullok=nullok, generation=generation
    )


def _rename_column(draft: Draft, table: Table, old: Column, new: Column) -> None:
    """Make keys and foreign keys, here and in other tables, use the new name."""

    def renamed(columns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(new.name if name == old.name else name for name in columns)

    target = (table.schema, table.name)
    for other in draft.tables():
        here = (other.schema, other.name) == target
        keys, fkeys = other.keys, list(other.foreign_keys)
        if here:
            keys = tuple(replace(key, columns=renamed(key.columns)) for key in keys)
            fkeys = [replace(fkey, columns=renamed(fkey.columns)) for fkey in fkeys]
        fkeys = [
            replace(fkey, referenced_columns=renamed(fkey.referenced_columns))
            if (fkey.referenced_schema, fkey.referenced_table) == target
            else fkey
            for fkey in fkeys
        ]
        if keys != other.keys or tuple(fkeys) != other.foreign_keys:
            draft.put(replace(other, keys=keys, foreign_keys=tuple(fkeys)))


def _check_constraints(draft: Draft, table: Table, column: Column) -> None:
    """Check that a retyped column still fits the keys and foreign keys that use it."""
    if not is_indexable(column.type) and any(column.name in key.columns for key in table.keys):
        raise Conflict(
            f"Column {column.name!r} is in a key of {table.qualified!r} and cannot have the type "
            f"{column.type.typename!r}."
        )
    for other in draft.tables():
        for fkey in other.foreign_keys:
            target = draft.table(fkey.referenced_schema, fkey.referenced_table)
            if target is None or table.rid not in (other.rid, target.rid):
                continue
            for name, referred in fkey.mapping.items():
                sides = other.by_name[name], target.by_name[referred]
                if column.rid in (sides[0].rid, sides[1].rid) and not are_comparable(
                    sides[0].type, sides[1].type
                ):
                    raise Conflict(
                        f"Column {column.name!r} of {table.qualified!r} cannot become "
                        f"{column.type.typename}: the foreign key {fkey.name!r} of "
                        f"{other.qualified!r} compares it with "
                        f"{sides[column.rid == sides[0].rid].type.typename}.",
                        hint="Drop the foreign key first.",
                    )


# --- constraints -------------------------------------------------------------------------


def _constraint_name(
    draft: Draft, table: Table, old: Key | ForeignKey, document: Mapping[str, Any]
) -> str:
    name = read_constraint_name(document) or old.name
    if name != old.name and name in draft.constraint_names(table.schema):
        raise Conflict(f"Schema {table.schema!r} has a constraint called {name!r} already.")
    return name


def _alter_key(
    draft: Draft, table: Table, old: Key, document: Mapping[str, Any]
) -> tuple[Structural, ...]:
    given = document.get("unique_columns")
    if given is not None and (
        not isinstance(given, (list, tuple)) or sorted(map(str, given)) != sorted(old.columns)
    ):
        raise BadRequest(
            f"'unique_columns' {given!r} differs from the key {list(old.columns)!r}.",
            hint="The columns of a key cannot change; create another key.",
        )
    name = _constraint_name(draft, table, old, document)
    new = replace(old, name=name, **metadata(document, None))
    keys = tuple(new if key.rid == old.rid else key for key in table.keys)
    draft.put(replace(table, keys=keys))
    return ()


def _alter_foreign_key(
    draft: Draft, table: Table, old: ForeignKey, document: Mapping[str, Any]
) -> tuple[Structural, ...]:
    for column in document.get("foreign_key_columns") or ():
        check_home(as_document(column, "column"), table.schema, table.name)
    new = replace(
        old,
        name=_constraint_name(draft, table, old, document),
        on_delete=read_action(document, "on_delete") if "on_delete" in document else old.on_delete,
        on_update=read_action(document, "on_update") if "on_update" in document else old.on_update,
        **metadata(document, "foreign key"),
    )
    fkeys = tuple(new if fkey.rid == old.rid else fkey for fkey in table.foreign_keys)
    changed = draft.put(replace(table, foreign_keys=fkeys))
    if (new.on_delete, new.on_update) == (old.on_delete, old.on_update):
        return ()
    return (ForeignKeyAltered(changed, new),)
