"""How a command that runs a model ends: its exit statuses, and what makes it end early.

An early end is a `SystemExit`, so that nothing on its way takes it for an error of the model.
"""

from __future__ import annotations

__all__ = ["BAD_INPUT", "DONE", "FAILED", "INTERRUPTED", "CannotGoOn", "Refused"]

DONE = 0
FAILED = 1
"""The model, or a job of a sweep, failed."""
BAD_INPUT = 2
"""What was asked for cannot be done; nothing was written to the catalog."""
INTERRUPTED = 130
"""Ctrl-C."""


class CannotGoOn(SystemExit):
    """The command ends with the exit status `code`; the text tells the user why."""

    status = FAILED

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = self.status


class Refused(CannotGoOn):
    """What was asked for is refused before anything is written."""

    status = BAD_INPUT
