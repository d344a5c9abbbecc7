"""The same questions about a run that is there already."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from flexlock.lock.document import read_lock, sheet_path
from flexlock.lock.identity import new_run_id
from flexlock.lock.record import RunLock
from flexlock.reuse.observing import completed
from flexlock.reuse.search import Match, Miss, explain, why
from flexlock.sharing.relocating import at_home

__all__ = ["why_again", "why_not"]


def why_again(
    run: str | os.PathLike[str], folders: Iterable[str | os.PathLike[str]] | None = None
) -> Match | Miss:
    """Return whether a run would be reused if it were asked for now, or what has changed since.

    Its function and config are those of its sheet; its code, data and earlier runs are looked at
    as they are now.

    Args:
        run: The run directory, or the sheet in it.
        folders: Where finished runs are; by default the folder that the run directory is in.

    Raises:
        LockError: The sheet is missing or cannot be read.
    """
    lock, folder = _read(run)
    empty = replace(lock, id=new_run_id(), repos={}, data={}, prevs={}, outputs={}, extra={})
    return why(completed(empty, lock), [folder.parent] if folders is None else folders)


def why_not(run: str | os.PathLike[str], other: str | os.PathLike[str]) -> Match | Miss:
    """Return whether one finished run can stand for another one, sheet by sheet, or why not.

    Args:
        run: A run directory, or the sheet in it.
        other: That of the run that would stand for it.

    Raises:
        LockError: A sheet is missing or cannot be read.
    """
    lock, _ = _read(run)
    theirs, folder = _read(other)
    found = explain(lock, folder, theirs)
    return found if found.differences or found.reasons else Match(folder, theirs, lock)


def _read(run: str | os.PathLike[str]) -> tuple[RunLock, Path]:
    sheet = sheet_path(Path(run)).absolute()
    return at_home(read_lock(sheet), sheet), sheet.parent
