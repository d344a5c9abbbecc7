"""Workers as processes on this machine.

Each worker is the same program that a cluster job runs. It lives until no task is left, so a
thousand small tasks start a process for each worker and no more. A pool of calls (loky, joblib)
would not do: when one of its processes is killed, it ends the others too and forgets what they were
at, while here the others go on and the exit status tells which signal it was.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from flexlock.errors import TaskError
from flexlock.tasks.container import Container, wrap_command
from flexlock.tasks.options import cores
from flexlock.tasks.output import worker_log
from flexlock.tasks.plan import SECRETS, Plan
from flexlock.tasks.recovery import signal_text
from flexlock.tasks.worker import CANNOT_WORK, remove_empty_log

__all__ = ["THREAD_VARIABLES", "Crew", "worker_environment"]

THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS"),
)
"""Variables by which numeric libraries choose how many threads they start."""

_GRACE_S = 10.0


def worker_environment(environ: Mapping[str, str], workers: int, secret: str) -> dict[str, str]:
    """Return the environment of local workers.

    Each gets its share of the cores for the threads of numeric libraries, unless that is set.

    Args:
        environ: The environment of the command.
        workers: How many workers run at the same time.
        secret: The secrets of the config, as `make_plan` gives them.
    """
    share = str(max(1, cores() // workers))
    given = dict.fromkeys(THREAD_VARIABLES, share) if workers > 1 else {}
    return {**given, **environ, **({SECRETS: secret} if secret != "{}" else {})}


@dataclass(slots=True)
class _Member:
    """One worker process."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


@dataclass(slots=True)
class Crew:
    """The worker processes of one command.

    Attributes:
        queue: The path of the queue.
        plan: What they run.
        environment: Their environment.
        container: What they run in, if anything.
        mounts: Directories that a container must see.
        ended: Why workers ended, in words, by name.
    """

    queue: Path
    plan: Plan
    environment: Mapping[str, str]
    container: Container | None = None
    mounts: tuple[Path, ...] = ()
    ended: dict[str, str] = field(default_factory=dict)
    _members: list[_Member] = field(default_factory=list)
    _barren: int = 0

    def __len__(self) -> int:
        """Return how many workers live."""
        return len(self._members)

    @property
    def names(self) -> list[str]:
        """The names of the living workers."""
        return [member.name for member in self._members]

    def hire(self) -> None:
        """Start one more worker."""
        name = f"local-{os.getpid()}-{secrets.token_hex(3)}"
        log = worker_log(self.queue.parent, name)
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                self._command(name),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(self.environment),
                # Its own group, so that Ctrl-C reaches the command alone, which then decides, and
                # children of a task can be ended with it.
                start_new_session=True,
            )
        self._members.append(_Member(name, process, log))

    def reap(self) -> list[str]:
        """Return the names of the workers that have ended since the last call.

        Raises:
            TaskError: A worker could not load the function or the config.
        """
        gone = [member for member in self._members if member.process.poll() is not None]
        for member in gone:
            self._members.remove(member)
            status = member.process.returncode
            self.ended[member.name] = signal_text(status)
            if status == CANNOT_WORK:
                text = _tail(member.log)
                message = f"A worker could not start: {text or 'it said nothing'}"
                raise TaskError(message, hint=f"Its log is {str(member.log)!r}.")
            remove_empty_log(self.queue.parent, member.name)
        return [member.name for member in gone]

    def stop(self, watch: Callable[[], None]) -> None:
        """Ask the workers to stop; end them after ten seconds, or at once on a second Ctrl-C."""
        try:
            self._signal(signal.SIGTERM)
            end = time.monotonic() + _GRACE_S
            while self._members and time.monotonic() < end:
                self.reap()
                watch()
                time.sleep(0.02)
        except KeyboardInterrupt:
            pass
        finally:
            self.kill()

    def dismiss(self) -> None:
        """Let workers that find nothing more to do come to their end."""
        end = time.monotonic() + _GRACE_S
        while self._members and time.monotonic() < end:
            self.reap()
            time.sleep(0.005)

    def kill(self) -> None:
        """End all workers at once, with the processes that their tasks started."""
        for member in self._members:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(member.process.pid, signal.SIGKILL)
            if self.container is not None and self.container.runtime != "apptainer":
                command = [self.container.runtime, "kill", member.name]
                subprocess.run(command, capture_output=True, check=False)
        for member in self._members:
            member.process.wait()
            self.ended[member.name] = "killed by the command"
            remove_empty_log(self.queue.parent, member.name)
        self._members.clear()

    def _signal(self, number: int) -> None:
        for member in self._members:
            with suppress(ProcessLookupError):
                member.process.send_signal(number)

    def _command(self, name: str) -> list[str]:
        arguments = [str(self.queue), "--plan", self.plan.id, "--name", name]
        if self.container is not None:
            command = [self.container.python, "-P", "-m", "flexlock.tasks.worker", *arguments]
            workdir = Path(self.plan.workdir)
            return wrap_command(
                self.container, command, workdir=workdir, mounts=self.mounts, name=name
            )
        # -P: the working directory must not come before the modules of the interpreter.
        worker = [sys.executable, "-P", "-m", "flexlock.tasks.worker", *arguments]
        return [*worker, "--parent", str(os.getpid())]


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].removeprefix("flexlock: ") if lines else ""
