"""Whether this machine has what runs need, and which runs below a folder need a hand."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flexlock.code.git import Git, NotARepositoryError
from flexlock.data.cache import open_cache
from flexlock.errors import CodeError
from flexlock.listing import find_runs
from flexlock.settings import cache_directory, flag
from flexlock.tasks.queue.locking import can_lock

__all__ = ["Check", "examine"]

State = Literal["ok", "note", "problem"]

_BATCH_SYSTEMS = {
    "Slurm": ("sbatch", "squeue", "scancel", "scontrol"),
    "PBS": ("qsub", "qstat", "qdel"),
}
_HELP_S = 20.0


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, and what was found.

    `state` is ``ok``, ``note`` for what only some need, or ``problem``; `remedy` says what to do.
    """

    name: str
    state: State
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        """Return a line for people, with the remedy below it."""
        line = f"{self.state:<8} {self.name}: {self.text}"
        return f"{line}\n         {self.remedy}" if self.remedy else line


def examine(root: Path) -> list[Check]:
    """Look at the programs, the caches, the file system, and all runs at and below a folder."""
    return [
        *_git(root),
        _rclone(),
        *(_batch_system(name) for name in _BATCH_SYSTEMS),
        _cache(),
        _locks(root),
        *_runs(root),
    ]


def _git(root: Path) -> Iterator[Check]:
    git = Git(root)
    try:
        version = git.run("--version").decode().strip().removeprefix("git version ")
    except CodeError as error:
        yield Check("git", "problem", error.message, error.hint or "Install git.")
        return
    yield Check("git", "ok", version)
    try:
        top = git.run("rev-parse", "--show-toplevel").decode().strip()
    except NotARepositoryError as error:
        yield Check("repository", "note", error.message, error.hint)
    except CodeError as error:
        yield Check("repository", "problem", error.message, error.hint)
    else:
        yield Check("repository", "ok", top)


def _rclone() -> Check:
    if shutil.which("rclone") is None:
        remedy = "Only stores named rclone:... need it; folders and S3 do not."
        return Check("rclone", "note", "not installed", remedy)
    from flexlock.errors import ShareError
    from flexlock.sharing.stores.rclone import find_rclone

    try:
        return Check("rclone", "ok", find_rclone())
    except ShareError as error:
        return Check("rclone", "problem", error.message, error.hint)


def _batch_system(name: str) -> Check:
    programs = _BATCH_SYSTEMS[name]
    missing = [program for program in programs if shutil.which(program) is None]
    if not missing:
        return _answering(name, programs[1])
    if len(missing) == len(programs):
        return Check(
            name, "note", "not on this machine", "Only --slurm_config and the like need it."
        )
    text = f"{', '.join(missing)} missing"
    return Check(name, "problem", text, "Install the client programs, or put them on PATH.")


def _answering(name: str, program: str) -> Check:
    """Ask the batch system for its jobs: the programs may be there and the service not."""
    try:
        done = subprocess.run(
            [program], capture_output=True, text=True, timeout=_HELP_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(name, "problem", f"{program} does not answer: {error}", "Is it running?")
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        text = f"{program} failed: {said[-1] if said else f'exit status {done.returncode}'}"
        return Check(name, "problem", text, "Ask whether the service is running.")
    return Check(name, "ok", f"{program} answers")


def _cache() -> Check:
    folder = cache_directory()
    if flag("FLEXLOCK_NO_CACHE"):
        return Check("cache", "note", "off", "Unset FLEXLOCK_NO_CACHE: hashes are made each time.")
    cache = open_cache()
    if cache is None:
        text = f"{str(folder)!r} cannot be written"
        return Check("cache", "problem", text, "Name another folder with FLEXLOCK_CACHE.")
    cache.close()
    return Check("cache", "ok", str(folder))


def _locks(root: Path) -> Check:
    try:
        with tempfile.TemporaryDirectory(prefix=".flexlock-doctor-", dir=root) as folder:
            able = can_lock(Path(folder))
    except OSError as error:
        text = f"{str(root)!r} cannot be written: {error.strerror}"
        return Check("files", "problem", text, "Runs must write below another folder.")
    if able:
        return Check("files", "ok", "the file system can lock")
    text = "the file system cannot lock; task queues are kept in files"
    return Check("files", "note", text, "This works, more slowly than SQLite on a local disk.")


def _runs(root: Path) -> Iterator[Check]:
    runs = find_runs(root)
    bad = 0
    for run in runs:
        if run.status.name == "lost":
            remedy = (
                f"flexlock doctor --adopt {run.path} completes it if its declared outputs are "
                "valid; else run it again."
            )
            yield Check(str(run.path), "problem", f"lost. {run.status.why}", remedy)
        elif run.status.name == "corrupt":
            remedy = "Restore the sheet from a copy or from run.lock.<id>, or run again."
            yield Check(str(run.path), "problem", run.status.why, remedy)
        else:
            continue
        bad += 1
    count = f"{len(runs)} run{'s' if len(runs) != 1 else ''} below {str(root)!r}"
    yield Check(
        "runs", "ok", f"{count}, {bad} of them need a hand" if bad else f"{count}, all well"
    )
