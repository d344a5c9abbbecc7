"""Checks that take a pandera schema from the return annotation."""

from __future__ import annotations

import typing
from typing import Any

from hamilton.data_quality.base import DataValidator
from hamilton.data_quality.pandera_validators import PanderaDataFrameValidator
from hamilton.errors import where
from hamilton.function_modifiers.base import InvalidDecoratorException
from hamilton.function_modifiers.validation import BaseDataValidationDecorator
from hamilton.node import Node

__all__ = ["check_output"]


class check_output(BaseDataValidationDecorator):
    """Checks a dataframe against the model in its annotation, ``DataFrame[Model]``.

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
            InvalidDecoratorException: The annotation names no model.
        """
        arguments = typing.get_args(node_to_validate.type)
        schema = getattr(arguments[0], "to_schema", None) if arguments else None
        if schema is None:
            raise InvalidDecoratorException(
                f"@check_output of pandera: {where(node_to_validate.function)} must return "
                f"pandera.typing.DataFrame[Model]; it returns {node_to_validate.type!r}.",
                node=node_to_validate.name,
                function=node_to_validate.function,
            )
        return [PanderaDataFrameValidator(schema(), self.importance)]
