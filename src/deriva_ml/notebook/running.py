"""Running all cells of a notebook in a kernel of its own, with papermill.

The executed notebook is on the disk after each cell, whole, so that it outlives whatever ends the
run. What ends a run before its last cell, a limit of time or Ctrl-C, first interrupts the cell
as Jupyter would, so that its traceback tells where it was; a kernel that does not heed that
is killed.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from nbclient.exceptions import CellExecutionError
from papermill import execute_notebook
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import PapermillExecutionError

__all__ = ["Limits", "Outcome", "Progress", "interruptible", "plain", "run_cells"]

_ENGINE = "deriva-ml"
_GRACE_S = 10.0
_AGAIN_S = (1.0, 3.0)
"""A kernel that has not begun with its cell yet, or is in a long call, misses an interrupt."""

_TAIL = 4000
_ANSI = re.compile(r"\x1b\[[0-9;]*m")

Progress = Callable[[int, int, str], None]
"""Is told the number of the cell that begins, how many there are, and its first line."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the cells may take, in seconds; None means without limit.

    Attributes:
        cell_s: Each cell.
        whole_s: All cells together, from the start of the first.
        start_s: The start of the kernel.
    """

    cell_s: float | None = None
    whole_s: float | None = None
    start_s: int = 60


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run of a notebook ended.

    Attributes:
        cells: How many cells with code there are.
        cell: Number of the cell that did not end well; 0 when all did.
        error: What ended the run, in one line; empty when nothing did.
        trace: The traceback.
        stopped: Why it was stopped from outside: ``interrupt``, ``cell_limit`` or
            ``whole_limit``; None when it was not.
    """

    cells: int
    cell: int = 0
    error: str = ""
    trace: str = ""
    stopped: str | None = None

    @property
    def ok(self) -> bool:
        """Whether all cells ended well."""
        return not self.error

    @property
    def summary(self) -> str:
        """Which cell, and why, in one line."""
        where = f"Cell {self.cell} of {self.cells}" if self.cell else "The notebook"
        return f"{where}: {self.error}"


class Stopper:
    """Stops the cell that runs: once gently, later by force."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._client: Any = None
        self._timers: list[threading.Timer] = []

    def watch(self, client: Any) -> None:
        """The client whose kernel is to be stopped."""
        self._client = client
        self._hurry()

    def stop(self, reason: str) -> None:
        """Interrupt the cell; kill the kernel when it goes on all the same."""
        if self.reason is not None:
            return
        self.reason = reason
        self._hurry()
        self.interrupt()
        for seconds in _AGAIN_S:
            self.after(seconds, self.interrupt)
        self.after(_GRACE_S, self.kill)

    def interrupt(self) -> None:
        """Interrupt the cell that runs, if one does."""
        self._send(signal.SIGINT)

    def kill(self) -> None:
        """End the kernel at once."""
        self._send(getattr(signal, "SIGKILL", signal.SIGTERM))

    def after(self, seconds: float, act: Callable[[], None]) -> threading.Timer:
        """Do something later, unless the run is over by then."""
        timer = threading.Timer(seconds, act)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()
        return timer

    def close(self) -> None:
        """The run is over."""
        self._client = None
        for timer in self._timers:
            timer.cancel()

    def _hurry(self) -> None:
        """A kernel that was stopped is not asked to end, but ended."""
        if self.reason is not None and self._client is not None:
            self._client.shutdown_kernel = "immediate"

    def _send(self, number: int) -> None:
        provisioner = getattr(getattr(self._client, "km", None), "provisioner", None)
        pid = getattr(provisioner, "pid", None)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(os.getpgid(pid), number)
            else:
                os.kill(pid, number)


class _Stopped(Exception):
    """The run was stopped between two cells."""


@dataclass
class _Run:
    """What the engine needs that papermill does not hand on."""

    environment: Mapping[str, str]
    log: Path
    limits: Limits
    progress: Progress | None
    output: IO[str] | None
    stopper: Stopper
    numbers: dict[int, int] = field(default_factory=dict)
    timer: threading.Timer | None = None
    begun: bool = False
    cell: int = 0


class _Manager(NotebookExecutionManager):  # type: ignore[misc]
    """Saves the notebook whole or not at all, and tells which cell begins.

    A cell that did not run stays ``pending``, and one that the kernel died in is ``failed``, so
    that the file tells whether all cells were run.
    """

    run: _Run
    output_path: str | None

    def save(self, **kwargs: Any) -> None:
        """Write the notebook as it is now."""
        final = self.output_path
        if not final:
            return
        part = Path(final).with_name("part.ipynb")
        self.output_path = str(part)
        try:
            super().save(**kwargs)
        finally:
            self.output_path = final
        part.replace(final)

    def notebook_start(self, **kwargs: Any) -> None:
        """The cells are known now, with the one that has the values of parameters."""
        code = [i for i, cell in enumerate(self.nb.cells) if cell.cell_type == "code"]
        self.run.numbers = {index: number for number, index in enumerate(code, start=1)}
        super().notebook_start(**kwargs)

    def cell_start(self, cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:
        """A cell begins."""
        run, number = self.run, self.run.numbers.get(cell_index or 0, 0)
        if run.stopper.reason is not None:
            raise _Stopped
        if run.limits.whole_s is not None and not run.begun:
            run.stopper.after(run.limits.whole_s, lambda: run.stopper.stop("whole_limit"))
        run.begun = True
        super().cell_start(cell, cell_index, **kwargs)
        if not number:
            return
        run.cell = number
        if run.progress is not None:
            first = next((x.strip() for x in cell.source.splitlines() if x.strip()), "")
            run.progress(number, len(run.numbers), first)
        if run.limits.cell_s is not None:
            run.timer = run.stopper.after(run.limits.cell_s, lambda: run.stopper.stop("cell_limit"))

    def cell_complete(self, cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:
        """A cell has ended; papermill tells it of one that was kept from its start, too."""
        if self.run.timer is not None:
            self.run.timer.cancel()
            self.run.timer = None
        if cell.metadata.papermill["status"] != self.PENDING:
            super().cell_complete(cell, cell_index, **kwargs)

    def notebook_complete(self, **kwargs: Any) -> None:
        """The run is over. Not as papermill has it, which takes cells that wait for completed."""
        self.end_time = self.now()
        noted = self.nb.metadata.papermill
        noted["end_time"] = self.end_time.isoformat()
        noted["duration"] = (self.end_time - self.start_time).total_seconds()
        self.save()


class _Client(PapermillNotebookClient):  # type: ignore[misc]
    """Marks a cell as failed whatever ended it."""

    def execute_cell(self, cell: Any, cell_index: int, *args: Any, **kwargs: Any) -> Any:
        """Run a cell."""
        try:
            return super().execute_cell(cell, cell_index, *args, **kwargs)
        except CellExecutionError:
            raise  # which papermill notes
        except BaseException as error:  # such as the death of the kernel
            self.nb_man.cell_exception(cell, cell_index=cell_index, exception=error)
            raise


class _DerivaEngine(Engine):  # type: ignore[misc]
    """papermill's own engine with a kernel's environment, limits of time, and a way to stop."""

    @classmethod
    def execute_notebook(
        cls,
        nb: Any,
        kernel_name: str,
        output_path: str | None = None,
        *,
        run: _Run,
        start_timeout: int = 60,
        **_: Any,
    ) -> Any:
        """Run the cells; returns the notebook with its outputs."""
        manager = _Manager(nb, output_path=output_path, progress_bar=False)
        manager.run = run
        manager.notebook_start()
        client = _Client(
            manager,
            kernel_name=kernel_name,
            startup_timeout=start_timeout,
            timeout=None,
            stdout_file=run.output,
            stderr_file=run.output,
            shutdown_kernel="graceful",
        )
        run.stopper.watch(client)
        try:
            with run.log.open("wb") as log:
                client.execute(env=dict(run.environment), stdout=log, stderr=log)
        finally:
            run.stopper.close()
            manager.notebook_complete()
        return manager.nb


papermill_engines.register(_ENGINE, _DerivaEngine)


def run_cells(
    source: Path,
    target: Path,
    kernel: str,
    *,
    language: str,
    parameters: Mapping[str, Any],
    environment: Mapping[str, str],
    limits: Limits | None = None,
    progress: Progress | None = None,
    output: IO[str] | None = None,
    stopper: Stopper | None = None,
) -> Outcome:
    """Run a notebook from its first cell to its last, or to the first that fails.

    Args:
        source: The notebook; its file is not changed.
        target: Where the executed notebook goes.
        kernel: The kernel's name.
        language: The language of the cells.
        parameters: Values that are put into a cell behind the one that declares them.
        environment: The kernel's environment variables.
        limits: How long it may take.
        progress: Is told which cell begins.
        output: Where to show what cells print, as they do.
        stopper: Stops the run from outside.
    """
    stop = stopper or Stopper()
    log = target.with_name("kernel.log")
    run = _Run(environment, log, limits or Limits(), progress, output, stop)
    error, trace = "", ""
    try:
        execute_notebook(
            _braced(source),
            _braced(target),
            parameters=dict(parameters) or None,
            engine_name=_ENGINE,
            kernel_name=kernel,
            language=language,
            progress_bar=False,
            start_timeout=run.limits.start_s,
            run=run,
        )
    except PapermillExecutionError as failed:
        error = f"{failed.ename}: {failed.evalue}".strip(": ")
        trace = plain("\n".join(failed.traceback))
    except _Stopped:
        error = "The run was stopped between two cells."
    # Whatever else it is, such as a full disk, the execution is not to stay Running.
    except Exception as failed:  # noqa: BLE001 - told as the outcome
        error = str(failed) or type(failed).__name__
        # Where the kernel died, what it wrote itself is the only trace.
        trace = plain(log.read_text(errors="replace"))[-_TAIL:] if log.exists() else ""
    finally:
        stop.close()
    return Outcome(len(run.numbers), run.cell if error else 0, *_told(run, error, trace))


def _told(run: _Run, error: str, trace: str) -> tuple[str, str, str | None]:
    """What ended the run, in words about its reason where it was stopped."""
    reason = stopped = run.stopper.reason
    if not error:
        return "", "", None
    if reason == "cell_limit":
        error = f"It ran longer than the limit of {run.limits.cell_s:g} s for a cell."
    elif reason == "whole_limit":
        error = f"The notebook ran longer than its limit of {run.limits.whole_s:g} s."
    elif reason == "interrupt":
        error = "It was interrupted."
    return error, trace, stopped


def plain(text: str) -> str:
    """A text without the marks that colour it on a terminal."""
    return _ANSI.sub("", text)


def _braced(path: Path) -> str:
    # papermill would take braces in a path for names of parameters.
    return str(path).replace("{", "{{").replace("}", "}}")


@contextlib.contextmanager
def interruptible(stopper: Stopper, told: Callable[[str], None]) -> Iterator[None]:
    """Let Ctrl-C stop a run gently, and a second one at once; so does an order to terminate.

    Args:
        stopper: Stops the run.
        told: Is told what goes on, for the one who waits.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: object) -> None:
        if stopper.reason is None:
            told("Stopping the cell; press Ctrl-C again to kill the kernel.")
            stopper.stop("interrupt")
        else:
            stopper.kill()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, on_signal) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
