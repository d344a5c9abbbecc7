"""Changing a bag: files and labels come and go, and its tag files stay true.

The changed bag is made beside the old one out of links to the files that stay, and takes its
place when it is complete. A process that is killed in the moment between leaves the old bag
under a hidden name; the next `update_bag` puts it back.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import BadRequest, Conflict, Corrupted, NotFound
from ..objects import Source
from ..objects.content import Progress, pieces
from .archives import refuse_clashes
from .names import PAYLOAD, inside, payload_path
from .staging import staging, storage_errors
from .tags import (
    FETCH,
    INFO,
    Bag,
    Digests,
    FetchEntry,
    fetch_bytes,
    info_bytes,
    manifest_bytes,
    read_bag,
)
from .validation import validate
from .writer import listed_entry

_OXUM = "Payload-Oxum"
_SUMMARIES = (INFO, FETCH)


@dataclass(slots=True)
class _File:
    """A payload file as it shall be: its digests, and where its bytes are (None: only listed)."""

    digests: Digests
    length: int | None
    place: Path | None


class BagUpdate:
    """The changes to one bag; made by `update_bag`.

    Nothing of the bag changes before the ``with`` statement ends without an error.
    """

    def __init__(self, bag: Bag, workspace: Path) -> None:
        self._bag = bag
        self._workspace = workspace
        self._algorithms = tuple(bag.manifests)
        self._entries = {entry.path: entry for entry in bag.fetch}
        self._files = {path: self._known(path, digests) for path, digests in bag.payload.items()}
        self._info = dict(bag.info)

    def _known(self, path: str, digests: Digests) -> _File:
        place = inside(self._bag.directory, path)
        if place.is_file():
            return _File(digests, place.stat().st_size, place)
        return _File(digests, self._entries[path].length, None)

    # --- what can be changed ---------------------------------------------------------

    @property
    def paths(self) -> list[str]:
        """The payload files as they are now, sorted."""
        return sorted(self._files)

    @property
    def info(self) -> dict[str, str]:
        """The labels of ``bag-info.txt``, to be changed; the payload's size is filled in."""
        return self._info

    def add(
        self,
        path: str,
        source: Source,
        *,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Add a payload file, or replace one, by bytes, a path, a file or pieces.

        Args:
            path: Where in the bag; starts with ``data/``.
            source: Its bytes.
            overwrite: Whether there may be such a file. What ``fetch.txt`` says of it is dropped.
            progress: Told the bytes of each piece.

        Raises:
            BadRequest: `path` cannot be in a bag.
            Conflict: The bag has such a file.
        """
        self._refuse_taken(path, overwrite=overwrite)
        hashers = {n: hashlib.new(n, usedforsecurity=False) for n in self._algorithms}
        place, length = self._workspace / uuid.uuid4().hex, 0
        with place.open("xb") as out:
            for piece in pieces(source):
                out.write(piece)
                length += len(piece)
                for hasher in hashers.values():
                    hasher.update(piece)
                if progress is not None:
                    progress(len(piece))
        digests = {name: hasher.hexdigest() for name, hasher in hashers.items()}
        self._files[path] = _File(digests, length, place)
        self._entries.pop(path, None)

    def add_fetch(
        self,
        path: str,
        url: str | Sequence[str],
        *,
        length: int,
        digests: Mapping[str, str],
        overwrite: bool = False,
    ) -> None:
        """List a payload file without its bytes.

        Args:
            path: Where in the bag it will be.
            url: Where to get it; several URLs are tried in order.
            length: Its length in bytes.
            digests: Hexadecimal digests by algorithm: those of the bag's manifests.
            overwrite: Whether there may be such a file.

        Raises:
            BadRequest: `path` or `url` cannot be in a bag, or a digest is missing.
            Conflict: The bag has such a file.
        """
        self._refuse_taken(path, overwrite=overwrite)
        known = {name: digests[name].lower() for name in self._algorithms if digests.get(name)}
        missing = [name for name in self._algorithms if name not in known]
        if not known or (missing and self._bag.version >= (1, 0)):
            raise BadRequest(
                f"{path!r} cannot be listed without its {', '.join(missing)}.",
                hint="Every manifest of the bag must list every file.",
            )
        self._entries[path] = listed_entry(path, url, length)
        self._files[path] = _File(known, length, None)

    def add_source(self, path: str, url: str) -> None:
        """Note one more place where a payload file can be fetched; it is tried last.

        Raises:
            NotFound: The bag has no such file.
            BadRequest: `url` is not absolute.
        """
        known = self._entries.get(path)
        urls = (*(known.sources if known else ()), url)
        self._entries[path] = listed_entry(path, urls, self._file(path).length)

    def remove(self, path: str) -> None:
        """Take a payload file out, and what ``fetch.txt`` says of it.

        Raises:
            NotFound: The bag has no such file.
        """
        self._file(path)
        del self._files[path]
        self._entries.pop(path, None)

    def _file(self, path: str) -> _File:
        if path not in self._files:
            raise NotFound(f"The bag {str(self._bag.directory)!r} has no file {path!r}.", path=path)
        return self._files[path]

    def _refuse_taken(self, path: str, *, overwrite: bool) -> None:
        payload_path(path)
        if path in self._files and not overwrite:
            raise Conflict(
                f"The bag {str(self._bag.directory)!r} already has a file {path!r}.",
                hint="Use overwrite=True to replace it.",
                path=path,
            )

    # --- the changed bag -------------------------------------------------------------

    def write(self, place: Path) -> None:
        """Lay the changed bag out at a place that does not exist."""
        refuse_clashes_of_folders(self._files)
        (place / "data").mkdir(parents=True)
        for path, file in self._files.items():
            if file.place is not None:
                target = place / path
                target.parent.mkdir(parents=True, exist_ok=True)
                if file.place.parent == self._workspace:
                    file.place.rename(target)
                else:
                    _link_or_copy(file.place, target)
        tags = self._tags(place)
        for algorithm in self._bag.tag_manifests:
            listed = {n: _digest(algorithm, place / n) for n in tags}
            (place / f"tagmanifest-{algorithm}.txt").write_bytes(manifest_bytes(listed))

    def _tags(self, place: Path) -> list[str]:
        """Write the tag files other than the manifests of these; returns their names."""
        old = self._bag.directory
        manifests = {f"manifest-{name}.txt": name for name in self._algorithms}
        for path in _other_files(old):
            is_manifest = path in manifests or path.startswith("tagmanifest-")
            if not is_manifest and path not in _SUMMARIES:
                (place / path).parent.mkdir(parents=True, exist_ok=True)
                _link_or_copy(old / path, place / path)
        for name, algorithm in manifests.items():
            listed = {
                path: file.digests[algorithm]
                for path, file in self._files.items()
                if algorithm in file.digests
            }
            (place / name).write_bytes(manifest_bytes(listed))
        (place / INFO).write_bytes(info_bytes(self._counted_info()))
        if self._entries:
            entries = [self._sized(entry) for entry in self._entries.values()]
            (place / FETCH).write_bytes(fetch_bytes(entries))
        return sorted(p for p in _other_files(place) if not p.startswith("tagmanifest-"))

    def _sized(self, entry: FetchEntry) -> FetchEntry:
        return replace(entry, length=self._files[entry.path].length)

    def _counted_info(self) -> dict[str, str]:
        info = {label: text for label, text in self._info.items() if label != _OXUM}
        lengths = [file.length for file in self._files.values()]
        known = [length for length in lengths if length is not None]
        if len(known) == len(lengths):
            info[_OXUM] = f"{sum(known)}.{len(known)}"
        return info


@contextmanager
def update_bag(directory: Path | str) -> Iterator[BagUpdate]:
    """Change a bag: add, replace and remove files, and change labels; all of it or nothing.

    Files that stay are not read again: their digests are those of the manifests. The digests of
    new files are of the bag's own algorithms.

    Args:
        directory: The bag; it may have files that are not fetched yet.

    Raises:
        NotFound: There is no bag.
        Corrupted: It is not what its manifests say, as far as names and lengths tell.
        Unavailable: The changed bag cannot be written.
    """
    directory = Path(directory)
    _put_back(directory)
    bag = read_bag(directory)
    report = validate(directory, fast=True)
    if not report.valid:
        first = report.findings[0]
        raise Corrupted(
            f"The bag {str(directory)!r} cannot be changed: {first.message}",
            hint="Get it again, or make it again.",
            path=first.path,
        )
    purpose = f"changing the bag {str(directory)!r}"
    with staging(directory.absolute(), purpose) as place:
        (place / "new").mkdir()
        update = BagUpdate(bag, place / "new")
        yield update
        update.write(place / "bag")
        _exchange(directory.absolute(), place / "bag")


def refuse_clashes_of_folders(paths: Mapping[str, object]) -> None:
    """Refuse paths of which one is a folder of another, or that differ in letter case only.

    Raises:
        Conflict: There are such.
    """
    refuse_clashes(paths)
    for path in paths:
        folder = path.rpartition("/")[0]
        while len(folder) > len(PAYLOAD):
            if folder in paths:
                raise Conflict(f"{folder!r} cannot be a file and the folder of {path!r}.")
            folder = folder.rpartition("/")[0]


def _exchange(place: Path, changed: Path) -> None:
    aside = place.with_name(f".{place.name}.{uuid.uuid4().hex}.old")
    place.rename(aside)
    try:
        changed.rename(place)
    except OSError:
        aside.rename(place)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _put_back(directory: Path) -> None:
    """Give a bag its name again if a process was killed between two renames."""
    place = directory.absolute()
    if place.exists() or not place.parent.is_dir():
        return
    form = re.compile(re.escape(f".{place.name}.") + r"[0-9a-f]{32}\.old")
    with storage_errors(f"putting the bag {str(place)!r} back"):
        for left in place.parent.iterdir():
            if form.fullmatch(left.name):
                left.rename(place)
                return


def _other_files(bag: Path) -> list[str]:
    """The files of a bag that are no payload."""
    found = []
    for folder, folders, names in os.walk(bag):
        if Path(folder) == bag:
            folders.remove("data")
        found += [(Path(folder) / name).relative_to(bag).as_posix() for name in names]
    return sorted(found)


def _link_or_copy(source: Path, target: Path) -> None:
    if source.is_symlink():
        raise Corrupted(f"{str(source)!r} is a symbolic link, which bags do not have.")
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _digest(algorithm: str, file: Path) -> str:
    hasher = hashlib.new(algorithm, usedforsecurity=False)
    for piece in pieces(file):
        hasher.update(piece)
    return hasher.hexdigest()
