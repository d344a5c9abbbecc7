"""Run a configured model as an execution: connect, check, record, call, upload."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.enums import ExecutionStatus
from ..core.exceptions import DerivaMLConfigurationError
from ..core.logging_config import get_logger, is_hydra_initialized
from .begun import note_begun
from .checking import check_inputs
from .claim import claimed
from .configuration import ExecutionConfiguration
from .resuming import Found, fingerprint_of_call, fingerprint_of_job, fingerprint_of_sweep, look_up
from .secrets import described
from .source import source_file_of
from .workflow import Workflow

if TYPE_CHECKING:
    from ..core.base import DerivaML
    from ..core.config import DerivaMLConfig
    from .execution import Execution

__all__ = ["run_model"]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    """What Hydra says of the job under way; empty outside Hydra."""

    choices: dict[str, str]
    overrides: tuple[str, ...] = ()
    number: int | None = None
    sweep: Path | None = None
    composed: Path | None = None
    config_name: str = ""

    def fingerprint(self) -> str | None:
        """The job's fingerprint; None where Hydra did not write the configuration down."""
        if self.composed is None or not self.composed.is_file():
            return None
        return fingerprint_of_job(self.composed, self.number)

    def describe(self, base: str) -> str:
        """Return the description of the job's execution: number, `base`, what differs."""
        text = described(base, self.overrides)
        return text if self.number is None else f"[Job {self.number}] {text}"


def _current_job() -> _Job:
    """Return what Hydra says of the job under way."""
    if not is_hydra_initialized():
        return _Job({})
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from .sweep import sweep_directory

    config: Any = HydraConfig.instance().cfg  # declared as one class, but is a DictConfig
    hydra = config.hydra
    choices = {
        str(group): str(option)
        for group, option in hydra.runtime.choices.items()
        if option is not None and not str(group).startswith("hydra/")
    }
    overrides = tuple(str(o) for o in hydra.overrides.task)
    composed = None
    if hydra.output_subdir is not None:
        composed = Path(hydra.runtime.output_dir) / hydra.output_subdir / "config.yaml"
    name = str(hydra.job.config_name)
    if hydra.mode != RunMode.MULTIRUN:
        return _Job(choices, overrides, composed=composed, config_name=name)
    number, sweep = int(hydra.job.num), sweep_directory(config)
    return _Job(choices, overrides, number, sweep, composed, name)


def run_model(
    deriva_ml: DerivaMLConfig,
    datasets: Sequence[Any],
    assets: Sequence[Any],
    description: str,
    workflow: Workflow,
    model_config: Any,
    dry_run: bool = False,
    ml_class: type[DerivaML] | None = None,
    script_config: Any = None,
    resume: bool = False,
) -> None:
    """Run a model, or a script, on the configured inputs and record all of it.

    In a dry run nothing is written and the model is not called; a script is, with
    ``execution=None``. In a sweep, the execution becomes a child of the sweep's parent.

    Args:
        deriva_ml: How to reach the catalog.
        datasets: Dataset versions that are read.
        assets: Files that are read.
        description: Why the run is made; overrides given on the command line are added.
        workflow: What kind of work it is; the code is that of the model function's file.
        model_config: The model function with its hyperparameters, a partial that waits for
            ``ml_instance`` and ``execution``.
        dry_run: Whether to leave no trace.
        ml_class: The session's class; None means `DerivaML`.
        script_config: A partial like `model_config`, called in its place.
        resume: Whether a run of this configuration that was begun on this machine is taken up:
            skipped when it was completed, continued in its execution when it was interrupted.

    Raises:
        DerivaMLConfigurationError: There is nothing to call.
        DerivaMLValidationError: Datasets or assets do not exist; the message lists them.
    """
    if ml_class is None:
        from ..core.base import DerivaML

        ml_class = DerivaML
    called = script_config if script_config is not None else model_config
    if not callable(called):
        msg = (
            f"model_config is {called!r}, which cannot be called. Configure the model function "
            "with builds(function, ..., populate_full_signature=True, zen_partial=True)."
        )
        raise DerivaMLConfigurationError(msg)
    ml = ml_class.instantiate(deriva_ml)
    check_inputs(ml, datasets, assets)
    workflow.identify(source_file_of(called), strict_git=False if dry_run else None)
    job = _current_job()
    arguments = {
        "catalog": [str(deriva_ml.hostname), str(deriva_ml.catalog_id)],
        "datasets": list(datasets),
        "assets": list(assets),
        "description": description,
        "workflow": [workflow.name, workflow.workflow_types],
    }
    configuration = ExecutionConfiguration(
        datasets=list(datasets),
        assets=list(assets),
        description=job.describe(description),
        config_choices=job.choices,
    )
    plan = _Plan(
        configuration,
        workflow,
        called,
        job.fingerprint() or fingerprint_of_call(called, arguments, required=resume),
        resume=resume,
    )
    if dry_run:
        _dry_run(ml, plan, script=script_config is not None)
    elif job.sweep is None:
        _run(ml, plan)
    else:
        _run_in_sweep(ml, deriva_ml, job, description, plan)


@dataclass(frozen=True)
class _Plan:
    """What is to be run: by which code, on what, and how it is found when it is resumed."""

    configuration: ExecutionConfiguration
    workflow: Workflow
    called: Callable[..., Any]
    fingerprint: str | None
    resume: bool = False


def _dry_run(ml: DerivaML, plan: _Plan, *, script: bool) -> None:
    """Bring the inputs here and call a script, but not a model; leave no trace."""
    with ml.create_execution(plan.configuration, workflow=plan.workflow, dry_run=True):
        if script:
            plan.called(ml_instance=ml, execution=None)
        else:
            _log.info("Dry run: %s would have been called.", plan.called)


def _run(ml: DerivaML, plan: _Plan, parent: str | None = None, sequence: int | None = None) -> None:
    """Create the execution, or take up the one there is; call the function in it, and upload."""
    found = Found()
    if plan.resume and plan.fingerprint is not None:
        found = look_up(ml, plan.fingerprint, parent, plan.workflow)
    if found.done:
        return
    execution = found.execution or ml.create_execution(
        plan.configuration,
        workflow=plan.workflow,
        parent=parent,
        sequence=sequence,
        fingerprint=plan.fingerprint,
    )
    with claimed(execution.working_dir) as mine:
        if not mine:
            _log.warning("Execution %s is run by another process.", execution.execution_rid)
            return
        if found.run_again:
            if found.execution is not None:
                note_begun(execution.execution_rid)
                execution.restart()
            with execution.execute() as exe:
                plan.called(ml_instance=ml, execution=exe)
        uploaded = execution.upload_execution_outputs()
    for table, files in uploaded.items():
        _log.info("Uploaded to %s: %s", table, ", ".join(str(f.name) for f in files))


def _run_in_sweep(
    ml: DerivaML, connection: DerivaMLConfig, job: _Job, description: str, plan: _Plan
) -> None:
    """Run one job of a sweep as a child of the sweep's parent execution."""
    from .sweep import Sweep, finish_at_exit, keep_parent

    if job.sweep is None or job.number is None:
        msg = "A job of a sweep needs the sweep's directory and its own number."
        raise DerivaMLConfigurationError(msg)
    sweep, number = Sweep(job.sweep), job.number
    catalog = (str(connection.hostname), str(connection.catalog_id))
    fingerprint = fingerprint_of_sweep(job.sweep, job.config_name)

    def make_parent() -> str:
        parent = _parent(ml, plan, job, description, fingerprint)
        keep_parent(parent.execution_rid, parent)
        return parent.execution_rid

    session = f"{type(ml).__module__}:{type(ml).__qualname__}"
    parent_rid = sweep.parent(catalog, make_parent, (connection.model_dump_json(), session))
    if not sweep.has_launcher():
        finish_at_exit(sweep.directory)
    sweep.note_job(number, catalog, "running")
    _run(ml, plan, parent_rid, number)
    sweep.note_job(number, catalog, "completed")


def _parent(ml: DerivaML, plan: _Plan, job: _Job, description: str, fingerprint: str) -> Execution:
    """The execution that the jobs of a sweep belong to: the one there is, or a new one."""
    known = ml.executions.with_fingerprint(fingerprint, None) if plan.resume else None
    if known is not None:
        parent = ml.resume_execution(known.rid)
    else:
        about = ExecutionConfiguration(description=description, config_choices=job.choices)
        parent = ml.create_execution(about, workflow=plan.workflow, fingerprint=fingerprint)
    if parent.status not in (ExecutionStatus.Uploaded, ExecutionStatus.Pending_Upload):
        parent.execution_start()
    return parent
