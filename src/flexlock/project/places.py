"""Where a run writes when its directory holds a run already."""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from flexlock.errors import ConfigError, LockError
from flexlock.run.directory import SHEET
from flexlock.run.status import run_status

__all__ = ["SaveDirPolicy", "check_policy", "is_complete", "place"]

SaveDirPolicy = Literal["rerun", "raise", "increment", "timestamp", "overwrite", "skip"]
"""What happens to a directory that holds a run.

``rerun``: the run is repeated there, the old sheet is kept beside the new one. ``raise``: an error.
``increment``: a new directory with ``_0000``, ``_0001`` ... behind the name. ``timestamp``: a new
directory within, named by the time. ``overwrite``: everything in it is deleted first. ``skip``: a
complete run there is taken as it is, nothing is compared. A run that is alive is never disturbed.
"""


def check_policy(policy: str) -> None:
    """Refuse what is no policy.

    Raises:
        ConfigError: It is none of `SaveDirPolicy`.
    """
    known = get_args(SaveDirPolicy)
    if policy not in known:
        message = f"save_dir_policy={policy!r} is none of {', '.join(known)}."
        raise ConfigError(message, hint="Choose one of them, or leave it out.")


def place(save_dir: Path, policy: SaveDirPolicy) -> Path:
    """Return the directory of a new run, made where the policy makes a new one.

    Raises:
        LockError: The directory holds a run, and the policy is ``raise``; or it may not be emptied.
    """
    if policy == "increment":
        return _numbered(save_dir)
    if policy == "timestamp":
        moment = datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S")
        return _first_free(save_dir, [moment, *(f"{moment}_{n}" for n in range(1, 1000))])
    if policy == "raise" and (save_dir / SHEET).exists():
        message = f"{str(save_dir)!r} holds a run already."
        hint = "Choose another save_dir, or save_dir_policy='rerun', 'increment' or 'skip'."
        raise LockError(message, hint=hint, save_dir=str(save_dir))
    if policy == "overwrite":
        _empty(save_dir)
    return save_dir


def is_complete(save_dir: Path) -> bool:
    """Return whether a directory holds a run that ended well."""
    return run_status(save_dir).name == "complete"


def _numbered(save_dir: Path) -> Path:
    save_dir.parent.mkdir(parents=True, exist_ok=True)
    number = 0
    while True:
        numbered = save_dir.with_name(f"{save_dir.name}_{number:04}")
        try:
            numbered.mkdir()
        except FileExistsError:  # also when another process was faster
            number += 1
        else:
            return numbered


def _first_free(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        try:
            (folder / name).mkdir()
        except FileExistsError:
            continue
        return folder / name
    message = f"A thousand runs began in {str(folder)!r} within this second."
    raise LockError(message, hint="Use save_dir_policy='increment'.")


def _empty(save_dir: Path) -> None:
    """Delete what lies in a run directory; a folder that is none is left alone."""
    if not save_dir.exists() or not any(save_dir.iterdir()):
        return
    here = Path(os.path.realpath(save_dir))
    status = run_status(save_dir)
    if not (save_dir / SHEET).exists():
        why = "it is not a run directory"
    elif status.name == "running":
        why = "a run is going on in it"
    elif Path.cwd().is_relative_to(here) or (here / ".git").exists():
        why = "the working directory or a repository lies in it"
    else:
        for child in save_dir.iterdir():
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child)
            else:
                child.unlink()
        return
    message = f"{str(save_dir)!r} is not emptied: {why}."
    raise LockError(message, hint="Choose another save_dir.", save_dir=str(save_dir))
