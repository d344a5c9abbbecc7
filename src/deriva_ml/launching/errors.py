"""Errors of many runs: those of the task engine become ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from deriva_ml.core.exceptions import DerivaMLConfigurationError, DerivaMLExecutionError

__all__ = ["REFUSED", "JobFailedError", "RefusedJobError", "listed", "refusal", "translated_tasks"]

REFUSED = 2
"""The exit status of a job that was refused."""

_MOST_TOLD = 10


class JobFailedError(DerivaMLExecutionError):
    """A job of a sweep failed, or did not come to its end."""


class RefusedJobError(SystemExit):
    """A job was refused before it wrote anything to the catalog.

    It ends the job without a traceback, which would say nothing that the message does not.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = REFUSED


def listed(lines: Sequence[str]) -> str:
    """Return lines as one text, the first of them when there are many."""
    more = len(lines) - _MOST_TOLD
    return "\n".join([*lines[:_MOST_TOLD], *([f"  and {more} more"] if more > 0 else [])])


def refusal(errors: Sequence[Any]) -> DerivaMLConfigurationError | None:
    """Return one error for jobs that were all refused; None where any was not.

    Args:
        errors: What each job has raised, or returned.
    """
    if not errors or not all(isinstance(one, DerivaMLConfigurationError) for one in errors):
        return None
    return DerivaMLConfigurationError(listed(list(dict.fromkeys(map(str, errors)))))


@contextmanager
def translated_tasks() -> Iterator[None]:
    """Raise errors of the task engine as ours.

    Raises:
        DerivaMLConfigurationError: A task list, or the settings of the workers, cannot be used.
        JobFailedError: The workers cannot start, or the queue cannot be used.
    """
    from flexlock.errors import ConfigError, FlexLockError, OccupiedError

    try:
        yield
    except (ConfigError, OccupiedError) as error:
        raise DerivaMLConfigurationError(str(error)) from error
    except FlexLockError as error:
        raise JobFailedError(str(error)) from error
