"""A run from its start to its end: whose directory it is, what its sheet says, how it ended."""

from __future__ import annotations

import json
import signal
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from flexlock.errors import (
    ConfigError,
    DataError,
    FlexLockError,
    LockError,
    OccupiedError,
)
from flexlock.lock.document import SectionTexts, write_lock
from flexlock.lock.record import OutputState, RunLock, Status
from flexlock.run.afterwards import changed_meanwhile
from flexlock.run.directory import (
    COMPLETE,
    ERROR,
    SHEET,
    claim,
    forget_ends,
    keep_earlier,
    release,
    write_side_file,
)
from flexlock.run.outputs import CONFIG_KEY, Output, read_outputs, settle_outputs
from flexlock.run.result import recorded_result

__all__ = ["RunSession", "Terminated", "current_run", "open_run"]

_current: ContextVar[RunSession | None] = ContextVar("flexlock_run", default=None)
_open: set[Path] = set()
_open_guard = threading.Lock()


class Terminated(SystemExit):
    """The run was asked to stop by a signal; the exit status is that of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal = signal.Signals(number).name


@dataclass(slots=True)
class RunSession:
    """A run that is going on.

    Attributes:
        save_dir: Its directory.
        lock: Its sheet as last written, or None while it has none.
        result: What it returned; put here by whoever called the function.
        outputs: Files and directories to check and hash at the end, by name.
        details: Facts to add to ``run.error`` or ``run.complete``.
        sync: Whether each file is waited for until it is on the disk.
        recheck: Whether the data is looked at once more at the end.
        texts: Parts of the sheet that were written before, see `write_lock`.
        secrets: Texts that are masked in everything that is written about the end.
    """

    save_dir: Path
    lock: RunLock | None = None
    result: Any = None
    outputs: dict[str, Path | Output] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    sync: bool = True
    recheck: bool = False
    texts: SectionTexts = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()

    @property
    def sheet(self) -> Path:
        """Where the run sheet lies."""
        return self.save_dir / SHEET

    def write_lock(self, lock: RunLock) -> RunLock:
        """Write the sheet of this run, in place of the one it may have, and return it.

        The first sheet's id and time stay: it is still the same run. A sheet that an earlier run
        left in the directory is kept as ``run.lock.<its id>``.

        Raises:
            OSError: The sheet cannot be written; what was there is still there.
        """
        if self.lock is None:
            keep_earlier(self.save_dir, lock.id)
            lock = replace(lock, status="running")
        else:
            mine = self.lock
            lock = replace(lock, id=mine.id, timestamp=mine.timestamp, status="running")
        write_lock(self.sheet, lock, sync=self.sync, texts=self.texts)
        self.lock = lock
        return lock


def current_run() -> RunSession | None:
    """Return the run that is going on here, or None."""
    return _current.get()


@contextmanager
def open_run(
    save_dir: Path,
    *,
    lock: RunLock | None = None,
    task_id: str | None = None,
    owned: bool = True,
    sync: bool = True,
    texts: SectionTexts | None = None,
) -> Iterator[RunSession]:
    """A run in `save_dir`, for the time of the ``with`` block.

    However the block ends is written down: an exception, an exit status, Ctrl-C and SIGTERM, the
    latter two as interrupted. A process that is killed leaves a sheet that says running and an
    owner that is gone, which `run_status` calls lost.

    Args:
        save_dir: The run directory; made when it is missing.
        lock: The sheet to write before the block starts; None leaves that to `runlock`.
        task_id: The task that the run is, when it is one of many.
        owned: Whether to take the directory. False is for those who keep track of their runs
            elsewhere, as a task queue does.
        sync: Whether to wait for the disk after each file.
        texts: Shared by runs one after another whose sheets have parts in common.

    Raises:
        OccupiedError: A run that is alive owns the directory.
        LockError: The directory or the sheet cannot be written. At the start nothing has run; at
            the end the message says where the result was put instead.
    """
    session = RunSession(save_dir.absolute(), sync=sync)
    if texts is not None:
        session.texts = texts
    if task_id is not None:
        session.details["task_id"] = task_id
    with _owning(session.save_dir, owned) as is_new, _terminable():
        if lock is not None:
            _first_sheet(session, lock)
        if not is_new:
            forget_ends(session.save_dir)
        token = _current.set(session)
        try:
            yield session
        except BaseException as error:
            _end(session, *_verdict(error), error)
            raise
        else:
            _end(session, "complete", {}, None)
        finally:
            _current.reset(token)


# --- the start ----------------------------------------------------------------------------


@contextmanager
def _owning(save_dir: Path, owned: bool) -> Iterator[bool]:
    """Have the directory for the time of the block; yields whether it is new, and so empty."""
    if not owned:
        yield _make(save_dir)
        return
    with _open_guard:
        if save_dir in _open:
            message = f"This process has a run going on in {str(save_dir)!r} already."
            raise OccupiedError(message, hint="Give each run its own save_dir.")
        claim(save_dir)
        _open.add(save_dir)
    try:
        yield False
    finally:
        with _open_guard:
            _open.discard(save_dir)
        with suppress(OSError):  # the directory may be gone by now, with everything in it
            release(save_dir)


def _make(save_dir: Path) -> bool:
    try:
        save_dir.mkdir(parents=True)
    except FileExistsError:
        if not save_dir.is_dir():
            raise
        return False
    return True


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM into an exception, unless somebody else handles it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, _frame: FrameType | None) -> None:
    raise Terminated(number)


def _first_sheet(session: RunSession, lock: RunLock) -> None:
    try:
        session.write_lock(lock)
    except OSError as error:
        if isinstance(error, LockError):
            raise
        message = f"The run sheet {str(session.sheet)!r} cannot be written: {error.strerror}."
        hint = "Nothing was run. Make room, or choose another save_dir."
        raise LockError(message, hint=hint, path=str(session.sheet)) from error


# --- the end ------------------------------------------------------------------------------


def _verdict(error: BaseException) -> tuple[Status, Mapping[str, Any]]:
    """Return how a run that ended with an exception ended, and the facts to write down."""
    if isinstance(error, Terminated):
        return "interrupted", {"signal": error.signal}
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", {"signal": "SIGINT"}
    if isinstance(error, SystemExit):
        if error.code in (None, 0):
            return "complete", {}
        return "failed", {"exit_status": error.code if isinstance(error.code, int) else 1}
    return "failed", {}


def _end(
    session: RunSession, status: Status, facts: Mapping[str, Any], error: BaseException | None
) -> None:
    """Write the end of a run; when that fails the result is kept elsewhere, and that is raised.

    A run that does not leave what it declared as its outputs has failed.
    """
    result, warning = recorded_result(session.result)
    result = _masked(session, result)
    outputs: dict[str, OutputState] = {}
    untrue: FlexLockError | None = None
    if status == "complete":
        try:
            outputs = _settled(session)
        except (DataError, ConfigError) as missing:
            status, error, untrue = "failed", missing, missing
    try:
        _write_end(session, status, result, warning, outputs, facts, error)
    except OSError as failure:
        if error is not None and not isinstance(error, SystemExit):
            error.add_note(f"How the run ended could not be written either: {failure}")
            return
        raise _unwritten(session, result, failure) from failure
    if untrue is not None:
        untrue.facts.setdefault("exit_status", 1)
        raise untrue


def _write_end(
    session: RunSession,
    status: Status,
    result: Any,
    warning: str | None,
    outputs: Mapping[str, OutputState],
    facts: Mapping[str, Any],
    error: BaseException | None,
) -> None:
    now = datetime.now(UTC).isoformat()
    common = {"version": 1, "id": session.lock.id if session.lock else None, "timestamp": now}
    # The sheet first: once the mark of the end is there, the result is too.
    if session.lock is not None:
        found, told = changed_meanwhile(session.lock, data=session.recheck)
        session.lock = replace(
            session.lock,
            status=status,
            result=result,
            outputs={**session.lock.outputs, **outputs},
            warnings=(*session.lock.warnings, *((warning,) if warning else ()), *told),
            extra={**session.lock.extra, **found},
        )
        write_lock(session.sheet, session.lock, sync=session.sync, texts=session.texts)
    if status == "complete":
        more = {"outputs": list(outputs)} if outputs else {}
        ended = {**common, "has_result": result is not None, **session.details, **more}
        write_side_file(session.save_dir, COMPLETE, ended, sync=session.sync)
    else:
        ended = {**common, "status": status, **_described(error), **facts, **session.details}
        ended = _masked(session, ended)
        write_side_file(session.save_dir, ERROR, ended, sync=session.sync)


def _masked(session: RunSession, value: Any) -> Any:
    from flexlock.config.secrets import mask_secrets

    return mask_secrets(value, session.secrets)


def _described(error: BaseException | None) -> dict[str, Any]:
    if error is None:
        return {}
    return {
        "exc_type": type(error).__qualname__,
        "exc_message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }


def _settled(session: RunSession) -> dict[str, OutputState]:
    """Return the states of what was declared, in the run or in its config."""
    lock = session.lock
    declared: dict[str, Any] = dict(session.outputs)
    if lock is not None:
        declared = {**read_outputs(lock.config.get(CONFIG_KEY)), **declared}
    return settle_outputs(read_outputs(declared), lock.caller.cwd if lock is not None else None)


def _unwritten(session: RunSession, result: Any, failure: OSError) -> LockError:
    """Return the error that says where the result of a finished run was put instead."""
    import tempfile

    where = Path(
        tempfile.gettempdir(), f"flexlock-{session.lock.id if session.lock else 'run'}.json"
    )
    with suppress(OSError):
        where.write_text(json.dumps({"save_dir": str(session.save_dir), "result": result}))
    kept = f"its result is in {str(where)!r}" if where.exists() else "its result is lost"
    message = (
        f"The run in {str(session.save_dir)!r} is done, but its end cannot be written: "
        f"{failure.strerror or failure}; {kept}."
    )
    return LockError(message, hint="Make room and run it again.", exit_status=3)
