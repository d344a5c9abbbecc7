"""Executions in other people's formats: methods of `Execution` and `ExecutionRecord`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deriva_ml.core.exceptions import DerivaMLExecutionError, translated

if TYPE_CHECKING:
    from deriva_ml.execution.execution import Execution
    from deriva_ml.execution.record import ExecutionRecord

    from .openlineage_transport import Event
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

    _refuse_dry_run(self)
    around = self._executions.around
    return export_ro_crate(around, self.execution_rid, destination, files=files, license=license)


@translated()
def execution_to_openlineage(
    self: Execution | ExecutionRecord,
    path: str | Path | None = None,
    *,
    url: str | None = None,
    api_key: str | None = None,
    children: bool = False,
) -> list[Event]:
    """Tell OpenLineage of the execution, as the catalog knows it now, and return the events.

    There is a START event once it began, and COMPLETE, FAIL or ABORT once it is over. They may be
    sent again: the execution has one run id for ever.

    Args:
        path: The file that the events are appended to, one JSON document a line. None means
            the service that ``OPENLINEAGE_URL`` names, else ``openlineage.jsonl`` in the working
            directory.
        url: The service that the events are sent to instead.
        api_key: What the service knows the sender by; None means ``OPENLINEAGE_API_KEY``.
        children: Tell of each function of its dataflows as a run of its own, too.

    Raises:
        DerivaMLExecutionError: This is a dry run, which the catalog does not know.
        DerivaMLConfigurationError: Both `path` and `url` are given.
        DerivaMLUnavailableError: The file cannot be written, or the service not reached.
        DerivaMLException: The service refuses an event.
    """
    from .openlineage import execution_events
    from .openlineage_transport import chosen_transport

    _refuse_dry_run(self)
    around = self._executions.around
    transport = chosen_transport(around.session, path, url, api_key)
    events = execution_events(around, self.execution_rid, children=children)
    transport.send(events)
    return events


def _refuse_dry_run(execution: Execution | ExecutionRecord) -> None:
    if getattr(execution, "dry_run", False):
        raise DerivaMLExecutionError("A dry run cannot be exported: the catalog does not know it.")
