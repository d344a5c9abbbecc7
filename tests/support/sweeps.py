"""Scripts with tasks, run as a person runs them, and what they leave."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flexlock.tasks.queue.opening import find_queue
from flexlock.tasks.queue.records import TaskRow, WorkerRow

__all__ = ["Sweep", "until"]


@dataclass(frozen=True)
class Sweep:
    """A script in a folder, a task list beside it, and the sweep's directory ``out``."""

    folder: Path

    @property
    def root(self) -> Path:
        """The sweep's directory."""
        return self.folder / "out"

    def write(self, script: str, tasks: object) -> None:
        """Write the script ``job.py`` and the list ``tasks.txt``."""
        (self.folder / "job.py").write_text(script)
        self.list(tasks)

    def list(self, tasks: object) -> None:
        """Write the list: lines, or the numbers from one."""
        lines = range(1, tasks + 1) if isinstance(tasks, int) else tasks
        (self.folder / "tasks.txt").write_text("".join(f"{line}\n" for line in lines))

    def command(self, *more: str) -> list[str]:
        """Return the command that runs the tasks."""
        program = [sys.executable, "job.py", "--tasks", "tasks.txt", "--task_to", "param"]
        return [*program, *more]

    def start(self, *more: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start the command."""
        return subprocess.Popen(
            self.command(*more),
            cwd=self.folder,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, *more: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        with self.start(*more, env=env) as process:
            output, errors = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def rows(self) -> list[TaskRow]:
        """Return the tasks as the queue knows them; none before it exists."""
        if not self.root.exists() or not any(self.root.glob("run.lock.*")):
            return []
        queue = find_queue(self.root)
        rows = queue.rows()
        queue.close()
        return rows

    def states(self) -> list[str]:
        """Return the states of the tasks."""
        return [row.state for row in self.rows()]

    def running(self) -> list[TaskRow]:
        """Return the tasks that run now."""
        return [row for row in self.rows() if row.state == "running"]

    def workers(self) -> list[WorkerRow]:
        """Return the workers that the queue knows."""
        queue = find_queue(self.root)
        workers = queue.workers()
        queue.close()
        return workers

    def journal(self) -> list[str]:
        """Return the lines that the tasks wrote into ``journal``."""
        path = self.folder / "journal"
        return path.read_text().splitlines() if path.exists() else []


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.03)
