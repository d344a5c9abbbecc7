"""What a command shows while its tasks run: a live table on a terminal, a few lines otherwise.

What tasks print is read from their logs and shown whole lines at a time, with the name of the task
before it on a terminal. Everything of ours goes to stderr.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from flexlock.reporting import duration_text, say
from flexlock.tasks.model import ENDED, TaskState
from flexlock.tasks.output import LOGS
from flexlock.tasks.queue.interface import TaskQueue
from flexlock.tasks.queue.records import Claim, Outcome, TaskRow
from flexlock.tasks.report import failure_text
from flexlock.tasks.variables import line_every_s

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Monitor", "progress_line"]

_MOST_RUNNING = 10


class Display(Protocol):
    """Where a monitor shows things."""

    def line(self, text: str, stream: TextIO) -> None:
        """Show a line that a task wrote, or one of ours."""
        ...

    def update(self, rows: Mapping[str, TaskRow]) -> None:
        """Show where the tasks are."""
        ...

    def close(self) -> None:
        """Show no more."""
        ...


@dataclass(slots=True)
class _Reader:
    """Reads the logs of one attempt as far as they were written."""

    directory: str
    attempt: int
    positions: list[int] = field(default_factory=lambda: [0] * len(LOGS))

    def lines(self, *, ended: bool) -> Iterable[tuple[int, str]]:
        """Yield (stream, line) of what is new; at the end also a last line without its break."""
        for number, name in enumerate(LOGS):
            try:
                # Not a path object: this is asked of each task that runs, and most print nothing.
                with open(f"{self.directory}/{name}", "rb") as file:  # noqa: PTH123
                    file.seek(self.positions[number])
                    content = file.read()
            except OSError:
                continue
            whole = content if ended else content[: content.rfind(b"\n") + 1]
            self.positions[number] += len(whole)
            for line in whole.decode(errors="replace").splitlines():
                yield number, line


class Monitor:
    """Keeps the state of the tasks of a command, and shows what happens to them."""

    def __init__(
        self,
        queue: TaskQueue,
        root: Path,
        wanted: Iterable[str],
        *,
        quiet: bool,
        echo: bool = True,
        tell_failures: bool = True,
    ) -> None:
        """Watch a queue.

        Args:
            queue: A queue of its own, which nobody else asks for changes.
            root: The sweep's directory.
            wanted: Ids of the tasks that belong to the command.
            quiet: Whether only failures are shown.
            echo: Whether what tasks print is shown.
            tell_failures: Whether each failure is shown.
        """
        self._queue = queue
        self._root = root
        self._wanted = frozenset(wanted)
        self._echo = echo
        self._tell_failures = tell_failures
        self._quiet = quiet
        self._readers: dict[str, _Reader] = {}
        self._told: set[tuple[str, int]] = set()
        self._display: Display | None = None
        self.rows: dict[str, TaskRow] = {}
        for row in queue.changes():
            if row.id in self._wanted:
                self.rows[row.id] = row
                if row.state in ENDED:
                    self._told.add((row.id, row.attempt))

    def start(self) -> None:
        """Begin to show things."""
        # In this process tasks write to the terminal themselves, so nothing may be drawn there.
        live = not self._quiet and self._echo and sys.stderr.isatty()
        self._display = _live_display() if live else _Lines(quiet=self._quiet)
        self._display.update(self.rows)

    def refresh(self) -> None:
        """Look at the queue and the logs once, and show what is new."""
        changed = [row for row in self._queue.changes() if row.id in self._wanted]
        told = set(self._told)
        for row in changed:
            self.rows[row.id] = row
        for row in changed:
            if self._echo:
                self._follow(row)
            if row.state in ENDED:
                self._told.add((row.id, row.attempt))
        if self._echo:
            for task, reader in list(self._readers.items()):
                self._show_output(self.rows[task], reader, ended=False)
        for row in changed:
            if row.state in ("failed", "interrupted") and (row.id, row.attempt) not in told:
                self._tell(row)
        if self._display is not None:
            self._display.update(self.rows)

    def tell(self, claim: Claim, outcome: Outcome) -> None:
        """Take note of a task that ended in this process."""
        row = self.rows[claim.id]
        self.rows[claim.id] = replace(
            row, state=outcome.state, attempt=claim.attempt, outcome=outcome
        )
        self._told.add((claim.id, claim.attempt))
        if outcome.state != "done":
            self._tell(self.rows[claim.id])
        if self._display is not None:
            self._display.update(self.rows)

    def count(self, *states: TaskState) -> int:
        """Return how many tasks of the command are in any of the states."""
        return sum(row.state in states for row in self.rows.values())

    def close(self) -> None:
        """Show what is left, and stop."""
        self.refresh()
        if self._display is not None:
            self._display.close()
            self._display = None

    def _follow(self, row: TaskRow) -> None:
        reader = self._readers.get(row.id)
        if reader is not None and (row.state != "running" or reader.attempt != row.attempt):
            self._show_output(row, self._readers.pop(row.id), ended=True)
            if row.state != "running":
                return
            reader = None
        if row.state == "running" and reader is None:
            self._readers[row.id] = self._reader(row)
        elif row.state in ENDED and (row.id, row.attempt) not in self._told:
            # It began and ended between two looks.
            self._show_output(row, self._reader(row), ended=True)

    def _reader(self, row: TaskRow) -> _Reader:
        return _Reader(os.path.join(self._root, row.directory), row.attempt)  # noqa: PTH118

    def _show_output(self, row: TaskRow, reader: _Reader, *, ended: bool) -> None:
        for number, line in reader.lines(ended=ended):
            stream = sys.stderr if number else sys.stdout
            prefix = f"{row.name} | " if stream.isatty() else ""
            if self._display is not None:
                self._display.line(f"{prefix}{line}", stream)

    def _tell(self, row: TaskRow) -> None:
        if self._display is not None and self._tell_failures:
            self._display.line(failure_text(row, self._root).strip(), sys.stderr)


def progress_line(rows: Mapping[str, TaskRow]) -> str:
    """Return where the tasks are, in words."""
    states = [row.state for row in rows.values()]
    ended = sum(state in ENDED for state in states)
    failed = sum(state in ("failed", "interrupted") for state in states)
    running = states.count("running")
    told = f"{ended} of {len(states)} tasks ended, {running} running"
    return f"{told}, {failed} failed" if failed else told


class _Lines:
    """Plain lines: now and then how far the tasks are."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._every_s = line_every_s()
        self._next = time.monotonic() + self._every_s

    def line(self, text: str, stream: TextIO) -> None:
        stream.write(f"{text}\n")
        stream.flush()

    def update(self, rows: Mapping[str, TaskRow]) -> None:
        if time.monotonic() >= self._next:
            say(progress_line(rows), quiet=self._quiet)
            self._next = time.monotonic() + self._every_s

    def close(self) -> None:
        sys.stdout.flush()


class _Live:
    """A table on a terminal that is drawn again and again, below the lines of the tasks."""

    def __init__(self, console: Any, live: Any) -> None:
        self._console = console
        self._live = live
        self._started = time.monotonic()
        self._drawn = 0.0
        live.start()

    def line(self, text: str, stream: TextIO) -> None:
        if stream.isatty():
            self._console.out(text, highlight=False)
        else:
            stream.write(f"{text}\n")

    def update(self, rows: Mapping[str, TaskRow]) -> None:
        if time.monotonic() - self._drawn > 0.1:
            self._live.update(_table(rows, time.monotonic() - self._started), refresh=True)
            self._drawn = time.monotonic()

    def close(self) -> None:
        self._live.update("", refresh=True)
        self._live.stop()


def _live_display() -> Display:
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError:
        return _Lines(quiet=False)
    console = Console(stderr=True)
    live = Live(
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    return _Live(console, live)


def _table(rows: Mapping[str, TaskRow], elapsed_s: float) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    states = [row.state for row in rows.values()]
    ended = sum(state in ENDED for state in states)
    head = Table.grid(padding=(0, 1))
    left = "" if not ended else f"about {duration_text(_left_s(states, ended, elapsed_s))} left"
    bar = ProgressBar(total=max(len(states), 1), completed=ended, width=30)
    head.add_row(bar, progress_line(rows), left)
    body = Table.grid(padding=(0, 2))
    running = [row for row in rows.values() if row.state == "running"]
    for row in running[:_MOST_RUNNING]:
        since = round(time.time() - (row.claimed or time.time()))
        attempt = f"attempt {row.attempt}" if row.attempt > 1 else ""
        body.add_row(f"  {row.name}", duration_text(max(since, 0)), attempt)
    if len(running) > _MOST_RUNNING:
        body.add_row(f"  and {len(running) - _MOST_RUNNING} more", "", "")
    return Group(head, body)


def _left_s(states: list[TaskState], ended: int, elapsed_s: float) -> float:
    return float(round(elapsed_s / ended * (len(states) - ended)))
