"""What a batch system can do for us, and calling its programs."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flexlock.errors import SchedulerError
from flexlock.tasks.cluster.settings import Settings
from flexlock.tasks.model import Backend

__all__ = ["GONE", "JobRequest", "Scheduler", "call"]

GONE = "GONE"
"""The state of a job that the batch system answers not to know: it ended some time ago."""

_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One submission: `workers` times the same command.

    `command` is a shell command line. `logs` is where the workers' own output goes.
    """

    name: str
    command: str
    workers: int
    workdir: Path
    logs: Path
    settings: Settings
    after: tuple[str, ...] = ()


class Scheduler(Protocol):
    """Slurm or PBS."""

    @property
    def backend(self) -> Backend:
        """Its short name."""
        ...

    def read_settings(self, source: str | Path | Mapping[str, object]) -> Settings:
        """Return the settings in a file or mapping."""
        ...

    def script(self, request: JobRequest) -> str:
        """Return the batch script."""
        ...

    def advise(self, settings: Settings) -> list[str]:
        """Return sentences about what is probably missing in the settings."""
        ...

    def submit(self, script: Path, request: JobRequest) -> str:
        """Submit the script; return the job's id."""
        ...

    def states(self, jobs: Collection[str]) -> dict[str, str | None]:
        """Return the state of each job or array element; None when nobody can tell."""
        ...

    def is_alive(self, state: str | None) -> bool | None:
        """Whether a job in this state runs or will run; None when the state does not tell."""
        ...

    def cancel(self, job: str) -> None:
        """End a job with all its elements; one that has ended already is no error."""
        ...


def call(
    command: Sequence[str], *, check: bool = True, timeout_s: float = _TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """Run a program of a batch system and return what it printed.

    Raises:
        SchedulerError: It is not installed, does not answer in time, or, with `check`, fails.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError as cause:
        message = f"The program {command[0]!r} is not installed on this machine."
        raise SchedulerError(message, hint="Run the command on a login node.") from cause
    except subprocess.TimeoutExpired as cause:
        message = f"{' '.join(command)!r} did not answer within {timeout_s:.0f} s."
        raise SchedulerError(message, hint="Try again when the batch system answers.") from cause
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        message = f"{' '.join(command)!r} failed: {said}."
        raise SchedulerError(message, hint="Correct the settings or ask the operators.")
    return done
