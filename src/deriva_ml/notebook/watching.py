"""What a failing cell means for the execution of a notebook that a person runs.

The execution is marked as ``Failed`` with the traceback, and is ``Running`` again when the next
cell is run, be it that one or another: a notebook goes on where it was. An upload ends the watch.
"""

from __future__ import annotations

import re
import sys
import traceback
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..core.enums import ExecutionStatus
from ..core.exceptions import DerivaMLException
from ..core.logging_config import get_logger
from ..execution import lifecycle

if TYPE_CHECKING:
    from ..execution.run import Run

__all__ = ["watch_cells"]

_log = get_logger(__name__)
_S = ExecutionStatus
_CELL = re.compile(r'File "[^"]*ipykernel_\d+[/\\]\d+\.py", line (\d+), in <module>')
_ENDS = ("", "0", "None")


class _Watch:
    """The execution of one kernel, and whether a cell made it fail.

    Args:
        run: The execution.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._failed = False

    def before_cell(self, info: Any) -> None:
        """A cell is about to run: an execution that a cell made fail goes on with it."""
        failed, self._failed = self._failed, False
        if failed and self.run.status is _S.Failed:
            self._tell(lambda: lifecycle.go_on(self.run))

    def after_cell(self, result: Any) -> None:
        """See whether the cell that was run failed."""
        error = result.error_before_exec or result.error_in_exec
        if error is None or (isinstance(error, SystemExit) and str(error) in _ENDS):
            return
        if self.run.status is _S.Running:
            self._failed = True
            self._tell(lambda: lifecycle.fail(self.run, _text(error, result.execution_count)))

    def _tell(self, change: Any) -> None:
        try:
            change()
        except DerivaMLException:
            # The error of the cell is the one to be seen.
            _log.exception("The state of execution %s could not be changed.", self.run.rid)


_watches: dict[int, _Watch] = {}
"""The watch of each shell, by its identity; there is one shell in a kernel."""


def watch_cells(run: Run) -> None:
    """Let the cells of this kernel decide whether an execution fails; nothing outside a kernel."""
    # Where IPython runs this code it is imported already.
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or run.dry_run:
        return
    before = _watches.pop(id(shell), None)
    if before is not None:
        shell.events.unregister("pre_run_cell", before.before_cell)
        shell.events.unregister("post_run_cell", before.after_cell)
    watch = _watches[id(shell)] = _Watch(run)
    shell.events.register("pre_run_cell", watch.before_cell)
    shell.events.register("post_run_cell", watch.after_cell)


def _text(error: BaseException, count: int | None) -> str:
    """The error and where it came from, without the kernel's own calls."""
    first = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    found = traceback.TracebackException(type(error), error, _inside(error.__traceback__))
    lines = _CELL.sub(rf"Cell [{count}], line \1", "".join(found.format()))
    return f"{first}\n\n{lines.rstrip()}"


def _inside(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the cell on."""
    start = trace
    while start is not None:
        package = str(start.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        if package not in ("IPython", "ipykernel"):
            return start
        start = start.tb_next
    return trace
