"""Checking the inputs that a configuration names, before anything is recorded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..core.exceptions import DerivaMLValidationError
from ..core.logging_config import get_logger
from ..core.validation import validate_execution_config
from .configuration import ExecutionConfiguration

if TYPE_CHECKING:
    from ..core.base import DerivaML

__all__ = ["check_inputs"]

_log = get_logger(__name__)


def check_inputs(ml: DerivaML, datasets: Iterable[Any], assets: Iterable[Any]) -> None:
    """Refuse inputs that do not exist; log what is only odd.

    Raises:
        DerivaMLValidationError: Some do not exist; the message lists them.
    """
    inputs = ExecutionConfiguration(datasets=list(datasets), assets=list(assets))
    found = validate_execution_config(ml, inputs.datasets, inputs.assets)
    for warning in found.warnings:
        _log.warning("%s", warning)
    if not found.is_valid:
        listed = "\n".join(f"  {error}" for error in found.errors)
        raise DerivaMLValidationError(f"The configured inputs cannot be used:\n{listed}")
