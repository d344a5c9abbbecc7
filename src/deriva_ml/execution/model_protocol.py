"""What a function must accept so that the runner can call it as a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ..core.base import DerivaML
    from .execution import Execution

__all__ = ["DerivaMLModel"]


@runtime_checkable
class DerivaMLModel(Protocol):
    """A model function: hyperparameters, then the session and the execution by keyword."""

    def __call__(
        self, *args: Any, ml_instance: DerivaML, execution: Execution, **kwargs: Any
    ) -> None:
        """Read inputs from `execution` and register outputs with it."""
        ...
