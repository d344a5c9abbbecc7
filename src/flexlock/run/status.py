"""Where a run is, as its directory tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flexlock.errors import CorruptLockError, LockNotFoundError, NewerLockError
from flexlock.lock.record import RunLock, Status
from flexlock.run.directory import COMPLETE, ERROR, SHEET, owner_of, read_side_file
from flexlock.run.owner import Owner, is_alive, owner_from_json

__all__ = ["RunStatus", "run_status"]


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a run is.

    Attributes:
        name: One of `Status`.
        save_dir: The run directory.
        id: The run, when its sheet can be read.
        since: When it ended, else when it started (ISO 8601); None when nobody wrote it down.
        owner: The process that runs, or ran when nothing else is known.
        certain: False for a run on another machine, whose process cannot be asked from here.
        why: What stopped it, as a sentence; empty when nothing did.
    """

    name: Status
    save_dir: Path
    id: str | None = None
    since: str | None = None
    owner: Owner | None = None
    certain: bool = True
    why: str = ""


def run_status(save_dir: Path) -> RunStatus:
    """Return where the run in a directory is. Never raises for what the directory holds."""
    from flexlock.lock.document import read_lock

    lock: RunLock | None = None
    try:
        lock = read_lock(save_dir / SHEET)
    except LockNotFoundError:
        pass
    except (CorruptLockError, NewerLockError) as error:
        return RunStatus("corrupt", save_dir, why=str(error))
    owner = owner_of(save_dir) or _worker_of(lock)
    alive = None if owner is None else is_alive(owner)
    ended = _ended(save_dir, lock)
    identity = lock.id if lock else None
    if owner is not None and alive is not False:
        since = lock.timestamp if lock else None
        return RunStatus("running", save_dir, identity, since, owner, alive is True)
    if ended is not None:
        name, facts = ended
        why = _why(facts) if name != "complete" else ""
        return RunStatus(name, save_dir, identity, facts.get("timestamp"), why=why)
    if lock is None:
        return RunStatus("unknown", save_dir, why="There is no run sheet.")
    if lock.status != "running":
        return RunStatus(lock.status, save_dir, lock.id, lock.timestamp)
    why = "Its process is gone and did not say how it ended."
    return RunStatus("lost", save_dir, lock.id, lock.timestamp, owner, why=why)


def _worker_of(lock: RunLock | None) -> Owner | None:
    """Return the process that runs the task of a sweep, whose directory nobody owns."""
    task = None if lock is None or lock.status != "running" else lock.extra.get("task")
    return owner_from_json(str(task.get("process"))) if isinstance(task, Mapping) else None


def _ended(save_dir: Path, lock: RunLock | None) -> tuple[Status, dict[str, Any]] | None:
    """Return how the run of the sheet ended, when a side file tells."""
    for name in (COMPLETE, ERROR):
        facts = read_side_file(save_dir, name)
        if facts is None or facts.get("id") != (lock.id if lock else None):
            continue  # of another run in the same directory
        if name == COMPLETE:
            return "complete", facts
        return ("interrupted" if facts.get("status") == "interrupted" else "failed"), facts
    return None


def _why(facts: dict[str, Any]) -> str:
    if "signal" in facts:
        return f"It was stopped by {facts['signal']}."
    if "exit_status" in facts:
        return f"It ended with exit status {facts['exit_status']}."
    return f"{facts.get('exc_type', 'An error')}: {facts.get('exc_message', '')}"
