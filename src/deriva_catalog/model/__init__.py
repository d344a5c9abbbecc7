"""The model of a catalog: immutable values, their documents, and changes of them.

`Model` and what it consists of are in `elements`; `types` has the column types and the
encoders of their values; `documents` the JSON forms; `creation`, `alteration` and `removal`
the changes, as pure functions that return a `ModelChange`; `definitions` writes documents of
common kinds of tables; `lookup` finds elements by name.
"""

from __future__ import annotations

from .address import Address
from .alteration import alter, set_annotation
from .changes import (
    ColumnAdded,
    ColumnDropped,
    ColumnRetyped,
    ForeignKeyAdded,
    ForeignKeyAltered,
    ForeignKeyDropped,
    KeyAdded,
    KeyDropped,
    ModelChange,
    NextRid,
    NullabilityChanged,
    Structural,
    TableCreated,
    TableDropped,
)
from .creation import (
    create,
    create_column,
    create_foreign_key,
    create_key,
    create_schema,
    create_table,
)
from .definitions import (
    asset_document,
    association_document,
    builtin_tables,
    column_document,
    foreign_key_document,
    key_document,
    reference_document,
    table_document,
    vocabulary_document,
)
from .documents import (
    describe_column,
    describe_element,
    describe_foreign_key,
    describe_key,
    describe_model,
    describe_schema,
    describe_table,
    load_stored,
    read_model,
    stored_document,
)
from .elements import SYSTEM_COLUMNS, Column, ColumnType, ForeignKey, Key, Model, Schema, Table
from .lookup import (
    column_of,
    find_column,
    find_element,
    find_foreign_key,
    find_foreign_key_by_name,
    find_key,
    find_schema,
    find_table,
    foreign_keys_between,
    near_misses,
    table_at,
)
from .removal import drop
from .types import encoder, parse_type, text_encoder, type_document

__all__ = [
    "SYSTEM_COLUMNS",
    "Address",
    "Column",
    "ColumnAdded",
    "ColumnDropped",
    "ColumnRetyped",
    "ColumnType",
    "ForeignKey",
    "ForeignKeyAdded",
    "ForeignKeyAltered",
    "ForeignKeyDropped",
    "Key",
    "KeyAdded",
    "KeyDropped",
    "Model",
    "ModelChange",
    "NextRid",
    "NullabilityChanged",
    "Schema",
    "Structural",
    "Table",
    "TableCreated",
    "TableDropped",
    "alter",
    "asset_document",
    "association_document",
    "builtin_tables",
    "column_document",
    "column_of",
    "create",
    "create_column",
    "create_foreign_key",
    "create_key",
    "create_schema",
    "create_table",
    "describe_column",
    "describe_element",
    "describe_foreign_key",
    "describe_key",
    "describe_model",
    "describe_schema",
    "describe_table",
    "drop",
    "encoder",
    "find_column",
    "find_element",
    "find_foreign_key",
    "find_foreign_key_by_name",
    "find_key",
    "find_schema",
    "find_table",
    "foreign_key_document",
    "foreign_keys_between",
    "key_document",
    "load_stored",
    "near_misses",
    "parse_type",
    "read_model",
    "reference_document",
    "set_annotation",
    "stored_document",
    "table_at",
    "table_document",
    "text_encoder",
    "type_document",
    "vocabulary_document",
]
