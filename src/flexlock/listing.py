"""Runs that lie in folders: finding them, and how they build on each other."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flexlock.data.progress import ProgressLine
from flexlock.errors import LockError
from flexlock.lock.document import read_lock
from flexlock.lock.record import RunLock
from flexlock.run.directory import SHEET
from flexlock.run.status import RunStatus, run_status

__all__ = [
    "FoundRun",
    "Graph",
    "find_runs",
    "lineage_json",
    "lineage_text",
    "run_directories",
    "run_graph",
]

_PRIVATE = (".git", ".flexlock", ".venv", "node_modules", "__pycache__")


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run directory: where it is, how the run stands, and its sheet when that can be read."""

    path: Path
    status: RunStatus
    lock: RunLock | None

    def to_json(self) -> dict[str, Any]:
        """Return the run as plain data."""
        lock = self.lock
        return {
            "path": str(self.path),
            "id": self.status.id,
            "status": self.status.name,
            "why": self.status.why,
            "timestamp": lock.timestamp if lock else None,
            "function": lock.caller.function if lock else None,
            "result": lock.result if lock else None,
            "prevs": [prev.id for prev in lock.prevs.values()] if lock else [],
        }


def find_runs(root: Path) -> list[FoundRun]:
    """Return the runs at and below a folder, oldest first; damaged ones are among them.

    On a terminal a line shows how far it is, when it takes more than a second.
    """
    paths = list(run_directories(root))
    found = []
    with ProgressLine("reading", len(paths), things="run sheets") as line:
        progress = line.progress
        for path in paths:
            found.append(_found(path))
            if progress is not None:
                progress(1)
    return sorted(found, key=lambda run: (run.lock.timestamp if run.lock else "", str(run.path)))


def run_directories(root: Path) -> Iterator[Path]:
    """Yield the run directories at and below a folder; not those in ``.git``, a trash folder ..."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name == SHEET and entry.is_file():
                        yield folder
                    elif entry.is_dir(follow_symlinks=False) and entry.name not in _PRIVATE:
                        waiting.append(folder / entry.name)
        except PermissionError:
            continue  # what may not be looked into holds no runs of this user


def _found(path: Path) -> FoundRun:
    try:
        lock = read_lock(path)
    except LockError:
        lock = None
    return FoundRun(path, run_status(path), lock)


# --- one run's earlier runs -----------------------------------------------------------------


def lineage_text(path: Path) -> str:
    """Return a run and its earlier runs as a tree, newest first.

    Raises:
        LockError: There is no run sheet, or it cannot be read.
    """
    lock = read_lock(path)
    first = [name for name, prev in lock.prevs.items() if prev.direct]
    lines = [_line(str(path), lock.id, lock.status, lock.timestamp)]
    lines += _branches(lock, first, "", ())
    return "\n".join(lines)


def lineage_json(path: Path) -> dict[str, Any]:
    """Return a run and its earlier runs as plain data: those it uses itself, and theirs.

    Raises:
        LockError: There is no run sheet, or it cannot be read.
    """
    lock = read_lock(path)
    earlier = [
        {
            "name": name,
            "path": prev.path,
            "id": prev.id,
            "status": prev.status,
            "timestamp": (prev.lock or {}).get("timestamp"),
            "direct": prev.direct,
            "parents": list(prev.parents),
            "consumed": dict(prev.consumed),
        }
        for name, prev in lock.prevs.items()
    ]
    return {"id": lock.id, "path": str(path), "status": lock.status, "earlier": earlier}


def _branches(
    lock: RunLock, names: Sequence[str], indent: str, above: tuple[str, ...]
) -> Iterator[str]:
    for number, name in enumerate(names):
        last = number == len(names) - 1
        prev = lock.prevs[name]
        when = str((prev.lock or {}).get("timestamp", ""))
        yield indent + ("└─ " if last else "├─ ") + _line(prev.path, prev.id, prev.status, when)
        parents = [parent for parent in prev.parents if parent in lock.prevs]
        if name not in above:
            inner = indent + ("   " if last else "│  ")
            yield from _branches(lock, parents, inner, (*above, name))


def _line(path: str, identity: str | None, status: str | None, when: str) -> str:
    facts = [status or "", when[:19].replace("T", " "), identity or ""]
    return f"{path}  ({', '.join(filter(None, facts))})"


# --- many runs ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Graph:
    """Runs as points, and an edge from each earlier run to the one that builds on it."""

    nodes: Mapping[str, Mapping[str, Any]]
    edges: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the graph as plain data."""
        edges = [{"from": first, "to": then} for first, then in self.edges]
        return {"schema_version": 1, "nodes": dict(self.nodes), "edges": edges}

    def to_text(self, form: Literal["mermaid", "dot"]) -> str:
        """Return the graph in the language of Mermaid or of Graphviz."""
        names = {identity: f"r{number}" for number, identity in enumerate(self.nodes)}
        if form == "dot":
            lines = ["digraph runs {", '  rankdir="LR"; node [shape=box];']
            lines += [f'  {names[i]} [label="{_label(n, i)}"];' for i, n in self.nodes.items()]
            lines += [f"  {names[first]} -> {names[then]};" for first, then in self.edges]
            return "\n".join([*lines, "}"])
        lines = ["flowchart LR"]
        lines += [f'  {names[i]}["{_label(n, i)}"]' for i, n in self.nodes.items()]
        lines += [f"  {names[first]} --> {names[then]}" for first, then in self.edges]
        return "\n".join(lines)


def _label(node: Mapping[str, Any], identity: str) -> str:
    text = str(node.get("path") or identity)
    return text.replace("\\", "/").replace('"', "'")


def run_graph(root: Path) -> Graph:
    """Return the runs at and below a folder, with all earlier runs that their sheets name."""
    nodes: dict[str, dict[str, Any]] = {}
    edges: dict[tuple[str, str], None] = {}
    for run in find_runs(root):
        if run.lock is None:
            continue
        nodes[run.lock.id] = {**run.to_json(), "path": _shown(run.path, root)}
        for first, then in _edges(run.lock):
            edges[first, then] = None
        for prev in run.lock.prevs.values():
            key = prev.id or prev.path
            nodes.setdefault(key, {"path": prev.path, "id": prev.id, "status": prev.status})
    return Graph(nodes, tuple(edges))


def _edges(lock: RunLock) -> Iterable[tuple[str, str]]:
    keys = {name: prev.id or prev.path for name, prev in lock.prevs.items()}
    for name, prev in lock.prevs.items():
        if prev.direct:
            yield keys[name], lock.id
        for parent in prev.parents:
            if parent in keys:
                yield keys[parent], keys[name]


def _shown(path: Path, root: Path) -> str:
    try:
        return str(path.relative_to(root))
    except ValueError:
        return str(path)
