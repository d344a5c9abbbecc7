"""Exceptions of `flexlock`: one tree, each saying what happened, to what, and what to do.

::

    FlexLockError
      ConfigError              ValueError         a configuration cannot be read or merged
        TargetImportError    ImportError        a function or class that it names is not there
        UnresolvedInterpolationError
      LockError                                   a run sheet or a run directory
        LockNotFoundError      FileNotFoundError
        CorruptLockError       ValueError         not a run sheet, or half of one
        NewerLockError         ValueError         written by a newer version
        OccupiedError                             a living run owns the directory
        LineageError           ValueError         earlier runs: a cycle, missing, tampered
      CodeError                                   the version of the code cannot be told
      DataError                                   data cannot be hashed
        MissingDataError       FileNotFoundError
        ChangingDataError                         it changed while it was read
        UnreadableDataError    PermissionError
      TaskError                                   tasks and their workers
        SchedulerError                            Slurm or PBS said no
        QueueError
      ShareError                                  push and pull
      MissingExtraError        ImportError        an optional library is not installed

The longer names at the end are other spellings of the same classes.
"""

from __future__ import annotations

__all__ = [
    "ChangingDataError",
    "CodeError",
    "ConfigError",
    "CorruptLockError",
    "DataError",
    "FlexLockBackendError",
    "FlexLockCacheError",
    "FlexLockConfigError",
    "FlexLockError",
    "FlexLockExecutionError",
    "FlexLockSnapshotError",
    "FlexLockValidationError",
    "LineageError",
    "LockError",
    "LockNotFoundError",
    "MissingDataError",
    "MissingExtraError",
    "NewerLockError",
    "OccupiedError",
    "QueueError",
    "SchedulerError",
    "ShareError",
    "TargetImportError",
    "TaskError",
    "UnreadableDataError",
    "UnresolvedInterpolationError",
    "WorkerExecutionError",
]


class FlexLockError(Exception):
    """Base of every error that `flexlock` raises.

    Args:
        message: What happened, and to which thing.
        hint: What the caller can do about it, as a sentence; empty when there is nothing to add.
        **facts: The things involved (``path=``, ``key=`` ...), kept in `facts`.
    """

    def __init__(self, message: str, *, hint: str = "", **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts = facts

    def __str__(self) -> str:
        """Return the message followed by the hint."""
        return f"{self.message} {self.hint}" if self.hint else self.message


class ConfigError(FlexLockError, ValueError):
    """A configuration, an override or a task list cannot be used."""


class TargetImportError(ConfigError, ImportError):
    """A function, class or module that a configuration names cannot be imported."""


class UnresolvedInterpolationError(ConfigError):
    """An interpolation in a configuration has no value."""


class LockError(FlexLockError):
    """A run sheet or a run directory cannot be used."""


class LockNotFoundError(LockError, FileNotFoundError):
    """There is no run sheet at, or above, the given path."""


class CorruptLockError(LockError, ValueError):
    """A file is not a run sheet, or is a damaged one."""


class NewerLockError(LockError, ValueError):
    """A run sheet was written by a newer version of `flexlock`."""


class OccupiedError(LockError):
    """A run that is still alive owns the directory."""


class LineageError(LockError, ValueError):
    """Earlier runs form a cycle, are missing, or are not what they were."""


class CodeError(FlexLockError):
    """The version of the code cannot be told."""


class DataError(FlexLockError):
    """Data cannot be hashed."""


class MissingDataError(DataError, FileNotFoundError):
    """Data that should be tracked does not exist."""


class ChangingDataError(DataError):
    """Data changed each time while it was read."""


class UnreadableDataError(DataError, PermissionError):
    """Data exists but may not be read."""


class TaskError(FlexLockError):
    """Tasks could not be run, or some of them failed."""


class SchedulerError(TaskError):
    """The batch system (Slurm, PBS) is missing or refused a request."""


class QueueError(TaskError):
    """The task queue cannot be read or written."""


class ShareError(FlexLockError):
    """Runs cannot be pushed or pulled."""


class MissingExtraError(FlexLockError, ImportError):
    """An optional library is not installed."""


FlexLockConfigError = ConfigError
FlexLockSnapshotError = LockError
FlexLockValidationError = ConfigError
FlexLockCacheError = DataError
FlexLockExecutionError = TaskError
WorkerExecutionError = TaskError
FlexLockBackendError = SchedulerError
