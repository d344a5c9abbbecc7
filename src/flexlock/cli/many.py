"""Many runs of a decorated function, one for each task of a list."""

from __future__ import annotations

import copy
import inspect
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flexlock.cli.calls import Call, Outcome, shown_path
from flexlock.reporting import exit_on_errors, say

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from flexlock.tasks.model import Task

__all__ = ["run_tasks_of"]


def run_tasks_of(call: Call) -> Outcome | None:
    """Run a function once for each task; return None when that was only to be described.

    Raises:
        SystemExit: With a command line, after an error of ours, and when tasks failed.
        KeyboardInterrupt: Without one, when somebody stopped the tasks.
    """
    from flexlock.config.resolving import pin
    from flexlock.target import Target
    from flexlock.tasks import preview_tasks, run_tasks

    options = call.options.task_options
    assert options is not None
    base = call.draft.config
    with exit_on_errors(call.is_program):
        tasks = _read_tasks(call)
        pinned = pin(base, frozenset(key for task in tasks for key in task.values))
        root = _sweep_root(call, pinned)
        if options.dry_run:
            print(preview_tasks(Target.of(call.function), base, tasks, options, root=root))
            return None
        lock = call.sheet(pinned) if call.entry.lock and tasks else None
        sources = [Path(name) for name in call.options.task_files if name != "-"]
        report = run_tasks(
            call.function, base, tasks, options, lock=lock, root=root, sources=sources
        )
    if tasks and (not options.quiet or report.exit_status):
        print(report, file=sys.stderr)
    for job in report.jobs:
        print(job)  # nothing else goes to stdout, so that a shell can use it
    if call.is_program and report.exit_status:
        sys.exit(report.exit_status)
    if report.signal is not None:
        raise KeyboardInterrupt
    return Outcome(report, root, lock.id if lock else None)


def _read_tasks(call: Call) -> list[Task]:
    """Return the tasks, their texts read by the types that the config declares."""
    from flexlock.config.merging import Draft, converted_value
    from flexlock.tasks.lists import read_tasks

    options = call.options
    scratch = Draft(copy.deepcopy(call.draft.config), call.draft.schema)

    def convert(key: str, value: Any) -> Any:
        return converted_value(scratch, key, value)

    duplicates = options.task_options is not None and options.task_options.allow_duplicates
    with warnings.catch_warnings(record=call.is_program) as caught:
        warnings.simplefilter("always" if call.is_program else "default", UserWarning)
        tasks = read_tasks(
            options.task_files,
            key=options.task_key,
            allow_duplicates=duplicates,
            convert=convert,
        )
    for warning in caught or ():
        say(str(warning.message))
    return tasks


def _sweep_root(call: Call, base: DictConfig) -> Path:
    """Return the directory of the sweep; without a `save_dir`, ``outputs/<name of the script>``."""
    from flexlock.tasks.placing import sweep_root

    root = sweep_root(base)
    if root is None:
        file = inspect.unwrap(call.function).__code__.co_filename
        root = Path("outputs", Path(file).stem)
        say(f"no save_dir: tasks write below {shown_path(root)}", quiet=call.options.quiet)
    return root
