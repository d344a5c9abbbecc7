"""A run of a notebook from a checked request to what the user is told at its end."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console

from deriva_ml.core.enums import ExecutionStatus
from deriva_ml.core.exceptions import DerivaMLException
from deriva_ml.execution.claim import claimed_soon
from deriva_ml.execution.outputs import has_results
from deriva_ml.execution.secrets import masked_words
from deriva_ml.execution.telling import tell_result
from deriva_ml.execution.workflow import Workflow
from deriva_ml.notebook import keeping
from deriva_ml.notebook.keeping import Place, kept_notebook, new_place, open_execution, places_of
from deriva_ml.notebook.running import Limits, Outcome, Stopper, interruptible, run_cells
from deriva_ml.notebook.stripping import stripping_problem

from .notebook_request import Request

if TYPE_CHECKING:
    from deriva_ml.core.base import DerivaML
    from deriva_ml.execution.execution import Execution
    from deriva_ml.notebook.configuration import Composed

__all__ = ["run_request"]

_INTERRUPTED = 130


class Options(Protocol):
    """The options of the command that say how to run."""

    kernel: str | None
    log_output: bool
    quiet: bool
    cell_timeout: float | None
    timeout: float | None


@dataclass(frozen=True, slots=True)
class _Setting:
    """What the checks before the run found out.

    Attributes:
        kernel: The kernel's name.
        code: The URL and the checksum of the notebook.
        connection: The configuration of the connection; None where the notebook's text does not
            tell it.
        working_dir: Where executions of the connection have their files.
        recorded: Whether there will be an execution in the catalog.
    """

    kernel: str
    code: tuple[str, str]
    connection: Any = None
    working_dir: Path | None = None
    recorded: bool = True


def run_request(request: Request, options: Options, command: Sequence[str]) -> int:
    """Run a notebook, and keep what comes of it; returns the exit status.

    Args:
        request: What is to be run.
        options: How.
        command: The command line, for the line that tells how to resume.

    Raises:
        DerivaMLException: The request is wrong; nothing was written.
    """
    composed = request.composed()
    setting, status = _checked(request, options, composed)
    if status is not None:
        return status
    problem = stripping_problem(request.path)
    if problem:
        _say(f"warning: {problem}")
    with new_place(setting.working_dir) as place:
        environment = request.environment(place.who, setting.code)
        stopper = Stopper()
        with _progress(options) as tell, interruptible(stopper, _say):
            outcome = run_cells(
                request.path,
                place.notebook,
                setting.kernel,
                language=request.document.language,
                parameters=request.values,
                environment=environment,
                limits=Limits(options.cell_timeout, options.timeout),
                progress=tell,
                output=sys.stdout if options.log_output else None,
                stopper=stopper,
            )
        try:
            return _finish(request, setting, place, outcome, command)
        except KeyboardInterrupt:
            _say(f"interrupted while the outputs were uploaded. {_how_to_resume(request, command)}")
            return _INTERRUPTED
        except (DerivaMLException, OSError) as error:
            _say(f"{error} {_how_to_resume(request, command)}")
            return 1


def _say(text: str) -> None:
    print(f"deriva-ml-run-notebook: {text}", file=sys.stderr, flush=True)


# --- before ------------------------------------------------------------------------------


def _checked(
    request: Request, options: Options, composed: Composed | None
) -> tuple[_Setting, int | None]:
    """Check the kernel, the connection and the inputs; finish a run that only its upload misses.

    Returns the setting, and an exit status when there is nothing left to run.
    """
    kernel = request.kernel(options.kernel)
    # Refuses uncommitted changes where that is asked.
    code = Workflow.get_url_and_checksum(request.path)
    ml = None if composed is None else request.connected(composed)
    if composed is None or ml is None:
        return _Setting(kernel, code), None
    try:
        config = composed.config
        recorded = not config.dry_run
        setting = _Setting(kernel, code, config.deriva_ml, ml.session.working_dir, recorded)
        status = None
        if request.resume and setting.recorded:
            status = _finished_before(request, composed, code, ml)
        return setting, status
    finally:
        ml.catalog.close()


def _finished_before(
    request: Request, composed: Composed, code: tuple[str, str], ml: DerivaML
) -> int | None:
    """Complete a run whose cells had all been run, or say that it is complete; else None."""
    mark = request.fingerprint(composed)
    known = ml.executions.with_fingerprint(mark, None)
    if known is None:
        return None
    with claimed_soon(ml.executions.around.local.directory(known.rid)):
        execution = ml.resume_execution(known.rid)
        uploaded = execution.status is ExecutionStatus.Uploaded
        if not (execution.has_finished or uploaded):
            return None
        if not _is_of(execution, composed, code, ml):
            _say(f"the notebook is not the one of execution {known.rid}: a new one is made.")
            return None
        if uploaded and kept_notebook(execution, request.path.name):
            _say("the run was completed before; nothing is left to do.")
        elif not _completed(request, execution, ml):
            return None
        tell_result(ml, execution.execution_rid)
    return 0


def _is_of(execution: Execution, composed: Composed, code: tuple[str, str], ml: DerivaML) -> bool:
    """Whether an execution ran the notebook as it is now; its name alone does not tell."""
    given = composed.config.workflow
    if given is not None and given.workflow_rid is not None:
        return bool(execution.workflow_rid == given.workflow_rid)
    known = ml.lookup_workflow(str(execution.workflow_rid))
    url, checksum = code if given is None else (given.url or code[0], given.checksum or code[1])
    return (known.url, known.checksum) == (url, checksum)


def _completed(request: Request, execution: Execution, ml: DerivaML) -> bool:
    """Upload what a run misses whose cells had all been run; False when not all had been."""
    saved = places_of(ml.session.working_dir, execution.execution_rid)
    if not saved:
        _say("the executed notebook is not here any more, and is not uploaded.")
        execution.commit_output_assets(clean_folder=None)
        return True
    if keeping.ran_whole(saved[0]):
        keeping.keep(execution, saved[0], request.path)
        return True
    ended = f"Execution {execution.execution_rid} ended before its last cell did"
    if has_results(execution._run):
        keeping.keep_failed(execution, saved[0], request.path, f"{ended}.")
        for place in saved[1:]:
            keeping.let_go(place)
        _say(f"{ended}, after it had uploaded outputs. It is Failed, and a new one is made.")
    else:
        keeping.mark_failed(execution, f"{ended}.")
        _say(f"{ended}: its cells are run again.")
    return False


# --- while it runs -----------------------------------------------------------------------


@contextmanager
def _progress(options: Options) -> Iterator[Callable[[int, int, str], None]]:
    """What shows which cell runs: a bar on a terminal, otherwise a line for each cell."""
    if options.quiet:
        yield lambda number, count, first: None
        return
    console = Console(stderr=True)
    if options.log_output or not console.is_terminal:
        yield _Lines()
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.fields[where]}"),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        TextColumn("{task.fields[first]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, where="starting the kernel", first="")

        def tell(number: int, count: int, first: str) -> None:
            where = f"cell {number} of {count}"
            bar.update(task, completed=number, total=count, where=where, first=first[:40])

        yield tell


class _Lines:
    """Tells each cell in a line."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, number: int, count: int, first: str) -> None:
        """A cell begins."""
        seconds = time.monotonic() - self._began
        print(f"[{seconds:7.1f} s] cell {number} of {count}: {first[:60]}", file=sys.stderr)


# --- after -------------------------------------------------------------------------------


def _finish(
    request: Request, setting: _Setting, place: Place, outcome: Outcome, command: Sequence[str]
) -> int:
    """Keep what came of the run, tell the user, and return the exit status."""
    identity = place.identity()
    if identity is None:
        return _finish_unrecorded(request, place, outcome, command)
    with open_execution(identity, setting.connection) as (ml, execution):
        if execution.status is ExecutionStatus.Aborted:
            _tell_aborted(place, outcome)
            tell_result(ml, execution.execution_rid)
            return _status_of(outcome)
        failed = execution.status is ExecutionStatus.Failed and not execution.has_finished
        if outcome.ok and not failed:
            keeping.keep(execution, place, request.path)
            tell_result(ml, execution.execution_rid)
            return 0
        text = f"{outcome.summary}\n\n{outcome.trace}".rstrip()
        if outcome.stopped == "interrupt":
            keeping.mark_failed(execution, text)
            _say(
                f"{outcome.summary} Execution {execution.execution_rid} is {execution.status}; the "
                f"notebook as far as it came is {place.notebook}. "
                f"{_how_to_resume(request, command)}"
            )
            return _INTERRUPTED
        if outcome.ok:
            text = execution.error or "The notebook itself marked its execution as failed."
        print(text, file=sys.stderr)
        keeping.keep_failed(execution, place, request.path, text)
        _say(
            f"the execution is {execution.status}; the notebook as far as it came is uploaded. "
            f"{_how_to_resume(request, command)}"
        )
        tell_result(ml, execution.execution_rid)
        return 1


def _tell_aborted(place: Place, outcome: Outcome) -> None:
    """The end of a run whose notebook gave its execution up: there is nothing to resume."""
    if outcome.trace:
        print(outcome.trace, file=sys.stderr)
    keeping.let_go(place)
    _say(
        f"{'' if outcome.ok else f'{outcome.summary} '}The notebook gave its execution up, so "
        f"nothing is uploaded. As it was run, it is {place.told()}."
    )


def _finish_unrecorded(
    request: Request, place: Place, outcome: Outcome, command: Sequence[str]
) -> int:
    """The end of a run that began no execution, such as a dry run."""
    kept = place.told()
    if outcome.ok:
        print(f"The notebook made no execution. As it was run, it is {kept}.")
        return 0
    if outcome.trace:
        print(outcome.trace, file=sys.stderr)
    _say(f"{outcome.summary} No execution had begun. The notebook as far as it came is {kept}.")
    return _status_of(outcome)


def _status_of(outcome: Outcome) -> int:
    if outcome.ok:
        return 0
    return _INTERRUPTED if outcome.stopped == "interrupt" else 1


def _how_to_resume(request: Request, command: Sequence[str]) -> str:
    shown = masked_words(command)
    if request.call is None:
        return f"Run it again with: {shlex.join(shown)}"
    words = [*shown, *([] if "--resume" in command else ["--resume"])]
    return f"Resume with: {shlex.join(words)}"
