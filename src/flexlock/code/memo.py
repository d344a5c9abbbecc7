"""What tree the same edits gave before, so that running again does not store them again.

Kept in the hash cache: under the commit that is checked out, a fingerprint of all changed and new
files (their stamps), and the tree of them all. The same caution holds as for data: files that
changed within the last two seconds are not trusted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from flexlock.code.choosing import Chosen
from flexlock.code.status import Status
from flexlock.data.cache import HashCache, TreeRow
from flexlock.data.hashing import Stamp, digest_of, stamp_of
from flexlock.data.memory import settled
from flexlock.lock.record import RepoState

__all__ = ["Memo", "commit_of_ref"]


def commit_of_ref(path: Path) -> str | None:
    """Return the commit that a ref's file holds, without a process; None when it is not there."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return text if len(text) in (40, 64) and not text.startswith("ref:") else None


class Memo:
    """The memory of one capture."""

    def __init__(
        self,
        status: Status,
        chosen: Chosen,
        submodules: Mapping[str, RepoState],
        cache: HashCache | None,
    ) -> None:
        self._common_dir = status.common_dir
        self._cache = cache
        self._key = repr(("code", str(status.git_dir), status.commit))
        self._fingerprint = None
        if cache is not None:
            self._fingerprint = _fingerprint(status, chosen, submodules)

    def commit(self, refs: str) -> tuple[str, str] | None:
        """Return the commit and the tree of the same edits, if they are known and still kept."""
        if self._cache is None or self._fingerprint is None:
            return None
        row = self._cache.tree(self._key)
        if row is None or row.fingerprint != self._fingerprint:
            return None
        commit = commit_of_ref(self._common_dir / refs / row.hash)
        return None if commit is None else (commit, row.hash)

    def keep(self, commit: str, tree: str) -> tuple[str, str]:
        """Remember the tree of the edits, and return commit and tree."""
        if self._cache is not None and self._fingerprint is not None:
            row = TreeRow(self._fingerprint, tree, 0, 0, ())
            self._cache.store("git", {}, {self._key: row})
        return commit, tree


def _fingerprint(
    status: Status, chosen: Chosen, submodules: Mapping[str, RepoState]
) -> bytes | None:
    """Return a hash of all that the tree depends on; None when some of it is too new to tell."""
    now = time.time_ns()
    parts = sorted((path, state.commit) for path, state in submodules.items())
    paths = [status.root / change.path for change in chosen.changes]
    paths += [status.root / path for path in chosen.untracked]
    # Settings decide how files are stored; the index holds what does not come from the disk.
    paths += [status.common_dir / "config", status.common_dir / "info/attributes"]
    stamps = [(str(path), _stamp(path)) for path in paths]
    if _needs_index(status, chosen, dict(stamps)):
        stamps.append(("index", _stamp(status.git_dir / "index")))
    if not all(stamp is None or settled(stamp[0], now) for _, stamp in stamps):
        return None
    return digest_of("blake3")(repr((parts, stamps)).encode(errors="surrogateescape"))


def _needs_index(
    status: Status, chosen: Chosen, stamps: Mapping[str, tuple[Stamp, int] | None]
) -> bool:
    """Return whether some changed file comes from the index, not from the disk."""
    if len(chosen.changes) != len(status.changes):
        return True
    return any(c.untracked or stamps[str(status.root / c.path)] is None for c in chosen.changes)


def _stamp(path: Path) -> tuple[Stamp, int] | None:
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return stamp_of(found), found.st_mode
