"""Many runs of one function: task lists, a queue, workers here and on clusters.

    from flexlock.tasks import make_tasks, run_tasks

    report = run_tasks(main, base, make_tasks([1, 2, 3], key="param"), lock=None, root=Path("out"))
    print(report)

Names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flexlock.tasks.lists import make_tasks, read_tasks
    from flexlock.tasks.model import Task, TaskOptions
    from flexlock.tasks.preview import preview_tasks
    from flexlock.tasks.report import TaskReport
    from flexlock.tasks.sweep import run_tasks

__all__ = [
    "Task",
    "TaskOptions",
    "TaskReport",
    "make_tasks",
    "preview_tasks",
    "read_tasks",
    "run_tasks",
]

_HOMES = {
    "Task": "flexlock.tasks.model",
    "TaskOptions": "flexlock.tasks.model",
    "TaskReport": "flexlock.tasks.report",
    "make_tasks": "flexlock.tasks.lists",
    "preview_tasks": "flexlock.tasks.preview",
    "read_tasks": "flexlock.tasks.lists",
    "run_tasks": "flexlock.tasks.sweep",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
