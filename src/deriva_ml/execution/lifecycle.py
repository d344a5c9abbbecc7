"""The states that an execution goes through, in its journal first and then in the catalog.

A change that the catalog could not be told of (because it was away) stays marked in the journal
and is told with the next one, or when the execution is taken up again.
"""

from __future__ import annotations

from typing import Any

from deriva_catalog.interface import Row
from deriva_ml.core.arguments import status_named
from deriva_ml.core.enums import ExecutionStatus, Status
from deriva_ml.core.exceptions import (
    DerivaMLStateInconsistency,
    DerivaMLUnavailableError,
    DerivaMLValidationError,
)
from deriva_ml.core.logging_config import get_logger
from deriva_ml.core.query import entities, equals, name_of

from .durations import duration_text, now, seconds_between
from .run import Run
from .state_machine import check_transition

__all__ = [
    "abort",
    "change",
    "enter",
    "fail",
    "fail_after_end",
    "go_on",
    "report",
    "start",
    "state_named",
    "stop",
    "tell_catalog",
]

_log = get_logger(__name__)
_S = ExecutionStatus


def change(run: Run, target: ExecutionStatus, **facts: Any) -> None:
    """Bring the execution into another state, with facts that change at the same time.

    Raises:
        InvalidTransitionError: `target` cannot follow the present state.
        DerivaMLStateInconsistency: The catalog has no such execution any more.
    """
    check_transition(run.status, target, run.rid)
    run.journal.record(status=target.value, sync_pending=True, **facts)
    tell_catalog(run)


def enter(run: Run, target: ExecutionStatus, error: str | None = None) -> None:
    """Bring the execution into another state, with what belongs to entering it.

    Args:
        run: The execution.
        target: The new state.
        error: What went wrong, for the states ``Failed`` and ``Aborted``.

    Raises:
        InvalidTransitionError: `target` cannot follow the present state.
    """
    if target is _S.Running:
        start(run)
    elif target is _S.Stopped:
        stop(run)
    elif target is _S.Failed:
        fail(run, error or "No reason was given.")
    elif target is _S.Aborted:
        abort(run, error or "")
    else:
        change(run, target)


def report(run: Run, message: str | None, progress: float | None) -> None:
    """Say how far the execution has come, without changing its state.

    Raises:
        DerivaMLValidationError: `progress` is not between 0 and 1.
    """
    if progress is not None and not (isinstance(progress, int | float) and 0 <= progress <= 1):
        raise DerivaMLValidationError(f"Progress is a fraction between 0 and 1, not {progress!r}.")
    facts = run.facts
    text = message if message is not None else facts.get("message")
    share = progress if progress is not None else facts.get("progress")
    if (text, share) != (facts.get("message"), facts.get("progress")):
        run.journal.record(message=text, progress=share, sync_pending=True)
        tell_catalog(run)


def state_named(name: ExecutionStatus | str | None, present: ExecutionStatus) -> ExecutionStatus:
    """The state that a name stands for; names of older versions are understood.

    Raises:
        DerivaMLValidationError: There is no such state.
    """
    if name is None or str(name) in (Status.initializing, Status.pending):
        return present
    if str(name) == Status.completed:
        return _S.Stopped if present is _S.Running else present
    return status_named(str(name))


def start(run: Run) -> None:
    """The run begins, for the first time or again; the catalog learns when."""
    check_transition(run.status, _S.Running, run.rid)
    run.begin()
    change(
        run,
        _S.Running,
        ran_attempt=run.attempt,
        run_calls=None,
        start=now(),
        stop=None,
        error=None,
        message=None,
        progress=None,
        finished=None,
    )


def stop(run: Run) -> None:
    """The run came to its end; its outputs wait for the upload."""
    change(run, _S.Stopped, stop=now(), finished=True, run_calls=run.journal.last_call())


def fail(run: Run, error: str) -> None:
    """The run, or its upload, ended with an error."""
    facts = run.facts
    ended = {} if facts.get("stop") or not facts.get("start") else {"stop": now()}
    change(run, _S.Failed, error=error, **ended)


def fail_after_end(run: Run, error: str) -> None:
    """What the run is part of failed, although the run itself may have ended well before."""
    if run.status in (_S.Stopped, _S.Uploaded):
        change(run, _S.Pending_Upload)
    fail(run, error)
    run.journal.record(finished=None)


def go_on(run: Run) -> None:
    """A run that was marked as failed goes on where it was, as a notebook does."""
    change(run, _S.Running, error=None, stop=None)


def abort(run: Run, reason: str = "") -> None:
    """Give the execution up; nothing of it will be uploaded."""
    change(run, _S.Aborted, error=reason or None)


def tell_catalog(run: Run) -> None:
    """Bring the catalog's row to what the journal says, if that is due.

    Raises:
        DerivaMLStateInconsistency: The catalog has no such execution any more.
    """
    facts = run.facts
    if run.dry_run or run.session.is_offline or not facts.get("sync_pending"):
        return  # without a connection it is told when the execution is next taken up with one
    row = {"RID": run.rid, **_columns(facts)}
    table = name_of(run.session.ml("Execution"))
    try:
        with run.session.transaction():
            changed = run.session.catalog.update(
                table, [row], targets=[c for c in row if c != "RID"]
            )
    except DerivaMLUnavailableError as error:
        _log.warning(
            "The catalog was not told that execution %s is %s (%s); it will be with the next "
            "change.",
            run.rid,
            facts["status"],
            error,
        )
        return
    if not changed:
        raise gone(run)
    run.journal.record(sync_pending=None)


def gone(run: Run) -> DerivaMLStateInconsistency:
    """The error for an execution whose row was deleted."""
    return DerivaMLStateInconsistency(
        f"Execution {run.rid!r} has a journal in {str(run.directory)!r}, but catalog "
        f"{run.session.catalog.id!r} has no such row: it was deleted, or this is another "
        "catalog. gc_executions() removes the journal."
    )


def catalog_row(run: Run) -> Row:
    """The execution's row.

    Raises:
        DerivaMLStateInconsistency: There is none.
    """
    rows = run.session.fetch(entities(run.session.ml("Execution"), equals("RID", run.rid)))
    if not rows:
        raise gone(run)
    return rows[0]


def _columns(facts: Any) -> dict[str, Any]:
    """The columns of the execution's row that follow from its journal."""
    began, ended = facts.get("start"), facts.get("stop")
    lasted = duration_text(seconds_between(began, ended)) if began and ended else None
    return {
        "Status": facts["status"],
        "Status_Detail": facts.get("error") or _progress_text(facts),
        "Start": began,
        "Stop": ended,
        "Execution_Duration": lasted,
    }


def _progress_text(facts: Any) -> str | None:
    share, message = facts.get("progress"), facts.get("message")
    parts = [f"{share:.0%}" if share is not None else "", message or ""]
    return " ".join(p for p in parts if p) or None
