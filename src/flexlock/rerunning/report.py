"""What running a run again has shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from flexlock.comparing import Difference
from flexlock.data.tracking import track
from flexlock.errors import DataError, MissingDataError
from flexlock.lock.record import RunLock
from flexlock.run.directory import SHEET

__all__ = ["OutputVerdict", "RerunReport", "judge"]

_OURS = ("run.lock*", "run.complete", "run.error", "run.owner", ".run.*", ".flexlock*")
Verdict = Literal["identical", "differs", "missing", "new"]


@dataclass(frozen=True, slots=True)
class OutputVerdict:
    """An output, and what the second run made of it.

    ``missing`` is one that the second run did not leave, ``new`` one that only it left.
    """

    name: str
    verdict: Verdict
    first: str | None = None
    second: str | None = None


@dataclass(frozen=True, slots=True)
class RerunReport:
    """The outcome of running a run again.

    Attributes:
        run: The id of the first run.
        second: The id of the second one.
        status: How the second one ended.
        outputs: What each output is now, by name.
        same_result: Whether the function returned the same.
        environment: What is installed now that was not then, and the other way round.
        warnings: What could not be made the same, such as a repository that has moved on.
        kept: Where the second run lies; None when it was removed.
    """

    run: str
    second: str
    status: str
    outputs: tuple[OutputVerdict, ...]
    same_result: bool
    environment: tuple[Difference, ...] = ()
    warnings: tuple[str, ...] = ()
    kept: Path | None = None

    @property
    def is_identical(self) -> bool:
        """Whether the second run ended well and left the same bytes."""
        same = all(output.verdict == "identical" for output in self.outputs)
        return self.status == "complete" and same and self.same_result

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        facts = asdict(self)
        kept = str(self.kept) if self.kept else None
        return {"schema_version": 1, "identical": self.is_identical, **facts, "kept": kept}

    def __str__(self) -> str:
        """Return the report as lines for people: identical, or what differs."""
        count = len(self.outputs)
        if self.is_identical:
            lines = [f"identical: {count} output{'s' if count != 1 else ''} of run {self.run}"]
        else:
            lines = [f"not identical to run {self.run} (the second one is {self.status})"]
            lines += [
                f"  {output.name}: {output.verdict}"
                for output in self.outputs
                if output.verdict != "identical"
            ]
            if not self.same_result:
                lines.append("  the result: differs")
        lines += [f"  environment: {difference}" for difference in self.environment]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        if self.kept:
            lines.append(f"  the second run is in {str(self.kept)!r}")
        return "\n".join(lines)


def judge(first: RunLock, first_dir: Path, second_dir: Path) -> tuple[OutputVerdict, ...]:
    """Compare what two runs left: declared outputs by their recorded hashes, else all files.

    Raises:
        DataError: A file cannot be read.
    """
    if first.outputs:
        mine = {n: f"{o.algorithm}:{o.hash}" for n, o in first.outputs.items()}
        paths = {n: _moved(o.path, first, first_dir, second_dir) for n, o in first.outputs.items()}
        return _verdicts(mine, _hashes(paths))
    mine, theirs = (_hashes(_files(folder)) for folder in (first_dir, second_dir))
    return _verdicts(mine, theirs)


def _moved(path: str, first: RunLock, first_dir: Path, second_dir: Path) -> Path:
    absolute = Path(first.caller.cwd or first_dir, path)
    if absolute.is_relative_to(first_dir):
        return second_dir / absolute.relative_to(first_dir)
    return second_dir / Path(path).name


def _files(folder: Path) -> dict[str, Path]:
    """Return the files of a run; runs of their own in it, such as tasks, are not part of it."""
    others = {sheet.parent for sheet in folder.rglob(SHEET) if sheet.parent != folder}
    return {
        file.relative_to(folder).as_posix(): file
        for file in sorted(folder.rglob("*"))
        if file.is_file()
        and not _is_ours(file.relative_to(folder))
        and others.isdisjoint(file.parents)
    }


def _is_ours(path: Path) -> bool:
    return any(Path(path.parts[0]).match(pattern) for pattern in _OURS)


def _hashes(paths: Mapping[str, Path]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, path in paths.items():
        try:
            states, _ = track({name: str(path)})
        except MissingDataError:
            continue
        except DataError as error:
            raise type(error)(f"output {name!r}: {error.message}", hint=error.hint) from error
        found[name] = f"{states[name].algorithm}:{states[name].hash}"
    return found


def _verdicts(mine: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[OutputVerdict, ...]:
    verdicts = []
    for name in dict.fromkeys([*mine, *theirs]):
        first, second = mine.get(name), theirs.get(name)
        verdict: Verdict = (
            "missing"
            if second is None
            else "new"
            if first is None
            else "identical"
            if first == second
            else "differs"
        )
        verdicts.append(OutputVerdict(name, verdict, first, second))
    return tuple(verdicts)
