"""The stages that led to a run, as plain dictionaries: for analyses, notebooks and reports."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flexlock.errors import LineageError, LockNotFoundError
from flexlock.lineage import read_lineage
from flexlock.lock.document import read_lock, sheet_path, to_document

__all__ = ["load_stage", "load_stage_from_path"]

_LEFT_OUT = frozenset(("prevs", "lineage"))


def load_stage_from_path(path: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
    """Return the run in a directory and all earlier runs that it builds on.

    Each run is a dictionary as its sheet reads (``config``, ``repos``, ``data``, ``result`` ...),
    without its own earlier runs: those stand beside it, each followed by its own. Sheets of all
    kinds, older ones too, are read alike. Keys are the names of the directories; where two are
    the same, their whole paths. Runs that use each other in a circle come once each.

    Args:
        path: A run directory, or the run.lock in it.

    Raises:
        LockNotFoundError: There is no run sheet (also a `FileNotFoundError`).
        CorruptLockError: A sheet cannot be read.
        LineageError: A sheet does not say where an earlier run lies (also a `ValueError`).
    """
    sheet = _sheet(path)
    found = read_lineage(sheet)
    for name, lock in found.items():
        for prev_name, prev in lock.prevs.items():
            if prev.reason is not None and prev.lock is not None:
                message = f"The run {name!r} does not say where its stage {prev_name!r} lies."
                hint = "Give the entry a path, or its config a save_dir."
                raise LineageError(message, hint=hint, path=str(sheet))
    return {
        name: {k: v for k, v in to_document(lock).items() if k not in _LEFT_OUT}
        for name, lock in found.items()
    }


def load_stage(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the run in a directory as its sheet reads, without its earlier runs.

    Raises:
        LockNotFoundError: There is no run sheet (also a `FileNotFoundError`).
        CorruptLockError: The sheet cannot be read.
    """
    document = to_document(read_lock(_sheet(path)))
    return {key: value for key, value in document.items() if key not in _LEFT_OUT}


def _sheet(path: str | os.PathLike[str]) -> Path:
    sheet = sheet_path(Path(path))
    if not sheet.is_file():
        message = f"There is no run sheet at {str(sheet)!r}."
        raise LockNotFoundError(message, hint="Give a run directory.", path=str(sheet))
    return sheet
