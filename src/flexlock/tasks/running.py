"""One attempt at one task: its config, its run, its outcome."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from flexlock.config.resolving import resolve
from flexlock.config.secrets import mask_secrets, mask_text
from flexlock.debug import describe_failure
from flexlock.errors import FlexLockError
from flexlock.lock.record import RunLock
from flexlock.run.result import recorded_result
from flexlock.run.session import RunSession, Terminated, open_run
from flexlock.tasks.measuring import PeakMemory
from flexlock.tasks.model import TaskState
from flexlock.tasks.output import capture_process, double_streams
from flexlock.tasks.queue.records import Claim, Outcome
from flexlock.tasks.sheets import Workplace, own_data, task_sheet

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["run_claim"]

_OURS = str(Path(__file__).parents[1])


def run_claim(claim: Claim, place: Workplace) -> Outcome:
    """Run one task and return how it ended. Only what stops the whole worker is not caught.

    Whatever the function raises is its failure. SIGTERM and Ctrl-C give the state ``interrupted``.
    """
    watch = _Watch(claim)
    directory = place.root / claim.directory
    try:
        config = place.config_of(claim)
        if not place.is_plain(claim):
            config = resolve(config)
        sheet = None if place.sheet is None else task_sheet(claim, place, config)
    except FlexLockError as error:
        return watch.outcome("failed", f"raised {type(error).__name__}", error=str(error))
    return _run(claim, place, config, sheet, directory, watch)


def _run(
    claim: Claim,
    place: Workplace,
    config: DictConfig,
    sheet: RunLock | None,
    directory: Path,
    watch: _Watch,
) -> Outcome:
    session: RunSession | None = None
    error: BaseException | None = None
    try:
        with open_run(
            directory, lock=sheet, task_id=claim.id, owned=False, sync=False, texts=place.texts
        ) as session:
            session.secrets = place.secrets
            session.details |= {"attempt": claim.attempt, "worker": place.worker}
            with _logs(place, directory, claim.attempt), _measured(session, watch):
                session.result = place.function(config)
    except BaseException as raised:  # noqa: BLE001 - whatever a task raises is its outcome
        error = raised
    return _outcome(error, session, watch, place)


def _logs(place: Workplace, directory: Path, attempt: int) -> AbstractContextManager[None]:
    return (double_streams if place.inline else capture_process)(directory, attempt)


@contextmanager
def _measured(session: RunSession, watch: _Watch) -> Iterator[None]:
    """Put what was measured into ``run.complete`` or ``run.error``, and tracebacks into the log."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, SystemExit | KeyboardInterrupt):
            trace = traceback.format_exception(type(error), error, _below_ours(error.__traceback__))
            sys.stderr.write(mask_text("".join(trace), session.secrets))
        session.details |= describe_failure(error)
        raise
    finally:
        session.details |= watch.stop()


def _below_ours(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames of this package at its top."""
    rest = trace
    while rest is not None and rest.tb_frame.f_code.co_filename.startswith(_OURS):
        rest = rest.tb_next
    return rest or trace


class _Watch:
    """The clock and the memory of one attempt."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._memory = PeakMemory()
        self._started = time.time()
        self._clock = time.monotonic()
        self._facts: dict[str, Any] = {}

    def stop(self) -> dict[str, Any]:
        """Return when the task started, how long it took and how much memory it had."""
        self._facts = {
            "started": self._started,
            "ended": time.time(),
            "wall_s": round(time.monotonic() - self._clock, 6),
            "peak_bytes": self._memory.bytes(),
        }
        return self._facts

    def outcome(self, state: TaskState, reason: str, **more: Any) -> Outcome:
        """Return the outcome of the attempt."""
        facts = self._facts or self.stop()
        return Outcome(self._claim.id, self._claim.attempt, state, reason, **facts, **more)


def _outcome(
    error: BaseException | None, session: RunSession | None, watch: _Watch, place: Workplace
) -> Outcome:
    state, reason = _verdict(error)
    lock = None if session is None else session.lock
    return watch.outcome(
        state,
        reason,
        run=None if lock is None else lock.id,
        error=_message(error, place) if error is not None and state == "failed" else None,
        result=None if session is None or state != "done" else _result(session),
        data={} if lock is None else own_data(lock, place.sheet),
    )


def _verdict(error: BaseException | None) -> tuple[TaskState, str]:
    if error is None:
        return "done", "returned"
    if isinstance(error, Terminated):
        return "interrupted", f"stopped by {error.signal}"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", "stopped by SIGINT"
    if isinstance(error, SystemExit):
        if error.code in (None, 0):
            return "done", "exited with 0"
        return "failed", f"exited with {error.code}"
    return "failed", f"raised {type(error).__name__}"


def _message(error: BaseException, place: Workplace) -> str:
    return mask_text(str(error), place.secrets) or type(error).__name__


def _result(session: RunSession) -> Any:
    return mask_secrets(recorded_result(session.result)[0], session.secrets)
