"""Everything that a set of runs needs: their sheets, all earlier runs, repositories and data."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from flexlock.errors import ShareError
from flexlock.lineage import lock_hash
from flexlock.lock.document import SHEET, from_document, read_text, sheet_path
from flexlock.lock.record import FORMAT, DataState, OutputState, PrevState, RepoState, RunLock
from flexlock.lock.yamlfile import dump, to_data

__all__ = ["GatheredData", "GatheredRun", "gather", "gather_data", "repositories"]

_SIDE_FILES = ("run.lock", "run.lock.*", "run.owner", ".run.owner.guard", "run.error")


@dataclass(frozen=True, slots=True)
class GatheredRun:
    """A run: its directory, its sheet, and whether it was asked for or is an earlier one."""

    directory: Path
    text: bytes
    lock: RunLock
    asked_for: bool

    @property
    def folder(self) -> Path:
        """The working folder of the run, which relative paths of its sheet start from."""
        return Path(self.lock.caller.cwd or self.directory)


@dataclass(frozen=True, slots=True)
class GatheredData:
    """Data that a sheet names: the run, the name there, the state, and the path on this disk."""

    run: GatheredRun
    name: str
    state: DataState
    path: Path = field(compare=False)


def gather(runs: Iterable[str | os.PathLike[str]]) -> list[GatheredRun]:
    """Return the runs and all their earlier runs, each once, earlier ones first.

    Args:
        runs: Run directories, or the sheets in them.

    Raises:
        LockError: A sheet is missing or damaged.
        ShareError: An earlier run is not any longer what a sheet says.
    """
    found: dict[str, GatheredRun] = {}
    for path in runs:
        file = sheet_path(Path(path)).absolute()
        text = read_text(file)
        lock = from_document(text, file)
        if lock.status == "running":
            message = f"The run in {str(file.parent)!r} has not ended."
            raise ShareError(message, hint="Wait until it is complete.", path=str(file))
        run = GatheredRun(file.parent, text, lock, asked_for=True)
        for earlier in _earlier(run):
            found.setdefault(earlier.lock.id, earlier)
        found[lock.id] = run
    return sorted(found.values(), key=lambda run: (run.lock.timestamp, run.lock.id))


def _earlier(run: GatheredRun) -> Iterator[GatheredRun]:
    for name, prev in run.lock.prevs.items():
        place = Path(os.path.normpath(run.folder / prev.path))
        text = _text_of(place, prev)
        if text is None:
            message = f"The earlier run {name!r} in {str(place)!r} is not there any longer, or"
            message += f" not what the sheet of {str(run.directory)!r} says."
            raise ShareError(message, hint="Run the later one again.", path=str(place))
        directory = place.parent if place.name.startswith(SHEET) else place
        lock = from_document(text, directory / SHEET)
        yield GatheredRun(directory, text, lock, asked_for=False)


def _text_of(place: Path, prev: PrevState) -> bytes | None:
    """Return an earlier run's sheet, as it lies there or as the later one holds it."""
    for file in (sheet_path(place), place / f"{SHEET}.{prev.id}"):
        if file.is_file():
            text = file.read_bytes()
            if prev.lock_hash in (None, lock_hash(text)):
                return text
    if prev.lock is None or prev.id is None:  # sheets of older kinds name no ids
        return None
    facts = {"run_lock": FORMAT, "id": prev.id, "timestamp": "", "status": prev.status}
    return dump(to_data({**facts, **prev.lock}, lambda _: None)).encode()


def repositories(runs: Iterable[GatheredRun]) -> dict[str, list[tuple[GatheredRun, RepoState]]]:
    """Return the states of each repository by its root, in the order of the runs.

    The main repository comes first: that of the last run's caller, else the first of its sheet.
    """
    states: dict[str, list[tuple[GatheredRun, RepoState]]] = {}
    main: str | None = None
    for run in runs:
        for name, state in run.lock.repos.items():
            if state.tree is None:
                continue
            root = os.path.realpath(run.folder / state.path)
            states.setdefault(root, []).append((run, state))
            if run.asked_for and (main is None or name == run.lock.caller.repo):
                main = root
    return dict(sorted(states.items(), key=lambda item: item[0] != main))


def gather_data(runs: Iterable[GatheredRun], *, with_outputs: bool) -> Iterator[GatheredData]:
    """Yield the data of the runs, and what they produced when asked for."""
    for run in runs:
        for name, state in run.lock.data.items():
            yield GatheredData(run, name, state, _path(run, state.path))
        if with_outputs and run.asked_for:
            yield from _outputs(run)


def _outputs(run: GatheredRun) -> Iterator[GatheredData]:
    """Yield the declared outputs; without any, the run's whole directory."""
    for name, output in run.lock.outputs.items():
        yield GatheredData(run, name, _as_data(output), _path(run, output.path))
    if not run.lock.outputs:
        state = DataState(str(run.directory), kind="dir", exclude=_SIDE_FILES)
        yield GatheredData(run, "outputs", state, run.directory)


def _as_data(output: OutputState) -> DataState:
    return DataState(output.path, output.kind, output.algorithm, output.hash)


def _path(run: GatheredRun, path: str) -> Path:
    return Path(os.path.normpath(run.folder / path))
