"""How commands end that cannot do what they were asked to."""

from __future__ import annotations

import sys

__all__ = ["BAD_INPUT", "FAILED", "ended_by"]

FAILED = 1
BAD_INPUT = 2
"""Something that does not exist or makes no sense; nothing was written."""


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
