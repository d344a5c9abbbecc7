"""Runs: their directories, who owns them, how they start and end."""

from flexlock.run.owner import Owner, is_alive, this_process
from flexlock.run.session import RunSession, Terminated, current_run, open_run
from flexlock.run.status import RunStatus, run_status

__all__ = [
    "Owner",
    "RunSession",
    "RunStatus",
    "Terminated",
    "current_run",
    "is_alive",
    "open_run",
    "run_status",
    "this_process",
]
