"""The parent execution of a sweep, shared by its jobs through the record of the sweep.

A launcher may run the jobs of a sweep one after another, or at once in processes on several
machines. Whichever job comes first makes the parent execution. The process that launched the sweep
closes it when the sweep ends, in whatever way; a program whose settings for Hydra lack our
callback closes it when it exits.
"""

from __future__ import annotations

import atexit
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from ..core.enums import ExecutionStatus
from ..core.exceptions import DerivaMLException
from ..core.logging_config import get_logger
from .claim import claimed
from .sweep_place import take_place
from .sweep_record import FILE_NAME, Sweep, SweepJob, has_record, keep_credential

if TYPE_CHECKING:
    from .execution import Execution

__all__ = [
    "FILE_NAME",
    "FinishSweep",
    "Sweep",
    "begin_sweep",
    "finish_sweep",
    "reset_multirun_state",
    "settle_sweep",
]

_log = get_logger(__name__)

BEST = "best"
"""The note in the record that says which values were the best."""

_WAIT_FOR_END_S = 10.0
_INTERRUPTED = "The process of the run ended before the run did."

# Parents that this process made: they need not be read back from disk to be closed.
_made_here: dict[str, Execution] = {}
_closing_at_exit: set[Path] = set()
_launching: set[Path] = set()


def is_launching(directory: Path) -> bool:
    """Whether this is the process that launched the sweep in `directory`."""
    return directory in _launching


def has_begun() -> bool:
    """Whether a sweep that this process launched has written to a catalog: it has a parent."""
    return any(Sweep(d).known_parents() for d in _launching if has_record(d))


def keep_parent(rid: str, execution: Execution) -> None:
    """Remember a parent that this process made."""
    _made_here[rid] = execution


def finish_at_exit(directory: Path) -> None:
    """Close the parents of the sweep when this process exits, unless that is done before."""
    if directory not in _closing_at_exit:
        _closing_at_exit.add(directory)
        atexit.register(_finish_quietly, directory)


def _finish_quietly(directory: Path) -> None:
    """Close the parents of the sweep; an error is logged, since nobody can catch it."""
    if directory not in _closing_at_exit:
        return
    try:
        finish_sweep(directory)
    except DerivaMLException:
        _log.exception("The parent execution of the sweep in %s stays open.", directory)


def finish_sweep(directory: Path) -> list[str]:
    """Close the parents of the sweep in `directory` and return their RIDs; once is enough.

    A parent all of whose jobs were completed is stopped and uploaded; otherwise it fails, with
    the numbers of the other jobs as its error. Its description tells the best values, where the
    sweep looked for them.
    """
    _closing_at_exit.discard(directory)
    if not has_record(directory):
        return []
    sweep = Sweep(directory)
    closed = []
    for known, missing in sweep.unfinished():
        parent = _made_here.pop(known.rid, None) or known.connect().resume_execution(known.rid)
        if missing and parent.status is ExecutionStatus.Running:
            numbers = ", ".join(map(str, missing))
            parent.update_status(
                ExecutionStatus.Failed, error=f"These jobs were not completed: {numbers}."
            )
        elif not missing:
            parent.upload_execution_outputs()
        _describe(parent, sweep.noted(BEST))
        sweep.note_finished(known.rid)
        closed.append(known.rid)
    return closed


def _describe(parent: Execution, best: str) -> None:
    """Have the parent's description tell the best values."""
    record = parent.execution_record
    if best and record is not None:
        text = f"{parent.configuration.description} [best: {best}]".strip()
        if record.description != text:
            record.description = text


def settle_sweep(directory: Path) -> list[int]:
    """Bring to order what jobs left whose processes ended before their runs did.

    Their executions fail, so that nothing in the catalog looks as if it still ran; their numbers
    are returned. A job whose process lives on, such as one of a cluster, is left alone.
    """
    sweep = Sweep(directory)
    running = [job for job in sweep.jobs() if job.status == "running"]
    deadline = time.monotonic() + _WAIT_FOR_END_S
    settled = []
    for job in running:
        if _has_ended(job, deadline):
            _fail(sweep, job)
            sweep.note_job(job.number, "interrupted", error=job.error or _INTERRUPTED)
            settled.append(job.number)
    return settled


def _has_ended(job: SweepJob, deadline: float) -> bool:
    """Whether no process has a claim on the job's execution, now or soon."""
    if job.directory is None:
        return True
    while True:
        with claimed(job.directory) as mine:
            if mine:
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)


def _fail(sweep: Sweep, job: SweepJob) -> None:
    """Let the execution of a job that was cut off fail."""
    known = next((p for p in sweep.known_parents() if p.catalog == job.catalog), None)
    if known is None or job.rid is None:
        return
    ml = known.connect()
    try:
        execution = ml.resume_execution(job.rid)
        if execution.status is ExecutionStatus.Running:
            execution.update_status(ExecutionStatus.Failed, error=_INTERRUPTED)
    finally:
        ml.catalog.close()


def reset_multirun_state() -> None:
    """Forget the sweeps that this process has begun; their parents stay as they are."""
    _made_here.clear()
    _closing_at_exit.clear()
    _launching.clear()


def begin_sweep(config: DictConfig, resume_line: str) -> Path:
    """Begin the record of a sweep that this process launches, and return its directory.

    Args:
        config: The composed configuration of the sweep.
        resume_line: The command line that takes it up again.

    Raises:
        DerivaMLConfigurationError: Another process runs a sweep in the directory.
        DerivaMLUnavailableError: The record cannot be written.
    """
    directory = take_place(config)
    _launching.add(directory)
    _keep_credential(config)
    record = Sweep(directory)
    if not OmegaConf.select(config, "resume", throw_on_missing=False):
        record.forget()
    record.note_launcher(resume_line)
    finish_at_exit(directory)
    return directory


def _keep_credential(config: DictConfig) -> None:
    """Remember the credential of the composed configuration: this process closes the parent."""
    connection = config.deriva_ml
    known = [OmegaConf.select(connection, n) for n in ("hostname", "catalog_id", "credential")]
    host, catalog, credential = known
    if credential is not None:
        keep_credential((str(host), str(1 if catalog is None else catalog)), credential)


class FinishSweep(Callback):
    """Hydra's callback in the launching process: keep the record, close the parent at the end."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Put our sweeper around the configured one; it sees to the record and the end.

        Nothing else is done here, since Hydra makes warnings of the errors of callbacks.
        """
        if OmegaConf.select(config, "deriva_ml", throw_on_missing=False) is None:
            return
        from .sweep_keeper import keep

        keep(config)
