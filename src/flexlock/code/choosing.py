"""Which changed and untracked files belong to the code, and which are results or too large.

Tracked files always do: the user said so. Untracked ones do unless they lie in a run directory,
are files of ours, or are more than what a repository should swallow.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from flexlock.code.comparing import counting
from flexlock.code.status import Change, Status
from flexlock.data.cache import HashCache, open_cache
from flexlock.data.progress import ProgressLine, size_text
from flexlock.data.tree import hash_file
from flexlock.errors import DataError
from flexlock.lock.record import Scope, Skipped
from flexlock.settings import cache_directory

__all__ = ["Chosen", "Limits", "choose", "is_ours"]

_OURS = (
    "run.lock",
    "run.complete",
    "run.error",
    "run.owner",
    ".run.owner.guard",
    "run.outputs.json",
)
_OUR_BEGINNINGS = ("run.lock.", ".run.lock.", ".flexlock")
_KEY = "/flexlock/mask.key"
"""The key under which secrets are hashed must not become part of any tree."""
_SHEET = "run.lock"
_LISTED = 100
"""So many skipped files are listed one by one; more are summed up by folder."""
_HASHED_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of what is not tracked is stored: bytes of one file, of all, and their number."""

    file_bytes: int = 10_000_000
    total_bytes: int = 100_000_000
    files: int = 10_000


@dataclass(frozen=True, slots=True)
class Chosen:
    """What goes into the tree beside the last commit, and what is left out and why."""

    changes: tuple[Change, ...]
    untracked: tuple[str, ...]
    nested: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def choose(
    status: Status,
    *,
    scope: Scope,
    results: Iterable[Path] = (),
    keep: Iterable[Path] = (),
    limits: Limits = Limits(),
) -> Chosen:
    """Decide what belongs to the code.

    Args:
        status: What git says.
        scope: Patterns of the files that count at all.
        results: Directories of results; a folder with a run sheet is one without being named.
        keep: Files that belong to the code wherever they lie, such as the running script.
        limits: How much of what is not tracked is stored.
    """
    in_scope = counting(scope)
    kept = {relative for path in keep if (relative := _below(status.root, path)) is not None}
    folders = _result_folders(status, results)
    untracked = [
        path
        for path in status.untracked
        if path in kept or (in_scope(path) and not is_ours(path) and not _in(path, folders))
    ]
    stored, skipped = _within_limits(status.root, untracked, limits, kept)
    return Chosen(
        tuple(c for c in status.changes if in_scope(c.path) and not is_ours(c.path)),
        tuple(stored),
        tuple(p for p in status.nested if in_scope(p) and not _in(f"{p}/", folders)),
        tuple(skipped),
    )


def is_ours(path: str) -> bool:
    """Return whether a path is one of the files that runs leave behind."""
    name = path.rsplit("/", 1)[-1]
    if name in _OURS or name.startswith(_OUR_BEGINNINGS) or "/.flexlock" in f"/{path}":
        return True
    return f"/{path}".endswith(_KEY)


def _below(root: Path, path: Path) -> str | None:
    """Return a path relative to the root, with slashes; None when it lies elsewhere."""
    real = os.path.realpath(path)
    start = os.path.join(os.path.realpath(root), "")  # noqa: PTH118
    return PurePosixPath(real[len(start) :]).as_posix() if real.startswith(start) else None


def _result_folders(status: Status, results: Iterable[Path]) -> tuple[str, ...]:
    """Return prefixes of result folders. The root itself is none: all code lies in it."""
    places = (*results, cache_directory())
    named = {relative for path in places if (relative := _below(status.root, path)) is not None}
    folders: set[str] = set()
    for path in (*status.untracked, *status.nested):
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    found = {folder for folder in folders if (status.root / folder / _SHEET).exists()}
    return tuple(sorted(f"{folder}/" for folder in named | found))


def _in(path: str, folders: Sequence[str]) -> bool:
    return path.startswith(tuple(folders))


def _within_limits(
    root: Path, paths: Sequence[str], limits: Limits, kept: set[str]
) -> tuple[list[str], list[Skipped]]:
    """Return what may be stored, the smallest first, and what not."""
    sizes: list[tuple[bool, int, str]] = []
    for path in paths:
        try:
            size = os.lstat(root / path).st_size
        except FileNotFoundError:
            continue  # it went away after git had listed it
        sizes.append((path not in kept, size, path))
    stored: list[str] = []
    skipped: list[Skipped] = []
    total = 0
    for droppable, size, path in sorted(sizes):
        why = None
        if size > limits.file_bytes:
            why = f"not tracked and larger than {size_text(limits.file_bytes)}"
        elif total + size > limits.total_bytes:
            why = f"not tracked, and all such files are larger than {size_text(limits.total_bytes)}"
        elif len(stored) >= limits.files:
            why = f"not tracked, and there are more than {limits.files:,} such files"
        if why is None or not droppable:
            stored.append(path)
            total += size
        else:
            skipped.append(Skipped(path, size, why))
    return sorted(stored), _described(root, sorted(skipped, key=lambda s: s.path))


def _described(root: Path, skipped: list[Skipped]) -> list[Skipped]:
    """Add hashes to a short list; sum up a long one by top folder."""
    if len(skipped) <= _LISTED:
        cache = open_cache()
        try:
            return [
                Skipped(s.path, s.bytes, s.why, _hash_of(root / s.path, s.bytes, cache))
                for s in skipped
            ]
        finally:
            if cache is not None:
                cache.close()
    sums: dict[str, tuple[int, int, str]] = {}
    for one in skipped:
        folder = one.path.split("/", 1)[0] + ("/" if "/" in one.path else "")
        count, size, _ = sums.get(folder, (0, 0, ""))
        sums[folder] = (count + 1, size + one.bytes, one.why)
    return [
        Skipped(folder, size, f"{count:,} files: {why}" if count > 1 else why)
        for folder, (count, size, why) in sorted(sums.items())
    ]


def _hash_of(path: Path, size: int, cache: HashCache | None) -> str | None:
    if size > _HASHED_BYTES:
        return None
    try:
        with ProgressLine(f"hashing {path.name}", size) as line:
            hashed = hash_file(path, cache=cache, progress=line.progress)
    except DataError:
        return None  # it is not stored either way
    return f"{hashed.algorithm}:{hashed.hash}"
