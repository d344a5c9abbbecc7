"""Documents of the model as a client reads them: with its rights, and ACLs where it is an owner.

Source: ERMrest, "The model: documents" (rights values); "What a historic read returns".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model.address import Address
from ..model.documents import SYSTEM_RIGHTS, describe_element
from ..model.elements import Column, ForeignKey, Model, Schema, Table
from ..model.lookup import find_element, table_at
from .decisions import Decisions

__all__ = ["client_document"]

_TABLE = ("owner", "insert", "update", "delete", "select")
_COLUMN = ("insert", "update", "delete", "select")

Document = dict[str, Any]


def client_document(
    decisions: Decisions,
    address: Address,
    *,
    features: Mapping[str, Any],
    tables: bool = True,
    inside: bool = False,
    seen: Model | None = None,
) -> Document:
    """The document of an element as the client reads it.

    Args:
        decisions: What the client may do.
        address: Which element.
        features: The member `features` of the document of the whole model.
        tables: Whether the document of a schema has its tables in it.
        inside: As in `find_element`.
        seen: What is described, if not the visible model.

    Raises:
        NotFound, UnknownName: there is no such element that the client may know of.
        NotAuthenticated, Forbidden: the client may not know of the catalog.
    """
    decisions.require_catalog("enumerate")
    model = decisions.visible() if seen is None else seen
    element = find_element(model, address, inside=inside)
    document = describe_element(model, address, features=features, tables=tables)
    if decisions.is_owner_of_everything and not decisions.historic:
        return document
    if isinstance(element, Model):
        _of_model(decisions, element, document)
    elif isinstance(element, Schema):
        _of_schema(decisions, element, document)
    elif isinstance(element, Table):
        _of_table(decisions, element, document)
    elif isinstance(element, Column):
        table = table_at(model, str(address.schema), str(address.table))
        _of_column(decisions, table, element, document)
    elif isinstance(element, ForeignKey):
        table = table_at(model, str(address.schema), str(address.table))
        _of_foreign_key(decisions, table, element, document)
    return document


def _of_model(decisions: Decisions, model: Model, document: Document) -> None:
    document["rights"] = {right: decisions.catalog(right) for right in ("owner", "create")}
    if not decisions.owns_catalog():
        del document["acls"]
    for name, shown in document["schemas"].items():
        _of_schema(decisions, model.schemas[name], shown)


def _of_schema(decisions: Decisions, schema: Schema, document: Document) -> None:
    document["rights"] = {right: decisions.schema(schema, right) for right in ("owner", "create")}
    if not decisions.owns_schema(schema):
        del document["acls"]
    for name, shown in document["tables"].items():
        _of_table(decisions, schema.tables[name], shown)


def _of_table(decisions: Decisions, table: Table, document: Document) -> None:
    document["rights"] = {right: decisions.table(table, right) for right in _TABLE}
    if not decisions.owns_table(table):
        del document["acls"], document["acl_bindings"]
    for column, shown in zip(table.columns, document["column_definitions"], strict=True):
        _of_column(decisions, table, column, shown)
    for fkey, shown in zip(table.foreign_keys, document["foreign_keys"], strict=True):
        _of_foreign_key(decisions, table, fkey, shown)


def _of_column(decisions: Decisions, table: Table, column: Column, document: Document) -> None:
    rights = {right: decisions.column(table, column, right) for right in _COLUMN}
    document["rights"] = {**rights, **SYSTEM_RIGHTS.get(column.name, {})}
    if not decisions.owns_table(table):
        del document["acls"], document["acl_bindings"]


def _of_foreign_key(
    decisions: Decisions, table: Table, fkey: ForeignKey, document: Document
) -> None:
    document["rights"] = {
        right: decisions.foreign_key(table, fkey, right) for right in ("insert", "update")
    }
    if not decisions.owns_table(table):
        del document["acls"], document["acl_bindings"]
