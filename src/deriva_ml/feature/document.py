"""The table of a feature's values, from the parts that a person gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deriva_catalog.model.elements import Table
from deriva_ml.core.definitions import AssociationTableDef, ColumnDefinition, ForeignKeyDefinition
from deriva_ml.core.exceptions import DerivaMLValidationError
from deriva_ml.model.catalog import DerivaModel
from deriva_ml.schema.definition import with_user_links

__all__ = ["FeatureParts", "feature_document"]

Document = dict[str, Any]


@dataclass(frozen=True)
class FeatureParts:
    """What a feature's values consist of.

    Attributes:
        terms: Vocabularies.
        assets: Asset tables.
        metadata: Column definitions, or tables to refer to.
        optional: Names of columns that may be left empty.
    """

    terms: tuple[Table, ...] = ()
    assets: tuple[Table, ...] = ()
    metadata: tuple[ColumnDefinition | Mapping[str, Any] | Table, ...] = ()
    optional: frozenset[str] = frozenset()


def feature_document(
    model: DerivaModel, target: Table, feature_name: str, parts: FeatureParts, comment: str
) -> Document:
    """The document of ``Execution_<Target>_<Feature>``.

    Raises:
        DerivaMLValidationError: The name or the columns cannot be used.
    """
    if not isinstance(feature_name, str) or not feature_name.strip():
        raise DerivaMLValidationError(f"A feature needs a name, not {feature_name!r}.")
    name = f"Execution_{target.name}_{feature_name}"
    document = AssociationTableDef(
        [
            ("Execution", model.ml_table("Execution")),
            (target.name, target),
            ("Feature_Name", model.ml_table("Feature_Name")),
        ],
        table_name=name,
        comment=comment or None,
    ).to_dict()
    for column in document["column_definitions"]:
        if column["name"] == "Feature_Name":
            column["default"] = feature_name
    columns, references = _value_columns(name, parts)
    _check_columns(document, columns, parts)
    document["column_definitions"] += columns
    document["foreign_keys"] += references
    return with_user_links(document)


def _value_columns(name: str, parts: FeatureParts) -> tuple[list[Document], list[Document]]:
    columns: list[Document] = []
    references: list[Document] = []
    tables = {t.name for t in parts.terms}
    for part in (*parts.terms, *parts.assets, *parts.metadata):
        if isinstance(part, Table):
            referenced = "Name" if part.name in tables and part in parts.terms else "RID"
            columns.append(
                ColumnDefinition(part.name, "text", nullok=part.name in parts.optional).to_dict()
            )
            references.append(_reference(name, part, referenced))
        else:
            given = dict(part) if isinstance(part, Mapping) else part.to_dict()
            nullok = given.get("nullok", True) or given["name"] in parts.optional
            columns.append({**given, "nullok": nullok})
    return columns, references


def _reference(name: str, table: Table, column: str) -> Document:
    # A value must not vanish with the term or file it names, so deleting those is refused.
    return ForeignKeyDefinition(
        (table.name,),
        table.schema,
        table.name,
        (column,),
        f"{name}_{table.name}_fkey",
        on_update="CASCADE",
    ).to_dict()


def _check_columns(document: Document, columns: list[Document], parts: FeatureParts) -> None:
    name = document["table_name"]
    if not columns:
        raise DerivaMLValidationError(
            f"The feature table {name!r} would hold no values: give terms, assets or metadata."
        )
    names = [c["name"] for c in (*document["column_definitions"], *columns)]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise DerivaMLValidationError(f"The feature table {name!r} would have {twice} twice.")
    if unknown := sorted(parts.optional - {c["name"] for c in columns}):
        raise DerivaMLValidationError(
            f"optional names {unknown}, which are no columns of the feature; it has "
            f"{[c['name'] for c in columns]}."
        )
