"""What the files of a bag looked like when they were last known to be right.

Reading every file of a bag to see whether it is damaged takes as long as fetching it. The
operating system knows without reading when a file was last changed; a file that looks as it did
is taken to be as it was, any other is hashed.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .names import inside
from .tags import read_bag
from .validation import damage, validate

__all__ = ["Look", "Seen", "drop_damaged", "first_seen", "look_of", "looked_over"]

Look = tuple[int, int, int]
"""Length in bytes, time of the last change in nanoseconds, number of the file on its device."""


@dataclass(frozen=True)
class Seen:
    """A bag that was found right: how each file and directory looked, and if all files are there.

    A directory looks different once something was added to it or taken away.
    """

    complete: bool
    looks: dict[str, Look]

    @classmethod
    def of(cls, bag: Path, complete: bool) -> Seen:
        """How the bag looks now."""
        return cls(complete, _looks(bag))

    @classmethod
    def load(cls, file: Path) -> Seen | None:
        """Read what `save` wrote; None if there is nothing, or nothing of use."""
        try:
            document = json.loads(file.read_bytes())
            found = document["looks"]
            if isinstance(found, dict):  # as an older release wrote it
                looks = {str(p): (int(a), int(b), int(c)) for p, (a, b, c) in found.items()}
            else:
                numbers = iter(map(int, found))
                rows = zip(numbers, numbers, numbers, strict=True)
                looks = dict(zip(map(str, document["paths"]), rows, strict=True))
            return cls(bool(document["complete"]), looks)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # the files are hashed again, and it is written again

    def save(self, file: Path) -> None:
        """Write it to a file, as a whole or not at all."""
        temporary = file.with_name(f".{file.name}-{uuid.uuid4().hex}")
        # Flat lists are read several times faster than an object for each file.
        document = {
            "complete": self.complete,
            "paths": list(self.looks),
            "looks": [number for look in self.looks.values() for number in look],
        }
        temporary.write_text(json.dumps(document))
        temporary.replace(file)

    def still(self, bag: Path) -> bool:
        """Whether everything looks as it did."""
        root = str(bag)
        try:
            return all(look_of(os.lstat(f"{root}/{p}")) == look for p, look in self.looks.items())
        except OSError:
            return False


def first_seen(bag: Path, complete: bool, file: Path, paths: Iterable[str]) -> Seen:
    """Remember a bag that was just made and that consists of `paths`."""
    root = str(bag)
    seen = Seen(complete, {p: look_of(os.lstat(f"{root}/{p}")) for p in ("", *paths)})
    seen.save(file)
    return seen


def looked_over(bag: Path, file: Path, learned: Mapping[str, Look] | None = None) -> Seen | None:
    """Look a bag over, hash what looks different, and remember it; None when it is damaged.

    Args:
        bag: The bag.
        file: Where what was seen is kept.
        learned: How files looked that were verified since it was written.

    Raises:
        CatalogError: It is no bag any more, or cannot be read.
    """
    seen = Seen.load(file)
    if seen is not None and seen.still(bag):
        return seen
    report = validate(bag, fast=True)
    if not report.valid:
        return None
    before = {**({} if seen is None else seen.looks), **(learned or {})}
    now = Seen.of(bag, report.complete)
    listed = read_bag(bag).payload
    for path, digests in listed.items():
        look = now.looks.get(path)
        if look is not None and look != before.get(path) and damage(bag / path, digests):
            return None
    now.save(file)
    return now


def drop_damaged(bag: Path, file: Path) -> list[str]:
    """Remove the damaged files of a bag that can be fetched again; returns their paths.

    Files that look as they did are not read.

    Raises:
        CatalogError: It is no bag any more, or leads out of itself.
    """
    seen = Seen.load(file)
    before = {} if seen is None else seen.looks
    dropped = []
    for entry in read_bag(bag).fetch:
        place = inside(bag, entry.path)
        try:
            look = look_of(os.lstat(place))
        except FileNotFoundError:
            continue
        if look == before.get(entry.path):
            continue
        if entry.length not in (None, look[0]) or damage(place, entry.digests):
            place.unlink()
            dropped.append(entry.path)
    return dropped


def _looks(bag: Path) -> dict[str, Look]:
    found = {"": look_of(os.lstat(bag))}
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(f"{bag}/{folder}") as entries:
            for entry in entries:
                path = f"{folder}{entry.name}"
                found[path] = look_of(entry.stat(follow_symlinks=False))
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{path}/")
    return found


def look_of(status: os.stat_result) -> Look:
    """How a file or directory looks."""
    return status.st_size, status.st_mtime_ns, status.st_ino
