"""How executions, and the parents of sweeps, show themselves in a notebook."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from deriva_ml.core.html_tables import rows_html, table_html

if TYPE_CHECKING:
    from .execution import Execution
    from .record import ExecutionRecord

__all__ = ["as_table", "record_as_table"]


def as_table(execution: Execution) -> str:
    """An execution as a small HTML table: state, inputs, what is uploaded and what waits."""
    waiting = execution.pending_summary()
    return table_html(
        {
            "Execution": execution.execution_rid,
            "Status": execution.status.value + (f" ({execution.error})" if execution.error else ""),
            "Description": execution.configuration.description,
            "Workflow": execution.workflow_rid or "",
            "Started": ""
            if execution.start_time is None
            else f"{execution.start_time:%Y-%m-%d %H:%M:%S %Z}",
            "Datasets": ", ".join(str(s) for s in execution.datasets.specs()),
            "Uploaded": f"{sum(len(v) for v in execution.uploaded_assets.values())} files",
            "Pending": f"{waiting.total_pending_files} files, {waiting.total_pending_rows} rows",
            "Directory": str(execution.working_dir),
        }
    )


def record_as_table(record: ExecutionRecord) -> str:
    """An execution of the catalog as a small HTML table; below it the jobs of a sweep.

    Cost: two questions to the catalog, three where there are jobs.
    """
    jobs = record.list_execution_children()
    states = Counter(job.status.value for job in jobs)
    workflow = record.workflow
    detail = f" ({record.status_detail})" if record.status_detail else ""
    table = table_html(
        {
            "Execution": record.execution_rid,
            "Status": record.status.value + detail,
            "Description": record.description,
            "Workflow": "" if workflow is None else f"{workflow.name} ({record.workflow_rid})",
            "Started": ""
            if record.start_time is None
            else f"{record.start_time:%Y-%m-%d %H:%M:%S %Z}",
            "Duration": record.duration or "",
            "Jobs": ", ".join(f"{count} {state}" for state, count in states.items()),
        }
    )
    if not jobs:
        return table
    head = ("Job", "Status", "Duration", "Description")
    rows = ((j.execution_rid, j.status.value, j.duration or "", j.description) for j in jobs)
    return f"<div>{table}{rows_html(head, rows)}</div>"
