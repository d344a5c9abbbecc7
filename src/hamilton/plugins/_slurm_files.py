"""Files by which tasks go to Slurm's nodes and results come back.

A run has a folder, each submitted array a folder in it::

    shared-<digest>     what the tasks of a block have in common, once
    <n>/job.sh          what every element runs
    <n>/tasks           the tasks' own parts, one behind the other
    <n>/tasks.json      where each begins, and how many an element runs
    <n>/results/<i>.ok | <i>.error
    <n>/logs/<element>.log

A result appears under its name only when it is complete.
"""

from __future__ import annotations

import json
import os
import pickle
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hamilton.execution.tasks import PackedTask, dumps
from hamilton.plugins._slurm_commands import SlurmError

__all__ = [
    "log_of",
    "log_tail",
    "read_result",
    "read_tasks",
    "results_in",
    "write_failure",
    "write_success",
    "write_tasks",
]

_TAIL_BYTES = 4096
_TAIL_LINES = 20


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a task raised: the exception as bytes, or None when it cannot be pickled."""

    error: bytes | None
    text: str
    place: str


def write_tasks(batch: Path, tasks: Sequence[PackedTask], per_element: int) -> None:
    """Writes the tasks of an array into its folder, which is made."""
    (batch / "results").mkdir(parents=True)
    (batch / "logs").mkdir()
    entries: list[tuple[int, int, str]] = []
    with (batch / "tasks").open("wb") as file:
        for task in tasks:
            entries.append((file.tell(), len(task.own), task.digest))
            file.write(task.own)
            shared = _shared(batch, task.digest)
            if not shared.exists():
                _write_whole(shared, task.shared)
    index = {"per_element": per_element, "tasks": entries}
    (batch / "tasks.json").write_text(json.dumps(index))


def read_tasks(batch: Path, element: int) -> Iterator[tuple[int, PackedTask]]:
    """Yields the number and the task of each that an element of an array runs."""
    index = json.loads((batch / "tasks.json").read_text())
    first = element * index["per_element"]
    numbers = range(first, min(first + index["per_element"], len(index["tasks"])))
    with (batch / "tasks").open("rb") as file:
        for number in numbers:
            start, size, digest = index["tasks"][number]
            file.seek(start)
            yield number, PackedTask(digest, _shared(batch, digest).read_bytes(), file.read(size))


def write_success(batch: Path, number: int, outputs: dict[str, Any]) -> None:
    """Writes the outputs of a task."""
    _write_whole(batch / "results" / f"{number}.ok", dumps(outputs))


def write_failure(batch: Path, number: int, error: BaseException, place: str) -> None:
    """Writes what a task raised, with its traceback as text."""
    text = "".join(traceback.format_exception(error))
    failure = _Failure(_as_bytes(error), text, place)
    _write_whole(batch / "results" / f"{number}.error", pickle.dumps(failure))


def _as_bytes(error: BaseException) -> bytes | None:
    try:
        data = dumps(error)
        pickle.loads(data)
    except Exception:  # noqa: BLE001 - whatever a user's exception does when pickled
        return None
    return data


def results_in(batch: Path) -> dict[int, Path]:
    """Returns the results that an array has so far, by number of the task."""
    found = {}
    with os.scandir(batch / "results") as entries:
        for entry in entries:
            number, _, kind = entry.name.partition(".")
            if number.isdigit() and kind in ("ok", "error"):
                found[int(number)] = Path(entry.path)
    return found


def read_result(path: Path, task_id: str) -> dict[str, Any]:
    """Returns the outputs of a task, or raises what it raised.

    Raises:
        SlurmError: The exception could not be brought here, or the result cannot be read.
    """
    try:
        content = pickle.loads(path.read_bytes())
        failure = content if path.suffix == ".error" else None
        error = pickle.loads(failure.error) if failure and failure.error else None
    except Exception as trouble:
        raise SlurmError(
            f"The result of task {task_id!r} cannot be read from {path}: {trouble}. What a task "
            "returns must be importable here as well.",
            task=task_id,
        ) from trouble
    if failure is None:
        outputs: dict[str, Any] = content
        return outputs
    told = SlurmError(f"Task {task_id!r} failed on {failure.place}:\n{failure.text}", task=task_id)
    if error is None:
        raise told
    raise error from told


def log_of(batch: Path, element: int) -> Path:
    """Returns the file that holds what an element writes."""
    return batch / "logs" / f"{element}.log"


def log_tail(path: Path) -> str:
    """Returns the last lines of a log, or an empty text when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(lines[-_TAIL_LINES:])


def _shared(batch: Path, digest: str) -> Path:
    return batch.parent / f"shared-{digest}"


def _write_whole(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
