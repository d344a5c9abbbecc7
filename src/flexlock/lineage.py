"""Earlier runs: which ones a run builds on, how that is proven, and what they in turn build on.

A sheet lists all of them side by side: those that the run uses itself (`direct`), and theirs, each
with the names of its own `parents`. None of them carries a list of its own, so a chain of stages
does not grow within itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flexlock.data.hashing import DEFAULT_ALGORITHM, check_algorithm, hash_bytes
from flexlock.errors import ConfigError, LineageError, LockNotFoundError
from flexlock.lock.document import SHEET, from_document, read_text, to_document
from flexlock.lock.record import DataState, OutputState, PrevState, RunLock
from flexlock.run.status import run_status

__all__ = ["Gathered", "find_run", "gather", "lock_hash", "read_lineage"]

_LEFT_OUT = frozenset(("run_lock", "prevs", "config_raw", "warnings", "env"))
_LARGEST_RESULT = 4096
_GOOD = ("complete", "recorded")


@dataclass(frozen=True, slots=True)
class Gathered:
    """The earlier runs of a run under their names, and warnings for its sheet."""

    prevs: Mapping[str, PrevState]
    warnings: tuple[str, ...] = ()


def find_run(path: Path) -> Path | None:
    """Return the sheet of the nearest run at or above `path`; None when there is none.

    `path` may be a run directory, its sheet (also a kept one, ``run.lock.<id>``), or anything
    within a run directory, which need not exist.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - links stay: the run lies where it says
    if absolute.name.startswith(SHEET) and absolute.is_file():
        return absolute
    for folder in (absolute, *absolute.parents):
        if (folder / SHEET).is_file():
            return folder / SHEET
    return None


def lock_hash(text: bytes, algorithm: str = DEFAULT_ALGORITHM) -> str:
    """Return the hash of a sheet's bytes as ``algorithm:hex``."""
    return f"{algorithm}:{hash_bytes(text, check_algorithm(algorithm))}"


def gather(
    prevs: object = None,
    data: Mapping[str, DataState] | None = None,
    *,
    root: Path | None = None,
    own: Path | None = None,
    own_id: str | None = None,
    strict: bool = False,
    allow_missing: bool = False,
    discover: bool = True,
) -> Gathered:
    """Find, read and describe the earlier runs of a run.

    Args:
        prevs: A path, a list of paths, or a mapping of names to paths; see `find_run`.
        data: The data of the run. What lies within a run directory names that run too, and what
            has the hash of one of its outputs proves that it was used.
        root: The folder that relative paths start from; by default the working directory.
        own: The sheet of this run, which is no earlier run.
        own_id: Its id.
        strict: Whether what would be a warning is an error.
        allow_missing: Whether a path in `prevs` without a run is a warning, not an error.
        discover: Whether `data` names runs by where it lies.

    Raises:
        ConfigError: `prevs` is not understood.
        LockNotFoundError: There is no run at or above one of the paths.
        CorruptLockError: A sheet cannot be read.
        LineageError: A run would be its own earlier run; with `strict`, also data that is not what
            its run left, and runs that have not ended well.
    """
    gathering = _Gathering(root or Path(), own, own_id, allow_missing)
    for name, path in _named(prevs).items():
        gathering.add(path, name)
    if discover:
        for state in (data or {}).values():
            gathering.discover(state)
    found = gathering.finish(data or {})
    if strict and found.warnings:
        hint = "Run the earlier stages again, or do not ask for strict."
        raise LineageError(" ".join(found.warnings), hint=hint)
    return found


def read_lineage(path: Path) -> dict[str, RunLock]:
    """Return the run at or above `path` and all its earlier runs, this one first, by name.

    Each run is followed by what it builds on, before the next one that the later run used. Sheets
    on the disk are read where they still are; for others the copy in the later sheet is used. Where
    several runs have the same name, that is their path.

    Raises:
        LockNotFoundError: There is no run.
        CorruptLockError: A sheet cannot be read.
    """
    sheet = find_run(path)
    if sheet is None:
        raise _missing(path)
    lock = from_document(read_text(sheet), sheet)
    found = {str(sheet.parent): lock}
    waiting = _later_first(lock, sheet)
    while waiting:
        prev, place = waiting.pop()
        if str(place) in found:
            continue
        earlier = _sheet_of(prev, place)
        if earlier is not None:
            found[str(place)] = earlier
            waiting += _later_first(earlier, place / SHEET)
    names = [Path(folder).name for folder in found]
    return {
        name if names.count(name) == 1 else folder: earlier
        for (folder, earlier), name in zip(found.items(), names, strict=True)
    }


def _later_first(lock: RunLock, sheet: Path) -> list[tuple[PrevState, Path]]:
    """Return the earlier runs of a run with their places, as a stack: the first to look at last."""
    prevs = sorted(lock.prevs.values(), key=lambda prev: not prev.direct)
    return [(prev, _place(prev.path, lock, sheet)) for prev in reversed(prevs)]


def _sheet_of(prev: PrevState, place: Path) -> RunLock | None:
    """Return an earlier run's sheet: the one that was used, as far as it still exists."""
    sheet = place if place.name.startswith(SHEET) else place / SHEET
    if sheet.is_file():
        text = read_text(sheet)
        on_disk = from_document(text, sheet)
        if prev.lock_hash in (None, lock_hash(text)) or prev.lock is None:
            return on_disk
    if prev.lock is None:
        return None
    document: dict[str, Any] = {"config": {}, **prev.lock}
    if "id" in prev.lock:  # else an older sheet had an older one in it
        known = {"run_lock": 1, "timestamp": "", "status": "unknown"}
        document = {**known, **document}
    return from_document(json.dumps(document, default=str).encode(), sheet)


def _place(path: str, lock: RunLock, sheet: Path) -> Path:
    """Return where an earlier run lies: relative paths start from the later run's folder."""
    return Path(os.path.normpath(Path(lock.caller.cwd or sheet.parent, path)))


def _named(prevs: object) -> dict[str | int, Path]:
    """Return the `prevs=` argument as paths under names; numbers where none is given."""
    if prevs is None:
        return {}
    if isinstance(prevs, str | os.PathLike):
        prevs = [prevs]
    pairs: Iterable[tuple[Any, Any]]
    if isinstance(prevs, Mapping):
        pairs = [(str(name), path) for name, path in prevs.items()]
    elif isinstance(prevs, Iterable):
        pairs = enumerate(prevs)
    else:
        pairs = [(0, prevs)]
    named = {}
    for name, path in pairs:
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            message = f"prevs has {path!r}, which is no path of an earlier run."
            raise ConfigError(message, hint="Give a run directory, its run.lock, or a path within.")
        named[name] = Path(os.fsdecode(path))
    return named


def _missing(path: Path) -> LockNotFoundError:
    return LockNotFoundError(
        f"There is no run at {str(path)!r}, nor above it (a folder with a run.lock).",
        hint="Run the earlier stage first, or correct the path.",
        path=str(path),
    )


class _Gathering:
    """Earlier runs as they are found, by their sheet."""

    def __init__(
        self, root: Path, own: Path | None, own_id: str | None, allow_missing: bool
    ) -> None:
        self._root = Path(os.path.abspath(root))  # noqa: PTH100
        self._own = None if own is None else Path(os.path.abspath(own))  # noqa: PTH100
        self._own_id = own_id
        self._allow_missing = allow_missing
        self._found: dict[Path, _Earlier] = {}
        self._absent: dict[str, PrevState] = {}
        self.warnings: list[str] = []

    def add(self, path: Path, name: str | int) -> None:
        """Take in a run that was asked for."""
        sheet = find_run(self._root / path)
        given = name if isinstance(name, str) else None
        if sheet is None:
            missing = _missing(path)
            if not self._allow_missing:
                raise missing
            self.warnings.append(missing.message)
            self._absent[given or path.name] = PrevState(str(path), reason=missing.message)
            return
        if sheet == self._own:
            message = f"The run in {str(sheet.parent)!r} cannot be its own earlier run."
            hint = "An earlier run in the same directory is its run.lock.<id>."
            raise LineageError(message, hint=hint, path=str(path))
        self._read(sheet, given)

    def discover(self, state: DataState) -> None:
        """Take in the run that some data lies in, if any."""
        if state.kind not in ("file", "dir"):
            return
        sheet = find_run(self._root / state.path)
        if sheet is not None and sheet != self._own:
            self._read(sheet, None)

    def _read(self, sheet: Path, name: str | None) -> None:
        earlier = self._found.get(sheet)
        if earlier is None:
            text = read_text(sheet)
            lock = from_document(text, sheet)
            ids = {lock.id, *(prev.id for prev in lock.prevs.values())}
            if self._own_id is not None and self._own_id in ids:
                message = f"The run in {str(sheet.parent)!r} builds on this very run."
                hint = "Give this run another save_dir than the one that it builds on."
                raise LineageError(message, hint=hint, path=str(sheet))
            earlier = _Earlier(sheet, lock, lock_hash(text))
            self._found[sheet] = earlier
        earlier.name = earlier.name or name

    def finish(self, data: Mapping[str, DataState]) -> Gathered:
        """Return all runs under their names."""
        self._name()
        prevs: dict[str, PrevState] = {}
        for earlier in self._found.values():
            prevs[earlier.name or ""] = self._state(earlier, data)
        for earlier in self._found.values():
            self._add_parents(earlier, prevs)
        return Gathered({**prevs, **self._absent}, tuple(self.warnings))

    def _name(self) -> None:
        """Give a name to each run that has none: its folder's, or its path where that is taken."""
        folders = [earlier.sheet.parent.name for earlier in self._found.values()]
        given = {earlier.name for earlier in self._found.values() if earlier.name}
        for earlier in self._found.values():
            if earlier.name is None:
                folder = earlier.sheet.parent.name
                free = folders.count(folder) == 1 and folder not in given
                earlier.name = folder if free else self._shown(earlier)

    def _shown(self, earlier: _Earlier) -> str:
        """Return a run's path as it is recorded: relative where it lies below the root."""
        path = earlier.sheet if earlier.sheet.name != SHEET else earlier.sheet.parent
        return (
            path.relative_to(self._root).as_posix()
            if path.is_relative_to(self._root)
            else (str(path))
        )

    def _state(self, earlier: _Earlier, data: Mapping[str, DataState]) -> PrevState:
        lock = earlier.lock
        status = lock.status
        if earlier.sheet.name == SHEET:
            status = run_status(earlier.sheet.parent).name
        if status not in _GOOD:
            self.warnings.append(f"The earlier run {earlier.name!r} is {status}.")
        consumed = {}
        for name, state in data.items():
            output = self._output_of(earlier, state)
            if output is not None:
                consumed[name] = output
        return PrevState(
            path=self._shown(earlier),
            id=lock.id,
            lock_hash=earlier.hash,
            status=status,
            consumed=consumed,
            lock=_summary(lock),
        )

    def _output_of(self, earlier: _Earlier, state: DataState) -> str | None:
        """Return the output of a run that some data is, by its hash.

        A path that the run declared, with another hash, means that someone changed it since.
        """
        place = os.path.normpath(self._root / state.path)
        for name, output in earlier.lock.outputs.items():
            same_way = output.algorithm == state.algorithm and state.method == "full"
            if output.hash is not None and same_way and output.hash == state.hash:
                return name
            written = os.path.normpath(Path(earlier.cwd, output.path))
            if same_way and written == place and _is_whole(output, state):
                self.warnings.append(
                    f"{state.path!r} is not what the run {earlier.name!r} left there as its output"
                    f" {name!r}: it was changed since."
                )
        return None

    def _add_parents(self, earlier: _Earlier, prevs: dict[str, PrevState]) -> None:
        """List the earlier runs of an earlier run, as its sheet has them."""
        names: dict[str, str] = {}
        for name, prev in earlier.lock.prevs.items():
            place = _place(prev.path, earlier.lock, earlier.sheet)
            known = next((n for n, p in prevs.items() if _same(p, prev, place)), None)
            names[name] = known or (name if name not in prevs else str(place))
            if known is None:
                prevs[names[name]] = replace(prev, path=str(place), consumed={}, direct=False)
        for name, prev in earlier.lock.prevs.items():
            own = prevs[names[name]]
            if not own.direct:
                parents = tuple(names.get(parent, parent) for parent in prev.parents)
                prevs[names[name]] = replace(own, parents=parents)
        mine = prevs[earlier.name or ""]
        direct = [names[name] for name, prev in earlier.lock.prevs.items() if prev.direct]
        prevs[earlier.name or ""] = replace(mine, parents=tuple(direct))


@dataclass(slots=True)
class _Earlier:
    sheet: Path
    lock: RunLock
    hash: str
    name: str | None = None

    @property
    def cwd(self) -> str:
        """The folder that the run's relative paths start from."""
        return self.lock.caller.cwd or str(self.sheet.parent)


def _same(known: PrevState, prev: PrevState, place: Path) -> bool:
    """Return whether two entries are one run; older sheets have no ids that prove it."""
    if known.id and prev.id:
        return known.id == prev.id
    return known.path == str(place)


def _is_whole(output: OutputState, state: DataState) -> bool:
    return output.hash is not None and state.hash is not None and not state.include


def _summary(lock: RunLock) -> dict[str, Any]:
    """Return what an earlier run's sheet says of itself, without its own earlier runs."""
    document = {k: v for k, v in to_document(lock).items() if k not in _LEFT_OUT}
    if len(json.dumps(document.get("result"), default=str)) > _LARGEST_RESULT:
        del document["result"]
    return document
