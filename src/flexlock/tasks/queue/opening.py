"""Choosing the kind of queue, opening it, and finding the one that a path belongs to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from flexlock.errors import ConfigError, QueueError
from flexlock.tasks.queue.files import FilesQueue
from flexlock.tasks.queue.interface import TaskQueue
from flexlock.tasks.queue.locking import can_lock
from flexlock.tasks.queue.sqlite import SqliteQueue

__all__ = ["DATABASE", "FOLDER", "QueueKind", "find_queue", "open_queue", "wanted_kind"]

DATABASE = "run.lock.tasks.db"
"""The queue's file in the directory of a sweep."""

FOLDER = "run.lock.queue"
"""The queue's directory, where it is kept as files."""

QueueKind = Literal["auto", "sqlite", "files"]


def wanted_kind(kind: QueueKind = "auto") -> str:
    """Return the kind of queue that is asked for: by the caller, else by ``FLEXLOCK_QUEUE``.

    Raises:
        ConfigError: The variable names no kind.
    """
    wanted = kind if kind != "auto" else os.environ.get("FLEXLOCK_QUEUE") or "auto"
    if wanted not in ("auto", "sqlite", "files"):
        message = f"{wanted!r} is no kind of queue."
        hint = "Set FLEXLOCK_QUEUE to sqlite or files, or unset it."
        raise ConfigError(message, hint=hint)
    return wanted


def open_queue(root: Path, kind: QueueKind = "auto") -> TaskQueue:
    """Open the queue of a sweep, or make it.

    A queue that is there is used. Else ``auto`` (or the variable ``FLEXLOCK_QUEUE``) takes SQLite
    where the file system can lock, and files where it cannot.

    Args:
        root: The existing directory of the sweep.
        kind: Which kind to make.

    Raises:
        QueueError: It cannot be opened, or is of another kind than the one asked for.
        ConfigError: The variable names no kind.
    """
    wanted = wanted_kind(kind)
    found = _existing(root)
    if found is not None and wanted not in ("auto", found):
        message = f"The tasks in {str(root)!r} are kept in a {found} queue, not {wanted}."
        raise QueueError(message, hint="Leave out the kind of the queue.", path=root)
    if found is None:
        found = wanted if wanted in ("sqlite", "files") else None
    if found is None:
        found = "sqlite" if _can_lock(root) else "files"
    return SqliteQueue(root / DATABASE) if found == "sqlite" else FilesQueue(root / FOLDER)


def _can_lock(root: Path) -> bool:
    try:
        return can_lock(root)
    except OSError as cause:
        message = f"A task queue cannot be made in {str(root)!r}: {cause.strerror or cause}."
        hint = "Check that it is writable and not full."
        raise QueueError(message, hint=hint, path=root) from cause


def find_queue(path: Path) -> TaskQueue:
    """Open the queue that a path means: the queue itself, or the directory of a sweep.

    Raises:
        QueueError: There is none.
    """
    if path.is_file():
        return SqliteQueue(path)
    if path.name == FOLDER and path.is_dir():
        return FilesQueue(path)
    if path.is_dir() and _existing(path) is not None:
        return open_queue(path)
    message = f"There is no task queue at {str(path)!r}."
    raise QueueError(message, hint=f"Give the directory of a sweep, or its {DATABASE}.", path=path)


def _existing(root: Path) -> str | None:
    if (root / DATABASE).exists():
        return "sqlite"
    return "files" if (root / FOLDER).is_dir() else None
