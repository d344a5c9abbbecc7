"""What depends on a table or a column: datasets with members of it, features that refer to it.

Ask before a table is changed: what is listed here would feel it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deriva_catalog.model.elements import ForeignKey, Table
from deriva_catalog.path.ast import (
    Aggregate,
    AttributeGroupQuery,
    ColumnName,
    Function,
    Item,
    Path,
    Restrict,
    Root,
    TableName,
)
from deriva_ml.core.exceptions import DerivaMLValidationError, some_of, translated
from deriva_ml.core.query import equals, link
from deriva_ml.core.session import Session
from deriva_ml.feature.definition import find_features

from .elements import Element, element_types

if TYPE_CHECKING:
    from deriva_ml.feature.definition import Feature

__all__ = [
    "DatasetReference",
    "FeatureReference",
    "find_datasets_referencing",
    "find_features_referencing",
]


@dataclass(frozen=True, slots=True)
class DatasetReference:
    """A dataset with members that depend on a table.

    Attributes:
        dataset_rid: The dataset.
        element_table: The table of the members: the one asked about, or one that refers to it.
        member_count: How many members of that table the dataset has.
    """

    dataset_rid: str
    element_table: str
    member_count: int


@dataclass(frozen=True, slots=True)
class FeatureReference:
    """A feature whose values depend on a table.

    Attributes:
        feature_name: The feature.
        target_table: The table that its values are about.
        feature_table: The table of its values.
        referencing_columns: Columns of that table that refer to the one asked about.
    """

    feature_name: str
    target_table: str
    feature_table: str
    referencing_columns: tuple[str, ...]


@translated()
def find_datasets_referencing(
    session: Session, table: str | Table, column: str | None = None
) -> list[DatasetReference]:
    """The datasets whose members are rows of a table, or refer to rows of it.

    Args:
        session: The catalog.
        table: The table that is to be changed.
        column: Only members that depend on this column of it: rows of the table itself, and
            rows that refer to it by this column.

    Raises:
        DerivaMLTableNotFound: There is no such table.
        DerivaMLValidationError: It has no such column.

    Cost: one query for each element type concerned. Deleted datasets are left out.
    """
    asked = _checked(session, table, column)
    found = []
    for element in element_types(session.model).values():
        mine = element.table.qualified == asked.qualified
        if mine or any(_refers(f, asked, column) for f in element.table.foreign_keys):
            found += _counted(session, element)
    return found


def _counted(session: Session, element: Element) -> list[DatasetReference]:
    """How many members of one kind each dataset has that is not deleted."""
    dataset = session.ml("Dataset")
    alive = Restrict(equals("Deleted", "false"))
    here = ColumnName(element.dataset_column, qualifier="M")
    member = ColumnName(element.member_column, qualifier="M")
    start = Root(TableName(element.association.name, element.association.schema), alias="M")
    path = Path(start, (link(element.dataset_column, dataset), alive))
    count = Item(Aggregate(Function.CNT, member), "count")
    rows = session.fetch(AttributeGroupQuery(path, (Item(here, "dataset"),), (count,)))
    made = [DatasetReference(r["dataset"], element.name, int(r["count"])) for r in rows]
    return sorted(made, key=lambda r: r.dataset_rid)


@translated()
def find_features_referencing(
    session: Session, table: str | Table, column: str | None = None
) -> list[FeatureReference]:
    """The features about rows of a table, or with values that refer to rows of it.

    Args:
        session: The catalog.
        table: The table that is to be changed: a target, a vocabulary, an asset table or any
            other, or the table of a feature itself.
        column: Only features that refer to this column, or have it when the table is their own.

    Raises:
        DerivaMLTableNotFound: There is no such table.
        DerivaMLValidationError: It has no such column.
    """
    asked = _checked(session, table, column)
    found = []
    for feature in find_features(session.model):
        if columns := _referencing(feature, asked, column):
            target, values = feature.target_table.name, feature.feature_table.name
            found.append(FeatureReference(feature.feature_name, target, values, columns))
    return found


def _referencing(feature: Feature, asked: Table, column: str | None) -> tuple[str, ...]:
    if feature.feature_table.qualified == asked.qualified:
        own = [c.name for c in feature.feature_columns]
        return tuple(own if column is None else [column])
    keys = (f for f in feature.feature_table.foreign_keys if _refers(f, asked, column))
    return tuple(dict.fromkeys(c for f in keys for c in f.columns))


def _refers(fkey: ForeignKey, table: Table, column: str | None) -> bool:
    if (fkey.referenced_schema, fkey.referenced_table) != (table.schema, table.name):
        return False
    return column is None or column in fkey.referenced_columns


def _checked(session: Session, table: str | Table, column: str | None) -> Table:
    found = session.table(table)
    if column is not None and column not in found.by_name:
        raise DerivaMLValidationError(
            f"Table {found.name!r} has no column {column!r}; it has {some_of(list(found.by_name))}."
        )
    return found
