"""Whether a bag is what its manifests say.

Source: RFC 8493, section 3.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import Corrupted, Unavailable
from ..objects.content import Progress, pieces
from .names import inside
from .tags import Bag, Digests, read_bag

WORKERS = 4
_OXUM = "Payload-Oxum"


@dataclass(frozen=True, slots=True)
class BagFinding:
    """Something wrong with a bag.

    `kind` is ``structure`` (it is no bag, or tag files contradict each other), ``unsafe`` (a
    path or link leads out of it), ``missing``, ``unexpected`` (not in a manifest) or
    ``damaged`` (another length or digest than listed).
    """

    kind: Literal["structure", "unsafe", "missing", "unexpected", "damaged"]
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class BagReport:
    """What `validate` found; `to_fetch` are files that may be missing until `materialize`."""

    findings: tuple[BagFinding, ...]
    to_fetch: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong; files that can be fetched may be missing."""
        return not self.findings

    @property
    def complete(self) -> bool:
        """Whether nothing is wrong and every file is there."""
        return not self.findings and not self.to_fetch


def validate(
    directory: Path | str, *, fast: bool = False, progress: Progress | None = None
) -> BagReport:
    """Compare a bag with its manifests.

    Args:
        directory: The bag.
        fast: Compare which files there are and how many bytes in all, but read only the tag
            files, not the payload.
        progress: Told the bytes of each piece of payload that was read.

    Raises:
        NotFound: There is no such directory.
        Unavailable: A file cannot be read.
    """
    directory = Path(directory)
    try:
        bag = read_bag(directory)
    except Corrupted as error:
        kind: Literal["unsafe", "structure"] = "unsafe" if "outside" in error.facts else "structure"
        return BagReport((BagFinding(kind, str(error.facts.get("path", "")), error.message),))
    payload = bag.payload
    present, findings = _present(bag)
    findings += _structure(bag, payload)
    fetchable = {entry.path for entry in bag.fetch}
    absent = sorted(payload.keys() - present.keys())
    findings += [
        BagFinding("missing", path, f"{path!r} is listed but missing.")
        for path in absent
        if path not in fetchable
    ]
    findings += [
        BagFinding("unexpected", path, f"{path!r} is there but not listed.")
        for path in sorted(present.keys() - payload.keys())
    ]
    findings += _tag_damage(bag)
    findings += _lengths(bag, present, complete=not absent)
    if not fast:
        known = {path: payload[path] for path in sorted(payload.keys() & present.keys())}
        findings += _damage(directory, known, progress)
    return BagReport(tuple(findings), tuple(path for path in absent if path in fetchable))


def _structure(bag: Bag, payload: Mapping[str, Digests]) -> list[BagFinding]:
    if bag.version < (1, 0):
        return []
    return [
        BagFinding("structure", path, f"{path!r} is not in 'manifest-{algorithm}.txt'.")
        for algorithm in bag.manifests
        for path in sorted(payload)
        if algorithm not in payload[path]
    ]


def _present(bag: Bag) -> tuple[dict[str, int], list[BagFinding]]:
    """Return the payload files that are there with their lengths, and the links among them."""
    found: dict[str, int] = {}
    findings: list[BagFinding] = []
    root = bag.directory / "data"
    if root.is_symlink() or not root.is_dir():
        return {}, [BagFinding("structure", "data", "The bag has no directory 'data'.")]
    for entry in _walk(root):
        path = Path(entry.path).relative_to(bag.directory).as_posix()
        if entry.is_symlink():
            findings.append(BagFinding("unsafe", path, f"{path!r} is a symbolic link."))
        elif entry.is_file(follow_symlinks=False):
            found[path] = entry.stat(follow_symlinks=False).st_size
        else:
            findings.append(BagFinding("unsafe", path, f"{path!r} is no ordinary file."))
    return found, findings


def _walk(directory: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(Path(entry.path))
                else:
                    yield entry
    except OSError as error:
        raise Unavailable(f"The directory {str(directory)!r} cannot be read: {error}.") from error


def _lengths(bag: Bag, present: Mapping[str, int], *, complete: bool) -> list[BagFinding]:
    findings = [
        BagFinding(
            "damaged",
            entry.path,
            f"{entry.path!r} has {present[entry.path]} bytes, not {entry.length}.",
        )
        for entry in bag.fetch
        if entry.length is not None and present.get(entry.path, entry.length) != entry.length
    ]
    listed = bag.info.get(_OXUM)
    found = f"{sum(present.values())}.{len(present)}"
    if complete and listed is not None and listed != found:
        message = f"The payload in 'data' has {found} (bytes.files), but {_OXUM} says {listed}."
        findings.append(BagFinding("damaged", "data", message))
    return findings


def _tag_damage(bag: Bag) -> list[BagFinding]:
    tags: dict[str, Digests] = {}
    for algorithm, digests in bag.tag_manifests.items():
        for path, digest in digests.items():
            tags.setdefault(path, {})[algorithm] = digest
    findings = []
    for path in sorted(tags):
        try:
            missing = not inside(bag.directory, path).is_file()
        except Corrupted as error:
            findings.append(BagFinding("unsafe", path, error.message))
            continue
        if missing:
            findings.append(BagFinding("missing", path, f"{path!r} is listed but missing."))
        else:
            findings += _damage(bag.directory, {path: tags[path]}, None)
    return findings


def _damage(
    directory: Path, listed: Mapping[str, Digests], progress: Progress | None
) -> list[BagFinding]:
    def look(path: str) -> BagFinding | None:
        problem = damage(directory / path, listed[path], progress)
        return None if problem is None else BagFinding("damaged", path, f"{path!r} {problem}.")

    if len(listed) < 2:
        return [found for path in listed if (found := look(path)) is not None]
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="bag") as pool:
        return [found for found in pool.map(look, listed) if found is not None]


def damage(file: Path, listed: Mapping[str, str], progress: Progress | None = None) -> str | None:
    """Return how the digests of a file differ from those listed, in words, or None.

    Raises:
        Unavailable: The file cannot be read.
    """
    hashers = {name: hashlib.new(name, usedforsecurity=False) for name in listed}
    try:
        for piece in pieces(file):
            for hasher in hashers.values():
                hasher.update(piece)
            if progress is not None:
                progress(len(piece))
    except OSError as error:
        raise Unavailable(f"The file {str(file)!r} cannot be read: {error}.") from error
    for name, hasher in hashers.items():
        if hasher.hexdigest() != listed[name]:
            return f"has the {name} {hasher.hexdigest()}, not {listed[name]}"
    return None
