"""What a client needs to create elements of the model, and what makes it their owner.

Source: ERMrest, "The model: operations" (general rules).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..model.address import Address
from ..model.changes import ForeignKeyAdded, ModelChange
from ..model.elements import Model, Schema, Table
from ..model.lookup import column_of, find_element, table_at
from .decisions import Decisions
from .identity import Client
from .ownership import owned_element

__all__ = ["allow_creation", "allow_move", "allow_references", "moved_by", "owned_by"]

Documents = Sequence[Mapping[str, Any]]


def allow_creation(decisions: Decisions, documents: Documents) -> None:
    """Refuse a client that may not create schemas and tables where documents place them.

    Documents that are malformed, or name what does not exist, are left to the creation.

    Raises:
        NotAuthenticated, Forbidden: the client may not create there.
    """
    for parent in _parents(decisions, documents):
        if isinstance(parent, Schema):
            decisions.require_schema(parent, "create")
        elif parent is not None:
            decisions.require_catalog("create")


def owned_by(decisions: Decisions, documents: Documents, client: Client) -> Documents:
    """The documents with the client as an owner of what it would not own by inheritance."""
    return [
        document if parent is None or _owns(decisions, parent) else _with_owner(document, client)
        for document, parent in zip(documents, _parents(decisions, documents), strict=True)
    ]


def allow_references(decisions: Decisions, change: ModelChange) -> None:
    """Refuse foreign keys from tables that are not the client's, or to values it may not read.

    Args:
        decisions: What the client may do in the model before the change.
        change: What was asked for, worked out in the model that the client sees.

    Raises:
        NotAuthenticated, Forbidden: the client may not create one of the foreign keys.
    """
    before = decisions.visible()
    for step in change.structure:
        if isinstance(step, ForeignKeyAdded):
            fkey = step.foreign_key
            if _is_in(before, step.table.schema, step.table.name):
                owned_element(decisions, Address(step.table.schema, step.table.name))
            if _is_in(before, fkey.referenced_schema, fkey.referenced_table):
                target = table_at(before, fkey.referenced_schema, fkey.referenced_table)
                for name in fkey.referenced_columns:
                    decisions.require_column(target, column_of(target, name), "select")


def allow_move(decisions: Decisions, address: Address, document: Mapping[str, Any]) -> None:
    """Refuse to move a table to a schema where the client may not create one.

    Raises:
        NotAuthenticated, Forbidden: the client may not create tables there.
    """
    schema = _new_home(decisions, address, document)
    if schema is not None:
        decisions.require_schema(decisions.visible().schemas[schema], "create")


def moved_by(
    decisions: Decisions, address: Address, document: Mapping[str, Any], client: Client
) -> Mapping[str, Any]:
    """The document of a change with the client as an owner of a table that it moves away.

    Only if it would not own the table in its new schema by inheritance.
    """
    schema = _new_home(decisions, address, document)
    if schema is None or decisions.owns_schema(decisions.visible().schemas[schema]):
        return document
    kept = find_element(decisions.visible(), address)
    assert isinstance(kept, Table), "only tables move"
    acls = {name: list(roles) for name, roles in kept.acls.items()}
    return _with_owner({"acls": acls, **document}, client)


# --- documents ---------------------------------------------------------------------------


def _parents(decisions: Decisions, documents: Documents) -> Iterator[Model | Schema | None]:
    """Where each document creates something: in the catalog, or in a schema that is there.

    None for what needs no right of its own: a foreign key, which is looked at when it is
    resolved, a table in a schema of the same request, and what will be refused anyway.
    """
    visible = decisions.visible()
    created: set[str] = set()
    for document in documents:
        parent: Model | Schema | None = None
        name = document.get("schema_name") if isinstance(document, Mapping) else None
        if isinstance(name, str) and "foreign_key_columns" not in document:
            if "table_name" not in document:
                created.add(name)
                parent = visible
            elif name not in created:
                parent = visible.schemas.get(name)
        yield parent


def _owns(decisions: Decisions, parent: Model | Schema) -> bool:
    if isinstance(parent, Schema):
        return decisions.owns_schema(parent)
    return decisions.owns_catalog()


def _with_owner(document: Mapping[str, Any], client: Client) -> Mapping[str, Any]:
    acls = document.get("acls", {})
    owners = acls.get("owner", []) if isinstance(acls, Mapping) else None
    if not isinstance(owners, (list, tuple)) or client.id is None:
        return document  # malformed: refused when it is read
    if any(isinstance(role, str) and role in client.roles for role in owners):
        return document
    return {**document, "acls": {**acls, "owner": [*owners, client.id]}}


def _is_in(model: Model, schema: str, table: str) -> bool:
    return schema in model.schemas and table in model.schemas[schema].tables


def _new_home(decisions: Decisions, address: Address, document: Mapping[str, Any]) -> str | None:
    """The schema that a table moves to, if the document moves it and the schema exists."""
    if address.table is None or (address.column, address.key, address.foreign_key) != (
        None,
        None,
        None,
    ):
        return None
    schema = document.get("schema_name", address.schema)
    moves = isinstance(schema, str) and schema != address.schema
    return schema if moves and schema in decisions.visible().schemas else None
