"""Finding a finished run that is the same, or saying why there is none."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flexlock.comparing import Difference, compare
from flexlock.errors import LockError
from flexlock.listing import run_directories
from flexlock.lock.document import SHEET, from_document, read_lock, to_document
from flexlock.lock.record import RunLock, Scope
from flexlock.lock.yamlfile import dump
from flexlock.reuse.identity import Identity, identity
from flexlock.reuse.observing import completed
from flexlock.run.status import run_status
from flexlock.verifying import verify

__all__ = ["Match", "Miss", "explain", "find_match", "why"]

_SHOWN = 10
_COMPLETE = b"\nstatus: complete"


@dataclass(frozen=True, slots=True)
class Match:
    """A finished run that can stand for a new one.

    Attributes:
        path: Its directory.
        lock: Its sheet.
        asked: The sheet of the new run, with all that the finished one records, as it is now.
    """

    path: Path
    lock: RunLock
    asked: RunLock

    def to_json(self) -> dict[str, Any]:
        """Return the match as plain data."""
        outputs = len(self.lock.outputs)
        return {"match": True, "path": str(self.path), "id": self.lock.id, "outputs": outputs}

    def __str__(self) -> str:
        """Return which run it is, and what was checked of it."""
        count = len(self.lock.outputs)
        checked = (
            f"its {count} recorded output{'s are' if count != 1 else ' is'} still there"
            if count
            else "it recorded no outputs, so its files were not checked"
        )
        return f"run {self.lock.id} in {str(self.path)!r} is the same; {checked}"


@dataclass(frozen=True, slots=True)
class Miss:
    """Why no finished run can stand for a new one.

    Attributes:
        searched: How many finished runs there are.
        path: The directory of the nearest one; None when there is none.
        id: Its id.
        reasons: What speaks against it, as sentences.
        differences: What it has (`other`) and the new run would have (`first`).
    """

    searched: int
    path: Path | None = None
    id: str | None = None
    reasons: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the explanation as plain data."""
        return {
            "match": False,
            "searched": self.searched,
            "path": str(self.path) if self.path else None,
            "id": self.id,
            "reasons": list(self.reasons),
            "differences": [asdict(difference) for difference in self.differences],
        }

    @property
    def short(self) -> str:
        """The explanation in one line."""
        if self.path is None:
            return "no finished run to reuse"
        told = [f"{d.section} {d}" for d in self.differences] or list(self.reasons)
        more = f" and {len(told) - 3} more" if len(told) > 3 else ""
        return f"not done before; nearest is {str(self.path)!r}: {'; '.join(told[:3])}{more}"

    def __str__(self) -> str:
        """Return the explanation as lines for people."""
        if self.path is None:
            return "There is no finished run to reuse."
        told = [f"{d.section}: {d}" for d in self.differences] + list(self.reasons)
        lines = [f"No finished run of {self.searched} is the same."]
        lines.append(f"The nearest is {self.id} in {str(self.path)!r}; now against then:")
        lines += [f"  {text}" for text in told[:_SHOWN]]
        if len(told) > _SHOWN:
            lines.append(f"  and {len(told) - _SHOWN} more")
        return "\n".join(lines)


def find_match(lock: RunLock, folders: Iterable[str | os.PathLike[str]]) -> Match | None:
    """Return the newest finished run below some folders that is the same as a new one.

    Args:
        lock: The sheet of the new run, as `compose_lock` makes it.
        folders: Where to look, at any depth.

    Cost:
        One read for each sheet below the folders. Only those that name the same trees are parsed;
        only of those with the same function, config and code is data looked at again.
    """
    lock = _as_written(lock)
    trees = [
        state.tree.encode()
        for state in lock.repos.values()
        if state.tree is not None and state.scope == Scope()
    ]
    mine = identity(lock)
    for path, text in _finished(folders):
        if not all(tree in text for tree in trees):
            continue
        other = _read(path, text)
        if other is None or other.id == lock.id:
            continue
        theirs = identity(other)
        if not _may_match(mine, theirs):
            continue
        asked = completed(lock, other)
        found = identity(asked).fingerprint
        if found is None or found != theirs.fingerprint:
            continue
        if not _against(path):
            return Match(path, other, asked)
    return None


def why(lock: RunLock, folders: Iterable[str | os.PathLike[str]]) -> Match | Miss:
    """Return the finished run that is the same as a new one, or what speaks against the nearest.

    Args:
        lock: The sheet of the new run.
        folders: Where to look, at any depth.
    """
    places = [Path(folder) for folder in folders]
    match = find_match(lock, places)
    if match is not None:
        return match
    lock = _as_written(lock)
    mine = identity(lock)
    nearest: tuple[tuple[int, int], Path, RunLock] | None = None
    searched = 0
    for path, text in _finished(places):
        other = _read(path, text)
        if other is None or other.id == lock.id:
            continue
        searched += 1
        distance = _distance(mine, identity(other))
        if nearest is None or distance < nearest[0]:
            nearest = (distance, path, other)
    if nearest is None:
        return Miss(0)
    return explain(completed(lock, nearest[2]), nearest[1], nearest[2], searched)


def explain(asked: RunLock, path: Path, other: RunLock, searched: int = 1) -> Miss:
    """Return what speaks against a finished run as one that can stand for another.

    Args:
        asked: The sheet of the new run, with all that the finished one records.
        path: The directory of the finished one.
        other: Its sheet.
        searched: How many finished runs there are.
    """
    mine, theirs = identity(asked), identity(other)
    found = tuple(
        d for d in compare(asked, other).differences if d.section not in ("result", "env")
    )
    found += tuple(
        Difference("env", name, "changed", mine.facts.get(name), theirs.facts.get(name))
        for name in dict.fromkeys([*mine.facts, *theirs.facts])
        if name.startswith("env:") and mine.facts.get(name) != theirs.facts.get(name)
    )
    reasons = [*mine.unknown, *(t for t in theirs.unknown if t not in mine.unknown)]
    if not found and not reasons and mine.fingerprint != theirs.fingerprint:
        keys = dict.fromkeys([*mine.facts, *theirs.facts])
        names = [n for n in keys if mine.facts.get(n) != theirs.facts.get(n)]
        reasons.append(f"Other facts: {', '.join(names)}.")
    return Miss(searched, path, other.id, (*reasons, *_against(path)), found)


def _finished(folders: Iterable[str | os.PathLike[str]]) -> Iterator[tuple[Path, bytes]]:
    """Yield the sheets of finished runs, the newest first, each run once."""
    found: dict[str, tuple[int, Path]] = {}
    for folder in folders:
        for path in run_directories(Path(folder)) if Path(folder).is_dir() else ():
            try:
                written = (path / SHEET).stat().st_mtime_ns
            except OSError:
                continue  # it went away since it was listed
            found[os.path.realpath(path)] = (written, path)
    for _, path in sorted(found.values(), key=lambda item: (-item[0], str(item[1]))):
        try:
            text = (path / SHEET).read_bytes()
        except OSError:
            continue
        if _COMPLETE in text:
            yield path, text


def _read(path: Path, text: bytes) -> RunLock | None:
    try:
        return from_document(text, path / SHEET)
    except LockError:
        return None  # damaged: no match, and others are unaffected


def _as_written(lock: RunLock) -> RunLock:
    """Return a sheet as it reads once it is written: plain values only."""
    return from_document(dump(to_document(lock)).encode(), Path(SHEET))


def _may_match(mine: Identity, theirs: Identity) -> bool:
    """Whether what is known before the run is the same; then the rest is worth looking at."""
    return all(mine.facts[name] == theirs.facts[name] for name in ("function", "config"))


def _distance(mine: Identity, theirs: Identity) -> tuple[int, int]:
    """Return how far two runs are apart: first by their functions, then by all that is counted."""
    config, other = mine.facts["config"], theirs.facts["config"]
    keys = {*config, *other}
    differing = sum(config.get(key, keys) != other.get(key, keys) for key in keys)
    # Earlier runs may be declared only once the function runs, so they say nothing yet.
    shared = [n for n in mine.facts if n in theirs.facts and n.startswith(("code:", "data:"))]
    differing += sum(mine.facts[name] != theirs.facts[name] for name in shared)
    return int(mine.facts["function"] != theirs.facts["function"]), differing


def _against(path: Path) -> Sequence[str]:
    """Return what speaks against a run that is the same: its status, or its outputs."""
    status = run_status(path)
    if status.name != "complete":
        return [f"The run is {status.name}. {status.why}".rstrip()]
    lock, root = read_lock(path), path
    if lock.caller.cwd and Path(lock.caller.cwd).is_dir():
        root = Path(lock.caller.cwd)
    unhashed = {name: root / o.path for name, o in lock.outputs.items() if o.hash is None}
    found = verify(path, root=root, sections=("outputs",)).findings
    gone = [f"Its output {n!r} is missing." for n, place in unhashed.items() if not place.exists()]
    return gone + [
        f"Its output {finding.name!r} is {finding.state}. {finding.detail}".rstrip()
        for finding in found
        if finding.state != "same" and finding.name not in unhashed
    ]
