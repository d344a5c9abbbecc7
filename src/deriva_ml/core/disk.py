"""How much room files take on this machine, when several names may share their bytes."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Survey", "removed", "size_text", "survey"]

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")

Inode = tuple[int, int]
"""Device and number of a file: names with the same inode share their bytes."""


@dataclass(slots=True)
class Survey:
    """What lies below some directories. A file with several names there counts once.

    Attributes:
        sizes: Bytes of each file.
        names: How many names below the directories each file has.
        links: How many names each file has altogether.
        dir_count: Directories below the given ones.
        modified: When the latest change was, in seconds since 1970.
        read: When something was last read, as far as the system writes that down.
    """

    sizes: dict[Inode, int] = field(default_factory=dict)
    names: Counter[Inode] = field(default_factory=Counter)
    links: dict[Inode, int] = field(default_factory=dict)
    dir_count: int = 0
    modified: float = 0.0
    read: float = 0.0

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(self.sizes.values())

    @property
    def file_count(self) -> int:
        """How many files there are."""
        return len(self.sizes)

    @property
    def freed_bytes(self) -> int:
        """The bytes that are free when all of it is removed: those of no file elsewhere."""
        return sum(n for inode, n in self.sizes.items() if self.links[inode] <= self.names[inode])


def survey(directories: Iterable[Path], *, leaving_out: frozenset[str] = frozenset()) -> Survey:
    """Look at all files below some directories; symbolic links are not followed and count nothing.

    Args:
        directories: Those that do not exist are empty.
        leaving_out: Names of files and directories that are not looked at.

    Cost: one look at each file; nothing is read.
    """
    found = Survey()
    tops = [directory for directory in directories if directory.is_dir()]
    found.modified = max((top.stat().st_mtime for top in tops), default=0.0)
    waiting = [str(top) for top in tops]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.name not in leaving_out:
                        _look(entry, found, waiting)
        except FileNotFoundError:
            continue  # removed meanwhile
    return found


def _look(entry: os.DirEntry[str], found: Survey, waiting: list[str]) -> None:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return
    found.modified = max(found.modified, status.st_mtime)
    if entry.is_dir(follow_symlinks=False):
        found.dir_count += 1
        waiting.append(entry.path)
    elif entry.is_file(follow_symlinks=False):
        inode = status.st_dev, status.st_ino
        found.sizes[inode] = status.st_size
        found.links[inode] = status.st_nlink
        found.names[inode] += 1
        found.read = max(found.read, status.st_atime)


def removed(directory: Path) -> Survey:
    """Remove a directory with everything in it; gives what was there.

    Raises:
        OSError: It cannot be removed.
    """
    found = survey([directory])
    shutil.rmtree(directory)
    return found


def size_text(count: int) -> str:
    """Bytes for people: ``1.2 GB`` (a GB is a thousand million bytes)."""
    size = float(count)
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("the last unit returns")
