"""MLflow: saving models to runs and loading them from runs or the registry."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import inspect
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Literal

from hamilton.errors import MaterializationError
from hamilton.io.data_adapters import DataLoader, DataSaver
from hamilton.plugins._mlflow_run import TrackedRun, tracked_run
from hamilton.registry import register_adapter

__all__ = ["MLFlowModelLoader", "MLFlowModelSaver"]

# Libraries whose flavor is called otherwise.
_FLAVORS = {"torch": "pytorch", "keras": "tensorflow", "mlflow": "pyfunc"}


@dataclasses.dataclass
class MLFlowModelSaver(DataSaver):
    """Logs a model to an MLflow run.

    Attributes:
        path: Name of the model within the run.
        register_as: Name under which to register a new version of it.
        flavor: A flavor, or its module; default that of the model's library.
        run_id: The run; default that of an `MLFlowTracker` of the driver, then the active one.
        mlflow_kwargs: Further arguments of the flavor's ``save_model``.
    """

    path: str = "model"
    register_as: str | None = None
    flavor: str | ModuleType | None = None
    run_id: str | None = None
    mlflow_kwargs: dict[str, Any] | None = None

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns ``object`` and ``Any``: models have no common class."""
        return [object, Any]

    @classmethod
    def name(cls) -> str:
        """Returns ``mlflow``."""
        return "mlflow"

    def save_data(self, data: Any) -> dict[str, Any]:
        """Logs the model and returns its URI, run and flavor.

        Raises:
            MaterializationError: MLflow has no flavor for the model.
        """
        from mlflow.models import Model

        flavor = _flavor_module(self.flavor or _library_of(data))
        run = tracked_run.get()
        run_id = self.run_id or (run.run_id if run else None)
        model_parameter = next(iter(inspect.signature(flavor.save_model).parameters))
        with _store_of(run):
            found = Model.log(
                None,
                flavor,
                registered_model_name=self.register_as,
                run_id=run_id,
                name=self.path,
                model_id=None if run_id is None else _new_model(self.path, run_id),
                **{model_parameter: data},
                **(self.mlflow_kwargs or {}),
            )
        return {
            "mlflow_model": {
                "model_uri": found.model_uri,
                "run_id": found.run_id,
                "flavor": flavor.__name__.rpartition(".")[2],
                "registered_as": self.register_as,
                "version": found.registered_model_version,
            }
        }


@dataclasses.dataclass
class MLFlowModelLoader(DataLoader):
    """Loads a model from a run, or from the registry.

    Attributes:
        model_uri: Where the model is; else it is made of what follows.
        mode: ``tracking``: `path` in the run `run_id`; ``registry``: `version`, or
            `version_alias`, of `model_name`.
        run_id: The run; default that of an `MLFlowTracker` of the driver.
        path: Name of the model within the run.
        model_name: Name in the registry.
        version: Version in the registry.
        version_alias: Alias of a version in the registry.
        flavor: A flavor, or its module; default the one it was logged with.
        mlflow_kwargs: Further arguments of the flavor's ``load_model``.
    """

    model_uri: str | None = None
    mode: Literal["tracking", "registry"] = "tracking"
    run_id: str | None = None
    path: str = "model"
    model_name: str | None = None
    version: str | int | None = None
    version_alias: str | None = None
    flavor: str | ModuleType | None = None
    mlflow_kwargs: dict[str, Any] | None = None

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns ``object`` and ``Any``: models have no common class."""
        return [object, Any]

    @classmethod
    def applies_to(cls, type_: Any) -> bool:
        """Returns True: any type can have been logged."""
        return True

    @classmethod
    def name(cls) -> str:
        """Returns ``mlflow``."""
        return "mlflow"

    def load_data(self, type_: type[Any]) -> tuple[Any, dict[str, Any]]:
        """Returns the model.

        Raises:
            MaterializationError: The arguments do not say which model.
        """
        from mlflow.models import get_model_info

        run = tracked_run.get()
        uri = self._uri(run)
        with _store_of(run):
            info = get_model_info(uri)
            own = [name for name in info.flavors if name != "python_function"]
            flavor = _flavor_module(self.flavor or (own[0] if own else "pyfunc"))
            model = flavor.load_model(uri, **(self.mlflow_kwargs or {}))
        facts = {"model_uri": uri, "run_id": info.run_id, "flavor": flavor.__name__.split(".")[-1]}
        return model, {"mlflow_model": facts}

    def _uri(self, run: TrackedRun | None) -> str:
        if self.model_uri:
            return self.model_uri
        run_id = self.run_id or (run.run_id if run else None)
        if self.mode == "tracking" and run_id:
            return f"runs:/{run_id}/{self.path}"
        if self.mode == "registry" and self.model_name:
            if self.version is not None:
                return f"models:/{self.model_name}/{self.version}"
            if self.version_alias is not None:
                return f"models:/{self.model_name}@{self.version_alias}"
        raise MaterializationError(
            "Nothing says which model to load: pass model_uri, or run_id, or mode='registry' with "
            "model_name and either version or version_alias."
        )


def _new_model(name: str, run_id: str) -> str:
    """Returns the id of a new model in the experiment of a run, which need not be active."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient()
    run = client.get_run(run_id)
    made = client.create_logged_model(
        run.info.experiment_id, name=name, source_run_id=run_id, params=run.data.params
    )
    return str(made.model_id)


def _library_of(model: Any) -> str:
    """Returns the library of a model: of its class, or of the nearest base that MLflow knows."""
    libraries = [cls.__module__.partition(".")[0] for cls in type(model).__mro__]
    for library in libraries:
        name = _FLAVORS.get(library, library)
        if importlib.util.find_spec(f"mlflow.{name}") is not None:
            return name
    raise MaterializationError(
        f"MLflow has no flavor for a {type(model).__module__}.{type(model).__qualname__}; pass "
        "flavor=..., or wrap the model as a mlflow.pyfunc.PythonModel."
    )


def _flavor_module(flavor: str | ModuleType) -> Any:
    if isinstance(flavor, ModuleType):
        return flavor
    try:
        return importlib.import_module(f"mlflow.{flavor}")
    except ModuleNotFoundError as error:
        raise MaterializationError(
            f"MLflow's flavor {flavor!r} cannot be imported: {error}."
        ) from error


_switching = threading.RLock()


@contextmanager
def _store_of(run: TrackedRun | None) -> Iterator[None]:
    """Has MLflow use the stores of a tracked run, which it only lets one say process-wide."""
    import mlflow

    if run is None or (run.tracking_uri is None and run.registry_uri is None):
        yield
        return
    with _switching:
        before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
        try:
            if run.tracking_uri is not None:
                mlflow.set_tracking_uri(run.tracking_uri)
            if run.registry_uri is not None:
                mlflow.set_registry_uri(run.registry_uri)
            yield
        finally:
            mlflow.set_tracking_uri(before[0])
            if run.registry_uri is not None:
                mlflow.set_registry_uri(before[1])


register_adapter(MLFlowModelSaver)
register_adapter(MLFlowModelLoader)
