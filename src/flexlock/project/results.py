"""What became of a run that was submitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flexlock.errors import TaskError

__all__ = ["ExecutionResult", "Status"]

Status = Literal["SUCCESS", "CACHED", "FAILED", "INTERRUPTED", "SUBMITTED", "SKIPPED", "BLOCKED"]
"""How a run ended, or that it has not.

``CACHED``: a finished run stands for it, or its task was done before. ``SKIPPED``: it did not run
because it was not to (a dry run, a complete run that is kept, a sweep that stopped). ``BLOCKED``:
an earlier stage did not succeed. ``SUBMITTED``: it waits, or runs on a cluster.
"""


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """A run that was submitted. Keys of a result that is a mapping are attributes too.

    Attributes:
        status: How it ended.
        save_dir: Its directory; None for a run without one.
        result: What the function returned; of runs in other processes, as it was recorded.
        error: What went wrong, as a text.
        job_id: Its job in a batch system.
        task_id: Its task in a sweep.
        task_db: The task queue that it belongs to.
    """

    status: Status
    save_dir: Path | None = None
    result: Any = None
    error: str | None = None
    job_id: str | None = None
    task_id: str | None = None
    task_db: Path | None = None

    @property
    def is_success(self) -> bool:
        """Whether its result is there, from this run or an earlier one that is the same."""
        return self.status in ("SUCCESS", "CACHED") or (
            self.status == "SKIPPED" and self.result is not None
        )

    @property
    def metrics(self) -> Any:
        """The result, by another name."""
        return self.result

    @property
    def cfg(self) -> Mapping[str, Any]:
        """The config of the run, as its sheet has it; empty while there is no sheet."""
        from flexlock.errors import LockError
        from flexlock.lock.document import read_lock

        if self.save_dir is None:
            return {}
        try:
            return read_lock(self.save_dir).config
        except LockError:
            return {}

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value of a result that is a mapping."""
        return self.result.get(key, default) if isinstance(self.result, Mapping) else default

    def __getitem__(self, key: str) -> Any:
        """Return a value of the result."""
        return self.result[key]

    def __getattr__(self, name: str) -> Any:
        result = object.__getattribute__(self, "result")
        if not name.startswith("__") and isinstance(result, Mapping) and name in result:
            return result[name]
        message = f"the result of this run has no {name!r}"
        raise AttributeError(message)

    def raise_on_failure(self) -> ExecutionResult:
        """Return the result itself, or raise when the run did not succeed.

        A run that is only submitted, or was not to run, has not failed.

        Raises:
            TaskError: It failed, was interrupted, or an earlier stage kept it from running.
        """
        if self.status in ("FAILED", "INTERRUPTED", "BLOCKED"):
            place = f" in {str(self.save_dir)!r}" if self.save_dir else ""
            message = (
                f"The run{place} is {self.status.lower()}: {self.error or 'no reason is known'}"
            )
            raise TaskError(message, save_dir=self.save_dir, status=self.status)
        return self
