"""Creating schemas, tables, columns, keys and foreign keys.

Source: ERMrest, "The model: operations", create.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from ..errors import BadRequest, Conflict
from .address import Address
from .changes import (
    ColumnAdded,
    Draft,
    ForeignKeyAdded,
    KeyAdded,
    ModelChange,
    NextRid,
    Structural,
    TableCreated,
    constraint_names,
)
from .elements import SYSTEM_COLUMNS, Column, ForeignKey, Key, Model, Schema, Table
from .inputs import (
    as_document,
    as_list,
    check_home,
    default_value,
    metadata,
    name_list,
    read_action,
    read_constraint_name,
    read_nullok,
)
from .lookup import column_of, near_misses, table_at
from .names import check_name, foreign_key_name, key_name, untaken
from .typenames import are_comparable, is_indexable, is_serial, parse_type

__all__ = [
    "create",
    "create_column",
    "create_foreign_key",
    "create_key",
    "create_schema",
    "create_table",
    "placed_schema",
    "placed_table",
]

_SYSTEM_TYPES = {name: f"ermrest_{name.lower()}" for name in SYSTEM_COLUMNS}
_SYSTEM_NOT_NULL = ("RID", "RCT", "RMT")
_PUBLIC_REFERENCE = {"insert": ("*",), "update": ("*",)}

_Pending = list[tuple[str, str, Mapping[str, Any]]]


def create_schema(
    model: Model, document: str | Mapping[str, Any], *, next_rid: NextRid, version: int
) -> ModelChange:
    """Create a schema by name or document, with the tables that it nests.

    Raises:
        Conflict: it exists already, or something in it contradicts the model.
        BadRequest: the document is malformed.
    """
    return create(model, [placed_schema(document)], next_rid=next_rid, version=version)


def placed_schema(document: str | Mapping[str, Any]) -> dict[str, Any]:
    """The document of a schema, also from its name, as `create` wants it.

    Raises:
        BadRequest: it is no document of a schema.
    """
    given = {"schema_name": document} if isinstance(document, str) else document
    if "schema_name" not in as_document(given, "schema"):
        raise BadRequest("A schema needs a 'schema_name'.")
    others = ("table_name", "foreign_key_columns")  # members that would make it something else
    return {name: item for name, item in given.items() if name not in others}


def create_table(
    model: Model, schema: str, document: Mapping[str, Any], *, next_rid: NextRid, version: int
) -> ModelChange:
    """Create a table in an existing schema.

    Raises:
        Conflict: the schema does not exist, the table does, or its document contradicts the
            model.
        BadRequest: the document is malformed, or lacks a system column or the key on RID.
    """
    placed = placed_table(schema, document)
    return create(model, [placed], next_rid=next_rid, version=version)


def placed_table(schema: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a table with its schema in it, as `create` wants it.

    Raises:
        Conflict: it names another schema.
        BadRequest: it is no document of a table.
    """
    check_home(as_document(document, "table"), schema)
    if "table_name" not in document:
        raise BadRequest("A table needs a 'table_name'.")
    given = {name: item for name, item in document.items() if name != "foreign_key_columns"}
    return {**given, "schema_name": schema}


def create(
    model: Model, documents: Sequence[Mapping[str, Any]], *, next_rid: NextRid, version: int
) -> ModelChange:
    """Create schemas, tables and foreign keys together.

    All foreign keys of the request are made after all tables, so that tables may refer to
    each other in any order and in cycles.

    Raises:
        BadRequest: a document is malformed, or is none of a schema, table or foreign key.
        Conflict: a document contradicts the model or another document.
    """
    draft = Draft(model)
    structure: list[Structural] = []
    pending: _Pending = []
    elements: list[Address] = []
    for item in documents:
        document = as_document(item, "model element")
        if "foreign_key_columns" in document:
            pending.append((*_referring_table(document), document))
        elif "table_name" in document:
            schema = check_name(document.get("schema_name"), "schema")
            table = _add_table(draft, schema, document, next_rid, structure, pending)
            elements.append(Address(schema=schema, table=table))
        elif "schema_name" in document:
            schema = _add_schema(draft, document, next_rid, structure, pending)
            elements.append(Address(schema=schema))
        else:
            raise BadRequest(
                f"A document with the members {sorted(document)[:10]!r} is no schema, table or "
                "foreign key.",
                hint="It needs 'schema_name', 'table_name' or 'foreign_key_columns'.",
            )
    for schema, name, document in pending:
        structure.append(_add_foreign_key(draft, schema, name, document, next_rid()))
    final = tuple(
        TableCreated(cast(Table, draft.table(s.table.schema, s.table.name)))
        if isinstance(s, TableCreated)
        else s
        for s in structure
    )
    return ModelChange(draft.finish(version), final, tuple(elements))


def create_column(
    model: Model,
    schema: str,
    table: str,
    document: Mapping[str, Any],
    *,
    next_rid: NextRid,
    version: int,
) -> ModelChange:
    """Add a column at the end of a table.

    Raises:
        Conflict: the table does not exist, the column does, or its type is not supported.
        BadRequest: the document is malformed.
    """
    home = table_at(model, schema, table)
    column = _new_column(as_document(document, "column"), next_rid())
    if column.name in home.by_name:
        raise Conflict(f"Table {home.qualified!r} has a column {column.name!r} already.")
    draft = Draft(model)
    changed = draft.put(replace(home, columns=(*home.columns, column)))
    return ModelChange(
        draft.finish(version),
        (ColumnAdded(changed, column),),
        (Address(schema, table, column=column.name),),
    )


def create_key(
    model: Model,
    schema: str,
    table: str,
    document: Mapping[str, Any],
    *,
    next_rid: NextRid,
    version: int,
) -> ModelChange:
    """Add a key to a table.

    Raises:
        Conflict: the table does not exist, it has this key, or the name is taken.
        BadRequest: the document is malformed or names an unknown column.
    """
    home = table_at(model, schema, table)
    draft = Draft(model)
    key = _new_key(draft, home, as_document(document, "key"), next_rid())
    changed = draft.put(replace(home, keys=(*home.keys, key)))
    return ModelChange(
        draft.finish(version),
        (KeyAdded(changed, key),),
        (Address(schema, table, key=key.columns),),
    )


def create_foreign_key(
    model: Model,
    schema: str,
    table: str,
    document: Mapping[str, Any],
    *,
    next_rid: NextRid,
    version: int,
) -> ModelChange:
    """Add a foreign key to a table.

    Raises:
        Conflict: a table or column does not exist, the referenced columns are no key, types
            cannot be compared, or there is such a foreign key or name already.
        BadRequest: the document is malformed.
    """
    table_at(model, schema, table)
    draft = Draft(model)
    added = _add_foreign_key(draft, schema, table, as_document(document, "foreign key"), next_rid())
    fkey = added.foreign_key
    referenced = (fkey.referenced_schema, fkey.referenced_table, fkey.referenced_columns)
    address = Address(schema, table, foreign_key=fkey.columns, referenced=referenced)
    return ModelChange(draft.finish(version), (added,), (address,))


# --- schemas and tables ------------------------------------------------------------------


def _add_schema(
    draft: Draft,
    document: Mapping[str, Any],
    next_rid: NextRid,
    structure: list[Structural],
    pending: _Pending,
) -> str:
    name = check_name(document["schema_name"], "schema")
    if name in draft.schemas:
        raise Conflict(f"Schema {name!r} exists already.", schema=name)
    tables = document.get("tables", {})
    if not isinstance(tables, Mapping):
        raise BadRequest(f"'tables' of schema {name!r} is an object keyed by table name.")
    draft.schemas[name] = Schema(rid=next_rid(), name=name, **metadata(document, "schema"))
    for table_name, item in tables.items():
        table = {"table_name": table_name, **as_document(item, "table")}
        check_home(table, name, table_name)
        _add_table(draft, name, table, next_rid, structure, pending)
    return name


def _add_table(
    draft: Draft,
    schema: str,
    document: Mapping[str, Any],
    next_rid: NextRid,
    structure: list[Structural],
    pending: _Pending,
) -> str:
    name = check_name(document["table_name"], "table")
    if schema not in draft.schemas:
        hint = near_misses(schema, draft.schemas)
        raise Conflict(f"There is no schema {schema!r}.", hint=hint, schema=schema)
    if draft.table(schema, name) is not None:
        raise Conflict(f"Table '{schema}:{name}' exists already.", table=name)
    rid = next_rid()
    columns = [
        _new_column(as_document(item, "column"), next_rid())
        for item in as_list(document, "column_definitions", "table")
    ]
    table = Table(rid, schema, name, tuple(columns), **metadata(document, "table"))
    if len(table.by_name) != len(columns):
        counts = Counter(column.name for column in columns)
        repeated = sorted(name for name, count in counts.items() if count > 1)
        raise Conflict(f"Table '{schema}:{name}' has columns of one name: {repeated!r}.")
    _check_system_columns(table)
    for item in as_list(document, "keys", "table"):
        key = _new_key(draft, table, as_document(item, "key"), next_rid())
        table = replace(table, keys=(*table.keys, key))
    if not any(key.columns == ("RID",) for key in table.keys):
        raise BadRequest(
            f"Table {table.qualified!r} has no key on RID.",
            hint="Add {'unique_columns': ['RID']} to its keys.",
        )
    structure.append(TableCreated(draft.put(table)))
    for item in as_list(document, "foreign_keys", "table"):
        pending.append((schema, name, as_document(item, "foreign key")))
    return name


def _check_system_columns(table: Table) -> None:
    for name, typename in _SYSTEM_TYPES.items():
        column = table.by_name.get(name)
        if column is None:
            raise BadRequest(
                f"Table {table.qualified!r} lacks the system column {name!r}.",
                hint=f"Every table has {', '.join(SYSTEM_COLUMNS)}.",
            )
        if column.type.typename != typename:
            raise BadRequest(
                f"Column {name!r} of table {table.qualified!r} has the type {typename!r}, not "
                f"{column.type.typename!r}."
            )
        if column.nullok is (name in _SYSTEM_NOT_NULL):
            raise BadRequest(
                f"Column {name!r} of table {table.qualified!r} has nullok "
                f"{str(not column.nullok).lower()}."
            )


def _new_column(document: Mapping[str, Any], rid: str) -> Column:
    name = check_name(document.get("name"), "column")
    if document.get("type") is None:
        raise BadRequest(f"Column {name!r} needs a 'type'.")
    column_type = parse_type(document["type"])
    system = name in SYSTEM_COLUMNS
    return Column(
        rid=rid,
        name=name,
        type=column_type,
        nullok=read_nullok(document) and not is_serial(column_type),
        default=None if system else default_value(document.get("default"), column_type, name),
        **metadata(document, "column"),
    )


# --- constraints -------------------------------------------------------------------------


def _constraint_name(draft: Draft, table: Table, given: str | None, generated: str) -> str:
    taken = draft.constraint_names(table.schema)
    taken |= constraint_names(table)
    if given is None:
        return untaken(generated, taken)
    if given in taken:
        raise Conflict(
            f"Schema {table.schema!r} has a constraint called {given!r} already.",
            hint="Leave 'names' out to get a free name.",
        )
    return given


def _new_key(draft: Draft, table: Table, document: Mapping[str, Any], rid: str) -> Key:
    columns = name_list(document.get("unique_columns"), "unique_columns")
    for name in columns:
        if name not in table.by_name:
            raise BadRequest(
                f"A key of table {table.qualified!r} names the unknown column {name!r}.",
                hint=near_misses(name, table.by_name),
            )
        column = table.by_name[name]
        if not is_indexable(column.type):
            raise Conflict(f"Column {name!r} of type {column.type.typename!r} cannot be in a key.")
    for key in table.keys:
        if set(key.columns) == set(columns):
            raise Conflict(
                f"Table {table.qualified!r} has a key over {sorted(columns)!r} already: "
                f"{key.name!r}."
            )
    given = read_constraint_name(document)
    name = _constraint_name(draft, table, given, key_name(table.name, columns))
    return Key(rid, name, columns, **metadata(document, None))


def _column_references(document: Mapping[str, Any], member: str) -> list[Mapping[str, Any]]:
    columns = document.get(member)
    if not isinstance(columns, (list, tuple)) or not columns:
        raise BadRequest(f"{member!r} is a non-empty list of objects with a 'column_name'.")
    for column in columns:
        if not isinstance(column, Mapping) or not isinstance(column.get("column_name"), str):
            raise BadRequest(f"{member!r} holds {column!r}, which has no 'column_name'.")
    return list(columns)


def _one_table(columns: list[Mapping[str, Any]], member: str) -> tuple[str, str]:
    tables = [(column.get("schema_name"), column.get("table_name")) for column in columns]
    schema, table = tables[0]
    alike = all(each == tables[0] for each in tables)
    if not alike or not isinstance(schema, str) or not isinstance(table, str):
        raise BadRequest(f"{member!r} needs 'schema_name' and 'table_name', the same in each.")
    return schema, table


def _referring_table(document: Mapping[str, Any]) -> tuple[str, str]:
    member = "foreign_key_columns"
    return _one_table(_column_references(document, member), member)


def _add_foreign_key(
    draft: Draft, schema: str, name: str, document: Mapping[str, Any], rid: str
) -> ForeignKeyAdded:
    referring = _column_references(document, "foreign_key_columns")
    for column in referring:
        check_home(column, schema, name)
    referred = _column_references(document, "referenced_columns")
    target_schema, target_name = _one_table(referred, "referenced_columns")
    table = _required(draft, schema, name)
    target = _required(draft, target_schema, target_name)
    columns = name_list([c["column_name"] for c in referring], "foreign_key_columns")
    targets = name_list([c["column_name"] for c in referred], "referenced_columns")
    _check_reference(table, columns, target, targets)
    given = read_constraint_name(document)
    fkey = ForeignKey(
        rid=rid,
        name=_constraint_name(draft, table, given, foreign_key_name(table.name, columns)),
        columns=columns,
        referenced_schema=target.schema,
        referenced_table=target.name,
        referenced_columns=targets,
        on_delete=read_action(document, "on_delete"),
        on_update=read_action(document, "on_update"),
        **({"acls": dict(_PUBLIC_REFERENCE)} | metadata(document, "foreign key")),
    )
    changed = draft.put(replace(table, foreign_keys=(*table.foreign_keys, fkey)))
    return ForeignKeyAdded(changed, fkey)


def _required(draft: Draft, schema: str, name: str) -> Table:
    found = draft.table(schema, name)
    if found is None:
        known = draft.tables_of(schema) if schema in draft.schemas else ()
        raise Conflict(f"There is no table '{schema}:{name}'.", hint=near_misses(name, known))
    return found


def _check_reference(
    table: Table, columns: tuple[str, ...], target: Table, targets: tuple[str, ...]
) -> None:
    if len(columns) != len(targets):
        raise BadRequest(
            f"A foreign key of {table.qualified!r} maps {len(columns)} columns to {len(targets)}."
        )
    for name, target_name in zip(columns, targets, strict=True):
        column, referred = column_of(table, name), column_of(target, target_name)
        if not are_comparable(column.type, referred.type):
            raise Conflict(
                f"Column {name!r} of {table.qualified!r} ({column.type.typename}) cannot refer to "
                f"{target_name!r} of {target.qualified!r} ({referred.type.typename})."
            )
    if not any(set(key.columns) == set(targets) for key in target.keys):
        keys = ", ".join(str(list(key.columns)) for key in target.keys[:10])
        raise Conflict(
            f"The columns {list(targets)!r} of table {target.qualified!r} are not a key.",
            hint=f"Its keys are {keys}.",
        )
    mapping = dict(zip(columns, targets, strict=True))
    for fkey in table.foreign_keys:
        same_target = (fkey.referenced_schema, fkey.referenced_table) == (
            target.schema,
            target.name,
        )
        if same_target and fkey.mapping == mapping:
            raise Conflict(
                f"Table {table.qualified!r} has this foreign key already: {fkey.name!r}."
            )
