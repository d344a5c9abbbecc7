"""Checks that take a pydantic model from the return annotation."""

from __future__ import annotations

from typing import Any

from hamilton.data_quality.base import DataValidator
from hamilton.data_quality.pydantic_validators import PydanticModelValidator
from hamilton.errors import where
from hamilton.function_modifiers.base import InvalidDecoratorException
from hamilton.function_modifiers.validation import BaseDataValidationDecorator
from hamilton.node import Node

__all__ = ["check_output"]


class check_output(BaseDataValidationDecorator):
    """Checks a value against the pydantic model in its return annotation.

    Args:
        importance: ``warn`` logs, ``fail`` raises.
        target: None for the final nodes, ``...`` for all, or names.
    """

    def __init__(self, importance: str = "warn", target: Any = None) -> None:
        super().__init__(target)
        self.importance = importance

    def get_validators(self, node_to_validate: Node) -> list[DataValidator]:
        """Returns the check.

        Raises:
            InvalidDecoratorException: The annotation is no model.
        """
        try:
            return [PydanticModelValidator(node_to_validate.type, self.importance)]
        except ValueError as error:
            raise InvalidDecoratorException(
                f"@check_output of pydantic: {where(node_to_validate.function)} must return a "
                f"pydantic model; it returns {node_to_validate.type!r}.",
                node=node_to_validate.name,
                function=node_to_validate.function,
            ) from error
