"""What a command on tasks asks for, checked before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from flexlock.config.building import to_config
from flexlock.config.kinds import is_omegaconf
from flexlock.config.resolving import pin
from flexlock.config.secrets import mask_secrets
from flexlock.errors import ConfigError
from flexlock.target import Target
from flexlock.tasks.cluster.jobs import SCHEDULERS
from flexlock.tasks.cluster.settings import Settings
from flexlock.tasks.container import Container, image_text, read_container
from flexlock.tasks.export import check_export
from flexlock.tasks.model import Retry, Task, TaskOptions
from flexlock.tasks.options import cores
from flexlock.tasks.placing import place_tasks
from flexlock.tasks.plan import Plan, make_plan, read_plan
from flexlock.tasks.queue.interface import TaskQueue
from flexlock.tasks.queue.opening import QueueKind, wanted_kind
from flexlock.tasks.variables import check_variables

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from flexlock.lock.record import RunLock

__all__ = ["SWEEP_KEY", "Sweep", "plan_of", "prepare"]

SWEEP_KEY = "sweep"
"""Top-level key of a sweep's sheet: how many tasks it has."""

_DEFAULT_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a command was asked for."""

    target: Target
    function: Callable[..., Any] | None
    base: DictConfig
    tasks: Sequence[Task]
    directories: Sequence[Path]
    options: TaskOptions
    sheet: RunLock | None
    root: Path
    settings: Settings | None
    container: Container | None
    max_attempts: int
    sources: Sequence[Path]

    @property
    def backend(self) -> str:
        """Where the workers run."""
        if self.settings is not None:
            return "slurm" if self.options.slurm_config is not None else "pbs"
        is_inline = self.options.n_jobs == 1 and self.container is None
        return "inline" if is_inline else "local"


def prepare(
    target: Target | Callable[..., Any],
    base: Any,
    tasks: Sequence[Task],
    options: TaskOptions,
    lock: RunLock | None,
    root: Path,
    sources: Sequence[Path],
) -> Sweep:
    """Check everything that can be checked before the first write."""
    options = _checked(options)
    if not is_omegaconf(base):
        base = to_config(base)
    _refuse_secrets(tasks)
    pinned = pin(base, frozenset(key for task in tasks for key in task.values))
    settings = _settings(options)
    container = None if options.container is None else read_container(options.container)
    if container is not None and settings is not None:
        message = "A container is for local workers; a cluster's belongs into its settings."
        raise ConfigError(message, hint="Write container: into the settings file.")
    if container is not None and lock is not None and lock.env is not None:
        lock = replace(lock, env=replace(lock.env, container=image_text(container)))
    attempts = options.max_attempts
    if attempts is None and settings is not None:
        attempts = settings.max_attempts
    return Sweep(
        target=target if isinstance(target, Target) else Target.of(target),
        function=None if isinstance(target, Target) else target,
        base=base,
        tasks=tasks,
        directories=place_tasks(pinned, tasks, root),
        options=options,
        sheet=_sweep_sheet(lock, tasks),
        root=root,
        settings=settings,
        container=container,
        max_attempts=attempts or _DEFAULT_ATTEMPTS,
        sources=tuple(sources),
    )


def _checked(options: TaskOptions) -> TaskOptions:
    """Refuse what no option means. A command line's are checked already, a caller's are not."""
    for name, known in (("retry", get_args(Retry)), ("queue", get_args(QueueKind))):
        if getattr(options, name) not in known:
            message = f"{name}={getattr(options, name)!r} is none of {', '.join(known)}."
            raise ConfigError(message, hint="Choose one of them, or leave it out.")
    if options.n_jobs < 1 and options.n_jobs != -1:
        message = f"n_jobs must be at least 1, or -1 for one worker a core, not {options.n_jobs}."
        raise ConfigError(message, hint="Give the number of worker processes.")
    if options.max_attempts is not None and options.max_attempts < 1:
        message = f"max_attempts must be at least 1, not {options.max_attempts}."
        raise ConfigError(message, hint="1 means that a task whose worker dies has failed.")
    if options.slurm_config is not None and options.pbs_config is not None:
        message = "Both slurm_config and pbs_config are given."
        raise ConfigError(message, hint="A sweep runs in one batch system: leave one out.")
    check_variables()
    wanted_kind(options.queue)
    if options.export is not None:
        check_export(Path(options.export))
    return replace(options, n_jobs=cores()) if options.n_jobs == -1 else options


def _settings(options: TaskOptions) -> Settings | None:
    for name, source in (("slurm", options.slurm_config), ("pbs", options.pbs_config)):
        if source is not None:
            return SCHEDULERS[name].read_settings(source)
    return None


def _refuse_secrets(tasks: Sequence[Task]) -> None:
    """Refuse secrets as tasks: their values are names of directories and are kept in the queue."""
    for task in tasks:
        for key, value in task.values.items():
            last = key.rpartition(".")[2]
            if value is not None and mask_secrets({last: value}) != {last: value}:
                message = f"The key {key!r} is a secret, which cannot be what tasks differ in."
                raise ConfigError(message, hint="Use another key, or variables of the environment.")


def _sweep_sheet(lock: RunLock | None, tasks: Sequence[Task]) -> RunLock | None:
    if lock is None:
        return None
    return replace(lock, extra={**lock.extra, SWEEP_KEY: {"tasks": len(tasks)}})


def plan_of(sweep: Sweep, queue: TaskQueue) -> tuple[Plan, str]:
    """Return the plan of the command; one that the queue has keeps its times and numbers."""
    open_keys = frozenset(key for task in sweep.tasks for key in task.values)
    plan, secret = make_plan(
        sweep.target,
        sweep.function,
        pin(sweep.base, open_keys),
        written=sweep.base,
        lock=sweep.sheet,
        save_dir=str(sweep.root),
        stop_on_error=sweep.options.stop_on_error,
        max_attempts=sweep.max_attempts,
    )
    known = read_plan(queue, plan.id)
    return (plan if known is None else replace(plan, base=known.base)), secret
