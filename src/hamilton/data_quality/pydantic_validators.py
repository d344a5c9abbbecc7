"""Checks of values against pydantic models."""

from __future__ import annotations

import typing
from typing import Any

from hamilton.data_quality.base import BaseDefaultValidator, ValidationResult

__all__ = ["PYDANTIC_VALIDATORS", "PydanticModelValidator"]


class PydanticModelValidator(BaseDefaultValidator):
    """A dictionary or model fits a pydantic model, strictly."""

    def __init__(self, model: Any, importance: str) -> None:
        super().__init__(importance)
        from pydantic import BaseModel

        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise ValueError(f"model must be a pydantic model class, found {model!r}.")
        self.model = model

    @classmethod
    def arg(cls) -> str:
        """Returns ``model``."""
        return "model"

    def applies_to(self, datatype: Any) -> bool:
        """Returns whether the type is a dictionary or a model."""
        from pydantic import BaseModel

        origin = typing.get_origin(datatype) or datatype
        return isinstance(origin, type) and issubclass(origin, (dict, BaseModel))

    def description(self) -> str:
        """Returns what is checked."""
        return f"Validates that the value fits the pydantic model {self.model.__name__}"

    def validate(self, dataset: Any) -> ValidationResult:
        """Returns the outcome."""
        from pydantic import BaseModel, ValidationError

        value = dataset.model_dump(warnings=False) if isinstance(dataset, BaseModel) else dataset
        try:
            self.model.model_validate(value)
        except ValidationError as error:
            return ValidationResult(
                False, str(error), {"model_errors": error.errors(include_context=False)}
            )
        return ValidationResult(True, f"Data fits the model {self.model.__name__}")


PYDANTIC_VALIDATORS: list[type[BaseDefaultValidator]] = [PydanticModelValidator]
