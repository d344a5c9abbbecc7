"""Listing a directory tree: which files, links and other things it has, and nothing read yet.

One `scandir` a folder; the stamps of files are taken on the way only when asked for.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from flexlock.data.hashing import Stamp, reading_error, special_kind, stamp_of
from flexlock.data.patterns import Chooser, chooser
from flexlock.errors import DataError

__all__ = ["EVERYTHING", "Choice", "Folder", "Link", "scan"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which entries of a tree count, and whether links are followed.

    `include` and `exclude` are patterns of `flexlock.data.patterns`; without `include`, all files
    that are not excluded count.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    follow_links: bool = False

    @property
    def whole(self) -> bool:
        """Whether every file of a folder counts."""
        return not self.include and not self.exclude


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link that is recorded as such, with the text that it holds."""

    name: str
    target: str


@dataclass(slots=True)
class Folder:
    """One folder of a tree as it was seen. `prefix` is its path below the root, with a slash.

    `stamps` are those of `files`, in the same order, when they were asked for.
    """

    path: str
    prefix: str
    stamp: Stamp
    files: list[str] = field(default_factory=list)
    stamps: list[Stamp] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    specials: list[str] = field(default_factory=list)


EVERYTHING = Choice()


def scan(root: str, choice: Choice = EVERYTHING, *, stamps: bool = False) -> list[Folder]:
    """Return all folders below `root`, the root first.

    Args:
        root: An existing directory.
        choice: Which entries count.
        stamps: Whether to take the files' stamps.

    Raises:
        DataError: A folder or a link cannot be read, or followed links form a cycle; the subclass
            says which.
    """
    return list(_Scan(root, choice, stamps).folders())


class _Scan:
    """The state of one walk: what to take, and the folders that lead to the current one."""

    def __init__(self, root: str, choice: Choice, stamps: bool) -> None:
        self._root = root
        self._follow = choice.follow_links
        self._stamps = stamps
        self._included: Chooser | None = chooser(choice.include)
        self._excluded: Chooser | None = chooser(choice.exclude)

    def folders(self) -> Iterator[Folder]:
        waiting: list[tuple[str, str, tuple[tuple[int, int], ...]]] = [(self._root, "", ())]
        while waiting:
            path, prefix, above = waiting.pop()
            try:
                folder, inner = self._one(path, prefix)
            except OSError as error:
                raise reading_error(path, error) from error
            identity = folder.stamp[:2]
            if identity in above:
                message = f"{path!r} leads back to a folder above it, when links are followed."
                raise DataError(message, hint="Exclude the link, or do not follow.", path=path)
            yield folder
            for name in sorted(inner, reverse=True):
                # Only a followed link can lead back up; without one there is nothing to remember.
                trail = (*above, identity) if self._follow else ()
                waiting.append((f"{path}/{name}", f"{prefix}{name}/", trail))

    def _one(self, path: str, prefix: str) -> tuple[Folder, list[str]]:
        """Return a folder and the names of the folders in it."""
        folder = Folder(path, prefix, stamp_of(Path(path).stat()))
        inner: list[str] = []
        plain = self._included is None and self._excluded is None
        with _entries(path) as entries:
            for entry in entries:
                if not plain and not self._counts(prefix + entry.name, entry):
                    continue
                if entry.is_symlink() and not self._follow:
                    target = os.readlink(f"{path}/{entry.name}")  # noqa: PTH115
                    folder.links.append(Link(entry.name, target))
                elif entry.is_file():
                    folder.files.append(entry.name)
                    if self._stamps:
                        folder.stamps.append(stamp_of(entry.stat()))
                elif entry.is_dir():
                    inner.append(entry.name)
                else:
                    folder.specials.append(_special(f"{path}/{entry.name}", entry))
        return folder, inner

    def _counts(self, relative: str, entry: os.DirEntry[str]) -> bool:
        if self._excluded is not None and self._excluded(relative):
            return False
        if self._included is None or self._included(relative):
            return True
        # A folder may hold files that are included; an excluded one is not even opened.
        return entry.is_dir(follow_symlinks=self._follow)


@contextlib.contextmanager
def _entries(path: str) -> Iterator[Iterator[os.DirEntry[str]]]:
    """Iterate over a folder by descriptor where that goes: each `stat` then has a short way."""
    if os.scandir not in os.supports_fd:
        with os.scandir(path) as entries:
            yield entries
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with os.scandir(descriptor) as entries:
            yield entries
    finally:
        os.close(descriptor)


def _special(path: str, entry: os.DirEntry[str]) -> str:
    try:
        mode = entry.stat().st_mode
    except FileNotFoundError as error:
        if entry.is_symlink():
            message = f"{path!r} is a symbolic link to nothing."
            raise DataError(message, hint="Repair it, or exclude it.", path=path) from error
        raise
    return f"{entry.name} ({special_kind(mode)})"
