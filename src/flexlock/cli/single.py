"""One run of a decorated function, in its directory and with its sheet."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flexlock.cli.calls import Call, Outcome, shown_path
from flexlock.cli.skipping import done_before, preview_text
from flexlock.reporting import duration_text, exit_on_errors, say

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from flexlock.run import RunSession

__all__ = ["run_once", "save_dir_of"]


def run_once(call: Call) -> Outcome | None:
    """Run a function once; return None when that was only to be described.

    Raises:
        SystemExit: With a command line, after an error of ours before or after the function.
    """
    from flexlock.debug import describe_failure

    __tracebackhide__ = True
    with exit_on_errors(call.is_program):
        prepared = _finished(call)
    if prepared is None:
        return None
    config, save_dir = prepared
    with exit_on_errors(call.is_program):
        done = done_before(call, config, save_dir)
    if done is not None:
        return done
    if save_dir is None:
        return Outcome(call.entry.call(config, call.source))
    with _end_reported(call), ExitStack() as stack:
        with exit_on_errors(call.is_program):
            session = stack.enter_context(_session(call, config, save_dir))
        started = time.monotonic()
        say(f"run {_run_name(session)} in {shown_path(save_dir)}", quiet=call.options.quiet)
        try:
            session.result = call.entry.call(config, call.source)
        except BaseException as error:
            session.details |= describe_failure(error, call.function)
            is_fine = isinstance(error, SystemExit) and error.code in (None, 0)
            seconds = duration_text(time.monotonic() - started)
            say(f"{_failure(error)} after {seconds}", quiet=is_fine and call.options.quiet)
            raise
        result = session.result
    say(f"complete in {duration_text(time.monotonic() - started)}", quiet=call.options.quiet)
    return Outcome(result, save_dir, session.lock.id if session.lock else None)


def _finished(call: Call) -> tuple[DictConfig, Path | None] | None:
    """Return the values of the run and its directory; None when it is only to be described."""
    from flexlock.config.restoring import finish

    config = finish(call.draft)
    save_dir = save_dir_of(config)
    if call.options.dry_run:
        place = f" in {shown_path(save_dir)}" if save_dir else ", without a run sheet (no save_dir)"
        print(preview_text(call, config, save_dir) or f"would run {call.address}{place}")
        return None
    return (config, None) if save_dir is None else _claimed(call, config, save_dir)


def save_dir_of(config: DictConfig) -> Path | None:
    """Return the run directory that a config names, or None."""
    value = config.get("save_dir")
    return Path(str(value)) if value not in (None, "") else None


def _claimed(call: Call, config: DictConfig, save_dir: Path) -> tuple[DictConfig, Path]:
    """Make the numbered directory of ``${vinc:...}`` ours; another process may have been faster."""
    from flexlock.config.resolvers import memory_of
    from flexlock.config.restoring import finish

    memory = memory_of(call.draft.config._get_root())
    while True:
        numbered = [Path(p) for p in memory.get("vinc", {}).values()]
        ours = next((p for p in numbered if p == save_dir or p in save_dir.parents), None)
        if ours is None:
            return config, save_dir
        ours.parent.mkdir(parents=True, exist_ok=True)
        try:
            ours.mkdir()
        except FileExistsError:
            memory.pop("vinc")
            config = finish(call.draft)
            save_dir = save_dir_of(config) or save_dir
        else:
            return config, save_dir


@contextmanager
def _session(call: Call, config: DictConfig, save_dir: Path) -> Iterator[RunSession]:
    from flexlock.config.plain import to_plain
    from flexlock.config.secrets import secret_values
    from flexlock.run import open_run

    lock = call.sheet(config) if call.entry.lock else None
    with open_run(save_dir, lock=lock) as session:
        session.secrets = secret_values(to_plain(config))
        yield session


@contextmanager
def _end_reported(call: Call) -> Iterator[None]:
    """Say in one line what is wrong with the end of a run.

    Exit with 3 when it could not be written down, with 1 when declared outputs are not there.
    """
    from flexlock.errors import FlexLockError

    try:
        yield
    except FlexLockError as error:
        status = error.facts.get("exit_status")
        if not call.is_program or not isinstance(status, int):
            raise
        say(str(error))
        sys.exit(status)


def _failure(error: BaseException) -> str:
    from flexlock.run import Terminated

    if isinstance(error, (KeyboardInterrupt, Terminated)):
        return "interrupted"
    if isinstance(error, SystemExit):
        return f"exited with {error.code}"
    return f"failed ({type(error).__name__})"


def _run_name(session: RunSession) -> str:
    return session.lock.id if session.lock else "without a sheet"
