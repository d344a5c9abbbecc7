"""What the runner expects of a model."""

from typing import Any, Protocol, runtime_checkable

from deriva_ml import DerivaML
from deriva_ml.execution import Execution


@runtime_checkable
class DerivaMLModel(Protocol):
    def __call__(
        self, *args: Any, ml_instance: DerivaML, execution: Execution, **kwargs: Any
    ) -> None: ...
