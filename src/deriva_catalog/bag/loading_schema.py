"""The tables that a bag needs in a catalog: which are missing, and which contradict it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import Conflict
from ..interface import Catalog
from ..model.documents import describe_table
from ..model.elements import Column, ForeignKey, Model, Schema, Table
from ..path.ast import TableName
from .loading_policy import LoadPolicy, TableKey, some_of

__all__ = ["SchemaPlan", "plan_schema"]

Document = dict[str, Any]
_DERIVED = frozenset({"RID", "rights"})
_ACCESS = frozenset({"acls", "acl_bindings"})


@dataclass(slots=True)
class SchemaPlan:
    """What is to be made in a catalog before rows of a bag fit into it.

    Attributes:
        tables: Tables that are missing, in the order of their names.
        columns: Columns that are missing in tables that exist: the table and the document.
        documents: The schemas, tables and foreign keys to create.
        keys: Keys that are missing in tables that exist.
    """

    tables: list[TableKey] = field(default_factory=list)
    columns: list[tuple[TableName, Document]] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    keys: list[tuple[TableName, Document]] = field(default_factory=list)

    def apply(self, catalog: Catalog) -> None:
        """Make what is missing."""
        for table, document in self.columns:
            catalog.create_column(table, document)
        for table, document in self.keys:
            catalog.create_key(table, document)
        if self.documents:
            catalog.create(self.documents)


def plan_schema(
    source: Model, target: Model, policy: LoadPolicy, is_empty: Callable[[Table], bool]
) -> SchemaPlan:
    """Compare the model of a bag with that of a catalog, which tells what tables are empty.

    Raises:
        Conflict: Tables of both contradict each other; the message lists how.
    """
    plan = SchemaPlan()
    differences: list[str] = []
    references: list[Document] = []
    for schema in source.schemas.values():
        wanted = [t for t in schema.tables.values() if policy.covers((t.schema, t.name))]
        if not wanted:
            continue
        present = target.schemas.get(schema.name)
        if present is None:
            plan.documents.append(_schema_document(schema, policy))
        for table in wanted:
            known = None if present is None else present.tables.get(table.name)
            if known is None:
                plan.tables.append((table.schema, table.name))
                plan.documents.append(_table_document(table, policy))
            else:
                differences += _matched(plan, table, known, policy, is_empty)
            references += _missing_references(source, target, table, known, policy, differences)
    if differences:
        raise Conflict(
            f"The bag does not fit the catalog: {len(differences)} differences of their tables."
            f"{some_of(differences)}",
            hint="Change the tables of the catalog, or leave those of the bag out "
            "(LoadPolicy.exclude_tables).",
            differences=tuple(differences),
        )
    plan.documents += references
    return plan


# --- tables that both have ---------------------------------------------------------------


def _matched(
    plan: SchemaPlan,
    table: Table,
    known: Table,
    policy: LoadPolicy,
    is_empty: Callable[[Table], bool],
) -> Iterator[str]:
    """Add what the catalog's table lacks to the plan; yield what cannot be brought together."""
    name = TableName(table.name, table.schema)
    documents = {c["name"]: c for c in describe_table(table)["column_definitions"]}
    for column in table.columns:
        other = known.by_name.get(column.name)
        if other is None:
            if not column.nullok and column.default is None and not is_empty(known):
                yield (
                    f"{table.qualified} has rows and no column {column.name!r}, which must have a "
                    "value in the bag"
                )
            plan.columns.append((name, _cleaned(documents[column.name], policy)))
        else:
            yield from _column_differences(table, column, other)
    for column in known.columns:
        needed = not column.nullok and column.default is None and not column.is_system
        if needed and column.name not in table.by_name:
            yield f"{known.qualified}:{column.name} must have a value and is not in the bag"
    keys = {frozenset(k.columns) for k in known.keys}
    for key, document in zip(table.keys, describe_table(table)["keys"], strict=True):
        if frozenset(key.columns) not in keys:
            plan.keys.append((name, _cleaned(document, policy)))


def _column_differences(table: Table, column: Column, other: Column) -> Iterator[str]:
    where = f"{table.qualified}:{column.name}"
    if column.type != other.type:
        mine, theirs = column.type.typename, other.type.typename
        yield f"{where} is {mine} in the bag and {theirs} in the catalog"
    if column.nullok and not other.nullok:
        yield f"{where} may be empty in the bag and not in the catalog"


def _missing_references(
    source: Model,
    target: Model,
    table: Table,
    known: Table | None,
    policy: LoadPolicy,
    differences: list[str],
) -> Iterator[Document]:
    documents = describe_table(table)["foreign_keys"]
    theirs = {} if known is None else {_columns(f): f for f in known.foreign_keys}
    for fkey, document in zip(table.foreign_keys, documents, strict=True):
        other = theirs.get(_columns(fkey))
        if other is not None:
            if _target(other, fkey) != _target(fkey, fkey):
                differences.append(
                    f"{table.qualified}:{','.join(fkey.columns)} refers to "
                    f"{fkey.referenced_schema}:{fkey.referenced_table} in the bag and to "
                    f"{other.referenced_schema}:{other.referenced_table} in the catalog"
                )
            continue
        key = (fkey.referenced_schema, fkey.referenced_table)
        there = key[0] in target.schemas and key[1] in target.schemas[key[0]].tables
        if there or (policy.covers(key) and key[1] in source.schemas[key[0]].tables):
            yield _cleaned(document, policy)


def _columns(fkey: ForeignKey) -> frozenset[str]:
    return frozenset(fkey.columns)


def _target(fkey: ForeignKey, order: ForeignKey) -> tuple[Any, ...]:
    paired = tuple(fkey.mapping.get(c) for c in order.columns)
    return fkey.referenced_schema, fkey.referenced_table, paired


# --- documents ---------------------------------------------------------------------------


def _schema_document(schema: Schema, policy: LoadPolicy) -> Document:
    document: Document = {"schema_name": schema.name, "comment": schema.comment}
    if policy.annotations:
        document["annotations"] = dict(schema.annotations)
    if policy.access:
        document["acls"] = {name: list(roles) for name, roles in schema.acls.items()}
    return document


def _table_document(table: Table, policy: LoadPolicy) -> Document:
    """The table without its references, which come when all tables are there."""
    document: Document = _cleaned(describe_table(table), policy)
    document["foreign_keys"] = []
    return document


def _cleaned(document: Any, policy: LoadPolicy) -> Any:
    """The document without what belongs to the catalog that it comes from."""
    left_out = _DERIVED | (frozenset() if policy.access else _ACCESS)
    if not policy.annotations:
        left_out |= {"annotations"}

    def cleaned(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                name: item if name in ("annotations", "type", "default") else cleaned(item)
                for name, item in value.items()
                if name not in left_out
            }
        return [cleaned(item) for item in value] if isinstance(value, list) else value

    return cleaned(document)
