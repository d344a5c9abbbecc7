"""Base classes of computations built from configuration, for `dynamic_transform` and `model`."""

from __future__ import annotations

import abc
from typing import Any

__all__ = ["BaseModel", "DynamicTransformBase"]


class DynamicTransformBase(abc.ABC):
    """A computation that names its own dependencies.

    Args:
        config_parameters: The value of the configuration key it was built for.
        name: The name of the node it computes.
    """

    def __init__(self, config_parameters: Any, name: str) -> None:
        self.config_parameters = config_parameters
        self.name = name

    @abc.abstractmethod
    def get_dependents(self) -> list[str]:
        """Returns the names of the nodes it needs."""

    @abc.abstractmethod
    def compute(self, **inputs: Any) -> Any:
        """Returns the value of the node."""


class BaseModel(DynamicTransformBase, abc.ABC):
    """A computation that predicts."""

    @abc.abstractmethod
    def predict(self, **columns: Any) -> Any:
        """Returns the prediction."""

    def compute(self, **inputs: Any) -> Any:
        """Returns the prediction."""
        return self.predict(**inputs)
