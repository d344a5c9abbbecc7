"""`Experiment`: an execution seen as a try with a configuration and an outcome."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from deriva_ml.asset.asset import Asset
from deriva_ml.core.enums import MLAsset

from .files import ExecutionFiles, flat
from .measurements import latest, measured, metrics_in

if TYPE_CHECKING:
    import pandas as pd

    from deriva_ml.core.base import DerivaML
    from deriva_ml.core.enums import ExecutionStatus
    from deriva_ml.dataset.dataset import Dataset
    from deriva_ml.execution.record import ExecutionRecord

__all__ = ["Experiment"]

_CONNECTION = "deriva_ml"
_INTERNAL = ("_target_", "_partial_", "_recursive_", "_convert_", "_args_", "_zen_")


class Experiment:
    """An execution with the configuration that Hydra composed for it. Equal when the RIDs are.

    Args:
        ml: The connection to the catalog.
        execution_rid: RID of the execution.

    Raises:
        DerivaMLNotFoundError: There is no such execution.
    """

    def __init__(self, ml: DerivaML, execution_rid: str) -> None:
        self._set(ml, ml.lookup_execution(execution_rid), None)

    def _set(self, ml: DerivaML, execution: ExecutionRecord, files: ExecutionFiles | None) -> None:
        self._ml = ml
        self.execution = execution
        self._files = files or ExecutionFiles(ml.session, [execution.execution_rid])

    @classmethod
    def several(cls, ml: DerivaML, executions: list[ExecutionRecord]) -> list[Experiment]:
        """Experiments of several executions, whose files are found in two queries."""
        files = ExecutionFiles(ml.session, [e.execution_rid for e in executions])
        found = []
        for execution in executions:
            made = cls.__new__(cls)
            made._set(ml, execution, files)
            found.append(made)
        return found

    # --- what it is ------------------------------------------------------------------

    @property
    def execution_rid(self) -> str:
        """RID of the execution."""
        return self.execution.execution_rid

    rid = execution_rid

    @property
    def name(self) -> str:
        """The model configuration that was chosen; else the RID."""
        return self.config_choices.get("model_config", self.execution_rid)

    @property
    def description(self) -> str:
        """Why it was made."""
        return self.execution.description

    @property
    def status(self) -> ExecutionStatus:
        """The state of the execution."""
        return self.execution.status

    # --- how it was configured -------------------------------------------------------

    @cached_property
    def hydra_config(self) -> dict[str, Any]:
        """The whole configuration; empty for an execution without Hydra."""
        return self._files.hydra_config(self.execution_rid)

    @cached_property
    def config_choices(self) -> dict[str, str]:
        """The option that was chosen from each group of configurations."""
        return self._files.choices(self.execution_rid)

    @property
    def model_config(self) -> dict[str, Any]:
        """The part of the configuration that the model gets."""
        found = self.hydra_config.get("model_config")
        return dict(found) if isinstance(found, dict) else {}

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the model by name, nested names joined by dots.

        Without a model configuration, the whole configuration but the connection.
        """
        config = self.model_config or {
            name: value for name, value in self.hydra_config.items() if name != _CONNECTION
        }
        return {k: v for k, v in flat(config).items() if not _is_internal(k)}

    # --- what came of it -------------------------------------------------------------

    @cached_property
    def metrics(self) -> dict[str, float]:
        """The latest value of each measurement (see `Execution.metrics_file`), by name.

        That is the one of the highest step; steps and times themselves are no measurements.
        """
        files = self._files.metrics_files(self.execution_rid)
        found = latest(metric for content in files for metric in metrics_in(content))
        return {name: metric.value for name, metric in found.items()}

    def metrics_history(self) -> pd.DataFrame:
        """Every line of the files of measurements, as it was written, as a frame.

        Nested names are joined by dots. A line that is no JSON object is passed over.
        """
        import pandas as pd

        files = self._files.metrics_files(self.execution_rid)
        return pd.DataFrame([flat(line) for content in files for line in measured(content)])

    @cached_property
    def input_datasets(self) -> list[Dataset]:
        """The datasets that it read."""
        return self.execution.list_input_datasets()

    @cached_property
    def input_assets(self) -> list[Asset]:
        """The files that it read."""
        return self.execution.list_assets("Input")

    @cached_property
    def output_assets(self) -> list[Asset]:
        """The files that it made, without those that describe it."""
        made = self.execution.list_assets("Output")
        return [a for a in made if a.asset_table != MLAsset.execution_metadata.value]

    # --- showing it ------------------------------------------------------------------

    def summary(self) -> dict[str, Any]:
        """Everything about it as plain values."""
        execution = self.execution
        return {
            "name": self.name,
            "execution_rid": self.execution_rid,
            "description": self.description,
            "status": self.status.value,
            "workflow_rid": execution.workflow_rid,
            "start": execution.start_time,
            "stop": execution.stop_time,
            "duration": execution.duration,
            "config_choices": dict(self.config_choices),
            "model_config": self.model_config,
            "metrics": dict(self.metrics),
            "input_datasets": [
                {"rid": d.dataset_rid, "description": d.description} for d in self.input_datasets
            ],
            "input_assets": [_asset(a) for a in self.input_assets],
            "output_assets": [_asset(a) for a in self.output_assets],
            "url": self.get_chaise_url(),
        }

    def get_chaise_url(self) -> str:
        """The address of the web page of its execution."""
        return self._ml.chaise_url(self.execution_rid)

    def _repr_html_(self) -> str:
        return self.execution._repr_html_()

    def to_markdown(self, show_datasets: bool = True, show_assets: bool = True) -> str:
        """The experiment as Markdown.

        Args:
            show_datasets: List the datasets that it read.
            show_assets: List the files that it read and made.
        """
        from .markdown import as_markdown

        return as_markdown(self, show_datasets=show_datasets, show_assets=show_assets)

    def display_markdown(self, show_datasets: bool = True, show_assets: bool = True) -> None:
        """Show the Markdown in a notebook; elsewhere print it."""
        from .markdown import display

        display(self.to_markdown(show_datasets, show_assets))

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def __repr__(self) -> str:
        return f"Experiment({self.name!r}, {self.execution_rid!r}, {self.status.value})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Experiment):
            return NotImplemented
        return self.execution_rid == other.execution_rid

    def __hash__(self) -> int:
        return hash(self.execution_rid)


def _is_internal(name: str) -> bool:
    """Whether a setting is Hydra's own and no parameter."""
    return any(part.startswith(_INTERNAL) for part in name.split("."))


def _asset(asset: Asset) -> dict[str, Any]:
    return {
        "rid": asset.asset_rid,
        "filename": asset.filename,
        "asset_table": asset.asset_table,
        "types": asset.asset_types,
    }
