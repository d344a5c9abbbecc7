"""What a data path holds, as objects under their hashes.

A file is one object. A directory is one for its manifest, whose hash is the directory's own (see
`flexlock.data.manifest`), and one for each file and each link in it. So the hash in a run sheet is
enough to find, and to prove, everything below it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from flexlock.data.hashing import digest_of, read_content
from flexlock.data.manifest import HEADER, manifest_digest, manifest_lines
from flexlock.data.reading import batches, read_batches
from flexlock.data.scanning import Choice, Folder, scan
from flexlock.errors import ChangingDataError, DataError, ShareError

__all__ = ["Contents", "Entry", "contents_of", "entries_of", "object_key"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a manifest: a file or a link in a directory, and the hash of its bytes or text."""

    path: str
    is_link: bool
    size: int
    hash: str


@dataclass(slots=True)
class Contents:
    """Objects by key: those that are files on this disk, and small ones that are made here."""

    hash: str
    size: int
    files: dict[str, Path] = field(default_factory=dict)
    made: dict[str, bytes] = field(default_factory=dict)


def object_key(algorithm: str, digest: str) -> str:
    """Return the key of an object in a store."""
    return f"objects/{algorithm}/{digest[:2]}/{digest[2:]}"


def contents_of(path: Path, algorithm: str, choice: Choice) -> Contents:
    """Read a file or a directory and return its objects.

    Raises:
        DataError: Something cannot be read, or changes meanwhile; the subclass says which.
    """
    if not path.is_dir():
        content = read_content(str(path), algorithm)
        digest = content.digest.hex()
        return Contents(digest, content.size, {object_key(algorithm, digest): path})
    return _directory(path, algorithm, choice)


def _directory(path: Path, algorithm: str, choice: Choice) -> Contents:
    found = Contents("", 0)
    lines: list[str] = []
    for folder in scan(os.path.realpath(path), choice):
        sizes, digests = _read(folder, algorithm)
        lines += manifest_lines(folder, sizes, digests, algorithm)
        found.size += sum(sizes)
        for name, digest in zip(folder.files, digests, strict=True):
            found.files[object_key(algorithm, digest.hex())] = Path(folder.path, name)
        for link in folder.links:
            text = os.fsencode(link.target)
            found.made[object_key(algorithm, digest_of(algorithm)(text).hex())] = text
    found.hash = manifest_digest(lines, algorithm)
    manifest = HEADER + os.fsencode("".join(sorted(lines, key=os.fsencode)))
    found.made[object_key(algorithm, found.hash)] = manifest
    return found


def _read(folder: Folder, algorithm: str) -> tuple[list[int], list[bytes]]:
    sizes: list[int] = []
    digests: list[bytes] = []
    outcomes = read_batches(list(batches(folder.path, folder.files)), algorithm)
    for outcome in (outcome for batch in outcomes for outcome in batch):
        if isinstance(outcome, DataError):
            raise outcome
        sizes.append(outcome.size)
        digests.append(outcome.digest)
    if len(sizes) != len(folder.files):
        raise ChangingDataError(f"{folder.path!r} changed while it was read.", path=folder.path)
    return sizes, digests


def entries_of(manifest: bytes, digest: str, algorithm: str) -> list[Entry]:
    """Return the lines of a directory's manifest that came from a store.

    Raises:
        ShareError: It is not the manifest with this hash, or a path in it leads elsewhere.
    """
    if digest_of(algorithm)(manifest).hex() != digest:
        message = f"The manifest {digest} of a directory is damaged in the store."
        raise ShareError(message, hint="Push the run again from where it was made.", hash=digest)
    entries = list(_parsed(manifest.removeprefix(HEADER), digest))
    links = {entry.path for entry in entries if entry.is_link}
    for entry in entries:
        parts = entry.path.split("/")
        above = {"/".join(parts[:n]) for n in range(1, len(parts))}
        if not is_safe(entry.path) or above & links:
            message = f"The pushed directory {digest} holds the path {entry.path!r}."
            hint = "It would be written outside of the directory, or into git's own; do not use it."
            raise ShareError(message, hint=hint, path=entry.path)
    return entries


def is_safe(path: str) -> bool:
    """Return whether a path stays below the folder it is joined to, and out of ``.git``."""
    parts = path.split("/")
    bad = {"", ".", "..", ".git"}
    return not any(part.lower() in bad or "\0" in part or "\\" in part for part in parts)


def _parsed(text: bytes, digest: str) -> Iterator[Entry]:
    *parts, rest = text.split(b"\n")
    # A path may hold a line feed: a line ends where its kind, size and hash are complete.
    pending = b""
    for part in parts:
        pending += part
        path, separator, facts = pending.rpartition(b"\0")
        words = facts.split(b" ")
        if not separator or len(words) != _WORDS:
            pending += b"\n"
            continue
        pending = b""
        yield Entry(os.fsdecode(path), words[0] == b"l", int(words[1]), words[2].decode())
    if pending or rest:
        message = f"The manifest {digest} of a directory cannot be read."
        raise ShareError(message, hash=digest)


_WORDS = 3
