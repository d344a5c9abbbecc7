"""Features: flat methods of `DerivaML`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from ..exceptions import DerivaMLExecutionError

if TYPE_CHECKING:
    import pandas as pd

    from deriva_catalog.model.elements import Table
    from deriva_ml.feature.definition import Feature
    from deriva_ml.feature.record import FeatureRecord, Selector

    from ..base import DerivaML
    from ..definitions import ColumnDefinition


def create_feature(
    self: DerivaML,
    target_table: str | Table,
    feature_name: str,
    terms: Iterable[str | Table] | None = None,
    assets: Iterable[str | Table] | None = None,
    metadata: Iterable[ColumnDefinition | Mapping[str, Any] | str | Table] | None = None,
    optional: Iterable[str] | None = None,
    comment: str = "",
    update_navbar: bool = True,
) -> type[FeatureRecord]:
    """Create a feature and return the class of its records (see `Features.create`)."""
    return self.features.create(
        target_table, feature_name, terms, assets, metadata, optional, comment, update_navbar
    )


def feature_record_class(
    self: DerivaML, table: str | Table, feature_name: str
) -> type[FeatureRecord]:
    """The class of a feature's records."""
    return self.features.record_class(table, feature_name)


def lookup_feature(self: DerivaML, table: str | Table, feature_name: str) -> Feature:
    """One feature (see `Features.lookup`)."""
    return self.features.lookup(table, feature_name)


def find_features(self: DerivaML, table: str | Table | None = None) -> list[Feature]:
    """The features of one table, or of every table."""
    return self.features.find(table)


def delete_feature(self: DerivaML, table: str | Table, feature_name: str) -> bool:
    """Drop a feature with its values (see `Features.delete`)."""
    return self.features.delete(table, feature_name)


def feature_values(
    self: DerivaML,
    table: str | Table,
    feature_name: str,
    selector: Selector | None = None,
    materialize_limit: int | None = None,
    execution_rids: Sequence[str] | None = None,
) -> list[FeatureRecord]:
    """Values of a feature as records (see `Features.values`)."""
    return self.features.values(table, feature_name, selector, materialize_limit, execution_rids)


def list_feature_values(
    self: DerivaML, table: str | Table, feature_name: str, selector: Selector | None = None
) -> list[FeatureRecord]:
    """Values of a feature as records: the older name of `feature_values`."""
    return self.features.values(table, feature_name, selector)


def get_feature_values_as_dataframe(
    self: DerivaML,
    table: str | Table,
    feature_name: str,
    selector: Selector | None = None,
    materialize_limit: int | None = None,
    execution_rids: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Values of a feature as a frame (see `Features.frame`)."""
    return self.features.frame(table, feature_name, selector, materialize_limit, execution_rids)


def add_features(self: DerivaML, features: Iterable[FeatureRecord]) -> NoReturn:
    """Refuse: a value belongs to the execution that made it.

    Raises:
        DerivaMLExecutionError: Always; the message names `Execution.add_features`.
    """
    raise DerivaMLExecutionError(
        "A value of a feature belongs to the execution that made it: create one with "
        "create_execution(), and call its add_features()."
    )


def list_workflow_executions(self: DerivaML, workflow: str) -> list[str]:
    """RIDs of the executions of a workflow, by its RID or type."""
    return self.features.list_workflow_executions(workflow)
