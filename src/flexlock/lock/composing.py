"""Putting a run sheet together: config, code, data, environment and earlier runs at this moment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flexlock.code.repositories import Asked, capture_all, normalise
from flexlock.data.tracking import track
from flexlock.environment import environment
from flexlock.lineage import gather
from flexlock.lock.document import SHEET
from flexlock.lock.identity import new_run_id
from flexlock.lock.record import Caller, RepoState, RunLock

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from flexlock.config import Declared

__all__ = ["compose_lock"]


def compose_lock(
    config: object = None,
    repos: object = None,
    data: object = None,
    prevs: object = None,
    *,
    caller: Caller | None = None,
    strict: bool = False,
    allow_missing: bool = False,
    discover: bool = True,
    skip: Iterable[Path] = (),
    code: Mapping[str, RepoState] | None = None,
    known: Mapping[str, RepoState] | None = None,
    sheet: Path | None = None,
    run_id: str | None = None,
    note: str | None = None,
    commit: bool = True,
) -> RunLock:
    """Return the sheet of a run that starts now; nothing is written.

    Args:
        config: A config of any kind. What it declares to be tracked is tracked as well.
        repos: The repositories (`flexlock.code.repositories.normalise`); without any, that of the
            caller's file, else of the working directory. An empty list means none.
        data: The data (`flexlock.data.tracking.normalise`).
        prevs: The earlier runs (`flexlock.lineage.find_run`).
        caller: Who asks.
        strict: Whether code without a version, and earlier runs that are not as they were left,
            are errors instead of warnings.
        allow_missing: Whether data and earlier runs that are not there are warnings instead.
        discover: Whether data that lies in a run directory names that run as an earlier one.
        skip: Directories of results that are not code, beside the config's `save_dir`.
        code: Repositories that were captured before; then none is captured now.
        known: Repositories that were captured before, to be used where `repos` means them.
        sheet: Where the sheet will lie; by default in the config's `save_dir`.
        run_id: The id of the run; a new one by default.
        note: A remark for people.
        commit: Whether a commit keeps the code. Without, the sheet only says what there is.

    Raises:
        ConfigError: An argument is not understood, or an interpolation has no value.
        DataError: Data cannot be hashed.
        CodeError: With `strict`, the version of the code cannot be told.
        LockNotFoundError: An earlier run is missing.
        LineageError: Earlier runs form a cycle, or with `strict` are not as they were left.
    """
    caller = replace(caller or Caller(), cwd=os.getcwd())  # noqa: PTH109
    root = Path(caller.cwd or "")
    # Before anything is looked at: what changes from here on can be told apart later.
    timestamp = datetime.now(UTC).isoformat()
    read = _read(config)
    own = sheet or (root / str(read.save_dir) / SHEET if read.save_dir else None)
    run_id = run_id or new_run_id()
    warnings: tuple[str, ...] = ()
    if code is None:
        results = [*skip, *([own.parent] if own is not None else [])]
        given = repos if repos is not None else read.declared.repos
        look = partial(capture_all, root=root, results=results, strict=strict, commit=commit)
        code, warnings = _capture(given, caller, root, look, known)
    states, notes = track(_all_data(data, read.declared), allow_missing=allow_missing)
    earlier = gather(
        _all_prevs(prevs, read.declared),
        states,
        root=root,
        own=own,
        own_id=run_id,
        strict=strict,
        allow_missing=allow_missing,
        discover=discover,
    )
    return RunLock(
        id=run_id,
        timestamp=timestamp,
        caller=_placed(caller, code, read.secrets),
        config=read.tree,
        config_raw=read.raw,
        repos=code,
        data=states,
        env=environment({name: Path(state.path) for name, state in code.items() if state.tree}),
        prevs=earlier.prevs,
        note=note,
        warnings=(*warnings, *notes, *earlier.warnings),
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """What a config says: its values, the same unresolved if that differs, and what follows."""

    tree: Mapping[str, Any]
    raw: Mapping[str, Any] | None
    declared: Declared
    secrets: frozenset[str]
    save_dir: Any


def _read(config: object) -> _Read:
    from flexlock.config import (
        Declared,
        declared,
        mask_secrets,
        resolve,
        secret_values,
        to_config,
        to_plain,
    )

    if config is None:
        return _Read({}, None, Declared(), frozenset(), None)
    built: DictConfig = to_config(config)
    resolved = resolve(built, is_complete=False)
    plain = to_plain(resolved)
    unresolved = to_plain(built, resolve=False)
    return _Read(
        tree=mask_secrets(plain),
        raw=mask_secrets(unresolved) if unresolved != plain else None,
        declared=declared(resolved),
        secrets=secret_values(plain),
        save_dir=plain.get("save_dir"),
    )


def _capture(
    repos: object,
    caller: Caller,
    root: Path,
    look: Callable[..., tuple[dict[str, RepoState], tuple[str, ...]]],
    known: Mapping[str, RepoState] | None,
) -> tuple[Mapping[str, RepoState], tuple[str, ...]]:
    """Capture the repositories; those of the caller's file, else of the working directory."""
    file = Path(caller.file) if caller.file else None
    keep = [file] if file is not None else []
    if repos is not None:
        return look(normalise(repos), keep=keep, known=known)
    if file is not None and file.is_file():
        states, warnings = look((Asked(file.parent),), keep=keep, strict=False)
        if all(state.tree is not None for state in states.values()):
            return states, warnings
    # A program that is installed somewhere, and is used on a project.
    return look((Asked(root),), keep=keep)


def _all_data(data: object, found: Declared) -> object:
    """Return what was asked for and what the config declares, each path once."""
    from flexlock.data.tracking import normalise as normalise_data

    declared = normalise_data({**found.named}) | normalise_data(list(found.data))
    asked = normalise_data(data)
    paths = {thing.path for thing in asked.values()}
    rest = {
        name if name not in asked else thing.path: thing
        for name, thing in declared.items()
        if thing.path not in paths
    }
    return asked | rest


def _all_prevs(prevs: object, found: Declared) -> object:
    """Return what was asked for and what the config declares, each path once."""
    if isinstance(prevs, Mapping):
        known = {os.fspath(path) for path in prevs.values()}
        return {**prevs, **{path: path for path in found.prevs if path not in known}}
    if prevs is None:
        return found.prevs
    asked = [prevs] if isinstance(prevs, str | os.PathLike) else prevs
    if not isinstance(asked, Iterable):
        return prevs
    return [*asked, *found.prevs]


def _placed(caller: Caller, repos: Mapping[str, RepoState], secrets: frozenset[str]) -> Caller:
    """Return the caller with its file relative to the repository that it lies in."""
    from flexlock.config import mask_words

    caller = replace(caller, argv=mask_words(caller.argv, secrets))
    if not caller.file:
        return caller
    file = Path(os.path.realpath(caller.file))
    for name, state in repos.items():
        if state.tree is not None and file.is_relative_to(os.path.realpath(state.path)):
            inside = file.relative_to(os.path.realpath(state.path)).as_posix()
            return replace(caller, file=inside, repo=name)
    return replace(caller, file=str(file))
