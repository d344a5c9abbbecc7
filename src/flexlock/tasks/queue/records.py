"""What a queue keeps: a row for each task, a row for each worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flexlock.run.owner import Owner
from flexlock.tasks.model import Backend, TaskState

__all__ = ["Claim", "Outcome", "Settlement", "TaskRow", "WorkerRow"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A task that one worker holds.

    `attempt` counts all starts of the task, `tries` those of the present command, from one.
    """

    id: str
    index: int
    name: str
    values: Mapping[str, Any]
    directory: str
    attempt: int
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt at a task ended.

    `reason` says it in words (``returned``, ``raised ValueError``, ``killed by SIGKILL``), `error`
    is the message of the exception. `started` and `ended` are seconds since 1970, `wall_s` is
    measured by a clock that never jumps. `peak_bytes` is the largest resident memory of the
    process. `data` holds the hashes of the input data that only this task has, by name. `run` is
    the id of the run's sheet.
    """

    id: str
    attempt: int
    state: TaskState
    reason: str
    run: str | None = None
    started: float | None = None
    ended: float | None = None
    wall_s: float | None = None
    peak_bytes: int | None = None
    error: str | None = None
    result: Any = None
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task as the queue knows it.

    `directory` is relative to the queue's directory when it lies below it. `plan` names the plan
    (target, configuration, code) that the last attempt ran under. `tries` counts the attempts of
    the present command. `owner` is the worker that holds or last held the task, `claimed` when it
    took it, `lease_until` until when it may be silent.
    """

    id: str
    index: int
    name: str
    values: Mapping[str, Any]
    directory: str
    state: TaskState = "pending"
    attempt: int = 0
    tries: int = 0
    plan: str | None = None
    owner: str | None = None
    claimed: float | None = None
    lease_until: float | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker and what shows whether it is alive.

    `process` names its process, `job` its job in a batch system (``ArrayJobID_ArrayTaskID`` in
    Slurm). `ended` is when it said goodbye; `error` why it could not work at all.
    """

    name: str
    backend: Backend
    process: Owner
    job: str | None = None
    lease_until: float = 0.0
    ended: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of a task that its owner does not end itself.

    It counts only while the task is still the given attempt of the given owner. Without an
    outcome the task was never started: it is pending again and the attempt is not counted. With
    one, `again` says whether it is tried again.
    """

    id: str
    owner: str
    attempt: int
    outcome: Outcome | None = None
    again: bool = False
