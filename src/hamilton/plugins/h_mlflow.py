"""Runs tracked in MLflow."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hamilton.errors import short_repr
from hamilton.lifecycle.base import (
    BasePostGraphConstruct,
    BasePostGraphExecute,
    BasePostNodeExecute,
    BasePreGraphExecute,
    BasePreNodeExecute,
)
from hamilton.node import Node
from hamilton.plugins._mlflow_run import TrackedRun, tracked_run
from hamilton.plugins._shipping import missing_library

if TYPE_CHECKING:
    from types import ModuleType

    from hamilton.graph import FunctionGraph

__all__ = ["MLFlowTracker", "get_path_from_metadata"]

_LONGEST_PARAMETER = 6000


def get_path_from_metadata(metadata: Mapping[str, Any]) -> str | None:
    """Returns the file that a saver says it wrote, or None."""
    for part in (metadata.get("file_metadata"), metadata):
        if isinstance(part, Mapping) and isinstance(part.get("path"), str):
            return str(part["path"])
    return None


class MLFlowTracker(
    BasePostGraphConstruct,
    BasePreGraphExecute,
    BasePreNodeExecute,
    BasePostNodeExecute,
    BasePostGraphExecute,
):
    """Makes an MLflow run of every run of the driver.

    Configuration and inputs become parameters, numbers among the requested values metrics,
    figures figures, and the files that savers wrote artifacts; models saved with ``to.mlflow``
    belong to the run; ``config.json`` and ``hamilton_graph.json`` lie beside them. The run ends as
    FINISHED or FAILED.

    Args:
        tracking_uri: Where runs are kept; default that of MLflow.
        registry_uri: Where models are registered; default that of MLflow.
        artifact_location: Where artifacts of a new experiment are kept.
        experiment_name: The experiment; made when it is not there.
        experiment_tags: Tags of a new experiment.
        experiment_description: Description of a new experiment.
        run_id: A run to continue.
        run_name: Name of a new run.
        run_tags: Tags of a new run.
        run_description: Description of a new run.
        log_system_metrics: Have MLflow record processor and memory use during the run.

    Raises:
        ImportError: MLflow is not installed.
    """

    def __init__(
        self,
        tracking_uri: str | None = None,
        registry_uri: str | None = None,
        artifact_location: str | None = None,
        experiment_name: str = "Hamilton",
        experiment_tags: dict[str, Any] | None = None,
        experiment_description: str | None = None,
        run_id: str | None = None,
        run_name: str | None = None,
        run_tags: dict[str, Any] | None = None,
        run_description: str | None = None,
        log_system_metrics: bool = False,
    ) -> None:
        try:
            from mlflow.tracking import MlflowClient
        except ImportError:
            raise missing_library("mlflow", "'derivaml[tracking]'") from None
        self._stores = (tracking_uri, registry_uri)
        self.client = MlflowClient(tracking_uri=tracking_uri, registry_uri=registry_uri)
        self.run_id = run_id
        self._continued = run_id
        self._run_name = run_name
        self._log_system_metrics = log_system_metrics
        self._monitor: Any = None
        self._run_tags = dict(run_tags or {})
        if run_description is not None:
            self._run_tags["mlflow.note.content"] = run_description
        self._experiment = experiment_name
        self._artifact_location = artifact_location
        self._experiment_tags = dict(experiment_tags or {})
        if experiment_description is not None:
            self._experiment_tags["mlflow.note.content"] = experiment_description
        self._config: dict[str, Any] = {}

    def post_graph_construct(
        self, *, graph: FunctionGraph, modules: list[ModuleType], config: dict[str, Any]
    ) -> None:
        """Notes the configuration."""
        self._config = dict(config)

    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Starts the MLflow run, with graph, configuration and inputs."""
        from hamilton.graph_export import graph_as_json

        self._final_vars = frozenset(final_vars)
        if self._continued is None:
            tags = {**self._run_tags, "run_id": run_id}
            run = self.client.create_run(self._experiment_id(), run_name=self._run_name, tags=tags)
            self.run_id = run.info.run_id
        assert self.run_id is not None
        self.client.log_dict(self.run_id, _plain(self._config), "config.json")
        self.client.log_text(self.run_id, graph_as_json(graph), "hamilton_graph.json")
        for name, value in {**self._config, **inputs}.items():
            self.client.log_param(self.run_id, name, _parameter(value))
        if self._log_system_metrics:
            from mlflow.system_metrics import system_metrics_monitor

            monitors: Any = system_metrics_monitor  # untyped
            self._monitor = monitors.SystemMetricsMonitor(self.run_id)
            self._monitor.start()

    def _experiment_id(self) -> str:
        found = self.client.get_experiment_by_name(self._experiment)
        if found is not None:
            return str(found.experiment_id)
        return str(
            self.client.create_experiment(
                self._experiment, self._artifact_location, self._experiment_tags
            )
        )

    def pre_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> None:
        """Tells loaders and savers of models which run they belong to."""
        if self.run_id is not None and _moves_models(node_):
            tracked_run.set(TrackedRun(self.run_id, *self._stores))

    def post_node_execute(
        self,
        *,
        run_id: str,
        node_: Node,
        kwargs: dict[str, Any],
        success: bool,
        error: Exception | None,
        result: Any,
        task_id: str | None = None,
    ) -> None:
        """Records what a saver wrote, and requested numbers and figures."""
        if _moves_models(node_):
            tracked_run.set(None)
        if not success or self.run_id is None:
            return
        if "hamilton.data_saver" in node_.tags and isinstance(result, Mapping):
            path = get_path_from_metadata(result)
            if path is not None and Path(path).is_file():
                self.client.log_artifact(self.run_id, path)
        elif node_.name in self._final_vars:
            self._record(node_.name, result)

    def _record(self, name: str, value: Any) -> None:
        assert self.run_id is not None
        kind = type(value)
        if isinstance(value, bool):
            self.client.log_metric(self.run_id, name, int(value))
        elif isinstance(value, (int, float)):
            self.client.log_metric(self.run_id, name, value)
        elif hasattr(value, "dtype") and hasattr(value, "item") and not getattr(value, "shape", 1):
            self.client.log_metric(self.run_id, name, float(value.item()))
        elif kind.__module__.startswith("matplotlib.") and kind.__name__ == "Figure":
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / f"{name}.png"
                value.savefig(file)
                self.client.log_artifact(self.run_id, str(file))
        elif kind.__module__.startswith("plotly.") and hasattr(value, "to_html"):
            self.client.log_text(self.run_id, value.to_html(), f"{name}.html")

    def post_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        success: bool,
        error: Exception | None,
        results: Any,
    ) -> None:
        """Ends the MLflow run."""
        if self._monitor is not None:
            self._monitor.finish()
            self._monitor = None
        if self.run_id is not None:
            self.client.set_terminated(self.run_id, "FINISHED" if success else "FAILED")


def _moves_models(node: Node) -> bool:
    tags = node.tags
    return "mlflow" in (
        tags.get("hamilton.data_saver.sink"),
        tags.get("hamilton.data_loader.source"),
    )


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        k: v if isinstance(v, (str, int, float, bool, type(None), list, dict)) else short_repr(v)
        for k, v in values.items()
    }


def _parameter(value: Any) -> Any:
    if isinstance(value, (str, int, float, bool)):
        return value if not isinstance(value, str) else value[:_LONGEST_PARAMETER]
    return short_repr(value, 500)
