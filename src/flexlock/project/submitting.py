"""Running one config, or one for each task of a sweep; here, in workers, or on a cluster."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from flexlock.cli.calls import Call, Outcome
from flexlock.cli.options import Options
from flexlock.cli.single import run_once, save_dir_of
from flexlock.config.merging import Draft, converted_value, put_value
from flexlock.config.resolving import pin
from flexlock.config.restoring import finish
from flexlock.entry import Entry
from flexlock.errors import ConfigError
from flexlock.lock.document import read_lock
from flexlock.project.nodes import SAVE_DIR, Node, call_node
from flexlock.project.places import SaveDirPolicy, is_complete, place
from flexlock.project.results import ExecutionResult, Status
from flexlock.run import Terminated
from flexlock.tasks.lists import make_tasks, read_tasks
from flexlock.tasks.model import Task, TaskOptions
from flexlock.tasks.placing import sweep_root
from flexlock.tasks.report import TaskReport
from flexlock.tasks.sweep import run_tasks

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from flexlock.lock.record import RepoState
    from flexlock.tasks.queue.records import TaskRow

__all__ = ["Request", "Reuse", "Sweep", "run_node", "run_sweep", "submit_node"]

Reuse = Literal["exact", "never"]
Sweep = Sequence[Any] | str | Path

_QUEUE = ".flexlock"
"""Folder in a run directory where the queue of a run that goes to a worker lies."""
_STATES: Mapping[str, Status] = {
    "done": "SUCCESS",
    "failed": "FAILED",
    "interrupted": "INTERRUPTED",
    "running": "SUBMITTED",
    "pending": "SKIPPED",
}


@dataclass(frozen=True, slots=True)
class Request:
    """How something is to be run; see `Project.submit`."""

    policy: SaveDirPolicy = "rerun"
    force: bool = False
    reuse: Reuse = "never"
    search_dirs: tuple[str, ...] = ()
    note: str | None = None
    debug: bool = False
    dry_run: bool = False
    quiet: bool = False
    isolated: bool = False
    tasks: TaskOptions = field(default_factory=TaskOptions)

    @property
    def needs_worker(self) -> bool:
        """Whether even a single run goes to another process."""
        on_cluster = self.tasks.slurm_config is not None or self.tasks.pbs_config is not None
        return self.isolated or on_cluster or self.tasks.container is not None


def submit_node(node: Node, request: Request) -> ExecutionResult:
    """Run one config, where the request says.

    Raises:
        ConfigError: The config is not complete, or parts of the request contradict each other.
        FlexLockError: Nothing could be run. What the function raises is in the result.
    """
    if request.policy == "skip" and not request.force:
        kept = _planned_dir(node)
        if kept is not None and is_complete(kept):
            return ExecutionResult("SKIPPED", kept, read_lock(kept).result)
    if request.dry_run:
        run_once(_call(node, request))
        return ExecutionResult("SKIPPED", _planned_dir(node))
    node = _placed(node, request)
    return _run_in_worker(node, request) if request.needs_worker else run_node(node, request)


def run_node(
    node: Node, request: Request, code: Mapping[str, RepoState] | None = None
) -> ExecutionResult:
    """Run one config in this process; what its function raises becomes a result.

    Args:
        node: The config.
        request: How.
        code: The code, when it was captured before.
    """
    begun: list[DictConfig] = []

    def call_and_tell(config: DictConfig) -> Any:
        begun.append(config)
        return call_node(config)

    call = _call(node, request, code, call_and_tell)
    try:
        with ExitStack() as stack:
            if request.debug:
                from flexlock.debug import looking_into

                stack.enter_context(looking_into(node.function, always=True))
            outcome = run_once(call)
    except (KeyboardInterrupt, Terminated):
        raise
    except (Exception, SystemExit) as error:
        # The outermost loop of a run: it has recorded the failure, the caller gets it as a result.
        if request.debug or not begun:
            raise
        text = f"{type(error).__name__}: {error}"
        return ExecutionResult("FAILED", save_dir_of(begun[0]), error=text)
    return _of_outcome(outcome)


def run_sweep(
    node: Node,
    request: Request,
    sweep: Sweep,
    target: str | None,
    root: Path | None,
) -> list[ExecutionResult]:
    """Run one config for each task, and return a result for each, in their order.

    Raises:
        ConfigError: A task does not fit, or parts of the request contradict each other.
        FlexLockError: Nothing could be run. Tasks that fail are results.
    """
    if request.policy == "skip":
        message = "save_dir_policy='skip' is for single runs."
        raise ConfigError(message, hint="Done tasks of a sweep are skipped anyway: leave it out.")
    if request.reuse != "never":
        message = "reuse='exact' is for single runs and pipelines."
        raise ConfigError(message, hint="Done tasks of a sweep are skipped anyway: leave it out.")
    tasks = _tasks(node, sweep, target)
    pinned = pin(node.config, frozenset(key for task in tasks for key in task.values))
    where = root or sweep_root(pinned) or Path("outputs", node.name)
    where = place(where, request.policy) if tasks and not request.dry_run else where
    return run_task_list(node, request, tasks, where)


def run_task_list(
    node: Node, request: Request, tasks: Sequence[Task], root: Path
) -> list[ExecutionResult]:
    """Run a node for tasks in a directory of their own; see `run_sweep`."""
    options = replace(
        request.tasks,
        retry="all" if request.force else request.tasks.retry,
        dry_run=request.dry_run,
        quiet=request.quiet,
    )
    began = time.time()
    lock = None
    if tasks and not request.dry_run:
        pinned = pin(node.config, frozenset(key for task in tasks for key in task.values))
        lock = _call(node, request).sheet(pinned)
    report = run_tasks(call_node, node.config, tasks, options, lock=lock, root=root)
    if report.signal is not None:
        raise KeyboardInterrupt
    if request.dry_run:
        return [ExecutionResult("SKIPPED", task_id=task.id) for task in tasks]
    return [_of_row(row, report, began) for row in report.rows]


# --- parts ----------------------------------------------------------------------------------


def _call(
    node: Node,
    request: Request,
    code: Mapping[str, RepoState] | None = None,
    function: Callable[[DictConfig], Any] = call_node,
) -> Call:
    options = Options(
        skip_if_done=request.reuse == "exact",
        search_dirs=request.search_dirs,
        dry_run=request.dry_run,
        quiet=request.quiet,
    )
    draft = Draft(copy.deepcopy(node.config), node.draft.schema)
    return Call(
        Entry(function), node.function, None, draft, options, None, note=request.note, code=code
    )


def _planned_dir(node: Node) -> Path | None:
    return save_dir_of(finish(copy.deepcopy(node.draft)))


def _placed(node: Node, request: Request) -> Node:
    """Return the node with the directory that the policy gives it, as a literal."""
    draft = copy.deepcopy(node.draft)
    planned = save_dir_of(finish(draft))
    if planned is None:
        moment = datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S")
        planned = Path("outputs", node.name, moment)
        chosen = place(planned, "rerun")
    elif request.policy in ("rerun", "skip") or (request.force and request.policy == "raise"):
        return node
    else:
        chosen = place(planned, request.policy)
    put_value(draft.config, SAVE_DIR, str(chosen), SAVE_DIR)
    return replace(node, draft=draft)


def _run_in_worker(node: Node, request: Request) -> ExecutionResult:
    """Run one config as the only task of a queue that lies in its directory."""
    if request.reuse != "never":
        message = "reuse='exact' looks for a finished run in this process."
        raise ConfigError(message, hint="Leave out isolated, container and the cluster settings.")
    save_dir = _planned_dir(node)
    assert save_dir is not None  # `_placed` has seen to it
    tasks = make_tasks([{SAVE_DIR: str(save_dir)}])
    # Two local workers are asked for, so that it is not this process; one is started for one task.
    workers = replace(request.tasks, n_jobs=2, retry="all")
    (found,) = run_task_list(node, replace(request, tasks=workers), tasks, save_dir / _QUEUE)
    return replace(found, save_dir=save_dir)


def _tasks(node: Node, sweep: Sweep, target: str | None) -> list[Task]:
    scratch = Draft(copy.deepcopy(node.config), node.draft.schema)

    def convert(key: str, value: Any) -> Any:
        return converted_value(scratch, key, value)

    if isinstance(sweep, (str, Path)):
        return read_tasks([sweep], key=target, convert=convert)
    return make_tasks(sweep, key=target, convert=convert)


def _of_outcome(outcome: Outcome | None) -> ExecutionResult:
    assert outcome is not None  # only dry runs have none
    status: Status = "CACHED" if outcome.reused else "SUCCESS"
    return ExecutionResult(status, outcome.save_dir, outcome.result)


def _of_row(row: TaskRow, report: TaskReport, began: float) -> ExecutionResult:
    outcome = row.outcome
    status = _STATES[row.state]
    if row.state == "pending" and report.jobs:
        status = "SUBMITTED"
    if row.state == "done" and outcome is not None and (outcome.started or 0) < began:
        status = "CACHED"
    error = None
    if outcome is not None and row.state in ("failed", "interrupted"):
        error = ": ".join(filter(None, (outcome.reason, outcome.error)))
    elif status == "SKIPPED":
        error = "the sweep stopped before it"
    return ExecutionResult(
        status,
        report.root / row.directory,
        outcome.result if outcome is not None and row.state == "done" else None,
        error,
        job_id=report.jobs[0] if report.jobs else None,
        task_id=row.id,
        task_db=report.root,
    )
