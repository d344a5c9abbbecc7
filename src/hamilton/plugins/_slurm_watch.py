"""The thread that submits gathered tasks as job arrays and watches for their results."""

from __future__ import annotations

import logging
import os
import queue
import shlex
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hamilton.execution.executors import TaskFuture, TaskState
from hamilton.execution.tasks import PackedTask
from hamilton.plugins._slurm_commands import (
    Element,
    SlurmError,
    cancel,
    elements_of,
    end_of,
    submit,
)
from hamilton.plugins._slurm_files import log_of, log_tail, read_result, results_in, write_tasks

__all__ = ["Settings", "SlurmFuture", "Watcher"]

logger = logging.getLogger(__name__)

# Slurm's own default is to take arrays of up to 1001 elements.
_MOST_ELEMENTS = 1000
_GATHER_S = 0.05
_FIRST_POLL_S = 0.1
_SILENCE_S = 600.0
_ORDINARY_REASONS = frozenset({"None", "Priority", "Resources", "JobArrayTaskLimit"})
_ADVICE = {
    "TIMEOUT": "Give it more time.",
    "OUT_OF_MEMORY": "Give it more memory.",
    "NODE_FAIL": "Run again: its node failed.",
    "PREEMPTED": "Run again: other jobs took its place.",
    "CANCELLED": "Somebody cancelled it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How arrays are submitted and watched.

    Attributes:
        options: Options of ``sbatch``.
        max_running: How many elements of an array may run at a time; None for no limit.
        tasks_per_element: How many tasks an element runs, one after another.
        setup: Lines of shell before Python.
        python: The interpreter.
        poll_s: Seconds between two looks for results, at most.
        queue_poll_s: Seconds between two questions to Slurm.
    """

    options: tuple[str, ...]
    max_running: int | None
    tasks_per_element: int
    setup: tuple[str, ...]
    python: str
    poll_s: float
    queue_poll_s: float


class SlurmFuture(TaskFuture):
    """A task on its way through Slurm.

    Args:
        task_id: Id of the task.
    """

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        self.result: Future[Path] = Future()

    def get_state(self) -> TaskState:
        """Returns where the task stands."""
        if not self.result.done():
            return TaskState.RUNNING
        if self.result.exception() is not None or self.result.result().suffix == ".error":
            return TaskState.FAILED
        return TaskState.SUCCESSFUL

    def get_result(self) -> Any:
        """Returns the outputs, waiting for them, or raises what the task raised."""
        return read_result(self.result.result(), self.task_id)

    def when_done(self, tell: Callable[[], None]) -> bool:
        """Tells from the watching thread."""
        self.result.add_done_callback(lambda _: tell())
        return True


_Sent = tuple[SlurmFuture, PackedTask]


@dataclass(eq=False)
class _Batch:
    """A submitted array.

    Attributes:
        folder: Its files.
        job: Slurm's id.
        per_element: How many tasks an element runs.
        open: The tasks without a result, by number.
        missing: Elements that Slurm called ended at the last look, although tasks are open.
        told: Reasons for waiting that were logged.
    """

    folder: Path
    job: str
    per_element: int
    open: dict[int, SlurmFuture]
    missing: set[int] = field(default_factory=set)
    told: set[str] = field(default_factory=set)


class Watcher:
    """Submits tasks and completes their futures, in a thread of its own.

    Args:
        settings: How.
        folder: Where the files go; it is made with the first array.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.failed = False
        self._inbox: queue.SimpleQueue[_Sent | None] = queue.SimpleQueue()
        self._batches: list[_Batch] = []
        self._count = 0
        self._poll_s = _FIRST_POLL_S
        self._next_poll = self._next_question = self._answered = 0.0
        self._thread = threading.Thread(target=self._run, name="slurm-watch", daemon=True)
        self._thread.start()

    def send(self, task_id: str, task: PackedTask) -> SlurmFuture:
        """Returns the future of a task that goes out with the next array."""
        future = SlurmFuture(task_id)
        self._inbox.put((future, task))
        return future

    def stop(self) -> None:
        """Ends the thread and takes jobs with open tasks out of the queue.

        Raises:
            SlurmError: Slurm does not answer, so jobs may go on.
        """
        self._inbox.put(None)
        self._thread.join()
        cancel([batch.job for batch in self._batches])

    def _run(self) -> None:
        gathered: list[_Sent] = []
        try:
            self._until_stopped(gathered)
        except Exception as error:  # noqa: BLE001 - the thread's outermost loop: nobody may wait on
            told = error if isinstance(error, SlurmError) else _unwatched(error)
            self._fail_all(gathered, told)
            while (sent := self._inbox.get()) is not None:
                self._fail(sent[0], told)

    def _until_stopped(self, gathered: list[_Sent]) -> None:
        most = _MOST_ELEMENTS * self.settings.tasks_per_element
        while True:
            try:
                sent = self._inbox.get(timeout=self._patience(gathered))
            except queue.Empty:
                pass
            else:
                if sent is None:
                    return
                gathered.append(sent)
                if len(gathered) < most:
                    continue
            if gathered:
                self._start(gathered)
                gathered.clear()
            if self._batches:
                self._look()

    def _patience(self, gathered: list[_Sent]) -> float | None:
        """Returns how long to wait for another task: until it is time for something else."""
        if gathered:
            return _GATHER_S
        return max(0.0, self._next_poll - time.monotonic()) if self._batches else None

    def _start(self, gathered: list[_Sent]) -> None:
        """Submits tasks as one array; if Slurm does not take it, each fails."""
        self._count += 1
        folder = self.folder / str(self._count)
        per_element = self.settings.tasks_per_element
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_tasks(folder, [task for _, task in gathered], per_element)
        script = folder / "job.sh"
        script.write_text(script_text(self.settings, folder))
        count = -(-len(gathered) // per_element)
        throttle = "" if self.settings.max_running is None else f"%{self.settings.max_running}"
        logs = str(log_of(folder, 0).parent).replace("%", "%%")
        try:
            job = submit(
                script,
                [
                    f"--array=0-{count - 1}{throttle}",
                    f"--output={logs}/%a.log",
                    *self.settings.options,
                ],
            )
        except SlurmError as error:
            for future, _ in gathered:
                self._fail(future, error)
            return
        logger.debug("%d tasks are Slurm job %s, files in %s.", len(gathered), job, folder)
        now = time.monotonic()
        if not self._batches:
            self._next_question = now + self.settings.queue_poll_s
            self._answered = now
        self._poll_s = min(_FIRST_POLL_S, self.settings.poll_s)
        self._next_poll = now + self._poll_s
        futures = {number: future for number, (future, _) in enumerate(gathered)}
        self._batches.append(_Batch(folder, job, per_element, futures))

    def _look(self) -> None:
        """Takes in results, and asks Slurm when it is time to; trouble may pass by itself."""
        now = time.monotonic()
        try:
            if now >= self._next_poll:
                self._pace(self._take_in())
            if self._batches and now >= self._next_question:
                self._next_question = now + self.settings.queue_poll_s
                self._ask()
        except (OSError, SlurmError) as error:
            silent_s = time.monotonic() - self._answered
            if isinstance(error, FileNotFoundError) or silent_s > _SILENCE_S:
                raise
            logger.warning("%s Trying again; silent for %.0f seconds.", error, silent_s)
            self._pace(False)

    def _pace(self, news: bool) -> None:
        """Says when to look next: soon after news, ever later without."""
        self._poll_s = _FIRST_POLL_S if news else 2 * self._poll_s
        self._poll_s = min(self._poll_s, self.settings.poll_s)
        self._next_poll = time.monotonic() + self._poll_s

    def _take_in(self) -> bool:
        """Completes the futures whose results are there; returns whether there were any."""
        news = False
        for batch in self._batches:
            for number, path in results_in(batch.folder).items():
                future = batch.open.pop(number, None)
                if future is not None:
                    news = True
                    self.failed = self.failed or path.suffix == ".error"
                    future.result.set_result(path)
        self._batches = [batch for batch in self._batches if batch.open]
        return news

    def _ask(self) -> None:
        """Asks Slurm about all arrays; tasks of elements that ended without a result fail.

        A result is believed missing only when it is at two questions in a row: file systems of
        clusters show files late.
        """
        found = elements_of(batch.job for batch in self._batches)
        self._take_in()
        self._answered = time.monotonic()
        for batch in self._batches:
            elements = found[batch.job]
            _tell_waiting(batch, elements)
            ended = {
                index
                for index in {number // batch.per_element for number in batch.open}
                if index not in elements or elements[index].ended
            }
            for index in sorted(ended & batch.missing):
                self._lose(batch, index, elements.get(index))
            batch.missing = ended
        self._batches = [batch for batch in self._batches if batch.open]

    def _lose(self, batch: _Batch, index: int, element: Element | None) -> None:
        """Fails the open tasks of an element that ended without their results."""
        facts = end_of(batch.job, index)
        state = element.state if element else facts.get("JobState", "unknown to Slurm by now")
        nodes = (element.nodes if element else "") or facts.get("NodeList", "")
        log = log_of(batch.folder, index)
        tail = log_tail(log)
        ends = f"Its log {log} ends with:\n{tail}" if tail else f"Its log {log} is empty."
        for number in [n for n in batch.open if n // batch.per_element == index]:
            future = batch.open.pop(number)
            self._fail(
                future,
                SlurmError(
                    f"Task {future.task_id!r} left no result: Slurm job {batch.job}_{index} ended "
                    f"as {state} on {nodes or 'no node'}, exit code "
                    f"{facts.get('ExitCode', 'unknown')}. {_ADVICE.get(state, '')} {ends}",
                    task=future.task_id,
                    job=f"{batch.job}_{index}",
                    nodes=nodes or None,
                    log=log,
                ),
            )

    def _fail(self, future: SlurmFuture, error: Exception) -> None:
        self.failed = True
        future.result.set_exception(error)

    def _fail_all(self, gathered: list[_Sent], error: Exception) -> None:
        logger.error("Tasks on Slurm are watched no more: %s", error)
        waiting = {future.task_id: future for future, _ in gathered if not future.result.done()}
        for batch in self._batches:
            waiting.update({future.task_id: future for future in batch.open.values()})
        for future in waiting.values():
            self._fail(future, error)


def _unwatched(error: Exception) -> SlurmError:
    told = SlurmError(f"Tasks on Slurm cannot be watched any more: {error}")
    told.__cause__ = error
    return told


def _tell_waiting(batch: _Batch, elements: Mapping[int, Element]) -> None:
    """Logs, once each, why elements wait when it is more than their turn that has not come."""
    reasons = {e.reason for e in elements.values() if e.state == "PENDING"}
    for reason in sorted(reasons - batch.told - _ORDINARY_REASONS):
        batch.told.add(reason)
        logger.warning("Slurm job %s waits, for the reason %s.", batch.job, reason)


def script_text(settings: Settings, batch: Path) -> str:
    """Returns the script that every element of an array runs.

    What this process can import besides its interpreter's own packages, a worker can as well.
    """
    inside = [Path(p).resolve() for p in (sys.prefix, sys.base_prefix)]
    paths = [Path(p).absolute() for p in sys.path if Path(p).exists() and os.pathsep not in p]
    extra = [str(p) for p in paths if not any(p.resolve().is_relative_to(i) for i in inside)]
    lines = [
        "#!/bin/bash",
        f"export PYTHONPATH={shlex.quote(os.pathsep.join(extra))}${{PYTHONPATH:+:$PYTHONPATH}}",
        *settings.setup,
        f"exec {shlex.quote(settings.python)} -m hamilton.plugins._slurm_worker "
        f'{shlex.quote(str(batch))} "$SLURM_ARRAY_TASK_ID"',
    ]
    return "\n".join(lines) + "\n"
