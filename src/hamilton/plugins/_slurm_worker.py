"""What an element of a job array runs: ``python -m hamilton.plugins._slurm_worker BATCH ELEMENT``.

Each of its tasks leaves a result, also one that fails. An element that Slurm runs anew goes on
where the first try ended.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from hamilton.execution.tasks import PackedTask, run_packed
from hamilton.plugins._slurm_files import read_tasks, results_in, write_failure, write_success

__all__ = ["run_element"]


def run_element(batch: Path, element: int) -> None:
    """Runs the tasks of an element, one after another."""
    done = results_in(batch)
    for number, task in read_tasks(batch, element):
        if number not in done:
            _run_task(batch, number, task)


def _run_task(batch: Path, number: int, task: PackedTask) -> None:
    try:
        write_success(batch, number, run_packed(task))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - told to the driver, which raises it
        write_failure(batch, number, error, _place())


def _place() -> str:
    job = os.environ.get("SLURM_ARRAY_JOB_ID", "?")
    index = os.environ.get("SLURM_ARRAY_TASK_ID", "?")
    return f"{socket.gethostname()}, Slurm job {job}_{index}"


if __name__ == "__main__":
    run_element(Path(sys.argv[1]), int(sys.argv[2]))
