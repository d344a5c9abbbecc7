"""What a finished run recorded, looked at again before a new run starts.

Before the function runs, a sheet holds only what its config declares. `runlock` within the function
may have added repositories, data and earlier runs to the finished run's sheet. The same function
with the same config and code would add the same again; so these are looked at now, and the two
sheets can be compared. Nothing is written, no commit is made.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from flexlock.code.capture import capture
from flexlock.data.tracking import rehash
from flexlock.environment import environment
from flexlock.errors import CodeError, DataError, FlexLockError
from flexlock.lineage import gather
from flexlock.lock.record import DataState, EnvState, PrevState, RepoState, RunLock

__all__ = ["completed"]


def completed(lock: RunLock, other: RunLock) -> RunLock:
    """Return a sheet with all that another one records beyond it, as that is now.

    Args:
        lock: The sheet of a run that could start now.
        other: That of a finished run of the same function.
    """
    root = Path(lock.caller.cwd or other.caller.cwd or "")
    repos = _repos(lock, other, root)
    data = _data(lock.data, other.data, root)
    made = replace(lock, repos=repos, data=data, prevs=_prevs(lock, other, data, root))
    return made if repos == lock.repos else replace(made, env=_environment(lock, repos))


def _repos(lock: RunLock, other: RunLock, root: Path) -> dict[str, RepoState]:
    found: dict[str, RepoState] = {}
    used: list[RepoState] = []
    for name, theirs in other.repos.items():
        mine = _same_repository(name, theirs, lock.repos)
        if mine is not None:
            used.append(mine)
        found[name] = mine if mine is not None else _captured(theirs, lock, other, root)
    rest = {name: state for name, state in lock.repos.items() if state not in used}
    return {**rest, **found}


def _same_repository(
    name: str, theirs: RepoState, known: Mapping[str, RepoState]
) -> RepoState | None:
    """Return the repository that has the name, else the one at the same place."""
    named = known.get(name)
    if named is not None and named.scope == theirs.scope:
        return named
    real = os.path.realpath(theirs.path)
    at_place = (s for s in known.values() if os.path.realpath(s.path) == real)
    return next((state for state in at_place if state.scope == theirs.scope), None)


def _captured(theirs: RepoState, lock: RunLock, other: RunLock, root: Path) -> RepoState:
    save_dirs = [one.config.get("save_dir") for one in (lock, other)]
    results = [root / str(folder) for folder in save_dirs if folder]
    script = [Path(theirs.path, other.caller.file)] if other.caller.file else []
    try:
        return capture(
            Path(theirs.path), scope=theirs.scope, results=results, keep=script, commit=False
        )
    except CodeError as error:
        return RepoState(theirs.path, scope=theirs.scope, reason=str(error))


def _data(
    mine: Mapping[str, DataState], theirs: Mapping[str, DataState], root: Path
) -> dict[str, DataState]:
    by_path = {(state.path, state.method): state for state in mine.values()}
    found: dict[str, DataState] = {}
    for name, state in theirs.items():
        known = mine.get(name) or by_path.get((state.path, state.method))
        found[name] = known if known is not None else _hashed(state, root)
    names = {id(state) for state in found.values()}
    return {**{n: state for n, state in mine.items() if id(state) not in names}, **found}


def _hashed(state: DataState, root: Path) -> DataState:
    try:
        return rehash(state, root=root)
    except DataError:
        return replace(state, hash=None)


def _prevs(
    lock: RunLock, other: RunLock, data: Mapping[str, DataState], root: Path
) -> dict[str, PrevState]:
    known = {prev.path for prev in lock.prevs.values()}
    wanted = {
        name: prev.path
        for name, prev in other.prevs.items()
        if prev.direct and name not in lock.prevs and prev.path not in known
    }
    if not wanted:
        return dict(lock.prevs)
    try:
        found = gather(wanted, data, root=root, allow_missing=True, discover=False).prevs
    except FlexLockError:  # a sheet that cannot be read: as if there were none
        found = {name: PrevState(path) for name, path in wanted.items()}
    return {**found, **lock.prevs}


def _environment(lock: RunLock, repos: Mapping[str, RepoState]) -> EnvState:
    roots = {name: Path(state.path) for name, state in repos.items() if state.tree}
    return replace(lock.env or EnvState(), lockfiles=environment(roots).lockfiles)
