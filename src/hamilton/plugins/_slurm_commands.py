"""The few commands of Slurm that are used, and what goes wrong with them.

None of them needs accounting: a cluster without ``slurmdbd`` answers them as well.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hamilton.errors import DataflowError

__all__ = [
    "Element",
    "SlurmError",
    "cancel",
    "elements_of",
    "end_of",
    "require_programs",
    "submit",
]

_PROGRAMS = ("sbatch", "squeue", "scancel")
_PATIENCE_S = 120.0
_JOBS_A_QUESTION = 200
_UNKNOWN_JOB = "Invalid job id"
_ENDED = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    }
)


class SlurmError(DataflowError, RuntimeError):
    """Slurm could not be asked, did not take a job, or lost a task.

    Args:
        message: What happened to which thing, and what to do next.
        task: Id of the task concerned.
        job: Slurm's id of the array element, ``<job>_<index>``, or of the job.
        nodes: Where it ran.
        log: What the element wrote, if it started.
    """

    def __init__(
        self,
        message: str,
        *,
        task: str | None = None,
        job: str | None = None,
        nodes: str | None = None,
        log: Path | None = None,
    ) -> None:
        super().__init__(message)
        self.task = task
        self.job = job
        self.nodes = nodes
        self.log = log


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a job array, as Slurm sees it.

    Attributes:
        state: Slurm's word for its state.
        nodes: Where it runs or ran; empty before.
        reason: Why it waits or ended; ``None`` as a word where there is none.
    """

    state: str
    nodes: str
    reason: str

    @property
    def ended(self) -> bool:
        """Whether it will not run any more, unless Slurm starts it anew."""
        return self.state in _ENDED


def require_programs() -> None:
    """Raises SlurmError when Slurm's commands are not to be found."""
    absent = [name for name in _PROGRAMS if shutil.which(name) is None]
    if absent:
        raise SlurmError(
            f"Slurm's {', '.join(absent)} cannot be found on the PATH. Run on a machine from which "
            "jobs can be submitted, such as a login node, or use another executor."
        )


def submit(script: Path, options: Sequence[str]) -> str:
    """Submits a script and returns the id of the job.

    Raises:
        SlurmError: Slurm did not take it; the message holds its words.
    """
    done = _run("sbatch", "--parsable", *options, str(script))
    if done.returncode:
        raise SlurmError(
            f"sbatch did not take {script} with {' '.join(options)}: "
            f"{done.stderr.strip() or f'exit code {done.returncode}'}. Correct the options of "
            "SlurmTaskExecutor, or wait until the limit it speaks of allows more."
        )
    return done.stdout.strip().partition(";")[0]


def elements_of(jobs: Iterable[str]) -> dict[str, dict[int, Element]]:
    """Returns what Slurm knows of each job's elements, by index; it forgets those that ended.

    Raises:
        SlurmError: Slurm does not answer.
    """
    wanted = list(jobs)
    found: dict[str, dict[int, Element]] = {job: {} for job in wanted}
    for start in range(0, len(wanted), _JOBS_A_QUESTION):
        part = ",".join(wanted[start : start + _JOBS_A_QUESTION])
        done = _run(
            "squeue", "--noheader", "--array", "--states=all", "--format=%F|%K|%T|%N|%r",
            f"--jobs={part}",
        )  # fmt: skip
        if done.returncode and _UNKNOWN_JOB not in done.stderr:
            raise SlurmError(
                f"squeue does not answer: {done.stderr.strip() or f'exit code {done.returncode}'}. "
                "Its controller may be down."
            )
        for line in done.stdout.splitlines():
            job, index, state, nodes, reason = line.strip().split("|", 4)
            if index.isdigit():
                found[job][int(index)] = Element(state, nodes, reason)
    return found


def end_of(job: str, index: int) -> Mapping[str, str]:
    """Returns what Slurm still knows of an element, such as ``ExitCode``; empty if nothing."""
    done = _run("scontrol", "--oneliner", "show", "job", f"{job}_{index}")
    if done.returncode:
        return {}
    return dict(re.findall(r"(\w+)=(\S*)", done.stdout))


def cancel(jobs: Sequence[str]) -> None:
    """Ends jobs and takes them out of the queue; those that have ended are left alone.

    Raises:
        SlurmError: Slurm does not answer.
    """
    for start in range(0, len(jobs), _JOBS_A_QUESTION):
        part = jobs[start : start + _JOBS_A_QUESTION]
        done = _run("scancel", "--quiet", *part)
        if done.returncode and _UNKNOWN_JOB not in done.stderr:
            raise SlurmError(
                f"scancel could not end the jobs {', '.join(part)}: {done.stderr.strip()}. End "
                "them by hand.",
                job=part[0],
            )


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise SlurmError(f"Slurm's {command[0]} cannot be found on the PATH.") from error
    except subprocess.TimeoutExpired as error:
        raise SlurmError(
            f"{command[0]} has not answered for {_PATIENCE_S:.0f} seconds; its controller may be "
            "down."
        ) from error
