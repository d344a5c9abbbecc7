"""The files of a run directory, and who owns it.

========================  =====================================================================
``run.lock``              the run sheet
``run.lock.<id>``         sheets of earlier runs in the same directory
``run.complete``          written when the run has ended well
``run.error``             written when it has not
``run.owner``             the process that runs in the directory now
========================  =====================================================================

The side files carry the id of their run: those of an earlier one say nothing about a later one,
also when a run dies before it could remove them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from flexlock.errors import CorruptLockError, LockError, NewerLockError, OccupiedError
from flexlock.files import write_atomically
from flexlock.run.owner import Owner, is_alive, owner_from_json, this_process

__all__ = [
    "COMPLETE",
    "ERROR",
    "OWNER",
    "SHEET",
    "claim",
    "forget_ends",
    "keep_earlier",
    "owner_of",
    "read_side_file",
    "release",
    "unwritable",
    "write_side_file",
]

SHEET = "run.lock"
COMPLETE = "run.complete"
ERROR = "run.error"
OWNER = "run.owner"
_GUARD = ".run.owner.guard"


def claim(save_dir: Path) -> None:
    """Make this process the owner of a run directory, which is created when it is missing.

    Raises:
        OccupiedError: A run that is still alive owns it.
        LockError: The directory cannot be made or written.
    """
    try:
        save_dir.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(save_dir):
            owner = owner_of(save_dir)
            if owner is not None and owner != this_process() and is_alive(owner) is not False:
                raise _occupied(save_dir, owner)
            write_atomically(save_dir / OWNER, this_process().to_json(), sync=False)
    except OSError as error:
        if isinstance(error, LockError):
            raise
        raise unwritable(save_dir, error) from error


def unwritable(save_dir: Path, error: OSError) -> LockError:
    """Return the error that says why a run directory cannot be made or written."""
    message = f"The run directory {str(save_dir)!r} cannot be written: {error.strerror}."
    hint = "Choose another save_dir, or make room there."
    return LockError(message, hint=hint, save_dir=str(save_dir))


def release(save_dir: Path) -> None:
    """Give up the directory; nothing happens when it belongs to another process."""
    if owner_of(save_dir) == this_process():
        (save_dir / OWNER).unlink(missing_ok=True)


def owner_of(save_dir: Path) -> Owner | None:
    """Return who owns a run directory, alive or not; None when nobody does."""
    try:
        return owner_from_json((save_dir / OWNER).read_text())
    except (OSError, UnicodeDecodeError):
        return None


def keep_earlier(save_dir: Path, own: str) -> None:
    """Keep the sheet of another run than `own` in the directory, as ``run.lock.<its id>``."""
    from flexlock.lock.document import read_lock

    sheet = save_dir / SHEET
    if not sheet.exists():
        return
    try:
        earlier = read_lock(sheet).id
    except (CorruptLockError, NewerLockError):
        earlier = f"unread-{sheet.stat().st_mtime_ns}"
    if earlier == own:
        return
    kept = save_dir / f"{SHEET}.{earlier}"
    with suppress(FileExistsError):
        try:
            os.link(sheet, kept)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            import shutil

            shutil.copyfile(sheet, kept)


def forget_ends(save_dir: Path) -> None:
    """Remove what an earlier run in the directory wrote about its end."""
    for name in (COMPLETE, ERROR):
        (save_dir / name).unlink(missing_ok=True)


def write_side_file(save_dir: Path, name: str, facts: Mapping[str, Any], *, sync: bool) -> None:
    """Write a side file as JSON."""
    text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
    write_atomically(save_dir / name, text, sync=sync)


def read_side_file(save_dir: Path, name: str) -> dict[str, Any] | None:
    """Return what a side file says, or None when it is missing or damaged."""
    try:
        facts = json.loads((save_dir / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def _occupied(save_dir: Path, owner: Owner) -> OccupiedError:
    where = f"process {owner.pid} on {owner.host!r}"
    message = f"A run is going on in {str(save_dir)!r} ({where})."
    hint = "Wait for it or stop it, or choose another save_dir."
    if is_alive(owner) is None:
        hint = (
            f"Whether it still runs can only be told on {owner.host!r}; if it does not, "
            f"remove {str(save_dir / OWNER)!r}."
        )
    return OccupiedError(message, hint=hint, save_dir=str(save_dir), owner=owner)


@contextmanager
def _one_at_a_time(save_dir: Path) -> Iterator[None]:
    """Let one process at a time look at the owner and put itself there."""
    try:
        import fcntl
    except ImportError:  # no such locks here; two runs that start at the same moment may collide
        yield
        return
    guard = os.open(save_dir / _GUARD, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with suppress(OSError):  # some network file systems cannot lock
            fcntl.flock(guard, fcntl.LOCK_EX)
        yield
    finally:
        os.close(guard)
