"""Uploading what an execution made: methods of `Execution`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from deriva_ml.asset.file_path import AssetFilePath
from deriva_ml.core.exceptions import translated

from .commit import commit, upload_while_failed
from .directories import register_directory, upload_states
from .outputs import about_failure
from .registry import pending_of
from .report import PendingSummary, UploadCallback, UploadReport

if TYPE_CHECKING:
    from deriva_ml.core.ermrest import FileUploadState

    from .execution import Execution

__all__ = [
    "commit_output_assets",
    "pending_summary",
    "upload_assets",
    "upload_execution_outputs",
    "upload_failed_outputs",
]


@translated()
def commit_output_assets(
    self: Execution,
    clean_folder: bool | None = None,
    progress_callback: UploadCallback | None = None,
) -> UploadReport:
    """Upload everything that was registered: all of it, or nothing.

    A run that is still under way is stopped first. In a dry run nothing happens: its
    directory goes away with it.

    Args:
        clean_folder: Remove the execution's files afterwards; None means as the connection
            says.
        progress_callback: Called with the progress.

    Raises:
        DerivaMLUploadError: Something cannot be uploaded; another call tries again.
    """
    session = self._run.session
    clean = session.options.clean_execution_dir if clean_folder is None else clean_folder
    if self.dry_run:
        return UploadReport([self.execution_rid])
    report = commit(self._run, progress_callback)
    if clean:
        self._executions.clean(self._run)
    return report


def upload_execution_outputs(
    self: Execution, clean_folder: bool = True
) -> dict[str, list[AssetFilePath]]:
    """Upload everything that was registered; returns the files by ``schema/table``.

    Raises:
        DerivaMLUploadError: Something cannot be uploaded; another call tries again.
    """
    self.commit_output_assets(clean_folder)
    return self.uploaded_assets


@translated()
def upload_failed_outputs(self: Execution, files: Path | str | Iterable[Path | str] = ()) -> None:
    """Upload what tells why the execution failed; it stays ``Failed``.

    That is what describes the execution (its configuration, its environment) and those of
    its registered files that are named, such as a log. All other outputs go on waiting.
    Calling it once more uploads nothing twice.

    Args:
        files: Paths that `asset_file_path` returned, or one of them.

    Raises:
        DerivaMLExecutionError: The execution has not failed, or a file is not registered.
        DerivaMLUploadError: Something cannot be uploaded; another call tries again.
    """
    if not self.dry_run:
        upload_while_failed(self._run, about_failure(self._run, files))


def upload_assets(self: Execution, assets_dir: Path | str) -> dict[str, FileUploadState]:
    """Register every file of a directory, and upload them with everything else that waits.

    The path of a file is ``<schema>/<table>/`` or ``<table>/``, a folder for each metadata
    column of the table in alphabetical order (``None`` for no value), and its name.

    Returns what became of each file, by its path below the directory.

    Raises:
        DerivaMLValidationError: A path does not say which asset its file is; none is
            registered then.
        DerivaMLUploadError: Something cannot be uploaded; another call of
            `commit_output_assets` tries again.
    """
    registered = register_directory(self._run, assets_dir)
    self.commit_output_assets(clean_folder=False)
    return upload_states(self._run, registered)


def pending_summary(self: Execution) -> PendingSummary:
    """What was not uploaded yet."""
    return pending_of(self.execution_rid, self._run.journal, self._run.directory)
