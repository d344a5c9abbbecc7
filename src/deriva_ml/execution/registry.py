"""The executions that this machine knows of, read from their journals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml.core.enums import ConnectionMode, ExecutionStatus
from deriva_ml.core.exceptions import DerivaMLStateInconsistency
from deriva_ml.core.logging_config import get_logger

from .journal import FILE_NAME, Journal
from .report import PendingSummary

if TYPE_CHECKING:
    from .local import LocalRuns

__all__ = ["ExecutionSnapshot", "pending_of", "snapshots", "with_fingerprint"]

_log = get_logger(__name__)


@dataclass(frozen=True)
class ExecutionSnapshot:
    """What a journal said when it was read.

    Attributes:
        rid: RID of the execution.
        workflow_rid: RID of its workflow.
        description: Why it was made.
        status: Its state.
        mode: How it was connected.
        working_dir_rel: Its directory, relative to that of all executions.
        start_time: When it began.
        stop_time: When it ended.
        last_activity: When its journal was written last.
        error: What ended it.
        sync_pending: Whether the catalog has not been told of the latest state.
        created_at: When it was created.
        pending_rows: Rows that wait for the commit.
        failed_rows: Rows that a commit refused: always 0, because a commit is all or nothing.
        pending_files: Files that wait for the commit.
        failed_files: Files that a commit could not upload.
        fingerprint: By which it is found when it is resumed.
        parent: RID of the execution that it belongs to.
    """

    rid: str
    workflow_rid: str | None
    description: str
    status: ExecutionStatus
    mode: ConnectionMode
    working_dir_rel: str
    start_time: datetime | None
    stop_time: datetime | None
    last_activity: datetime
    error: str | None
    sync_pending: bool
    created_at: datetime
    pending_rows: int
    failed_rows: int
    pending_files: int
    failed_files: int
    fingerprint: str | None = None
    parent: str | None = None

    def pending_summary(self, ml: Any) -> PendingSummary:
        """What the execution has not committed yet, as its journal says now."""
        return ml.executions.pending(self.rid)  # type: ignore[no-any-return]

    def update_status(
        self, target: ExecutionStatus | str, ml: Any, error: str | None = None
    ) -> None:
        """Bring the execution into another state, in its journal and the catalog."""
        ml.resume_execution(self.rid).update_status(target, error=error)


def snapshots(local: LocalRuns) -> list[ExecutionSnapshot]:
    """What all journals of a working directory say, the newest execution first.

    One that cannot be read, or that another version of the library wrote, is logged and left out.
    """
    found: list[ExecutionSnapshot] = []
    for rid, place in local.journals():
        try:
            found.append(_snapshot(local, rid, place))
        except DerivaMLStateInconsistency as error:
            _log.warning("Execution %s is left out of the list: %s", rid, error)
    return sorted(found, key=lambda s: s.created_at, reverse=True)


# By the journal's directory and file number: what an execution is created with never changes.
_asked_for: dict[tuple[Path, int], tuple[str | None, str | None]] = {}


def with_fingerprint(
    local: LocalRuns, fingerprint: str, parent: str | None
) -> list[ExecutionSnapshot]:
    """The executions of a working directory with a fingerprint and a parent, the newest first.

    A process reads each journal once to know which these are, and then those alone.
    """
    found: list[ExecutionSnapshot] = []
    for rid, place in local.journals():
        try:
            if _what_was_asked(place) == (fingerprint, parent):
                found.append(_snapshot(local, rid, place))
        except DerivaMLStateInconsistency as error:
            _log.warning("Execution %s is left out of the list: %s", rid, error)
    return sorted(found, key=lambda s: s.created_at, reverse=True)


def _what_was_asked(place: Path) -> tuple[str | None, str | None]:
    """The fingerprint and the parent of the execution in a directory."""
    key = (place, (place / FILE_NAME).stat().st_ino)
    if key not in _asked_for:
        journal = Journal.open(place)
        try:
            facts = journal.facts()
        finally:
            journal.close()
        _asked_for[key] = (facts.get("fingerprint"), facts.get("parent"))
    return _asked_for[key]


def _snapshot(local: LocalRuns, rid: str, place: Path) -> ExecutionSnapshot:
    written = _last_written(place)  # before it is opened, which may move the log into the file
    journal = Journal.open(place)
    try:
        facts = journal.facts()
        pending = pending_of(rid, journal, place)
        failed = len(journal.outputs("failed"))
    finally:
        journal.close()
    return ExecutionSnapshot(
        rid=rid,
        workflow_rid=facts.get("workflow_rid"),
        description=facts["configuration"].get("description") or "",
        status=ExecutionStatus(facts["status"]),
        mode=ConnectionMode.online,
        working_dir_rel=place.relative_to(local.root).as_posix(),
        start_time=_moment(facts.get("start")),
        stop_time=_moment(facts.get("stop")),
        last_activity=datetime.fromtimestamp(written).astimezone(),
        error=facts.get("error"),
        sync_pending=bool(facts.get("sync_pending")),
        created_at=datetime.fromisoformat(facts["created_at"]),
        pending_rows=pending.total_pending_rows,
        failed_rows=0,
        pending_files=pending.total_pending_files - failed,
        failed_files=failed,
        fingerprint=facts.get("fingerprint"),
        parent=facts.get("parent"),
    )


def _last_written(place: Path) -> float:
    """When the journal in a directory was written last, in seconds since 1970."""
    files = (place / name for name in (FILE_NAME, f"{FILE_NAME}-wal"))
    return max(f.stat().st_mtime for f in files if f.is_file())


def pending_of(rid: str, journal: Journal, directory: Path) -> PendingSummary:
    """What a journal says waits for the commit."""
    assets: dict[str, int] = {}
    problems = []
    for output in journal.outputs():
        if output.status == "uploaded":
            continue
        name = f"{output.schema}/{output.table}"
        assets[name] = assets.get(name, 0) + 1
        if not (directory / output.path).is_file():
            problems.append(f"{output.table}/{output.file_name} was never written.")
        elif output.error:
            problems.append(f"{output.table}/{output.file_name}: {output.error}")
    rows = {f"{s.schema}/{s.table}": s.count for s in journal.staged_features()}
    for table, path in journal.facts().get("tables", {}).items():
        if count := _row_count(directory / path):
            name = table.replace(":", "/", 1)
            rows[name] = rows.get(name, 0) + count
    return PendingSummary(rid, rows, assets, tuple(problems))


def _row_count(file: Path) -> int:
    """Rows of a CSV file below its header; fields may hold line breaks."""
    import csv

    if not file.is_file():
        return 0
    with file.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
        return max(sum(1 for _ in csv.reader(lines)) - 1, 0)


def chosen(
    found: Iterable[ExecutionSnapshot],
    *,
    status: Iterable[ExecutionStatus] | None = None,
    workflow_rid: str | None = None,
    mode: ConnectionMode | None = None,
    since: datetime | None = None,
) -> list[ExecutionSnapshot]:
    """The snapshots that satisfy all conditions."""
    states = None if status is None else set(status)
    return [
        s
        for s in found
        if (states is None or s.status in states)
        and workflow_rid in (None, s.workflow_rid)
        and mode in (None, s.mode)
        and (since is None or s.last_activity >= since.astimezone())
    ]


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
