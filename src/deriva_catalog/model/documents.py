"""The model as JSON documents: the protocol's canonical form, and the form that is stored.

`describe_model` and its companions make what an owner reads; `read_model` understands it
again, from this catalog or from another server. `stored_document` keeps all that a `Model`
holds, and nothing that can be derived, so that `load_stored` gives back an equal model.

Documents never share mutable values with the model they describe.

Source: ERMrest, "The model: documents".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import snaptime
from ..errors import BadRequest, Corrupted
from .acls import ACL_NAMES
from .address import Address
from .elements import SYSTEM_COLUMNS, Column, ForeignKey, Key, Model, Schema, Table
from .lookup import find_element, table_at
from .typenames import read_type, type_document

__all__ = [
    "SYSTEM_DEFAULTS",
    "SYSTEM_RIGHTS",
    "copy_json",
    "describe_column",
    "describe_element",
    "describe_foreign_key",
    "describe_key",
    "describe_model",
    "describe_schema",
    "describe_table",
    "load_stored",
    "read_model",
    "stored_document",
]

SYSTEM_DEFAULTS: Mapping[str, str] = {
    "RID": "_ermrest.urlb32_encode(nextval('_ermrest.rid_seq'::regclass))",
    "RCT": "now()",
    "RMT": "now()",
    "RCB": "_ermrest.current_client()",
    "RMB": "_ermrest.current_client()",
}
_FORMAT = 1
_READ_ONLY: Mapping[str, bool] = {"insert": False, "update": False}
SYSTEM_RIGHTS: Mapping[str, Mapping[str, bool]] = {
    "RID": {"update": False},
    "RCB": {"update": False},
    "RMT": _READ_ONLY,
    "RMB": _READ_ONLY,
}


def copy_json(value: Any) -> Any:
    """A deep copy of a JSON value, with tuples as lists."""
    if value is None or isinstance(value, (str, int, float)):
        return value  # most are, and asking them whether they are mappings takes longest
    if isinstance(value, (dict, Mapping)):
        return {name: copy_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [copy_json(item) for item in value]
    return value


# --- canonical documents -----------------------------------------------------------------


def describe_model(model: Model, *, features: Mapping[str, Any]) -> dict[str, Any]:
    """The document of ``CAT/schema`` as an owner of the catalog reads it.

    `snaptime` is the time of the latest change of the model.
    """
    return {
        "snaptime": snaptime.encode(model.version),
        "annotations": copy_json(model.annotations),
        "rights": {"owner": True, "create": True},
        "features": copy_json(features),
        "acls": {name: list(model.acls.get(name, ())) for name in ACL_NAMES["catalog"]},
        "schemas": {name: describe_schema(model.schemas[name]) for name in sorted(model.schemas)},
    }


def describe_element(
    model: Model, address: Address, *, features: Mapping[str, Any], tables: bool = True
) -> dict[str, Any]:
    """The document of the element at an address; a schema without its tables if so asked.

    Raises:
        NotFound, UnknownName: there is no such element.
    """
    element = find_element(model, address)
    if isinstance(element, Model):
        return describe_model(element, features=features)
    if isinstance(element, Schema):
        return describe_schema(element, tables=tables)
    if isinstance(element, Table):
        return describe_table(element)
    if isinstance(element, Column):
        return describe_column(element)
    table = table_at(model, str(address.schema), str(address.table))
    if isinstance(element, Key):
        return describe_key(table, element)
    return describe_foreign_key(table, element)


def describe_schema(schema: Schema, *, tables: bool = True) -> dict[str, Any]:
    """The document of a schema; its `tables` are left empty when `tables` is False."""
    shown = sorted(schema.tables) if tables else ()
    return {
        "RID": schema.rid,
        "schema_name": schema.name,
        "comment": schema.comment,
        "rights": {"owner": True, "create": True},
        "annotations": copy_json(schema.annotations),
        "tables": {name: describe_table(schema.tables[name]) for name in shown},
        "acls": copy_json(schema.acls),
    }


def describe_table(table: Table) -> dict[str, Any]:
    """The document of a table, with its columns in order."""
    rights = ("owner", "insert", "update", "delete", "select")
    return {
        "RID": table.rid,
        "schema_name": table.schema,
        "table_name": table.name,
        "kind": table.kind,
        "comment": table.comment,
        "annotations": copy_json(table.annotations),
        "rights": dict.fromkeys(rights, True),
        "column_definitions": [describe_column(column) for column in table.columns],
        "keys": [describe_key(table, key) for key in table.keys],
        "foreign_keys": [describe_foreign_key(table, fkey) for fkey in table.foreign_keys],
        "acls": copy_json(table.acls),
        "acl_bindings": copy_json(table.acl_bindings),
    }


def describe_column(column: Column) -> dict[str, Any]:
    """The document of a column; system columns show fixed defaults and fewer rights."""
    rights = dict.fromkeys(("insert", "update", "delete", "select"), True)
    return {
        "RID": column.rid,
        "name": column.name,
        "type": type_document(column.type),
        "default": SYSTEM_DEFAULTS.get(column.name, copy_json(column.default)),
        "nullok": column.nullok,
        "comment": column.comment,
        "annotations": copy_json(column.annotations),
        "rights": {**rights, **SYSTEM_RIGHTS.get(column.name, {})},
        "acls": copy_json(column.acls),
        "acl_bindings": copy_json(column.acl_bindings),
    }


def describe_key(table: Table, key: Key) -> dict[str, Any]:
    """The document of a key of `table`."""
    return {
        "RID": key.rid,
        "unique_columns": list(key.columns),
        "names": [[table.schema, key.name]],
        "comment": key.comment,
        "annotations": copy_json(key.annotations),
    }


def describe_foreign_key(table: Table, fkey: ForeignKey) -> dict[str, Any]:
    """The document of a foreign key of `table`."""
    return {
        "RID": fkey.rid,
        "foreign_key_columns": _qualified(table.schema, table.name, fkey.columns),
        "referenced_columns": _qualified(
            fkey.referenced_schema, fkey.referenced_table, fkey.referenced_columns
        ),
        "names": [[table.schema, fkey.name]],
        "on_delete": fkey.on_delete,
        "on_update": fkey.on_update,
        "comment": fkey.comment,
        "annotations": copy_json(fkey.annotations),
        "rights": {"insert": True, "update": True},
        "acls": copy_json(fkey.acls),
        "acl_bindings": copy_json(fkey.acl_bindings),
    }


def _qualified(schema: str, table: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
    return [
        {"schema_name": schema, "table_name": table, "column_name": column} for column in columns
    ]


# --- stored documents --------------------------------------------------------------------


def stored_document(model: Model) -> dict[str, Any]:
    """All of the model as one JSON document, from which `load_stored` makes it again."""
    return {
        "format": _FORMAT,
        "version": model.version,
        "annotations": copy_json(model.annotations),
        "acls": copy_json(model.acls),
        "schemas": {name: _stored_schema(schema) for name, schema in model.schemas.items()},
    }


def _stored_schema(schema: Schema) -> dict[str, Any]:
    document = describe_schema(schema, tables=False)
    del document["rights"]
    document["tables"] = {name: _stored_table(table) for name, table in schema.tables.items()}
    return document


def _stored_table(table: Table) -> dict[str, Any]:
    document = describe_table(table)
    del document["rights"]
    for fkey in document["foreign_keys"]:
        del fkey["rights"]
    for column, shown in zip(table.columns, document["column_definitions"], strict=True):
        del shown["rights"]
        shown["default"] = copy_json(column.default)
        shown["generation"] = column.generation
    return document


def load_stored(document: Mapping[str, Any]) -> Model:
    """The model that `stored_document` wrote.

    Raises:
        Corrupted: the document is of another format or damaged.
    """
    if document.get("format") != _FORMAT:
        raise Corrupted(
            f"A stored model has format {document.get('format')!r}; this release reads {_FORMAT}.",
            hint="Open the catalog with the release that wrote it.",
        )
    try:
        return _read_model(document, document["version"])
    except (KeyError, TypeError, AttributeError) as error:
        raise Corrupted(f"A stored model is damaged: {error!r}.") from error


# --- reading documents -------------------------------------------------------------------


def read_model(document: Mapping[str, Any]) -> Model:
    """The model in a ``CAT/schema`` document, of this catalog or of another server.

    Members that the reader may not see (such as ACLs) and types that cannot be created here
    are accepted.

    Raises:
        BadRequest: a necessary member is missing or of the wrong kind.
    """
    try:
        return _read_model(document, snaptime.decode(document["snaptime"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise BadRequest(f"This is no model document: {error!r}.") from error


def _read_model(document: Mapping[str, Any], version: int) -> Model:
    return Model(
        version=version,
        schemas={name: _read_schema(schema) for name, schema in document["schemas"].items()},
        annotations=copy_json(document.get("annotations") or {}),
        acls=_read_acls(document),
    )


def _read_acls(document: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(roles) for name, roles in (document.get("acls") or {}).items()}


def _read_schema(document: Mapping[str, Any]) -> Schema:
    return Schema(
        rid=document.get("RID", ""),
        name=document["schema_name"],
        tables={name: _read_table(table) for name, table in document["tables"].items()},
        comment=document.get("comment"),
        annotations=copy_json(document.get("annotations") or {}),
        acls=_read_acls(document),
    )


def _read_table(document: Mapping[str, Any]) -> Table:
    return Table(
        rid=document.get("RID", ""),
        schema=document["schema_name"],
        name=document["table_name"],
        columns=tuple(_read_column(column) for column in document["column_definitions"]),
        keys=tuple(_read_key(key) for key in document["keys"]),
        foreign_keys=tuple(_read_foreign_key(fkey) for fkey in document["foreign_keys"]),
        comment=document.get("comment"),
        annotations=copy_json(document.get("annotations") or {}),
        acls=_read_acls(document),
        acl_bindings=copy_json(document.get("acl_bindings") or {}),
        kind=document.get("kind", "table"),
    )


def _read_column(document: Mapping[str, Any]) -> Column:
    name = document["name"]
    return Column(
        rid=document.get("RID", ""),
        name=name,
        type=read_type(document["type"]),
        nullok=document.get("nullok", True),
        default=None if name in SYSTEM_COLUMNS else copy_json(document.get("default")),
        comment=document.get("comment"),
        annotations=copy_json(document.get("annotations") or {}),
        acls=_read_acls(document),
        acl_bindings=copy_json(document.get("acl_bindings") or {}),
        generation=document.get("generation", 0),
    )


def _read_key(document: Mapping[str, Any]) -> Key:
    return Key(
        rid=document.get("RID", ""),
        name=document["names"][0][1],
        columns=tuple(document["unique_columns"]),
        comment=document.get("comment"),
        annotations=copy_json(document.get("annotations") or {}),
    )


def _read_foreign_key(document: Mapping[str, Any]) -> ForeignKey:
    referenced = document["referenced_columns"]
    return ForeignKey(
        rid=document.get("RID", ""),
        name=document["names"][0][1],
        columns=tuple(column["column_name"] for column in document["foreign_key_columns"]),
        referenced_schema=referenced[0]["schema_name"],
        referenced_table=referenced[0]["table_name"],
        referenced_columns=tuple(column["column_name"] for column in referenced),
        on_delete=document.get("on_delete") or "NO ACTION",
        on_update=document.get("on_update") or "NO ACTION",
        comment=document.get("comment"),
        annotations=copy_json(document.get("annotations") or {}),
        acls=_read_acls(document),
        acl_bindings=copy_json(document.get("acl_bindings") or {}),
    )
