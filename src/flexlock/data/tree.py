"""Hashes of files and whole directories, with the help of the cache.

What is unchanged since it was last hashed is not read again: a tree costs one scan and one row of
the cache, a tree with some changed files costs reading those. A file counts as unchanged when its
stamp is the same and was already two seconds old when it was read: within a shorter time a second
change may leave the same stamp.
"""

from __future__ import annotations

import os
import stat
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from flexlock.data.cache import HashCache, TreeRow
from flexlock.data.hashing import (
    DEFAULT_ALGORITHM,
    Content,
    Progress,
    Stamp,
    check_algorithm,
    digest_of,
    read_content,
    reading_error,
    special_kind,
    stamp_of,
)
from flexlock.data.manifest import manifest_digest, manifest_lines
from flexlock.data.memory import Memory, settled
from flexlock.data.reading import Batch, batches, read_batches
from flexlock.data.scanning import EVERYTHING, Choice, Folder, scan
from flexlock.errors import ChangingDataError, DataError, MissingDataError

__all__ = ["Hashed", "hash_directory", "hash_file", "hash_path"]

_ATTEMPTS = 3
_LONG_S = 1.0
"""A tree that took longer than this to hash is looked at once more afterwards."""
_PART = 2_000
_SAVE_S = 30.0
"""What a long reading has found so far is kept this often; interrupted, it need not start over."""


@dataclass(frozen=True, slots=True)
class Hashed:
    """The hash of a file or a directory. `notes` names what was found and not hashed."""

    kind: str
    algorithm: str
    hash: str
    bytes: int
    files: int
    notes: tuple[str, ...] = ()


def hash_path(
    path: Path,
    *,
    algorithm: str = DEFAULT_ALGORITHM,
    choice: Choice = EVERYTHING,
    cache: HashCache | None = None,
    progress: Progress | None = None,
) -> Hashed:
    """Return the hash of a file or a directory; a symbolic link at `path` itself is followed.

    Args:
        path: What to hash.
        algorithm: One of `flexlock.data.hashing.ALGORITHMS`.
        choice: Which entries of a directory count.
        cache: Where to look for, and keep, hashes of unchanged files.
        progress: Told how many bytes were read, now and then.

    Raises:
        MissingDataError: There is nothing at `path`.
        UnreadableDataError: Something may not be read.
        ChangingDataError: Something changed each time while it was read.
        DataError: Something has no content (pipes, sockets), or links form a cycle.
    """
    check_algorithm(algorithm)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise reading_error(str(path), error) from error
    if stat.S_ISDIR(mode):
        return hash_directory(path, algorithm, choice, cache, progress)
    if stat.S_ISREG(mode):
        return hash_file(path, algorithm, cache, progress)
    message = f"{str(path)!r} is a {special_kind(mode)}, which has no fixed content."
    raise DataError(message, hint="Give a file or a directory.", path=str(path))


def hash_file(
    path: Path,
    algorithm: str = DEFAULT_ALGORITHM,
    cache: HashCache | None = None,
    progress: Progress | None = None,
) -> Hashed:
    """Return the hash of one file."""
    real = Path(os.path.realpath(path))
    parent = stamp_of(real.parent.stat())[:2]
    memory = Memory(cache, algorithm)
    memory.look([parent])
    entry = memory.known(parent).get(real.name)
    if entry is not None and entry[0] == stamp_of(real.stat()):
        return Hashed("file", algorithm, entry[1].hex(), entry[0][2], 1)
    content = read_content(str(real), algorithm, progress)
    memory.learn(parent, [real.name], [content], whole=False)
    memory.save()
    return Hashed("file", algorithm, content.digest.hex(), content.size, 1)


def hash_directory(
    path: Path,
    algorithm: str = DEFAULT_ALGORITHM,
    choice: Choice = EVERYTHING,
    cache: HashCache | None = None,
    progress: Progress | None = None,
) -> Hashed:
    """Return the digest of a directory's manifest (see `flexlock.data.manifest`)."""
    hashing = _Hashing(os.path.realpath(path), choice, Memory(cache, algorithm), progress)
    for _ in range(_ATTEMPTS):
        hashed = hashing.attempt()
        if hashed is not None:
            return hashed
    message = f"the directory {str(path)!r} changed while it was read, {_ATTEMPTS} times."
    raise ChangingDataError(
        message, hint="Wait until nothing writes to it, then start again.", path=str(path)
    )


class _Hashing:
    """Attempts at one directory. What one of them has read, the next does not read again."""

    def __init__(
        self, root: str, choice: Choice, memory: Memory, progress: Progress | None
    ) -> None:
        self._root = root
        self._choice = choice
        self._memory = memory
        self._algorithm = memory.algorithm
        self._progress = progress
        self._key = repr((root, memory.algorithm, choice))

    def attempt(self) -> Hashed | None:
        """Return the result; None when the directory changed meanwhile."""
        started = time.monotonic()
        row = self._memory.tree(self._key)
        try:
            folders = scan(self._root, self._choice, stamps=row is not None)
        except MissingDataError:
            if Path(self._root).is_dir():
                return None  # something in it went away between two looks
            raise
        if row is not None and row.fingerprint == _fingerprint(folders):
            return Hashed("dir", self._algorithm, row.hash, row.bytes, row.files, row.notes)
        self._memory.look([folder.stamp[:2] for folder in folders])
        contents = [self._unchanged(folder) for folder in folders]
        if not self._read(folders, contents) or self._moved(folders, started):
            return None
        return self._finish(folders, contents)

    def _unchanged(self, folder: Folder) -> list[Content | None]:
        """Return what is known of the folder's files; None for those that must be read."""
        known = self._memory.known(folder.stamp[:2])
        if not known:
            return [None] * len(folder.files)
        stamps: Iterable[Stamp | None] = folder.stamps or map(
            lambda name: _stamp_at(f"{folder.path}/{name}") if name in known else None,
            folder.files,
        )
        return [
            Content(stamp, known[name][1], stamp[2])
            if stamp is not None and name in known and known[name][0] == stamp
            else None
            for name, stamp in zip(folder.files, stamps, strict=True)
        ]

    def _read(self, folders: Sequence[Folder], contents: list[list[Content | None]]) -> bool:
        """Fill in what must be read; return False when one of the files went away."""
        saved = time.monotonic()
        errors: list[DataError] = []
        for places, part in _parts(folders, contents):
            outcomes = read_batches(part, self._algorithm, self._progress)
            for (row, indexes), batch in zip(places, outcomes, strict=True):
                for index, outcome in zip(indexes, batch, strict=True):
                    if isinstance(outcome, DataError):
                        errors.append(outcome)
                    else:
                        row[index] = outcome
            if time.monotonic() - saved > _SAVE_S:
                self._learn(folders, contents)
                self._memory.save()
                saved = time.monotonic()
        self._learn(folders, contents)
        if any(isinstance(error, MissingDataError) for error in errors):
            return False
        if errors:
            self._memory.save()
            raise _gathered(errors, self._root)
        return True

    def _learn(self, folders: Sequence[Folder], contents: list[list[Content | None]]) -> None:
        for folder, row in zip(folders, contents, strict=True):
            self._memory.learn(folder.stamp[:2], folder.files, row, whole=self._choice.whole)

    def _moved(self, folders: Sequence[Folder], started: float) -> bool:
        """Return whether the tree is not any longer what was listed."""
        try:
            if any(_stamp_at(folder.path) != folder.stamp for folder in folders):
                return True
            if time.monotonic() - started < _LONG_S:
                return False
            again = scan(self._root, self._choice, stamps=True)
        except (OSError, DataError):
            return True
        return _fingerprint(again) != _fingerprint(folders)

    def _finish(self, folders: Sequence[Folder], contents: list[list[Content | None]]) -> Hashed:
        lines: list[str] = []
        size = count = 0
        lasting = True
        for folder, row in zip(folders, contents, strict=True):
            whole = [content for content in row if content is not None]
            stamps, digests, sizes = zip(*whole, strict=True) if whole else ((), (), ())
            folder.stamps = list(stamps)
            lines += manifest_lines(folder, sizes, digests, self._algorithm)
            size += sum(sizes)
            count += len(whole)
            lasting = lasting and all(settled(s, self._memory.started_ns) for s in stamps)
        digest = manifest_digest(lines, self._algorithm)
        notes = _notes(folders, self._root)
        if lasting:
            result = TreeRow(_fingerprint(folders), digest, size, count, notes)
            self._memory.save(self._key, result)
        else:
            self._memory.save()
        return Hashed("dir", self._algorithm, digest, size, count, notes)


def _parts(
    folders: Sequence[Folder], contents: list[list[Content | None]]
) -> Iterator[tuple[list[_Place], list[Batch]]]:
    """Cut what must be read into parts of about `_PART` files: batches, and where they belong."""
    places: list[_Place] = []
    part: list[Batch] = []
    count = 0
    for folder, row in zip(folders, contents, strict=True):
        indexes = [index for index, content in enumerate(row) if content is None]
        names = [folder.files[index] for index in indexes]
        start = 0
        for batch in batches(folder.path, names):
            places.append((row, indexes[start : start + len(batch[1])]))
            part.append(batch)
            start += len(batch[1])
            count += len(batch[1])
            if count >= _PART:
                yield places, part
                places, part, count = [], [], 0
    if part:
        yield places, part


_Place = tuple[list[Content | None], list[int]]


def _stamp_at(path: str) -> Stamp | None:
    """Return the stamp of what is at `path`, links followed; None when there is nothing."""
    try:
        return stamp_of(os.stat(path))  # noqa: PTH116
    except FileNotFoundError:
        return None


def _fingerprint(folders: Sequence[Folder]) -> bytes:
    """Return a hash of all that was listed, stamps included."""
    parts: list[str] = []
    numbers: list[int] = []
    for folder in folders:
        parts += [folder.prefix, *folder.files, "", *folder.specials, ""]
        for link in folder.links:
            parts += [link.name, link.target]
        numbers += [len(folder.files), len(folder.specials), len(folder.links)]
        numbers.extend(chain.from_iterable(folder.stamps))
    try:
        stamps = array("q", numbers).tobytes()
    except OverflowError:  # inode numbers above 2**63
        stamps = repr(numbers).encode()
    text = os.fsencode("\0".join(parts))
    return digest_of("blake3")(b"%d\n%b%b" % (len(text), text, stamps))


def _notes(folders: Sequence[Folder], root: str) -> tuple[str, ...]:
    """Name what is in the tree and is not hashed, or not as one may think."""
    notes = [f"{f.prefix}{special} is not hashed" for f in folders for special in f.specials]
    for folder in folders:
        for link in folder.links:
            target = os.path.realpath(os.path.join(folder.path, link.target))  # noqa: PTH118
            if target != root and not target.startswith(f"{root}/"):
                notes.append(
                    f"{folder.prefix}{link.name} is a link out of the directory; only its text is"
                    f" hashed (follow_links hashes {link.target!r})"
                )
    return tuple(notes)


def _gathered(errors: Sequence[DataError], root: str) -> DataError:
    """Return one error that names up to ten files, of the kind of the first."""
    if len(errors) == 1:
        return errors[0]
    paths = [str(error.facts.get("path")) for error in errors]
    shown = ", ".join(repr(os.path.relpath(path, root)) for path in paths[:_SHOWN])
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    first = errors[0]
    message = f"{len(errors)} files of {root!r} cannot be hashed: {shown}{more}. {first.message}"
    return type(first)(message, hint=first.hint, paths=paths)


_SHOWN = 10
