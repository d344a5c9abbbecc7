"""Checks before a run, and what depends on a table: flat methods of `DerivaML`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deriva_catalog.model.elements import Table
    from deriva_ml.dataset.references import DatasetReference, FeatureReference
    from deriva_ml.dataset.validation import (
        DatasetSpecValidationReport,
        ExecutionConfigurationValidationReport,
    )
    from deriva_ml.execution.configuration import ExecutionConfiguration

    from ..base import DerivaML


def validate_dataset_specs(self: DerivaML, specs: Iterable[Any]) -> DatasetSpecValidationReport:
    """Report on datasets that are to be read (see `dataset.validation.validate_specs`)."""
    from deriva_ml.dataset.validation import validate_specs

    return validate_specs(self.session, specs)


def validate_execution_configuration(
    self: DerivaML, config: ExecutionConfiguration | Mapping[str, Any]
) -> ExecutionConfigurationValidationReport:
    """Report on the inputs of a run (see `dataset.validation.validate_configuration`)."""
    from deriva_ml.dataset.validation import validate_configuration

    return validate_configuration(self.session, config)


def find_datasets_referencing(
    self: DerivaML, table: str | Table, column: str | None = None
) -> list[DatasetReference]:
    """Datasets with members that depend on a table (see `dataset.references`)."""
    from deriva_ml.dataset.references import find_datasets_referencing

    return find_datasets_referencing(self.session, table, column)


def find_features_referencing(
    self: DerivaML, table: str | Table, column: str | None = None
) -> list[FeatureReference]:
    """Features with values that depend on a table (see `dataset.references`)."""
    from deriva_ml.dataset.references import find_features_referencing

    return find_features_referencing(self.session, table, column)
