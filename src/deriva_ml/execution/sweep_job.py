"""One job of a sweep: a child of the sweep's parent, noted in the sweep's record."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.enums import ExecMetadataType, ExecutionStatus
from ..core.exceptions import DerivaMLConfigurationError, DerivaMLExecutionError
from ..core.logging_config import get_logger
from ..experiment.measurements import latest, read_metrics
from .claim import taking_turns
from .configuration import ExecutionConfiguration
from .planned import Job, Plan, run_plan
from .resuming import fingerprint_of_sweep
from .sweep import finish_at_exit, is_launching, keep_parent
from .sweep_isolation import isolated
from .sweep_record import Sweep

if TYPE_CHECKING:
    from ..core.base import DerivaML
    from ..core.config import DerivaMLConfig
    from .execution import Execution

__all__ = ["run_in_sweep"]

_log = get_logger(__name__)


def run_in_sweep(
    ml: DerivaML, connection: DerivaMLConfig, job: Job, description: str, plan: Plan
) -> Any:
    """Run one job of a sweep as a child of the sweep's parent execution.

    Returns what the function returned as far as it can be written down, see `plain_value`.

    Raises:
        DerivaMLConfigurationError: Hydra tells neither the sweep's directory nor the number.
        DerivaMLExecutionError: Another process is at the same job.
    """
    if job.sweep is None or job.number is None:
        msg = "A job of a sweep needs the sweep's directory and its own number."
        raise DerivaMLConfigurationError(msg)
    sweep, number = Sweep(job.sweep), job.number
    known = sweep.job(number)
    again = known is not None and known.begin is not None  # the process of the first try died
    is_resumed, plan = plan.resume, replace(plan, resume=plan.resume or again)
    catalog = (str(connection.hostname), str(connection.catalog_id))
    sweep.note_job(number, "running", catalog=catalog, overrides=job.overrides)
    in_worker = sweep.has_launcher() and not is_launching(sweep.directory)
    try:
        with isolated() if in_worker else nullcontext():
            return _run(ml, connection, job, description, plan, sweep, is_resumed)
    except KeyboardInterrupt:
        text = "The run was interrupted."
        if sweep.has_launcher():
            # Another interrupt may have come before the execution was marked as failed: whoever
            # launched the sweep looks, and settles both.
            sweep.note_error(number, text)
        else:
            sweep.note_job(number, "interrupted", error=text)
        raise
    except SystemExit as end:
        error = DerivaMLExecutionError(f"The model function ended the process: exit({end.code!r}).")
        sweep.note_job(number, "failed", error=str(error))
        raise error from end
    except Exception as error:
        _log.exception("Job %s failed.", number)
        sweep.note_job(number, "failed", error=f"{type(error).__name__}: {error}".rstrip(": "))
        if in_worker and not _travels(error):
            text = f"{type(error).__name__}: {error}"
            raise DerivaMLExecutionError(text) from error
        raise


def _run(
    ml: DerivaML,
    connection: DerivaMLConfig,
    job: Job,
    description: str,
    plan: Plan,
    sweep: Sweep,
    is_resumed: bool,
) -> Any:
    """Run the job under its parent; note in the record what comes of it."""
    number = job.number
    assert number is not None

    def make_parent(since: datetime | None) -> str:
        since = datetime.min.replace(tzinfo=UTC) if is_resumed else since
        fingerprint = fingerprint_of_sweep(sweep.directory, job.config_name)
        # Two sweeps that are resumed in the same moment are not to make a parent each.
        with taking_turns(ml.executions.around.local.turns, fingerprint):
            parent = _parent(ml, plan, job, description, fingerprint, since)
        if is_launching(sweep.directory) or not sweep.has_launcher():
            keep_parent(parent.execution_rid, parent)
        return parent.execution_rid

    def begun(execution: Execution) -> None:
        place = execution.working_dir
        sweep.note_job(number, "running", rid=execution.execution_rid, directory=place)

    def returned(execution: Execution, value: Any) -> None:
        kept = {"returned": plain_value(value), "measured": plain_value(_last_metrics(execution))}
        execution._run.journal.record(**kept)

    session = f"{type(ml).__module__}:{type(ml).__qualname__}"
    catalog = (str(connection.hostname), str(connection.catalog_id))
    parent_rid = sweep.parent(catalog, make_parent, (connection.model_dump_json(), session))
    if not sweep.has_launcher():
        finish_at_exit(sweep.directory)
    outcome = run_plan(ml, plan, parent_rid, number, begun=begun, returned=returned)
    if outcome.elsewhere:
        raise DerivaMLExecutionError(
            f"Job {number} is still run by another process (execution {outcome.rid}). Resume the "
            "sweep when that has ended."
        )
    execution = outcome.execution or ml.resume_execution(outcome.rid)
    facts = execution._run.facts
    measured = {name: float(value) for name, value in (facts.get("measured") or {}).items()}
    kept = {"metrics": measured, "value": facts.get("returned")}
    sweep.note_job(number, "completed", rid=outcome.rid, **kept)
    return kept["value"]


def _parent(
    ml: DerivaML,
    plan: Plan,
    job: Job,
    description: str,
    fingerprint: str,
    since: datetime | None,
) -> Execution:
    """The execution that the jobs of a sweep belong to: one made `since` then, or a new one."""
    known = None if since is None else ml.executions.with_fingerprint(fingerprint, None)
    if since is not None and known is not None and known.created_at >= since:
        parent = ml.resume_execution(known.rid)
    else:
        about = ExecutionConfiguration(description=description, config_choices=job.choices)
        parent = ml.create_execution(about, workflow=plan.workflow, fingerprint=fingerprint)
    if parent.status not in (ExecutionStatus.Uploaded, ExecutionStatus.Pending_Upload):
        parent.execution_start()
    return parent


def _last_metrics(execution: Execution) -> dict[str, float]:
    """The last measurement of each name in the files that the run registered for them."""
    run = execution._run
    files = [
        run.inside(output.path)
        for output in run.journal.outputs()
        if ExecMetadataType.metrics_file.value in output.types
    ]
    found = latest(metric for file in _there(files) for metric in read_metrics(file))
    return {name: metric.value for name, metric in found.items()}


def _there(files: Iterable[Path]) -> Iterable[Path]:
    return (file for file in files if file.is_file())


def plain_value(value: Any) -> Any:
    """A value as it can be written down: numbers, texts, lists and mappings of these; else None.

    Numbers of NumPy and of other libraries that have ``item()`` become Python's; those that are not
    finite become texts, which JSON has.
    """
    if isinstance(value, bool | int | float | str | None):
        return value if not isinstance(value, float) or math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return [plain_value(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain_value(v) for k, v in value.items()}
    return _item_of(value)


def _item_of(value: Any) -> Any:
    """The one number that an object of NumPy, PyTorch or another library holds; else None."""
    item: Any
    try:
        item = value.item()
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
        return None  # it has no such method, or holds several
    if type(item) not in (bool, int, float) and isinstance(item, Real):
        item = float(item)  # as of a number that is wider than Python's
    return None if hasattr(item, "item") else plain_value(item)


def _travels(error: Exception) -> bool:
    """Whether an error can go to another process and be made again there."""
    try:
        return type(pickle.loads(pickle.dumps(error))) is type(error)
    except Exception:  # noqa: BLE001  (whatever its own methods raise)
        return False
