"""Completing a run that nobody ended, when what it declared to leave is there and valid."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flexlock.errors import LockError
from flexlock.lock.document import read_lock, write_lock
from flexlock.lock.record import RunLock
from flexlock.run.directory import (
    COMPLETE,
    ERROR,
    SHEET,
    claim,
    release,
    write_side_file,
)
from flexlock.run.outputs import CONFIG_KEY, Output, read_outputs, settle_outputs
from flexlock.run.status import run_status

__all__ = ["adopt"]

_ADOPTABLE = ("lost", "interrupted", "recorded")


def adopt(save_dir: Path) -> RunLock:
    """Complete a run that was killed after it had left its outputs, and return its new sheet.

    All outputs that it declared must be there and valid; they are hashed now. What the function
    would have returned stays unknown, and the sheet says that it was completed afterwards.

    Args:
        save_dir: The run directory.

    Raises:
        LockError: There is no run, it is not one that nobody ended, or it declared no outputs.
        OccupiedError: The run is alive.
        DataError: An output is missing or not valid; nothing was changed.
    """
    folder = save_dir.absolute()
    lock = read_lock(folder / SHEET)
    status = run_status(folder)
    if status.name not in _ADOPTABLE:
        message = f"The run in {str(save_dir)!r} is {status.name}; there is nothing to complete."
        hint = "Only runs that were killed can be completed; run a failed one again."
        raise LockError(message, hint=hint, path=str(save_dir))
    declared = _declared(lock, folder)
    if not declared:
        message = f"The run in {str(save_dir)!r} declares no outputs that would show its work."
        hint = "Run it again; declare outputs with runlock(outputs=...) or _outputs_ in the config."
        raise LockError(message, hint=hint, path=str(save_dir))
    claim(folder)
    try:
        return _complete(lock, folder, declared, status.name)
    finally:
        release(folder)


def _complete(lock: RunLock, folder: Path, declared: dict[str, Output], before: str) -> RunLock:
    outputs = settle_outputs(declared, lock.caller.cwd)
    now = datetime.now(UTC).isoformat()
    facts = {"version": 1, "id": lock.id, "timestamp": now, "has_result": False, "adopted": True}
    write_side_file(folder, COMPLETE, {**facts, "outputs": list(outputs)}, sync=True)
    told = f"It was {before} and was completed afterwards, at {now}: its outputs are valid."
    completed = replace(
        lock,
        status="complete",
        outputs={**lock.outputs, **outputs},
        warnings=(*lock.warnings, told),
    )
    write_lock(folder / SHEET, completed)
    (folder / ERROR).unlink(missing_ok=True)
    return completed


def _declared(lock: RunLock, folder: Path) -> dict[str, Output]:
    """Return what the config and the sheet declare, with paths as the run meant them."""
    told: dict[str, Any] = {
        name: {"path": output.path, "validator": output.validator}
        for name, output in lock.outputs.items()
        if output.hash is None
    }
    found = {**read_outputs(told), **read_outputs(lock.config.get(CONFIG_KEY))}
    home = Path(lock.caller.cwd or folder)
    return {
        name: replace(output, path=home / os.path.relpath(output.path))
        for name, output in found.items()
    }
