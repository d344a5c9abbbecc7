"""What was uploaded, and what still waits to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = [
    "PendingSummary",
    "UploadCallback",
    "UploadProgress",
    "UploadReport",
    "WorkspacePendingSummary",
]


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How far an upload has come.

    Attributes:
        file_path: The file that was worked on last.
        file_name: Its name.
        bytes_completed: Bytes stored so far, of all files.
        bytes_total: Bytes of all files.
        percent_complete: The same in percent.
        phase: ``Staging``, ``Uploading`` or ``Uploaded``.
        message: The same in words.
    """

    file_path: str = ""
    file_name: str = ""
    bytes_completed: int = 0
    bytes_total: int = 0
    percent_complete: float = 0.0
    phase: str = ""
    message: str = ""


UploadCallback = Callable[[UploadProgress], object]
"""Called with the progress of an upload, from any thread, one at a time."""


@dataclass
class UploadReport:
    """What a commit did.

    Attributes:
        execution_rids: The executions that were committed.
        total_uploaded: Files and rows that are in the catalog now.
        total_failed: Files that are not.
        per_table: ``{"schema/table": {"uploaded": n, "failed": n}}``.
        errors: Why something failed.
    """

    execution_rids: list[str] = field(default_factory=list)
    total_uploaded: int = 0
    total_failed: int = 0
    per_table: dict[str, dict[str, int]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def count(self, table: str, uploaded: int = 0, failed: int = 0) -> None:
        """Add to the numbers of one table (``schema/table``)."""
        numbers = self.per_table.setdefault(table, {"uploaded": 0, "failed": 0})
        numbers["uploaded"] += uploaded
        numbers["failed"] += failed
        self.total_uploaded += uploaded
        self.total_failed += failed

    def add(self, other: UploadReport) -> None:
        """Add what another commit did."""
        self.execution_rids += other.execution_rids
        self.errors += other.errors
        for table, numbers in other.per_table.items():
            self.count(table, numbers["uploaded"], numbers["failed"])


@dataclass(frozen=True)
class PendingSummary:
    """What an execution has not committed yet.

    Attributes:
        execution_rid: The execution.
        rows: Waiting rows by ``schema/table``: feature values, and rows of `table_path` files.
        assets: Waiting files by ``schema/table``.
        diagnostics: What will stop the commit, as sentences.
    """

    execution_rid: str
    rows: Mapping[str, int] = field(default_factory=dict)
    assets: Mapping[str, int] = field(default_factory=dict)
    diagnostics: tuple[str, ...] = ()

    @property
    def total_pending_rows(self) -> int:
        """Waiting rows in all."""
        return sum(self.rows.values())

    @property
    def total_pending_files(self) -> int:
        """Waiting files in all."""
        return sum(self.assets.values())

    @property
    def has_pending(self) -> bool:
        """Whether anything waits."""
        return bool(self.total_pending_rows or self.total_pending_files)

    def render(self) -> str:
        """The summary as lines of text."""
        if not self.has_pending:
            return f"Execution {self.execution_rid}: nothing is pending."
        head = (
            f"Execution {self.execution_rid}: {self.total_pending_files} files and "
            f"{self.total_pending_rows} rows are pending."
        )
        lines = [f"  {name}: {n} files" for name, n in sorted(self.assets.items())]
        lines += [f"  {name}: {n} rows" for name, n in sorted(self.rows.items())]
        return "\n".join([head, *lines, *(f"  problem: {d}" for d in self.diagnostics)])


@dataclass(frozen=True)
class WorkspacePendingSummary:
    """What the executions of a working directory have not committed yet."""

    per_execution: tuple[PendingSummary, ...] = ()

    @property
    def has_pending(self) -> bool:
        """Whether anything waits."""
        return any(s.has_pending for s in self.per_execution)

    def render(self) -> str:
        """The summaries of the executions that have something pending, as lines of text."""
        parts = [s.render() for s in self.per_execution if s.has_pending]
        return "\n".join(parts) or "Nothing is pending."
