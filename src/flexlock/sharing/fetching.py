"""Objects on their way from a store: fetched once, verified, and put together.

They land in a folder inside the one that is pulled into, so that putting them in place is a rename.
What an interrupted pull has fetched is used by the next.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flexlock.data.hashing import hash_bytes, read_content
from flexlock.data.progress import ProgressLine
from flexlock.errors import DataError, ShareError
from flexlock.sharing.contents import Entry, entries_of, object_key
from flexlock.sharing.linking import Link, put
from flexlock.sharing.manifest import SharedData
from flexlock.sharing.stores import Store

__all__ = ["Landing", "Wanted", "look_inside", "remove", "same_content"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Data to restore, with the entries of a directory; a file has none."""

    data: SharedData
    entries: Sequence[Entry] = ()

    @property
    def objects(self) -> dict[str, int]:
        """The keys of the objects that are files, with their sizes in bytes."""
        algorithm = self.data.algorithm
        if self.data.kind == "file":
            return {object_key(algorithm, self.data.hash): self.data.bytes}
        return {object_key(algorithm, entry.hash): entry.size for entry in self.entries}


def look_inside(store: Store, data: Sequence[SharedData]) -> list[Wanted]:
    """Return what the data is made of; manifests of directories are read from the store.

    Raises:
        ShareError: A manifest is missing, damaged, or leads out of its directory.
    """
    wanted = []
    for item in data:
        if item.kind == "file":
            wanted.append(Wanted(item))
            continue
        text = store.read(object_key(item.algorithm, item.hash))
        if text is None:
            message = f"The store {store.url!r} does not have the directory {item.place!r}."
            raise ShareError(message, hint="Push the run again.", hash=item.hash)
        wanted.append(Wanted(item, entries_of(text, item.hash, item.algorithm)))
    return wanted


class Landing:
    """A folder of objects that have arrived and were verified.

    Args:
        folder: Where it is, on the file system of what is pulled.
        store: Where objects come from.
        link: How a file gets from the store, when that is a folder of this machine, to its place.
    """

    def __init__(self, folder: Path, store: Store, link: Link) -> None:
        self._folder = folder
        self._store = store
        self._link = link

    def fetch(self, wanted: Sequence[Wanted]) -> int:
        """Fetch and verify the objects that are not here yet, and return their size in bytes.

        Raises:
            ShareError: An object is missing, or not what its name says.
        """
        sizes: dict[str, int] = {}
        for item in wanted:
            sizes |= item.objects
        if self._in_place(sizes):
            self._verify({key: self._path(key) for key in sizes})
            return 0
        missing = {key: size for key, size in sizes.items() if not self._path(key).exists()}
        arriving = {key: self._arriving(key) for key in missing}
        for path in arriving.values():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
        total = sum(missing.values())
        with ProgressLine(f"pulling from {self._store.url}", total) as line:
            self._store.download(arriving, line.progress or _quiet)
        self._verify(arriving)
        for key, path in arriving.items():
            self._path(key).parent.mkdir(parents=True, exist_ok=True)
            path.replace(self._path(key))
        return total

    def _in_place(self, keys: Mapping[str, int]) -> bool:
        """Return whether the store's own files can be used, without fetching them."""
        return all(self._store.local_path(key) is not None for key in keys)

    def _path(self, key: str) -> Path:
        return self._store.local_path(key) or self._folder / "whole" / key

    def _arriving(self, key: str) -> Path:
        return self._folder / "arriving" / key

    def _verify(self, files: Mapping[str, Path]) -> None:
        for key, path in files.items():
            _, algorithm, first, rest = key.split("/")
            try:
                digest = read_content(str(path), algorithm).digest.hex()
            except DataError as error:
                message = f"The store {self._store.url!r} does not have {key!r}."
                raise ShareError(message, hint="Push the run again.", key=key) from error
            if digest != first + rest:
                message = f"{key!r} of the store {self._store.url!r} is damaged."
                hint = "Delete it there and push the run again from where it was made."
                raise ShareError(message, hint=hint, key=key)

    def place(self, item: Wanted, target: Path) -> None:
        """Put data at `target`, where nothing is; it appears in one step."""
        target.parent.mkdir(parents=True, exist_ok=True)
        building = self._folder / "building" / item.data.hash
        building.parent.mkdir(parents=True, exist_ok=True)
        remove(building)
        algorithm = item.data.algorithm
        if item.data.kind == "file":
            put(self._path(object_key(algorithm, item.data.hash)), building, self._link)
            building.replace(target)
            return
        building.mkdir()
        # A link to each file would make a directory of links, which has another hash.
        link: Link = "auto" if self._link == "symlink" else self._link
        for entry in item.entries:
            path = building / entry.path
            path.parent.mkdir(parents=True, exist_ok=True)
            source = self._path(object_key(algorithm, entry.hash))
            if entry.is_link:
                path.symlink_to(os.fsdecode(source.read_bytes()))
            else:
                put(source, path, link)
        building.replace(target)

    def clear(self) -> None:
        """Remove the folder: everything is in its place."""
        shutil.rmtree(self._folder, ignore_errors=True)


def same_content(item: Wanted, path: Path) -> bool:
    """Return whether `path` holds exactly what the data is."""
    if item.data.kind == "file":
        return path.is_file() and _file_hash(path, item.data.algorithm) == item.data.hash
    if not path.is_dir() or path.is_symlink():
        return False
    expected = {entry.path: entry for entry in item.entries}
    found = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if _counts(file)}
    return found.keys() == expected.keys() and all(
        _is_entry(file, expected[name], item.data.algorithm) for name, file in found.items()
    )


def _counts(file: Path) -> bool:
    return file.is_symlink() or not file.is_dir()


def _is_entry(file: Path, entry: Entry, algorithm: str) -> bool:
    if entry.is_link or file.is_symlink():
        if not (entry.is_link and file.is_symlink()):
            return False
        return hash_bytes(os.fsencode(file.readlink()), algorithm) == entry.hash
    return _file_hash(file, algorithm) == entry.hash


def _file_hash(path: Path, algorithm: str) -> str | None:
    try:
        return read_content(str(path), algorithm).digest.hex()
    except DataError:
        return None


def remove(path: Path) -> None:
    """Remove a file, a link or a whole directory; nothing happens when there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _quiet(_: int) -> None:
    """Tell nobody."""
