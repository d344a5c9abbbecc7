"""What a sweep shows: a live table of its jobs while they run, and a summary at the end.

Both read the sweep's record only, so that they fit any launcher.
"""

from __future__ import annotations

import os
import shlex
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deriva_ml.execution.secrets import masked_words
from deriva_ml.execution.sweep import BEST
from deriva_ml.execution.sweep_record import Sweep, SweepJob, has_record

__all__ = ["is_quiet", "summary", "watch"]

QUIET = "DERIVA_ML_QUIET"
"""The variable by which ``--quiet`` reaches the code that shows something."""

_EVERY_S = 0.25
_REST = 20
"""How many times as long as a look takes there is none."""

_COLOURS = {
    "queued": "dim",
    "running": "cyan",
    "completed": "green",
    "failed": "red",
    "interrupted": "yellow",
}
_METRICS_SHOWN = 3
_JOBS_SHOWN = 200
"""How many jobs the summary tells of one by one: those that ran last, and those that failed."""


def is_quiet() -> bool:
    """Whether nothing is to be shown."""
    return os.environ.get(QUIET, "").lower() in ("1", "true", "yes")


@contextmanager
def watch(directory: Path, console: Console | None = None) -> Iterator[None]:
    """Show the jobs of a sweep while the block runs.

    On a terminal that is a table that is kept up to date; elsewhere a line for each job that
    begins or ends. With `DERIVA_ML_QUIET` nothing is shown.

    Args:
        directory: The sweep's directory.
        console: Where to; None means standard error.
    """
    if is_quiet():
        yield
        return
    shown = console or Console(stderr=True)
    watcher = _Watcher(Sweep(directory), shown)
    if not shown.is_terminal:
        with _repeated(watcher.tell_changes):
            yield
        return
    height = max(4, shown.height - 6)
    live = Live(
        console=shown,
        auto_refresh=False,
        transient=True,
        vertical_overflow="crop",
        # What goes to a file or a pipe goes on to do so.
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=sys.stderr.isatty(),
    )
    with live, _repeated(lambda: live.update(watcher.table(height), refresh=True)):
        yield


@contextmanager
def _repeated(work: Callable[[], object]) -> Iterator[None]:
    """Call a function again and again in a thread while the block runs, and once afterwards."""
    ended = threading.Event()

    def repeat() -> None:
        pause = _EVERY_S
        while not ended.wait(pause):
            began = time.monotonic()
            work()
            # To look at thousands of jobs takes time that the jobs need.
            pause = max(_EVERY_S, _REST * (time.monotonic() - began))

    thread = threading.Thread(target=repeat, name="sweep-screen", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        work()


class _Watcher:
    """Looks at the record of a sweep and knows what was told already."""

    def __init__(self, sweep: Sweep, console: Console) -> None:
        self._sweep = sweep
        self._console = console
        self._told: dict[int, str] = {}

    def table(self, height: int) -> RenderableType:
        """The jobs as a table of at most `height` rows: those that run, then the latest ended."""
        jobs = self._sweep.jobs()
        return _table(_most_interesting(jobs, height), title=_counted(jobs)) if jobs else Text("")

    def tell_changes(self) -> None:
        """Print a line for each job that began or ended since the last look."""
        for job in self._sweep.jobs():
            if job.status in ("queued", self._told.get(job.number)):
                continue
            self._told[job.number] = job.status
            self._console.print(_line(job), soft_wrap=True, highlight=False, markup=False)


def _most_interesting(jobs: Sequence[SweepJob], count: int) -> list[SweepJob]:
    if len(jobs) <= count:
        return list(jobs)
    order = {"running": 0, "failed": 1, "interrupted": 1, "completed": 2, "queued": 3}
    ranked = sorted(jobs, key=lambda j: (order[j.status], -(j.end.timestamp() if j.end else 0)))
    return sorted(ranked[:count], key=lambda j: j.number)


def _counted(jobs: Sequence[SweepJob]) -> str:
    counts: Counter[str] = Counter(job.status for job in jobs)
    told = ", ".join(f"{counts[s]} {s}" for s in _COLOURS if counts[s])
    return f"{len(jobs)} jobs: {told}" if len(jobs) != 1 else f"1 job: {told}"


def _line(job: SweepJob) -> str:
    parts = [f"job {job.number} {job.status}", " ".join(masked_words(job.overrides))]
    if job.rid:
        parts.append(f"execution {job.rid}")
    if job.end is not None:
        parts += [_duration(job), _metrics(job), job.error or ""]
    return "  ".join(filter(None, parts))


def _table(jobs: Sequence[SweepJob], title: str) -> Table:
    table = Table(title=title, title_justify="left", expand=False)
    table.add_column("job", justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("execution", no_wrap=True)
    table.add_column("configuration", overflow="fold")
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("metrics", overflow="fold")
    words = differing(jobs)
    for job in jobs:
        status = Text(job.status, style=_COLOURS[job.status])
        told = Text(" ".join(masked_words(words[job.number])) or "-")
        about = Text(_metrics(job) or (job.error or "").partition("\n")[0])
        table.add_row(
            str(job.number), status, Text(job.rid or "-"), told, _duration(job) or "-", about
        )
    return table


def differing(jobs: Sequence[SweepJob]) -> dict[int, list[str]]:
    """The overrides of each job that not all jobs have; of a job alone, all of them."""
    if not jobs:
        return {}
    common = set(jobs[0].overrides).intersection(*(job.overrides for job in jobs[1:]))
    if len(jobs) == 1:
        common = set()
    return {job.number: [w for w in job.overrides if w not in common] for job in jobs}


def _duration(job: SweepJob) -> str:
    seconds = job.seconds
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _metrics(job: SweepJob) -> str:
    """The last metrics, a few of them; else the number that the function returned."""
    metrics = list((job.metrics or {}).items())
    told = [f"{name}={value:.6g}" for name, value in metrics[:_METRICS_SHOWN]]
    more = len(metrics) - _METRICS_SHOWN
    if more > 0:
        told.append(f"and {more} more")
    if not told and isinstance(job.value, int | float) and not isinstance(job.value, bool):
        told = [f"returned {job.value:.6g}"]
    return " ".join(told)


def summary(directory: Path, console: Console | None = None) -> None:
    """Print what became of the jobs of a sweep, its parent and best values, and how to resume it.

    Args:
        directory: The sweep's directory.
        console: Where to; None means standard output.
    """
    if is_quiet() or not has_record(directory):
        return
    sweep = Sweep(directory)
    jobs = sweep.jobs()
    if not jobs:
        return
    shown = console or Console(file=sys.stdout)
    if not shown.is_terminal and "COLUMNS" not in os.environ:
        shown = Console(file=shown.file, width=160)
    told = _most_interesting(jobs, _JOBS_SHOWN)
    shown.print(_table(told, title=_counted(jobs)))
    lines = [f"Not shown: {len(jobs) - len(told)} jobs"] if len(told) < len(jobs) else []
    lines += [f"Parent execution {parent.rid}" for parent in sweep.known_parents()]
    if best := sweep.noted(BEST):
        lines.append(f"Best: {best}")
    lines += _what_is_missing(sweep, jobs, told)
    for line in lines:
        shown.print(line, soft_wrap=True, highlight=False, markup=False)


def _what_is_missing(
    sweep: Sweep, jobs: Sequence[SweepJob], shown: Sequence[SweepJob]
) -> list[str]:
    """Why jobs did not end well, of those that are shown, and the line that resumes the sweep."""
    missing = [job for job in jobs if job.status != "completed"]
    told = [
        f"Job {job.number} {job.status}: {job.error}"
        for job in shown
        if job.status != "completed" and job.error is not None
    ]
    if running := [job for job in missing if job.status == "running"]:
        numbers = ", ".join(str(job.number) for job in running)
        told.append(f"Still running in processes of their own: {numbers}")
    resume = sweep.resume_line()
    if missing and resume:
        hidden = shlex.join(masked_words(shlex.split(resume)))
        told.append(f"Run what is missing with: {hidden}")
        if hidden != shlex.join(shlex.split(resume)):
            told.append("Where it says ***, write the secret again.")
    return told
