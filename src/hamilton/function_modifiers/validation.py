"""Modifiers that check what a function returns."""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from hamilton.errors import where
from hamilton.function_modifiers.base import NodeTransformer
from hamilton.node import Node

if TYPE_CHECKING:
    from hamilton.data_quality.base import BaseDefaultValidator, DataValidator

__all__ = [
    "DATA_VALIDATOR_ORIGINAL_OUTPUT_TAG",
    "IS_DATA_VALIDATOR_TAG",
    "BaseDataValidationDecorator",
    "check_output",
    "check_output_custom",
]

IS_DATA_VALIDATOR_TAG = "hamilton.data_quality.contains_dq_results"
DATA_VALIDATOR_ORIGINAL_OUTPUT_TAG = "hamilton.data_quality.source_node"


class BaseDataValidationDecorator(NodeTransformer):
    """Puts checks behind a node: ``f`` becomes ``f_raw``, one node per check, then ``f``."""

    @abc.abstractmethod
    def get_validators(self, node_to_validate: Node) -> list[DataValidator]:
        """Returns the checks for a node."""

    def merged_with(self, other: Any) -> BaseDataValidationDecorator | None:
        """Returns one modifier with the checks of both, when they have the same target."""
        if not isinstance(other, BaseDataValidationDecorator) or other.target != self.target:
            return None
        return _Merged(self, other)

    def transform_node(
        self, node_: Node, config: dict[str, Any], fn: Callable[..., Any]
    ) -> Collection[Node]:
        """Returns the raw node, the checks, and the node that acts on their results."""
        validators = self.get_validators(node_)
        raw = node_.copy_with(name=f"{node_.name}_raw", positional=node_.positional)
        checks: dict[str, tuple[Node, DataValidator]] = {}
        for validator in validators:
            stem = f"{node_.name}_{validator.name()}"
            name, number = stem, 0
            while name in checks:
                number += 1
                name = f"{stem}_{number}"
            checks[name] = (_check_node(name, node_, raw, validator), validator)
        return [raw, *(node for node, _ in checks.values()), _acting_node(node_, raw, checks)]


def _check_node(name: str, node: Node, raw: Node, validator: DataValidator) -> Node:
    from hamilton.data_quality.base import ValidationResult

    validate: Callable[..., Any] = validator.validate
    if inspect.iscoroutinefunction(validate):

        async def check_async(**kwargs: Any) -> Any:
            return await validate(kwargs[raw.name])

        check: Callable[..., Any] = check_async
    else:

        def check(**kwargs: Any) -> Any:
            return validate(kwargs[raw.name])

    return Node(
        name,
        ValidationResult,
        validator.description(),
        check,
        input_types={raw.name: node.type},
        tags={
            "module": node.tags.get("module", ""),
            IS_DATA_VALIDATOR_TAG: True,
            DATA_VALIDATOR_ORIGINAL_OUTPUT_TAG: node.name,
        },
        namespace=node.namespace,
        originating_functions=node.originating_functions,
    )


def _acting_node(node: Node, raw: Node, checks: dict[str, tuple[Node, DataValidator]]) -> Node:
    from hamilton.data_quality.base import (
        DataValidationLevel,
        ValidationResult,
        act_fail_bulk,
        act_warn,
    )

    def act(**kwargs: Any) -> Any:
        failing = []
        for name, (_, validator) in checks.items():
            if validator.importance is DataValidationLevel.WARN:
                act_warn(node.name, kwargs[name], validator)
            else:
                failing.append((kwargs[name], validator))
        act_fail_bulk(node.name, failing)
        return kwargs[raw.name]

    return node.copy_with(
        callabl=act,
        input_types={raw.name: node.type, **dict.fromkeys(checks, ValidationResult)},
        optional_values={},
    )


class _Merged(BaseDataValidationDecorator):
    """The checks of several modifiers on one output."""

    def __init__(self, *parts: BaseDataValidationDecorator) -> None:
        super().__init__(parts[0].target)
        self.parts = parts

    def get_validators(self, node_to_validate: Node) -> list[DataValidator]:
        """Returns the checks of all parts in order."""
        return [v for part in self.parts for v in part.get_validators(node_to_validate)]


class check_output(BaseDataValidationDecorator):
    """Checks what a function returns with validators chosen by argument name and type.

    Args:
        importance: ``warn`` logs, ``fail`` raises.
        default_validator_candidates: Classes to choose from instead of the built-in ones.
        target_: None for the final nodes, ``...`` for all, or names.
        **default_validator_kwargs: ``{argument: value}`` as in
            `hamilton.data_quality.default_validators`.
    """

    def __init__(
        self,
        importance: str = "warn",
        default_validator_candidates: Sequence[type[BaseDefaultValidator]] | None = None,
        target_: Any = None,
        **default_validator_kwargs: Any,
    ) -> None:
        super().__init__(target_)
        self.importance = importance
        self.candidates = default_validator_candidates
        self.kwargs = default_validator_kwargs

    def get_validators(self, node_to_validate: Node) -> list[DataValidator]:
        """Returns the checks for the type of a node.

        Raises:
            ValueError: No check fits an argument, or the importance is unknown.
        """
        from hamilton.data_quality.default_validators import resolve_default_validators

        try:
            found = resolve_default_validators(
                node_to_validate.type,
                importance=self.importance,
                available_validators=self.candidates,
                **self.kwargs,
            )
        except ValueError as error:
            functions = node_to_validate.originating_functions or ()
            names = [function.__name__ for function in functions]
            raise ValueError(
                f"Could not resolve validators for @check_output for function {names}. {error} "
                f"It is defined at {where(node_to_validate.function)}."
            ) from error
        return list(found)


class check_output_custom(BaseDataValidationDecorator):
    """Checks what a function returns with the given validators.

    Args:
        *validators: The checks.
        target_: None for the final nodes, ``...`` for all, or names.
    """

    def __init__(self, *validators: DataValidator, target_: Any = None) -> None:
        super().__init__(target_)
        self.validators = list(validators)

    def get_validators(self, node_to_validate: Node) -> list[DataValidator]:
        """Returns the given checks."""
        return self.validators
