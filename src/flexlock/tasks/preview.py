"""What a command would do: for ``--dry_run``, nothing is written and nothing is started."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from flexlock.errors import QueueError
from flexlock.target import Target
from flexlock.tasks.cluster.jobs import SCHEDULERS, job_request, worker_count
from flexlock.tasks.model import Task, TaskOptions
from flexlock.tasks.preparing import Sweep, prepare
from flexlock.tasks.queue.opening import DATABASE, find_queue

__all__ = ["preview_tasks"]


def preview_tasks(
    target: Target | Callable[..., Any],
    base: object,
    tasks: Sequence[Task],
    options: TaskOptions | None = None,
    *,
    root: Path,
) -> str:
    """Return where each task would write and, for a cluster, the script with advice about it.

    Raises:
        ConfigError: A task does not fit the config, or an option is wrong.
    """
    sweep = prepare(target, base, tasks, options or TaskOptions(), None, Path(root), ())
    states = _known_states(sweep.root)
    lines = [
        f"{task.name} -> {directory}{states.get(task.id, '')}"
        for task, directory in zip(sweep.tasks, sweep.directories, strict=True)
    ]
    workers = f" with {sweep.options.n_jobs} workers" if sweep.backend == "local" else ""
    head = f"would run {len(lines)} tasks ({sweep.backend}{workers}) in {sweep.root}"
    return "\n".join([head, *lines, *_script(sweep)])


def _known_states(root: Path) -> dict[str, str]:
    try:
        queue = find_queue(root)
    except QueueError:
        return {}
    try:
        return {row.id: f" ({row.state} before)" for row in queue.rows() if row.attempt}
    finally:
        queue.close()


def _script(sweep: Sweep) -> list[str]:
    if sweep.settings is None:
        return []
    scheduler = SCHEDULERS[sweep.backend]
    request = job_request(
        sweep.target,
        sweep.root.absolute() / DATABASE,
        scheduler,
        sweep.settings,
        worker_count(sweep.settings, len(sweep.tasks)),
        sweep.options.after,
    )
    advice = [f"note: {sentence}" for sentence in scheduler.advise(sweep.settings)]
    return ["", scheduler.script(request), *advice]
