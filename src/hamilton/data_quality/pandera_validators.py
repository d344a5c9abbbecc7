"""Checks of dataframes against pandera schemas."""

from __future__ import annotations

from typing import Any

from hamilton.data_quality.base import BaseDefaultValidator, ValidationResult

__all__ = ["PANDERA_VALIDATORS", "PanderaDataFrameValidator"]


class PanderaDataFrameValidator(BaseDefaultValidator):
    """A dataframe or column fits a pandera schema; all failures are reported."""

    def __init__(self, schema: Any, importance: str) -> None:
        super().__init__(importance)
        self.schema = schema

    @classmethod
    def arg(cls) -> str:
        """Returns ``schema``."""
        return "schema"

    def applies_to(self, datatype: Any) -> bool:
        """Returns whether the type is a registered dataframe or column type."""
        from hamilton import registry

        known = (*registry.dataframe_types(), *registry.column_types_for(datatype))
        return isinstance(datatype, type) and issubclass(datatype, known)

    def description(self) -> str:
        """Returns what is checked."""
        return "Validates that the data fits a pandera schema"

    def validate(self, dataset: Any) -> ValidationResult:
        """Returns the outcome; lazy collections are computed first."""
        from pandera.errors import SchemaErrors

        value = dataset.compute() if hasattr(dataset, "compute") else dataset
        try:
            self.schema.validate(value, lazy=True)
        except SchemaErrors as error:
            return ValidationResult(
                False,
                str(error)[:2000],
                {"schema_errors": str(error.failure_cases)[:2000]},
            )
        return ValidationResult(True, f"Data fits the schema {self.schema.name!r}")


PANDERA_VALIDATORS: list[type[BaseDefaultValidator]] = [PanderaDataFrameValidator]
