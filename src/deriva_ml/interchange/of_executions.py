"""Executions in other people's formats: methods of `Execution` and `ExecutionRecord`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deriva_ml.core.exceptions import DerivaMLExecutionError

if TYPE_CHECKING:
    from deriva_ml.execution.execution import Execution
    from deriva_ml.execution.record import ExecutionRecord

    from .run_crate import RunFiles


def execution_to_ro_crate(
    self: Execution | ExecutionRecord,
    destination: str | Path,
    *,
    files: RunFiles = "outputs",
    license: str | None = None,
) -> Path:
    """Write the execution, as the catalog knows it, as a Workflow Run RO-Crate.

    Args:
        destination: The directory to be, or the zip file if it ends in ``.zip``.
        files: Which files are copied: those of inputs and outputs (``all``), of ``outputs``, or
            ``none``; the others are referred to.
        license: SPDX identifier or URL of the license of what the execution made.

    Raises:
        DerivaMLExecutionError: This is a dry run, which the catalog does not know.
        DerivaMLValidationError: `destination` exists, or `files` is none of the choices.
        DerivaMLUnavailableError: A file cannot be reached, or `destination` cannot be written.
    """
    from .run_crate import export_ro_crate

    if getattr(self, "dry_run", False):
        raise DerivaMLExecutionError("A dry run cannot be exported: the catalog does not know it.")
    around = self._executions.around
    return export_ro_crate(around, self.execution_rid, destination, files=files, license=license)
