"""The contract of validators, and what happens with their results."""

from __future__ import annotations

import abc
import enum
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "AsyncBaseDefaultValidator",
    "AsyncDataValidator",
    "BaseDefaultValidator",
    "DataValidationError",
    "DataValidationLevel",
    "DataValidator",
    "ValidationResult",
    "act_fail_bulk",
    "act_warn",
]

logger = logging.getLogger(__name__)


class DataValidationError(Exception):
    """Checks of level ``fail`` failed; the argument lists every message."""


class DataValidationLevel(enum.Enum):
    """What a failed check leads to."""

    WARN = "warn"
    FAIL = "fail"


@dataclass
class ValidationResult:
    """The outcome of one check.

    Attributes:
        passes: Whether the value is fine.
        message: What was checked, and what was found.
        diagnostics: Details as plain data.
    """

    passes: bool
    message: str
    diagnostics: dict[str, Any] = field(default_factory=dict)


class DataValidator(abc.ABC):
    """One check.

    Args:
        importance: ``warn`` or ``fail``.

    Raises:
        ValueError: The importance is neither.
    """

    def __init__(self, importance: str) -> None:
        self._importance = DataValidationLevel(importance)

    @property
    def importance(self) -> DataValidationLevel:
        """What a failed check leads to."""
        return self._importance

    @abc.abstractmethod
    def applies_to(self, datatype: Any) -> bool:
        """Returns whether values of this type can be checked."""

    @abc.abstractmethod
    def description(self) -> str:
        """Returns what is checked as a sentence."""

    @classmethod
    @abc.abstractmethod
    def name(cls) -> str:
        """Returns the name that the check's node ends in."""

    @abc.abstractmethod
    def validate(self, dataset: Any) -> ValidationResult:
        """Returns the outcome for a value."""

    def required_config(self) -> list[str]:
        """Returns the configuration keys the check needs."""
        return []


class AsyncDataValidator(DataValidator):
    """A check whose `validate` is a coroutine."""

    @abc.abstractmethod
    async def validate(self, dataset: Any) -> ValidationResult:  # type: ignore[override]
        """Returns the outcome for a value."""


class BaseDefaultValidator(DataValidator):
    """A check that ``@check_output`` offers under an argument name."""

    @classmethod
    @abc.abstractmethod
    def arg(cls) -> str:
        """Returns the argument of ``@check_output`` that asks for this check."""

    @classmethod
    def name(cls) -> str:
        """Returns ``<argument>_validator``."""
        return f"{cls.arg()}_validator"


class AsyncBaseDefaultValidator(AsyncDataValidator, BaseDefaultValidator):
    """A check offered by ``@check_output`` whose `validate` is a coroutine."""


def act_warn(node_name: str, validation_result: ValidationResult, validator: DataValidator) -> None:
    """Logs a warning when a check failed."""
    if not validation_result.passes:
        logger.warning(_text(node_name, validation_result, validator))


def act_fail_bulk(
    node_name: str, failures: Sequence[tuple[ValidationResult, DataValidator]]
) -> None:
    """Logs and raises all failures among checks of level ``fail`` at once.

    Raises:
        DataValidationError: At least one check failed.
    """
    messages = [_text(node_name, r, v) for r, v in failures if not r.passes]
    if messages:
        for message in messages:
            logger.error(message)
        raise DataValidationError(messages)


def _text(node_name: str, result: ValidationResult, validator: DataValidator) -> str:
    return (
        f"[{node_name}:{validator.name()}] validator failed. Message was: {result.message}. "
        f"Diagnostic information is: {result.diagnostics}."
    )
