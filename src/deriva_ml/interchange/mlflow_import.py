"""Runs of a user's MLflow as executions: parameters, metrics with their steps, and artifacts.

Each is imported once: what stands for it in the catalog is its run id. The files that describe the
execution are a configuration, which makes it an experiment, the measurements, and MLflow's own
record of the run.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml

from deriva_ml.core.enums import ExecAssetType, ExecMetadataType, ExecutionStatus, MLAsset
from deriva_ml.core.exceptions import DerivaMLValidationError
from deriva_ml.execution.git import web_url
from deriva_ml.execution.workflow import Workflow
from deriva_ml.experiment.files import CONFIG_FILE
from deriva_ml.experiment.measurements import Metric, write_metrics

from .filed_runs import FiledFile, FiledRun, file_runs, filed, nest
from .identifiers import address
from .mlflow_store import EXECUTION_TAG, batches, connect, mlflow_errors

if TYPE_CHECKING:
    from deriva_ml.core.session import Session
    from deriva_ml.execution.run import Surroundings

__all__ = ["import_mlflow_experiment", "import_mlflow_run"]

_AT_ONCE = 50
_PAGE = 500
_S = ExecutionStatus
_STATUS = {"FINISHED": _S.Uploaded, "FAILED": _S.Failed, "KILLED": _S.Aborted}
_PARENT = "mlflow.parentRunId"
_METADATA = MLAsset.execution_metadata.value
_T = ExecMetadataType


def import_mlflow_run(
    around: Surroundings,
    run_id: str,
    tracking_uri: str | None = None,
    *,
    workflow_type: str | list[str] = "Analysis",
) -> str:
    """Make a run of MLflow an execution, unless it is one, and return the execution's RID.

    Args:
        around: The catalog's collaborators.
        run_id: The run.
        tracking_uri: Where runs are kept; None for what MLflow uses anyway.
        workflow_type: What its code is for: terms of ``Workflow_Type``.

    Raises:
        ImportError: MLflow is not installed.
        DerivaMLNotFoundError: There is no such run.
        DerivaMLValidationError: The run is not over.
        DerivaMLInvalidTerm: A workflow type is no term.
    """
    client = connect(tracking_uri)
    with mlflow_errors(f"reading run {run_id!r}"):
        run = client.get_run(run_id)
        relatives = list(_relatives(client, run))
    if run.info.status not in _STATUS:
        raise DerivaMLValidationError(
            f"Run {run_id!r} of MLflow is {run.info.status}; it can be imported when it is over."
        )
    found = _imported(around, client, [run], workflow_type)
    _nest(around.session, [run, *relatives])
    return found[run_id]


def _relatives(client: Any, run: Any) -> Iterator[Any]:
    """The runs that are nested in one, and the one that it is nested in."""
    place = [run.info.experiment_id]
    parent = run.data.tags.get(_PARENT)
    if parent is not None:
        yield from client.search_runs(place, f"attributes.run_id = '{parent}'")
    yield from _runs(client, run.info.experiment_id, f"tags.`{_PARENT}` = '{run.info.run_id}'")


def import_mlflow_experiment(
    around: Surroundings,
    experiment: str,
    tracking_uri: str | None = None,
    *,
    workflow_type: str | list[str] = "Analysis",
) -> dict[str, str]:
    """Make every run of an experiment that is over an execution; returns their RIDs by run id.

    Nested runs become nested executions. A call that was interrupted is completed by the next one.

    Args:
        around: The catalog's collaborators.
        experiment: The name or the id of MLflow's experiment.
        tracking_uri: Where runs are kept; None for what MLflow uses anyway.
        workflow_type: What their code is for: terms of ``Workflow_Type``.

    Raises:
        ImportError: MLflow is not installed.
        DerivaMLNotFoundError: There is no such experiment.
        DerivaMLInvalidTerm: A workflow type is no term.

    Cost: a fixed number of statements for each fifty runs; of MLflow, one request for each metric.
    """
    client = connect(tracking_uri)
    with mlflow_errors(f"reading experiment {experiment!r}"):
        found = client.get_experiment_by_name(experiment) or client.get_experiment(experiment)
        runs = list(_runs(client, found.experiment_id))
    over = [run for run in runs if run.info.status in _STATUS]
    rids = _imported(around, client, over, workflow_type)
    _nest(around.session, runs)
    return rids


def _runs(client: Any, experiment_id: str, condition: str = "") -> Iterator[Any]:
    """The runs of an experiment that satisfy a condition, the oldest first."""
    token = None
    while True:
        page = client.search_runs(
            [experiment_id],
            condition,
            max_results=_PAGE,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def _imported(
    around: Surroundings, client: Any, runs: list[Any], workflow_type: str | list[str]
) -> dict[str, str]:
    """RIDs of the executions of runs, by run id."""
    session = around.session
    session.require_writable()
    around.workflows.check_types(Workflow(name="", workflow_type=workflow_type))
    found = _there(session, runs)
    fresh = [run for run in runs if run.info.run_id not in found]
    # A run that others belong to comes before them, so that they find it.
    fresh.sort(key=lambda run: _PARENT in run.data.tags)
    for some in batches(fresh, _AT_ONCE):
        with tempfile.TemporaryDirectory(prefix="deriva-ml-") as scratch:
            told = []
            for run in some:
                with mlflow_errors(f"reading run {run.info.run_id!r}"):
                    told.append(_told(client, run, Path(scratch), workflow_type))
            rids = file_runs(around, told)
        found |= {run.info.run_id: rids[_token(run.info.run_id)] for run in some}
    return found


def _there(session: Session, runs: list[Any], more: Iterable[str] = ()) -> dict[str, str]:
    """RIDs of the executions that stand for runs already, by run id; `more` names further runs."""
    tokens = {run_id: _token(run_id) for run_id in (*more, *(run.info.run_id for run in runs))}
    known = filed(session, tokens.values())
    found = {run_id: known[token] for run_id, token in tokens.items() if token in known}
    return found | {r.info.run_id: rid for r in runs if (rid := _own(session, r)) is not None}


def _nest(session: Session, runs: list[Any]) -> None:
    """Let executions belong to others as their runs do, whichever of them came first."""
    parents = {r.info.run_id: str(r.data.tags[_PARENT]) for r in runs if _PARENT in r.data.tags}
    rids = _there(session, runs, parents.values())
    nest(
        session,
        {rids[c]: rids[p] for c, p in parents.items() if c in rids and p in rids},
    )


def _token(run_id: str) -> str:
    return hashlib.sha256(f"mlflow run {run_id}".encode()).hexdigest()[:32]


def _own(session: Session, run: Any) -> str | None:
    """The execution of this catalog that a run was exported from, if it was."""
    rid = run.data.tags.get("deriva_ml.rid")
    uri = run.data.tags.get(EXECUTION_TAG)
    return rid if rid and uri == address(session, rid) else None


# --- one run -----------------------------------------------------------------------------


def _told(client: Any, run: Any, scratch: Path, workflow_type: str | list[str]) -> FiledRun:
    """A run as it is to be filed, its files on this machine."""
    info, tags = run.info, run.data.tags
    folder = scratch / info.run_id
    folder.mkdir()
    status = _STATUS[info.status]
    parent = tags.get(_PARENT)
    experiment = client.get_experiment(info.experiment_id)
    return FiledRun(
        token=_token(info.run_id),
        workflow=_workflow(experiment.name, tags, workflow_type),
        description=tags.get("mlflow.note.content") or info.run_name or f"Run {info.run_id}",
        status=status,
        detail=None if status is _S.Uploaded else f"The run of MLflow ended as {info.status}.",
        start=_moment(info.start_time),
        stop=_moment(info.end_time),
        files=(
            *_describing(client, run, experiment.name, folder),
            *_artifacts(client, info.run_id, folder / "artifacts"),
        ),
        parent=None if parent is None else _token(parent),
    )


def _moment(millis: int | None) -> datetime | None:
    return None if millis is None else datetime.fromtimestamp(millis / 1000, UTC)


def _workflow(experiment: str, tags: Mapping[str, str], workflow_type: str | list[str]) -> Workflow:
    """The code that a run names, as far as it does; else the experiment stands for it."""
    source = tags.get("mlflow.source.name") or ""
    commit = tags.get("mlflow.source.git.commit")
    repository = tags.get("mlflow.source.git.repoURL")
    page = web_url(repository) if repository else None
    name = PurePosixPath(source.replace("\\", "/")).name
    if page and commit:
        inside = source if source and not Path(source).is_absolute() else name
        url = f"{page}/blob/{commit}/{quote(inside)}" if inside else f"{page}/tree/{commit}"
    elif "://" in source:
        url = source
    elif source:
        url = Path(source).absolute().as_uri() if Path(source).is_absolute() else f"mlflow:{source}"
    else:
        url = f"mlflow:experiment/{quote(experiment)}"
    checksum = tags.get("deriva_ml.workflow.checksum") or commit
    return Workflow(
        name=name or experiment,
        workflow_type=workflow_type,
        description="Code that MLflow recorded a run of.",
        url=url,
        checksum=checksum or hashlib.sha256(url.encode()).hexdigest(),
        version=tags.get("deriva_ml.workflow.version") or commit,
    )


def _describing(client: Any, run: Any, experiment: str, folder: Path) -> Iterator[FiledFile]:
    """The files that describe an execution: what MLflow knows of the run."""
    from flexlock.config import mask_secrets

    run_id = run.info.run_id
    if run.data.params:
        config = folder / f"mlflow-{run_id}{CONFIG_FILE}"
        values = mask_secrets({name: _value(text) for name, text in run.data.params.items()})
        config.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
        text = "Parameters of the run, as MLflow kept them."
        yield FiledFile(config, config.name, (_T.execution_config.value,), _METADATA, text)
    metrics = [m for name in sorted(run.data.metrics) for m in _metrics(client, run_id, name)]
    if metrics:
        file = folder / f"mlflow-{run_id}-metrics.jsonl"
        write_metrics(file, metrics)
        text = "Measurements of the run, one JSON document a line."
        yield FiledFile(file, file.name, (_T.metrics_file.value,), _METADATA, text)
    record = folder / f"mlflow-{run_id}.json"
    about = run.to_dictionary()
    kept = {
        "info": about["info"],
        "tags": mask_secrets(dict(run.data.tags)),
        "inputs": about.get("inputs"),
        "experiment": experiment,
    }
    record.write_text(json.dumps(kept, indent=1, sort_keys=True, default=str), encoding="utf-8")
    text = "What MLflow kept of the run: times, tags, inputs."
    yield FiledFile(record, record.name, (_METADATA,), _METADATA, text)


def _value(text: str) -> Any:
    """A parameter as a number, a truth value or a list, where that is spelled the same."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if json.dumps(found) == text and not isinstance(found, str) else text


def _metrics(client: Any, run_id: str, name: str) -> Iterator[Metric]:
    for one in client.get_metric_history(run_id, name):
        yield Metric(name, one.value, one.step, _moment(one.timestamp))


def _artifacts(client: Any, run_id: str, folder: Path) -> Iterator[FiledFile]:
    if not client.list_artifacts(run_id):
        return
    folder.mkdir()
    client.download_artifacts(run_id, "", str(folder))
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    models = {p.parent for p in files if p.name == "MLmodel"}
    for path in files:
        inside = path.relative_to(folder).as_posix()
        is_model = any(path.is_relative_to(model) for model in models)
        kind = ExecAssetType.model_file if is_model else MLAsset.execution_asset
        text = f"Artifact {inside!r} of run {run_id} of MLflow."
        yield FiledFile(path, inside, (kind.value,), description=text)
