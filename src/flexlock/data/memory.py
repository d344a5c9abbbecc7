"""What is known of files while one path is hashed: from the cache, and from reading just now."""

from __future__ import annotations

import time
from collections.abc import Sequence

from flexlock.data.cache import FolderId, HashCache, Known, TreeRow
from flexlock.data.hashing import Content, Stamp

__all__ = ["Memory", "settled"]

_RACY_NS = 2_000_000_000


def settled(stamp: Stamp, now_ns: int) -> bool:
    """Return whether a later change of the file is certain to move its stamp.

    Clocks of file systems tick in steps of up to two seconds, and a second change within one step
    may leave the same stamp. So what changed that recently is read again next time. A time of the
    content in the future was set by hand; then the inode's time, which nobody can set, decides.
    """
    recent = now_ns - _RACY_NS
    return stamp[4] < recent and not recent <= stamp[3] <= now_ns + _RACY_NS


class Memory:
    """Knowledge of files, by folder. Works without a cache too, then only for this call."""

    def __init__(self, cache: HashCache | None, algorithm: str) -> None:
        self.algorithm = algorithm
        self.started_ns = time.time_ns()
        self._cache = cache
        self._known: dict[FolderId, Known] = {}
        self._changed: set[FolderId] = set()

    def tree(self, key: str) -> TreeRow | None:
        """Return what the cache knows of a whole tree."""
        return None if self._cache is None else self._cache.tree(key)

    def look(self, folders: Sequence[FolderId]) -> None:
        """Fetch what the cache knows of the files in these folders."""
        missing = [folder for folder in folders if folder not in self._known]
        if self._cache is not None and missing:
            self._known.update(self._cache.folders(missing, self.algorithm))

    def known(self, folder: FolderId) -> Known:
        """Return what is known of the files in a folder."""
        return self._known.get(folder, {})

    def learn(
        self,
        folder: FolderId,
        names: Sequence[str],
        contents: Sequence[Content | None],
        *,
        whole: bool,
    ) -> None:
        """Take in what files of a folder hold; `whole` says that it has no others."""
        now: Known = {
            name: (content[0], content[1])
            for name, content in zip(names, contents, strict=True)
            if content is not None and settled(content[0], self.started_ns)
        }
        before = self.known(folder)
        if not whole:
            now = before | now
        if now.keys() != before.keys() or now != before:
            self._known[folder] = now
            self._changed.add(folder)

    def save(self, key: str | None = None, row: TreeRow | None = None) -> None:
        """Hand what was learned to the cache, with the result of a whole tree."""
        trees = {key: row} if key is not None and row is not None else {}
        if self._cache is not None and (self._changed or trees):
            folders = {folder: self._known[folder] for folder in self._changed}
            self._cache.store(self.algorithm, folders, trees)
        self._changed.clear()
