"""Executions as runs in a user's MLflow: parameters, metrics, tags, datasets and files."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml.core.enums import ExecutionStatus
from deriva_ml.experiment.measurements import shown

from .entities import source_location
from .facts import FileFact, RunFacts, gather, read_files
from .identifiers import address, moment, namespace, of_version
from .mlflow_store import (
    BATCH_METRICS,
    BATCH_PARAMS,
    BATCH_TAGS,
    EXECUTION_TAG,
    LONGEST_PARAM,
    LONGEST_TAG,
    batches,
    connect,
    cut,
    mlflow_errors,
    safe_names,
)

if TYPE_CHECKING:
    from deriva_ml.core.session import Session
    from deriva_ml.execution.run import Surroundings

__all__ = ["export_to_mlflow"]

_DONE_TAG = "deriva_ml.exported"
_S = ExecutionStatus
_STATUS = {
    _S.Created: "SCHEDULED",
    _S.Running: "RUNNING",
    _S.Failed: "FAILED",
    _S.Aborted: "KILLED",
}
_ARTIFACTS = ("metadata", "outputs")


def export_to_mlflow(
    around: Surroundings,
    execution_rid: str,
    tracking_uri: str | None = None,
    *,
    experiment: str | None = None,
    artifacts: bool = True,
) -> str:
    """Make an execution a run in MLflow, or bring its run there up to date; returns the run's id.

    The run is found again by a tag, so there is one for an execution, and what it has already is
    not logged twice. An execution that belongs to one with a run there becomes a nested run.

    Args:
        around: The catalog's collaborators.
        execution_rid: RID of the execution.
        tracking_uri: Where runs are kept; None for what MLflow uses anyway.
        experiment: MLflow's experiment; None means one named after the catalog.
        artifacts: Copy the files that the execution made, and those that describe it.

    Raises:
        ImportError: MLflow is not installed.
        DerivaMLNotFoundError: There is no such execution.
        DerivaMLUnavailableError: MLflow or a file cannot be reached.
        DerivaMLException: MLflow refuses something.
    """
    client = connect(tracking_uri)
    with tempfile.TemporaryDirectory(prefix="deriva-ml-") as scratch:
        folder = Path(scratch)
        facts = gather(around, execution_rid, folder)
        with mlflow_errors(f"exporting execution {execution_rid!r}"):
            export = _Export(client, around.session, facts)
            run = export.run(experiment or f"DerivaML {around.session.catalog.id}")
            tags = export.tags()
            mark = _mark(facts, artifacts, tags)
            if run.data.tags.get(_DONE_TAG) != mark:
                export.log(run, artifacts, folder, tags)
                client.set_tag(run.info.run_id, _DONE_TAG, mark)
            return str(run.info.run_id)


def _mark(facts: RunFacts, artifacts: bool, tags: Mapping[str, str]) -> str:
    """What is the same as long as the execution is, and what belongs to it."""
    told = json.dumps(tags, sort_keys=True).encode()
    digest = hashlib.sha256(told).hexdigest()[:16]
    return f"{facts.row['RMT']} {'with' if artifacts else 'without'} artifacts {digest}"


class _Export:
    """One execution, on its way into MLflow."""

    def __init__(self, client: Any, session: Session, facts: RunFacts) -> None:
        self.client = client
        self.session = session
        self.facts = facts
        self.uri = address(session, facts.rid)

    # --- the run ---------------------------------------------------------------------

    def run(self, experiment: str) -> Any:
        """The execution's run, which is made if there is none."""
        found = self._find([self.uri])
        if self.uri in found:
            return found[self.uri]
        known = self.client.get_experiment_by_name(experiment)
        number = known.experiment_id if known else self._new_experiment(experiment)
        return self.client.create_run(
            number,
            start_time=_millis(self.facts.start or self.facts.created),
            run_name=cut(self._name(), LONGEST_TAG),
            tags={EXECUTION_TAG: self.uri},
        )

    def _new_experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        try:
            return str(self.client.create_experiment(name))
        except MlflowException:  # another process made it just now
            found = self.client.get_experiment_by_name(name)
            if found is None:
                raise
            return str(found.experiment_id)

    def _find(self, uris: Iterable[str]) -> dict[str, Any]:
        """Runs of executions, by URI, in whichever experiment they are."""
        experiments = [e.experiment_id for e in self.client.search_experiments()]
        found: dict[str, Any] = {}
        for uri in uris:
            tagged = f"tags.`{EXECUTION_TAG}` = '{uri}'"
            for run in self.client.search_runs(experiments, tagged, max_results=1):
                found[uri] = run
        return found

    def _name(self) -> str:
        workflow = self.facts.workflow
        return f"{workflow.name} {self.facts.rid}" if workflow else f"Execution {self.facts.rid}"

    # --- what is logged --------------------------------------------------------------

    def log(self, run: Any, artifacts: bool, folder: Path, tags: Mapping[str, str]) -> None:
        """Log what the run does not have yet."""
        run_id = run.info.run_id
        self._log_params(run)
        self._log_metrics(run)
        self._log_inputs(run)
        self._log_tags(run, tags)
        if artifacts:
            self._log_artifacts(run_id, folder)
        status = _STATUS.get(self.facts.status, "FINISHED")
        if self.facts.ended:
            stopped = self.facts.stop or moment(self.facts.row["RMT"])
            self.client.set_terminated(run_id, status, _millis(stopped))
        else:
            self.client.update_run(run_id, status=status)

    def _log_tags(self, run: Any, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        fresh = [RunTag(n, value) for n, value in tags.items() if run.data.tags.get(n) != value]
        for some in batches(fresh, BATCH_TAGS):
            self.client.log_batch(run.info.run_id, tags=some)

    def _log_params(self, run: Any) -> None:
        from mlflow.entities import Param

        names = safe_names(self.facts.all_parameters)
        params = [
            Param(names[name], cut(shown(value), LONGEST_PARAM))
            for name, value in self.facts.all_parameters.items()
            if names[name] not in run.data.params
        ]
        for some in batches(params, BATCH_PARAMS):
            self.client.log_batch(run.info.run_id, params=some)

    def _log_metrics(self, run: Any) -> None:
        from mlflow.entities import Metric

        run_id = run.info.run_id
        names = safe_names(dict.fromkeys(m.name for m in self.facts.metrics))
        # A measurement without a time gets one that is the same the next time.
        usual = _millis(self.facts.start or self.facts.created)
        metrics = [
            Metric(names[m.name], m.value, _millis(m.time) if m.time else usual, m.step or 0)
            for m in self.facts.metrics
        ]
        known = {
            _same(metric)
            for name in names.values()
            if name in run.data.metrics
            for metric in self.client.get_metric_history(run_id, name)
        }
        fresh = list({_same(m): m for m in metrics if _same(m) not in known}.values())
        for some in batches(fresh, BATCH_METRICS):
            self.client.log_batch(run_id, metrics=some)

    def _log_inputs(self, run: Any) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        there = {(i.dataset.name, i.dataset.digest) for i in run.inputs.dataset_inputs}
        found = []
        for dataset in self.facts.datasets_read:
            uri = of_version(self.session, dataset.rid, dataset.version, dataset.snapshot)
            digest = hashlib.sha256(uri.encode()).hexdigest()[:32]
            name = f"Dataset {dataset.rid} {dataset.version}".rstrip()
            if (name, digest) not in there:
                told = Dataset(name, digest, "deriva_ml", uri)
                found.append(DatasetInput(told, [InputTag("mlflow.data.context", "input")]))
        if found:
            self.client.log_inputs(run.info.run_id, found)

    def tags(self) -> dict[str, str]:
        """What the run is tagged with, but for the mark that it is complete."""
        facts, workflow = self.facts, self.facts.workflow
        found: dict[str, str | None] = {
            "deriva_ml.rid": facts.rid,
            "deriva_ml.catalog": namespace(self.session),
            "deriva_ml.status": facts.status.value,
            "deriva_ml.error": facts.error,
            "deriva_ml.command": " ".join(facts.command),
            "mlflow.note.content": facts.row["Description"],
            "mlflow.user": (facts.agent.name or facts.agent.identifier) if facts.agent else None,
            "mlflow.parentRunId": self._parent(),
        }
        for feature in facts.features:
            name = f"deriva_ml.feature.{feature.target.name}.{feature.name}"
            found[name] = f"{feature.count} values"
        for dataset in facts.datasets_made:
            found[f"deriva_ml.made.{dataset.rid}"] = f"Dataset {dataset.rid} {dataset.version}"
        if workflow is not None:
            repository, commit, _ = source_location(workflow.url)
            found |= {
                "deriva_ml.workflow": workflow.workflow_rid,
                "deriva_ml.workflow.checksum": workflow.checksum,
                "deriva_ml.workflow.version": workflow.version,
                "mlflow.source.name": workflow.url,
                "mlflow.source.type": "NOTEBOOK" if workflow.is_notebook else "LOCAL",
                "mlflow.source.git.repoURL": repository,
                "mlflow.source.git.commit": commit,
            }
        tags = {name: cut(value, LONGEST_TAG) for name, value in found.items() if value}
        safe = safe_names(tags)
        return {safe[name]: value for name, value in tags.items()}

    def _parent(self) -> str | None:
        """The run of the nearest execution that this one belongs to, if it is there."""
        if not self.facts.parents:
            return None
        uri = address(self.session, self.facts.parents[0])
        run = self._find([uri]).get(uri)
        return None if run is None else str(run.info.run_id)

    # --- files -----------------------------------------------------------------------

    def _log_artifacts(self, run_id: str, folder: Path) -> None:
        there = {path for top in _ARTIFACTS for path in self._listed(run_id, top)}
        files = [(f, f"metadata/{f.rid}") for f in self.facts.about]
        files += [(f, f"outputs/{f.table.name}/{f.rid}") for f in self.facts.files_made]
        for file, place in files:
            if f"{place}/{file.name}" not in there:
                self._log_artifact(run_id, file, place, folder)

    def _log_artifact(self, run_id: str, file: FileFact, place: str, folder: Path) -> None:
        path = file.path or read_files(self.session, [file], folder)[0].path
        if path is not None:
            self.client.log_artifact(run_id, str(path), place)
            path.unlink()  # one file at a time, whatever their number

    def _listed(self, run_id: str, folder: str) -> Iterator[str]:
        for entry in self.client.list_artifacts(run_id, folder):
            if entry.is_dir:
                yield from self._listed(run_id, entry.path)
            else:
                yield entry.path


def _same(metric: Any) -> tuple[str, int, int, str]:
    return metric.key, metric.step, metric.timestamp, repr(float(metric.value))


def _millis(moment: datetime | None) -> int:
    return 0 if moment is None else round(moment.timestamp() * 1000)
