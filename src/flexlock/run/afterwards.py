"""What changed while a run was going on: the code that it loaded, and the data that it read."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from flexlock.errors import CodeError, DataError
from flexlock.lock.record import RunLock

__all__ = ["changed_meanwhile"]


def changed_meanwhile(
    lock: RunLock, *, data: bool
) -> tuple[dict[str, list[str] | dict[str, list[str]]], tuple[str, ...]]:
    """Return facts for the sheet, and the same in words; nothing when nothing changed.

    Args:
        lock: The sheet as it was written when the run began.
        data: Whether to look at the data too, which costs a scan of each path.
    """
    facts: dict[str, Any] = {}
    told: list[str] = []
    try:
        drift = _drift(lock)
    except (CodeError, ValueError) as error:
        told.append(f"Whether the code changed meanwhile cannot be told: {error}")
    else:
        if drift:
            facts["code_drift"] = {name: list(paths) for name, paths in drift.items()}
        told += [
            f"The code of {name!r} changed after it was recorded, and was loaded: {', '.join(p)}."
            for name, p in drift.items()
        ]
    changed = _changed_data(lock) if data else []
    if changed:
        facts["data_changed"] = changed
        told.append(f"Data changed while the run was going on: {', '.join(changed)}.")
    return facts, tuple(told)


def _drift(lock: RunLock) -> dict[str, tuple[str, ...]]:
    """Return the loaded files that are not what was recorded.

    None for a task of a sweep: its code was recorded with the sweep, and its worker looks after
    that for all of its tasks.
    """
    if lock.parent is not None or not any(state.tree for state in lock.repos.values()):
        return {}
    from flexlock.code.drift import code_drift

    began = datetime.fromisoformat(lock.timestamp).timestamp()
    return code_drift(lock.repos, since_ns=int(began * 1e9))


def _changed_data(lock: RunLock) -> list[str]:
    """Return the names of data that has another hash now, or none."""
    from flexlock.data.tracking import rehash

    changed = []
    for name, state in lock.data.items():
        try:
            now = rehash(state, root=Path(lock.caller.cwd or ""))
        except DataError:
            changed.append(name)
            continue
        if now.hash != state.hash:
            changed.append(name)
    return changed
