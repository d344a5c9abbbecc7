"""Runs as files: a folder for each run, which needs nothing but a text editor to be read.

::

    <base>/<experiment>/<run>/run.json      what was asked for, with what, and how it ended
                             /nodes.jsonl   a line for each node as it ends, whichever process
                             /graph.svg     the dataflow, with the state and time of each node
                             /...           what savers wrote

``run.json`` is written at the start and replaced at the end, so that a run that was killed shows
as one that never ended, with the nodes that it got through.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from hamilton.errors import DataflowError, short_repr
from hamilton.io.files import atomic_path

__all__ = [
    "Artifact",
    "NodeRecord",
    "RunError",
    "RunHead",
    "RunRecord",
    "UnreadableRun",
    "append_node",
    "find_runs",
    "is_run_folder",
    "plain",
    "read_run",
    "write_head",
]

FORMAT = 1
HEAD, NODES, PICTURE = "run.json", "nodes.jsonl", "graph.svg"

_LONGEST_TEXT = 2000
_LONGEST_CONTAINER = 50

Status = Literal["running", "succeeded", "failed"]


class UnreadableRun(DataflowError, ValueError):
    """A folder does not hold a record of a run that this version reads."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that a saver wrote.

    Attributes:
        path: Below the folder of the run, or absolute when it lies elsewhere.
        size: Bytes, if known.
        kind: Key of the saver.
    """

    path: str
    size: int | None
    kind: str


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """How a node ended.

    Attributes:
        name: The node.
        task_id: The task it ran in, in parallel blocks.
        ok: Whether it returned.
        seconds: How long it took.
        metrics: Numbers it returned, if it was requested.
        result: What it returned as a short text, if it was requested and is no number.
        artifact: The file it wrote, if it is a saver.
    """

    name: str
    task_id: str | None
    ok: bool
    seconds: float
    metrics: dict[str, float] = field(default_factory=dict)
    result: str | None = None
    artifact: Artifact | None = None


@dataclass(frozen=True, slots=True)
class RunError:
    """Why a run failed."""

    type: str
    message: str
    node: str | None
    traceback: str


@dataclass(frozen=True, slots=True)
class RunHead:
    """What is known of a run beside its nodes.

    Attributes:
        experiment: The experiment it belongs to.
        run_id: Its id.
        started: When it began, in UTC.
        ended: When it ended, in UTC; None while it runs, or when it was killed.
        status: How it fares.
        requested: The requested outputs.
        config: Configuration of the driver, as plain data.
        inputs: Inputs, as plain data.
        overrides: Overrides, as plain data.
        modules: Names of the modules of functions.
        version: The version of the dataflow's code.
        python: The version of Python.
        error: Why it failed.
    """

    experiment: str
    run_id: str
    started: datetime
    ended: datetime | None = None
    status: Status = "running"
    requested: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    version: str = ""
    python: str = ""
    error: RunError | None = None

    @property
    def seconds(self) -> float | None:
        """How long the run took; None if it has not ended."""
        return None if self.ended is None else (self.ended - self.started).total_seconds()


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A recorded run.

    Attributes:
        folder: Where it lies.
        head: What is known of it.
        nodes: Its nodes in the order in which they ended.
    """

    folder: Path
    head: RunHead
    nodes: tuple[NodeRecord, ...]

    @property
    def metrics(self) -> dict[str, float]:
        """The numbers that requested nodes returned, by name."""
        return {name: value for node in self.nodes for name, value in node.metrics.items()}

    @property
    def results(self) -> dict[str, str]:
        """What other requested nodes returned, as short texts by name."""
        return {node.name: node.result for node in self.nodes if node.result is not None}

    @property
    def parameters(self) -> dict[str, Any]:
        """Configuration, inputs and overrides together."""
        return {**self.head.config, **self.head.inputs, **self.head.overrides}

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The files that savers wrote."""
        return tuple(node.artifact for node in self.nodes if node.artifact is not None)


def plain(value: Any) -> Any:
    """Returns a value as data that JSON holds: itself if it is that and small, else a text."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else value[:_LONGEST_TEXT] + "..."
    if isinstance(value, (list, tuple)) and len(value) <= _LONGEST_CONTAINER:
        return [plain(item) for item in value]
    if isinstance(value, dict) and len(value) <= _LONGEST_CONTAINER:
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, os.PathLike):
        return os.fspath(value) if isinstance(os.fspath(value), str) else short_repr(value)
    return short_repr(value, 200)


def write_head(folder: Path, head: RunHead) -> None:
    """Writes, or replaces, what is known of a run."""
    found = {"format": FORMAT, **asdict(head)}
    with atomic_path(folder.absolute() / HEAD) as draft:
        draft.write_text(json.dumps(found, indent=1, default=_json), encoding="utf-8")


def _json(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no plain data.")


def append_node(folder: Path, node: NodeRecord) -> None:
    """Adds the line of a node; processes may do so at the same time."""
    line = json.dumps(asdict(node)) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    # One write to a file opened for appending is never mixed with another's.
    handle = os.open(folder / NODES, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def is_run_folder(folder: Path) -> bool:
    """Returns whether a folder holds the record of a run."""
    return (folder / HEAD).is_file()


def read_run(folder: Path) -> RunRecord:
    """Returns the run in a folder.

    Raises:
        UnreadableRun: It holds none, or one of another format.
    """
    try:
        found = json.loads((folder / HEAD).read_text(encoding="utf-8"))
        if found.pop("format") != FORMAT:
            raise UnreadableRun(f"{str(folder)!r} holds a run of a format other than {FORMAT}.")
        return RunRecord(folder, _head(found), tuple(_nodes(folder / NODES)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, UnreadableRun):
            raise
        raise UnreadableRun(f"{str(folder)!r} holds no readable run: {error}") from error


def _head(found: dict[str, Any]) -> RunHead:
    ended, error = found.pop("ended"), found.pop("error")
    return RunHead(
        started=datetime.fromisoformat(found.pop("started")),
        ended=None if ended is None else datetime.fromisoformat(ended),
        error=None if error is None else RunError(**error),
        requested=tuple(found.pop("requested")),
        modules=tuple(found.pop("modules")),
        **found,
    )


def _nodes(file: Path) -> Iterator[NodeRecord]:
    if not file.exists():
        return
    for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
        if not line.endswith("\n"):
            return  # being written
        found: Mapping[str, Any] = json.loads(line)
        artifact = found.get("artifact")
        yield NodeRecord(
            **{**found, "artifact": None if artifact is None else Artifact(**artifact)}
        )


def find_runs(base: Path) -> list[RunRecord]:
    """Returns every run of every experiment below a folder, newest first.

    Folders that hold no readable run are left out.

    Cost: two small files for each run.
    """
    found = []
    for head in base.glob(f"*/*/{HEAD}"):
        try:
            found.append(read_run(head.parent))
        except UnreadableRun:
            continue
    return sorted(found, key=lambda run: (run.head.started, run.folder.name), reverse=True)


def now() -> datetime:
    """Returns the time, in UTC."""
    return datetime.now(UTC)
