"""What still holds of a run sheet: code, data, earlier runs and outputs, looked at again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from flexlock.code.capture import capture
from flexlock.code.comparing import changed_files, tree_of
from flexlock.data.hashing import ALGORITHMS
from flexlock.data.tracking import rehash
from flexlock.errors import CodeError, DataError, LockNotFoundError, MissingDataError
from flexlock.lineage import find_run, lock_hash
from flexlock.lock.document import SHEET, from_document, read_text
from flexlock.lock.record import DataState, PrevState, RunLock

__all__ = ["SECTIONS", "Finding", "Verification", "verify"]

Section = Literal["code", "data", "prevs", "outputs"]
State = Literal["same", "changed", "missing", "unknown"]

SECTIONS: tuple[Section, ...] = ("code", "data", "prevs", "outputs")
_SHOWN = 5
_ETAG = "etag"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing that the sheet names.

    `state` is ``same``, ``changed``, ``missing``, or ``unknown`` when it cannot be told; `detail`
    says what is different or why it cannot be told. `files` are those of the code that changed.
    """

    section: Section
    name: str
    state: State
    detail: str = ""
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verification:
    """All findings about a sheet. Its text is a table."""

    path: str
    id: str
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether everything that could be looked at is as it was."""
        return all(finding.state in ("same", "unknown") for finding in self.findings)

    @property
    def proven(self) -> bool:
        """Whether everything is as it was, and nothing was left open."""
        return all(finding.state == "same" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the findings as plain data."""
        return {
            "path": self.path,
            "id": self.id,
            "holds": self.holds,
            "proven": self.proven,
            "findings": [asdict(finding) for finding in self.findings],
        }

    def __str__(self) -> str:
        """Return a table with a line for each finding."""
        rows = [("", "name", "is", "")]
        rows += [(f.section, f.name, f.state, f.detail) for f in self.findings]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = [
            "  ".join((*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[3])).rstrip()
            for row in rows
        ]
        return "\n".join([f"run {self.id} ({self.path})", *lines])


def verify(
    run: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    sections: Sequence[Section] = SECTIONS,
) -> Verification:
    """Look whether code, data, earlier runs and outputs are still what a run sheet says.

    Nothing is changed, but that the code is captured as for a new run.

    Args:
        run: A run directory, its sheet, or a path within the directory.
        root: The folder that relative paths start from; by default the working directory that the
            run had, or the present one where that is gone.
        sections: What to look at.

    Raises:
        LockNotFoundError: There is no run.
        CorruptLockError: The sheet cannot be read.

    Cost:
        Reads all data that changed since it was last hashed on this machine.
    """
    sheet = find_run(Path(run))
    if sheet is None:
        message = f"There is no run at {os.fspath(run)!r}, nor above it (a folder with a run.lock)."
        raise LockNotFoundError(message, hint="Give a run directory, or the run.lock in it.")
    lock = from_document(read_text(sheet), sheet)
    place = _root(lock, root)
    looks = {
        "code": lambda: _code(lock, sheet, place),
        "data": lambda: _data(lock.data, place),
        "prevs": lambda: _prevs(lock.prevs, place),
        "outputs": lambda: _outputs(lock, place),
    }
    findings = [finding for section in sections for finding in looks[section]()]
    return Verification(str(sheet), lock.id, tuple(findings))


def _root(lock: RunLock, given: str | os.PathLike[str] | None) -> Path:
    if given is not None:
        return Path(given)
    recorded = Path(lock.caller.cwd) if lock.caller.cwd else Path()
    return recorded if recorded.is_dir() else Path()


def _code(lock: RunLock, sheet: Path, root: Path) -> Iterator[Finding]:
    for name, state in lock.repos.items():
        recorded = state.tree or state.commit
        if recorded is None:
            yield Finding("code", name, "unknown", state.reason or "no version was recorded")
            continue
        folder = Path(state.path) if Path(state.path).is_dir() else root
        try:
            script = lock.caller.file if lock.caller.repo == name else None
            keep = [folder / script] if script else []
            now = capture(folder, scope=state.scope, results=[sheet.parent], keep=keep)
            before = state.tree or tree_of(folder, recorded)
            if before is None or now.tree is None:
                detail = f"{recorded[:12]} is not in the repository at {str(folder)!r}"
                yield Finding("code", name, "unknown", detail)
                continue
            files = changed_files(folder, before, now.tree, state.scope)
        except CodeError as error:
            yield Finding("code", name, "unknown", error.message)
            continue
        yield Finding("code", name, "changed" if files else "same", _some(files), files)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _data(states: Mapping[str, DataState], root: Path) -> Iterator[Finding]:
    for name, state in states.items():
        yield _looked_at("data", name, state, root)


def _outputs(lock: RunLock, root: Path) -> Iterator[Finding]:
    for name, output in lock.outputs.items():
        state = DataState(output.path, output.kind, output.algorithm, output.hash)
        yield _looked_at("outputs", name, state, root)


def _looked_at(section: Section, name: str, state: DataState, root: Path) -> Finding:
    if state.hash is None or state.method == "given":
        return Finding(section, name, "unknown", "no hash that could be made again was recorded")
    if state.algorithm not in (*ALGORITHMS, _ETAG):
        return Finding(section, name, "unknown", f"hashed by {state.algorithm}, which is not known")
    try:
        now = rehash(state, root=root)
    except MissingDataError as error:
        return Finding(section, name, "missing", error.message)
    except DataError as error:
        return Finding(section, name, "unknown", error.message)
    if now.hash == state.hash:
        return Finding(section, name, "same")
    counts = f"{state.files} files, {state.bytes} bytes" if state.bytes is not None else "other"
    detail = f"{state.path} had {counts}; now {now.files} files, {now.bytes} bytes"
    return Finding(section, name, "changed", detail)


def _prevs(prevs: Mapping[str, PrevState], root: Path) -> Iterator[Finding]:
    for name, prev in prevs.items():
        sheet = root / prev.path
        sheet = sheet if sheet.name.startswith(SHEET) else sheet / SHEET
        try:
            text = read_text(sheet)
        except LockNotFoundError:
            yield Finding("prevs", name, "missing", f"there is no sheet at {str(sheet)!r}")
            continue
        if prev.lock_hash is None:
            yield Finding("prevs", name, "unknown", "the hash of its sheet was not recorded")
            continue
        algorithm = prev.lock_hash.partition(":")[0]
        if algorithm not in ALGORITHMS:
            yield Finding("prevs", name, "unknown", f"hashed by {algorithm}, which is not known")
        elif lock_hash(text, algorithm) == prev.lock_hash:
            yield Finding("prevs", name, "same")
        else:
            later = from_document(text, sheet).id
            detail = "its sheet was changed" if later == prev.id else f"run again since, as {later}"
            yield Finding("prevs", name, "changed", detail)
