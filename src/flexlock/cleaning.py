"""Cleaning up: run directories that nobody needs go to a trash folder, from where they come back.

Kept are runs with a tag, runs that others build on, runs that are going on, and, unless told
otherwise, directories that hold files which are not recorded as outputs. Nothing is deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flexlock.errors import LockError
from flexlock.files import write_atomically
from flexlock.listing import FoundRun, find_runs
from flexlock.lock.record import REUSED
from flexlock.tags import list_tags

__all__ = ["TRASH", "Candidate", "collect", "move_to_trash", "restore"]

TRASH = ".flexlock/trash"
_LIST = "contents.json"
_OURS = ("run.", ".run.", ".flexlock")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run that could go: its directory, its size in bytes, and why nobody needs it."""

    path: Path
    bytes: int
    why: str


def collect(
    root: Path, *, incomplete_only: bool = False, all_files: bool = False
) -> tuple[list[Candidate], list[tuple[Path, str]]]:
    """Return the runs below a folder that could go, and those that stay with the reason.

    Args:
        root: The folder.
        incomplete_only: Only runs that failed, were interrupted or got lost.
        all_files: Also directories with files that no sheet records as outputs.
    """
    runs = find_runs(root)
    tagged = {tag.run: tag.name for tag in list_tags(root)}
    needed = _needed(runs, tagged)
    going: list[Candidate] = []
    staying: list[tuple[Path, str]] = []
    for run in runs:
        reason = _reason_to_stay(run, needed, incomplete_only=incomplete_only, all_files=all_files)
        if reason:
            staying.append((run.path, reason))
        else:
            why = f"{run.status.name}, and nothing builds on it"
            going.append(Candidate(run.path, _size(run.path), why))
    return going, staying


def _needed(runs: Sequence[FoundRun], tagged: dict[str, str]) -> dict[str, str]:
    """Return the ids of runs that must stay, with the reason.

    A run that only untagged runs build on goes with them in a later round, never before them.
    """
    needed = {identity: f"it has the tag {name!r}" for identity, name in tagged.items()}
    for run in runs:
        for prev in run.lock.prevs.values() if run.lock else ():
            if prev.id:
                needed.setdefault(prev.id, f"the run in {str(run.path)!r} builds on it")
        reused = run.lock.extra.get(REUSED) if run.lock else None
        if reused:
            needed.setdefault(str(reused), f"it stands for the run in {str(run.path)!r}")
    return needed


def _reason_to_stay(
    run: FoundRun, needed: dict[str, str], *, incomplete_only: bool, all_files: bool
) -> str:
    if run.lock is None:
        return "its sheet cannot be read"
    if run.status.name == "running":
        return "it is going on"
    if run.lock.id in needed:
        return needed[run.lock.id]
    if incomplete_only and run.status.name in ("complete", "recorded"):
        return "it is complete"
    unknown = () if all_files else _unrecorded(run)
    if unknown:
        return f"it holds files that are not recorded as outputs, such as {unknown[0]!r}"
    return ""


def _unrecorded(run: FoundRun) -> Sequence[str]:
    assert run.lock is not None
    folder = Path(run.lock.caller.cwd or run.path)
    outputs = [(folder / output.path).absolute() for output in run.lock.outputs.values()]
    found = []
    for file in run.path.rglob("*"):
        if file.is_dir() or file.relative_to(run.path).parts[0].startswith(_OURS):
            continue
        if not any(file.absolute().is_relative_to(output) for output in outputs):
            found.append(str(file.relative_to(run.path)))
    return sorted(found)


def _size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir())


def move_to_trash(root: Path, candidates: Iterable[Candidate]) -> Path | None:
    """Move runs into a new folder below ``.flexlock/trash`` of the root, and return it.

    The list of what lies there is written first, so that an interrupted move can be undone too.
    """
    chosen = list(candidates)
    if not chosen:
        return None
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    trash = root / TRASH / name
    trash.mkdir(parents=True)
    places = {str(number): str(item.path.absolute()) for number, item in enumerate(chosen)}
    write_atomically(trash / _LIST, json.dumps(places, indent=1))
    for number, item in enumerate(chosen):
        item.path.rename(trash / str(number))
    return trash


def restore(trash: Path) -> list[Path]:
    """Move everything in a trash folder back to where it was, and return the places.

    Raises:
        LockError: It is no trash folder, or something else lies at one of the places now.
    """
    try:
        places: dict[str, Any] = json.loads((trash / _LIST).read_text())
    except (OSError, ValueError) as error:
        message = f"{str(trash)!r} does not hold runs that were moved away."
        raise LockError(message, hint=f"Name a folder below {TRASH}.", path=str(trash)) from error
    moves = {trash / name: Path(place) for name, place in places.items() if (trash / name).exists()}
    taken = [str(place) for place in moves.values() if place.exists()]
    if taken:
        message = f"Something else lies at {taken[0]!r} now."
        raise LockError(message, hint="Move it away first.", paths=taken)
    for source, place in moves.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        source.rename(place)
    (trash / _LIST).unlink()
    trash.rmdir()
    return list(moves.values())
