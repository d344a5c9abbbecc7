"""`runlock`: write down, at this moment, what a run is made of."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from flexlock.errors import ConfigError, LockError

# What a sheet is made of is imported by the functions below: scripts that import `runlock` should
# still answer ``--help`` at once.
if TYPE_CHECKING:
    from flexlock.lock.record import Caller, RunLock
    from flexlock.run.outputs import Output
    from flexlock.run.session import RunSession

__all__ = ["RunHandle", "runlock"]

SHEET = "run.lock"


@dataclass(slots=True)
class RunHandle:
    """A sheet that was written: where it lies, and what it says.

    Outside of a run, the handle may be used as a context manager; the block is then the run, and
    how it ends is written down::

        with runlock(config=cfg, data=["data/input.csv"]) as run:
            run.result = train(cfg)
    """

    path: Path
    lock: RunLock
    _outputs: Mapping[str, Output] = field(default_factory=dict)
    _secrets: frozenset[str] = frozenset()
    _recheck: bool = False
    _stack: ExitStack = field(default_factory=ExitStack)

    @property
    def id(self) -> str:
        """The id of the run."""
        return self.lock.id

    def __enter__(self) -> RunSession:
        from flexlock.run.session import current_run, open_run

        session = current_run()
        if session is not None and session.sheet == self.path:
            return session  # the run goes on; whoever opened it ends it
        if self.path.name != SHEET:
            message = f"A run cannot be kept track of with its sheet at {str(self.path)!r}."
            raise ConfigError(message, hint=f"Give a folder, or a path that ends in {SHEET!r}.")
        opened = self._stack.enter_context(open_run(self.path.parent, lock=self.lock))
        opened.outputs |= self._outputs
        opened.secrets |= self._secrets
        opened.recheck |= self._recheck
        return opened

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return self._stack.__exit__(kind, error, trace)


def runlock(
    config: object = None,
    repos: object = None,
    data: object = None,
    prevs: object = None,
    runlock_path: str | os.PathLike[str] | None = None,
    *,
    outputs: object = None,
    strict: bool = False,
    allow_missing: bool = False,
    discover: bool = True,
    recheck: bool = False,
    note: str | None = None,
) -> RunHandle:
    """Write the run sheet: config, version of the code, hashes of the data, earlier runs.

    In the directory of the run that is going on (of `clicfg`, or of a handle that is used as a
    context manager) the sheet of that run is replaced by this richer one; elsewhere a sheet of its
    own is written, with the status ``recorded``. A sheet that an earlier run left there is kept as
    ``run.lock.<its id>``.

    Args:
        config: A config of any kind: a class, an instance, a mapping, a dataclass ...
        repos: Folders of git repositories: a path, a list, or a mapping of names to paths. Without
            any, the repository of the calling file; ``[]`` means none.
        data: Files and directories to hash: a path, a list, or a mapping of names to paths or to
            settings such as ``{"path": "scans", "hash": "sample", "include": ["*.dcm"]}``.
        prevs: Earlier runs: run directories, sheets, or paths within run directories.
        runlock_path: The sheet, or the folder that gets it as ``run.lock``; by default the
            config's `save_dir`, else the directory of the run that is going on.
        outputs: Files and directories that the run will leave, which are checked and hashed at its
            end: a path, a list, or a mapping of names (`flexlock.run.outputs.read_outputs`).
        strict: Whether code without a version, and earlier runs that are not as they were left,
            are errors instead of warnings.
        allow_missing: Whether data and earlier runs that are not there are warnings instead.
        discover: Whether data that lies in a run directory names that run as an earlier one.
        recheck: Whether to look at the data once more when the run ends; what changed meanwhile is
            then listed as ``data_changed``.
        note: A remark for people.

    Returns:
        The path of the sheet and what it says.

    Raises:
        ConfigError: An argument is not understood, or nothing says where the sheet belongs.
        DataError: Data is missing, unreadable or changing.
        LockNotFoundError: An earlier run is missing.
        LineageError: Earlier runs form a cycle; with `strict`, are not as they were left.
        OccupiedError: A run that is alive owns the directory.
        LockError: The sheet cannot be written.
    """
    from flexlock.lock.composing import compose_lock
    from flexlock.run.outputs import announce_outputs, read_outputs
    from flexlock.run.session import current_run

    declared = read_outputs(outputs)
    session = current_run()
    path = _path(runlock_path, config, session)
    joins = session is not None and session.sheet == path
    known = session.lock if joins and session is not None else None
    lock = compose_lock(
        config,
        repos,
        data,
        prevs,
        caller=_caller(sys._getframe(1), known),
        strict=strict,
        allow_missing=allow_missing,
        discover=discover,
        # Within a run, and within a sweep, the code is captured once.
        code=known.repos if known is not None and repos is None else None,
        known=known.repos if known is not None else None,
        sheet=path,
        run_id=known.id if known is not None else None,
        note=note,
    )
    lock = replace(lock, outputs=announce_outputs(declared, lock.caller.cwd))
    if session is not None and joins:
        session.outputs |= declared
        session.secrets |= _secrets(config)
        session.recheck |= recheck
        return RunHandle(path, _written(session, _merged(lock, known)))
    _record(path, lock)
    return RunHandle(path, lock, declared, _secrets(config), recheck)


def _path(given: str | os.PathLike[str] | None, config: object, session: RunSession | None) -> Path:
    if given is not None:
        text = os.fspath(given)
        path = Path(os.path.abspath(text))  # noqa: PTH100
        is_folder = path.is_dir() or (not path.suffix and not path.exists())
        return path / SHEET if is_folder else path
    save_dir = _save_dir(config)
    if save_dir is not None:
        return Path(os.path.abspath(save_dir)) / SHEET  # noqa: PTH100
    if session is not None:
        return session.sheet
    message = "runlock does not know where to write the sheet."
    raise ConfigError(message, hint="Give runlock_path=..., or a config that has a save_dir.")


def _save_dir(config: object) -> str | None:
    from flexlock.config import to_plain

    value = to_plain(config).get("save_dir") if config is not None else None
    return str(value) if value not in (None, "", "???") else None


def _caller(frame: FrameType, known: RunLock | None) -> Caller:
    """Return who called; within a run, who runs."""
    from flexlock.lock.record import Caller

    if known is not None:
        caller = known.caller
        if caller.repo in known.repos and caller.file is not None:
            root = known.repos[caller.repo or ""].path
            return replace(caller, file=str(Path(root, caller.file)), repo=None)
        return caller
    file = frame.f_code.co_filename
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    return Caller(
        module=str(frame.f_globals.get("__name__", "")) or None,
        function=frame.f_code.co_qualname,
        file=os.path.abspath(file) if Path(file).is_file() else None,  # noqa: PTH100
        argv=tuple(sys.argv) if main is not None else (),
    )


def _secrets(config: object) -> frozenset[str]:
    from flexlock.config import secret_values, to_plain

    return secret_values(to_plain(config)) if config is not None else frozenset()


def _merged(lock: RunLock, known: RunLock | None) -> RunLock:
    """Return the richer sheet with what the first one of the run already said."""
    if known is None:
        return lock
    # The function got finished values; where they come from, only the first sheet knows.
    is_same_config = not lock.config or lock.config == known.config
    paths = {state.path for state in lock.data.values()}
    runs = {state.path for state in lock.prevs.values()}
    return replace(
        lock,
        config=lock.config or known.config,
        config_raw=known.config_raw if is_same_config else lock.config_raw,
        data={n: s for n, s in known.data.items() if s.path not in paths} | dict(lock.data),
        prevs={n: s for n, s in known.prevs.items() if s.path not in runs} | dict(lock.prevs),
        outputs={**known.outputs, **lock.outputs},
        parent=known.parent,
        note=lock.note or known.note,
        warnings=tuple(dict.fromkeys((*known.warnings, *lock.warnings))),
        extra=known.extra,
    )


def _written(session: RunSession, lock: RunLock) -> RunLock:
    try:
        return session.write_lock(lock)
    except OSError as error:
        raise _unwritable(session.sheet, error) from error


def _record(path: Path, lock: RunLock) -> None:
    """Write a sheet that no run belongs to; that of an earlier run is kept beside it."""
    from flexlock.lock.document import write_lock
    from flexlock.run.directory import claim, keep_earlier, release

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name != SHEET:
            write_lock(path, lock)
            return
        claim(path.parent)
        try:
            keep_earlier(path.parent, lock.id)
            write_lock(path, lock)
        finally:
            release(path.parent)
    except OSError as error:
        if isinstance(error, LockError):
            raise
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> LockError:
    message = f"The run sheet {str(path)!r} cannot be written: {error.strerror or error}."
    hint = "Make room there, change its mode, or give another runlock_path."
    return LockError(message, hint=hint, path=str(path))
