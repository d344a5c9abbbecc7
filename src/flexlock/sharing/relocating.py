"""Sheets of pulled runs, with the paths of where they lie now.

A sheet stays as it was written, with the paths of the machine of the run. To look at its code or to
run it again, they are needed as they are in the pulled folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flexlock.errors import ShareError
from flexlock.lock.record import RepoState, RunLock
from flexlock.sharing.manifest import HERE, Manifest
from flexlock.sharing.places import PRIVATE

__all__ = ["at_home", "read_pulled"]


def at_home(lock: RunLock, sheet: Path) -> RunLock:
    """Return a sheet with the paths of this machine; unchanged unless the run was pulled here.

    Args:
        lock: The sheet.
        sheet: Where it lies.

    Raises:
        ShareError: What the pull wrote down is damaged.
    """
    found = _manifest_of(sheet.absolute(), lock.id)
    if found is None:
        return lock
    folder, manifest = found
    moves = _moves(lock, manifest, folder)
    repos = {name: _pulled(name, state, manifest, folder) for name, state in lock.repos.items()}
    cwd = _moved(lock.caller.cwd or "", lock, repos)
    return replace(
        lock,
        caller=replace(lock.caller, cwd=cwd or str(folder)),
        config=_replaced(lock.config, moves),
        repos=repos,
        data={n: replace(s, path=moves.get(s.path, s.path)) for n, s in lock.data.items()},
        prevs={n: replace(p, path=moves.get(p.path, p.path)) for n, p in lock.prevs.items()},
        outputs={n: replace(o, path=moves.get(o.path, o.path)) for n, o in lock.outputs.items()},
    )


def _manifest_of(path: Path, run: str) -> tuple[Path, Manifest] | None:
    """Return the folder that a run was pulled into and what was pulled; None for a run of here."""
    for folder in path.parents:
        records = folder / PRIVATE / "pulled"
        if not records.is_dir():
            continue
        for file in sorted(records.rglob("*.json")):
            manifest = Manifest.from_json(file.read_bytes(), repr(str(file)))
            if any(shared.id == run for shared in manifest.runs):
                return folder, manifest
    return None


def _moves(lock: RunLock, manifest: Manifest, folder: Path) -> dict[str, str]:
    """Return where the absolute paths of a run lie now."""
    moves = {
        data.path: str(folder / data.place)
        for data in manifest.data
        if data.run == lock.id and Path(data.path).is_absolute()
    }
    places = {shared.id: shared.place for shared in manifest.runs}
    for prev in lock.prevs.values():
        if prev.id in places and Path(prev.path).is_absolute():
            moves[prev.path] = str(folder / places[prev.id])
    own = places.get(lock.id)
    save_dir = lock.config.get("save_dir")
    if own is not None and save_dir and Path(str(save_dir)).is_absolute():
        moves[str(save_dir)] = str(folder / own)
    for output in lock.outputs.values():
        if own is not None and save_dir and Path(output.path).is_absolute():
            inner = os.path.relpath(output.path, str(save_dir))
            if not inner.startswith(".."):
                moves[output.path] = str(folder / own / inner)
    return moves


def _pulled(name: str, state: RepoState, manifest: Manifest, folder: Path) -> RepoState:
    """Return a repository as it was pulled: its folder, and the pushed commit of its tree."""
    by_name = sorted(manifest.code, key=lambda code: code.name != name)
    for code in by_name:
        for version in code.versions:
            if version.tree == state.tree:
                place = folder if code.place == HERE else folder / code.place
                return replace(state, path=str(place), commit=version.commit, base=version.commit)
    return state


def _moved(path: str, lock: RunLock, repos: Mapping[str, RepoState]) -> str | None:
    """Return a folder of the first machine that lay in one of the repositories, as it is here."""
    for name, state in lock.repos.items():
        if Path(path).is_relative_to(state.path):
            return str(Path(repos[name].path) / Path(path).relative_to(state.path))
    return None


def _replaced(value: Any, moves: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for old, new in moves.items():
            if value == old or value.startswith(f"{old}/"):
                return new + value[len(old) :]
        return value
    if isinstance(value, Mapping):
        return {key: _replaced(item, moves) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, moves) for item in value]
    return value


def read_pulled(folder: Path, tag: str) -> Manifest:
    """Return what a tag brought into a folder.

    Raises:
        ShareError: The tag was not pulled there.
    """
    file = folder / PRIVATE / "pulled" / f"{tag}.json"
    try:
        return Manifest.from_json(file.read_bytes(), repr(str(file)))
    except OSError as error:
        message = f"The tag {tag!r} was not pulled into {str(folder)!r}."
        raise ShareError(message, hint="Pull it first.", tag=tag) from error
