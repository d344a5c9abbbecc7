"""Running the tasks of one command, from the list to the report."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flexlock.errors import TaskError
from flexlock.lock.document import write_lock
from flexlock.reporting import say
from flexlock.run.directory import claim, keep_earlier, release, unwritable
from flexlock.run.session import Terminated, open_run
from flexlock.target import Target
from flexlock.tasks.backends import Command, run_cluster, run_inline, run_local, say_drift
from flexlock.tasks.cluster.jobs import SCHEDULERS, script_folders
from flexlock.tasks.comparing import compare_with
from flexlock.tasks.export import export_rows
from flexlock.tasks.model import Task, TaskOptions
from flexlock.tasks.plan import Plan, task_function, write_plan
from flexlock.tasks.preparing import Sweep, plan_of, prepare
from flexlock.tasks.preview import preview_tasks
from flexlock.tasks.queue.interface import TaskQueue
from flexlock.tasks.queue.opening import find_queue
from flexlock.tasks.queue.records import TaskRow
from flexlock.tasks.rebuilding import open_or_rebuild
from flexlock.tasks.reconciling import Decision, decide
from flexlock.tasks.recovery import recover
from flexlock.tasks.report import TaskReport, counts_text
from flexlock.tasks.watching import Monitor

if TYPE_CHECKING:
    from flexlock.lock.record import RunLock

__all__ = ["run_tasks"]

_MOST_NAMES = 5


class _Unsuccessful(TaskError):
    """Some tasks failed; ends the run of the sweep."""


def run_tasks(
    target: Target | Callable[..., Any],
    base: object,
    tasks: Sequence[Task],
    options: TaskOptions | None = None,
    *,
    lock: RunLock | None,
    root: Path,
    sources: Sequence[Path] = (),
) -> TaskReport:
    """Run a function for each task, each time with the base config and the task's values.

    Repeating the call goes on where the last one stopped, however that ended: done tasks stay done,
    those without success run again (see `TaskOptions.retry`), and a task whose config changed runs
    again. The state is in a queue in `root`.

    Args:
        target: The function, or its address.
        base: The config before the tasks, of any kind, with its interpolations.
        tasks: What to run, as `read_tasks` gives it.
        options: How to run it.
        lock: The sheet of the sweep, from which those of the tasks are made; None for none.
        root: The directory of the sweep.
        sources: Files that the tasks were read from; a change of them is no change of the code.

    Returns:
        The rows of all tasks. Tasks that fail are no exception: see `TaskReport.exit_status`.

    Raises:
        ConfigError: A task does not fit the config, or an option is wrong. Nothing was written.
        OccupiedError: Another command is at work in `root`.
        LockError: `root` cannot be made.
        TaskError: Workers cannot start, or the queue cannot be used.
    """
    started = time.monotonic()
    options = options or TaskOptions()
    if options.dry_run:
        sys.stdout.write(preview_tasks(target, base, tasks, options, root=root) + "\n")
        return TaskReport((), Path(root))
    sweep = prepare(target, base, tasks, options, lock, Path(root), sources)
    if not sweep.tasks:
        say("no tasks: nothing runs", quiet=sweep.options.quiet)
        return TaskReport((), sweep.root)
    try:
        sweep.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(sweep.root, error) from error
    queue = open_or_rebuild(sweep.root, options.queue, sweep.tasks, sweep.directories)
    try:
        plan, secret = plan_of(sweep, queue)
        decision = _decide(sweep, queue, plan)
        if decision.has_work:
            decision, report = _work(sweep, queue, plan, secret)
        else:
            _say_decision(decision, sweep)
            report = TaskReport(_rows(sweep, queue), sweep.root)
    finally:
        queue.close(last=True)
    seconds = time.monotonic() - started
    report = replace(report, seconds=seconds, skipped=len(decision.done))
    if options.export is not None:
        export_rows(report.rows, options.export)
    return report


# --- the decision -----------------------------------------------------------------------


def _decide(sweep: Sweep, queue: TaskQueue, plan: Plan) -> Decision:
    return decide(
        sweep.tasks,
        sweep.directories,
        queue.rows(),
        plan,
        root=sweep.root,
        comparison=compare_with(sweep, queue),
        retry=sweep.options.retry,
        rerun_changed=sweep.options.rerun_changed,
    )


def _say_decision(decision: Decision, sweep: Sweep) -> None:
    """Say what runs again, and what does not although it might."""
    names = {task.id: task.name for task in sweep.tasks}
    options = sweep.options
    unsaid = dict.fromkeys(why for why in decision.again.values() if why != "pending")
    for why in unsaid:
        ids = [task for task, reason in decision.again.items() if reason == why]
        say(f"again, {why}: {_listed(ids, names)}", quiet=options.quiet)
    kept = [task for task in decision.changed if task not in decision.again]
    for what in dict.fromkeys(decision.changed[task] for task in kept):
        ids = [task for task in kept if decision.changed[task] == what]
        say(
            f"done with other {what}: {_listed(ids, names)}; --rerun_changed runs them again",
            quiet=options.quiet,
        )
    if decision.left:
        say(f"left as they are: {_listed(decision.left, names)}", quiet=options.quiet)


def _listed(ids: Sequence[str], names: Mapping[str, str]) -> str:
    shown = ", ".join(names[task] for task in ids[:_MOST_NAMES])
    more = len(ids) - _MOST_NAMES
    return f"{len(ids)} tasks ({shown}{f' and {more} more' if more > 0 else ''})"


# --- the work -----------------------------------------------------------------------------


def _work(sweep: Sweep, queue: TaskQueue, plan: Plan, secret: str) -> tuple[Decision, TaskReport]:
    """Run what is to be run, as one run in the sweep's directory."""
    report: TaskReport | None = None
    try:
        with _sweep_run(sweep) as end:
            # Decided now, and not before: until here another command may have been at work.
            if sweep.options.attach:
                decision = _attach(sweep, queue, plan)
            else:
                decision = _fill(sweep, queue, plan)
            report = _run_backend(sweep, queue, plan, secret)
            end(report)
    except (_Unsuccessful, KeyboardInterrupt, Terminated):
        if report is None:
            raise
    return decision, report


def _fill(sweep: Sweep, queue: TaskQueue, plan: Plan) -> Decision:
    """Put the tasks of the command into the queue, and take others out of its way."""
    has_sheets = sweep.sheet is not None
    attempts = sweep.max_attempts
    recover(queue, sweep.root, has_sheets=has_sheets, max_attempts=attempts, stopped=True)
    decision = _decide(sweep, queue, plan)
    _say_decision(decision, sweep)
    write_plan(queue, plan)
    queue.write_note("plan", plan.id)
    queue.write_note("stop", None)
    queue.add(decision.new)
    if decision.shelved:
        queue.reset(decision.shelved, "")
    ids = [*(row.id for row in decision.new), *decision.again]
    if decision.again or sweep.options.shuffle:
        queue.reset(ids, plan.id, shuffle=sweep.options.shuffle)
    return decision


def _attach(sweep: Sweep, queue: TaskQueue, plan: Plan) -> Decision:
    at_work = queue.read_note("plan")
    if at_work == plan.id:
        return _decide(sweep, queue, plan)
    if at_work is None:
        message = f"No command has begun these tasks in {str(sweep.root)!r}."
        raise TaskError(message, hint="Leave out --attach, or repeat this when it has.")
    message = "The command at work on these tasks has another config or other code."
    raise TaskError(message, hint="Wait for it, or repeat exactly its command with --attach.")


@contextmanager
def _sweep_run(sweep: Sweep) -> Iterator[Callable[[TaskReport], None]]:
    """The sweep as a run of its own; yields what is to be called with its report."""
    options = sweep.options
    if options.attach:
        yield lambda report: None
    elif sweep.settings is not None and not options.wait:
        yield from _recorded(sweep)
    else:
        with open_run(sweep.root, lock=sweep.sheet) as session:

            def end(report: TaskReport) -> None:
                session.result = dict(report.counts)
                _raise_end(report)

            yield end


def _recorded(sweep: Sweep) -> Iterator[Callable[[TaskReport], None]]:
    """Write the sheet of a sweep that goes on after this command."""
    claim(sweep.root)
    try:
        if sweep.sheet is not None:
            keep_earlier(sweep.root, sweep.sheet.id)
            write_lock(sweep.root, sweep.sheet)
        yield lambda report: None
    finally:
        release(sweep.root)


def _raise_end(report: TaskReport) -> None:
    """End the run of the sweep as its tasks ended."""
    if report.signal == signal.SIGINT:
        raise KeyboardInterrupt
    if report.signal is not None:
        raise Terminated(report.signal)
    if report.exit_status:
        raise _Unsuccessful(f"{counts_text(report.counts)}, of {len(report.rows)} tasks")


def _run_backend(sweep: Sweep, queue: TaskQueue, plan: Plan, secret: str) -> TaskReport:
    options = sweep.options
    is_inline = sweep.backend == "inline"
    watched = find_queue(queue.path)
    wanted = [task.id for task in sweep.tasks]
    monitor = Monitor(
        watched,
        sweep.root,
        wanted,
        quiet=options.quiet,
        echo=not is_inline,
        tell_failures=options.tell_failures,
    )
    command = Command(
        queue=queue,
        plan=plan,
        root=sweep.root,
        monitor=monitor,
        secret=secret,
        n_jobs=options.n_jobs,
        max_attempts=sweep.max_attempts,
        sheet=sweep.sheet,
        container=sweep.container,
        mounts=(sweep.root.absolute(), *script_folders(plan.target)),
    )
    pending = monitor.count("pending")
    where = (
        f"{sweep.backend}, {options.n_jobs} workers"
        if sweep.backend == "local"
        else ("in this process" if is_inline else sweep.backend)
    )
    say(f"{pending} of {len(wanted)} tasks to run ({where}) in {sweep.root}", quiet=options.quiet)
    monitor.start()
    jobs: Sequence[str] = ()
    try:
        command.recover()
        if is_inline:
            function = task_function(sweep.function or sweep.target.load())
            number = run_inline(command, function, plan.load_base(secret))
        elif sweep.settings is None:
            number = run_local(command)
        else:
            scheduler = SCHEDULERS[sweep.backend]
            number, found = run_cluster(
                command, scheduler, sweep.settings, after=options.after, wait=options.wait
            )
            jobs = [job.id for job in found] if not options.wait or number else ()
        say_drift(queue)
    finally:
        monitor.close()
        watched.close()
    return TaskReport(_rows(sweep, queue), sweep.root, jobs=tuple(jobs), signal=number)


def _rows(sweep: Sweep, queue: TaskQueue) -> tuple[TaskRow, ...]:
    """Return the rows of the command's tasks, in the order of its list."""
    rows = {row.id: row for row in queue.rows()}
    return tuple(replace(rows[task.id], index=number) for number, task in enumerate(sweep.tasks))
