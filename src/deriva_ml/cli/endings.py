"""How commands end: their exit statuses, and what makes them end early.

An early end is a `SystemExit`, so that nothing on its way takes it for an error of the model.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [
    "BAD_INPUT",
    "DONE",
    "FAILED",
    "INTERRUPTED",
    "CannotGoOn",
    "Refused",
    "ended_by",
    "reader_may_leave",
]

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


def ended_by(program: str, error: Exception, *, writing: bool = True) -> int:
    """Print in one line why a command ends, and return its exit status.

    Args:
        program: The command's name.
        error: What happened.
        writing: Whether something may have been written by then. Before that, every error is one
            of what was asked for, such as a catalog that cannot be reached.
    """
    from deriva_ml.core.exceptions import DerivaMLConfigurationError, DerivaMLDataError

    print(f"{program}: {' '.join(str(error).split())}", file=sys.stderr)
    asked = isinstance(error, (DerivaMLConfigurationError, DerivaMLDataError))
    return BAD_INPUT if asked or not writing else FAILED


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Show something to a reader that may have seen enough, such as ``head``, without an error."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still in the buffer goes nowhere when the process ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
