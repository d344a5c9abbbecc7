"""How an execution shows itself in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deriva_ml.core.html_tables import table_html

if TYPE_CHECKING:
    from .execution import Execution

__all__ = ["as_table"]


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
