"""One job of a sweep, as a task in whatever process or machine it runs.

What Hydra needs for it is kept once for all jobs, in a file of the sweep's directory that only its
owner can read.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import quote, unquote

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobStatus, setup_globals
from hydra.core.utils import run_job as run_with_hydra
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from deriva_ml.core.exceptions import (
    DerivaMLConfigurationError,
    DerivaMLException,
    DerivaMLExecutionError,
)
from deriva_ml.execution.begun import begun

from .errors import RefusedJobError

__all__ = ["JobSetup", "keep_setup", "packed", "run_job", "unpacked"]

FILE_NAME = "flexlock-setup.pickle"
_READABLE = "[]\"'=,.+/:~{} "

_here: dict[str, JobSetup] = {}


@dataclass(frozen=True, slots=True)
class JobSetup:
    """What all jobs of a sweep share.

    Attributes:
        context: Hydra's loader of configurations and its callbacks.
        function: What a job calls.
        config: The configuration of the sweep.
        words: Overrides of every job that do not tell which job it is.
    """

    context: HydraContext
    function: TaskFunction
    config: DictConfig
    words: tuple[str, ...] = ()


def keep_setup(setup: JobSetup, directory: Path, *, for_others: bool) -> Path:
    """Keep what jobs share, for this process and in a file for others; return the file.

    Args:
        setup: What they share.
        directory: Of the sweep.
        for_others: Whether jobs run in other processes. Without these there is no file.

    Raises:
        DerivaMLConfigurationError: The library that the file takes is not installed.
    """
    path = directory.absolute() / FILE_NAME
    _here[str(path)] = setup
    if for_others:
        _write_setup(setup, path)
    return path


def _write_setup(setup: JobSetup, path: Path) -> None:
    try:
        import cloudpickle
    except ImportError as error:
        msg = "Jobs in other processes need cloudpickle: pip install 'derivaml[sweeps]'"
        raise DerivaMLConfigurationError(msg) from error
    content = cloudpickle.dumps((setup, Singleton.get_state()))
    # The path of modules comes first: without it, the rest cannot be read.
    head = json.dumps({"path": sys.path, "argv": sys.argv}).encode()
    fresh = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(head + b"\n" + content)
    fresh.replace(path)


def run_job(setup: str, number: int, words: str) -> Any:
    """Run one job and return what its function returned.

    Args:
        setup: The file that `keep_setup` made.
        number: The job's number in its sweep.
        words: Its overrides, `packed`.

    Raises:
        RefusedJobError: It was refused before it had written anything to the catalog.
        DerivaMLExecutionError: The function ended the process with an exit status of its own.
    """
    shared = _here.get(setup) or _read_setup(setup)
    setup_globals()
    told = [*unpacked(words), *shared.words]
    config = shared.context.config_loader.load_sweep_config(shared.config, told)
    with open_dict(config):
        config.hydra.job.id = os.environ.get("SLURM_JOB_ID", str(number))
        config.hydra.job.num = number
    HydraConfig.instance().set_config(config)
    before = len(begun())
    with _stops_as_ctrl_c(), _exit_is_failure():
        done = run_with_hydra(
            hydra_context=shared.context,
            task_function=shared.function,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
    if done.status is not JobStatus.FAILED:
        return done.return_value
    error: Exception = done._return_value  # asked for in public, it prints a line and is raised
    refused = isinstance(error, DerivaMLException) and not isinstance(error, OSError)
    if refused and len(begun()) == before:
        raise RefusedJobError(str(error)) from error
    raise error


@contextmanager
def _exit_is_failure() -> Iterator[None]:
    """Let a function that ends its process fail: the status may be the one of a refused job."""
    try:
        yield
    except SystemExit as end:
        if end.code in (None, 0):
            raise
        msg = f"The model function ended the process: exit({end.code!r})."
        raise DerivaMLExecutionError(msg) from end


@contextmanager
def _stops_as_ctrl_c() -> Iterator[None]:
    """Let a worker that is told to stop interrupt its job as Ctrl-C does.

    What the task engine raises ends the process; a model that does so by itself has failed.
    """
    before = signal.getsignal(signal.SIGTERM)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        try:
            before(number, frame)
        except SystemExit as stop:
            raise KeyboardInterrupt from stop

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _read_setup(path: str) -> JobSetup:
    import cloudpickle

    head, _, content = Path(path).read_bytes().partition(b"\n")
    known = json.loads(head)
    sys.path[:] = [*known["path"], *(one for one in sys.path if one not in known["path"])]
    sys.argv = known["argv"]
    setup, state = cloudpickle.loads(content)
    Singleton.set_state(state)
    _here[path] = setup
    found: JobSetup = setup
    return found


def packed(words: Sequence[str]) -> str:
    """Return words as one text without a dollar sign or a backslash, which configurations read."""
    return quote(json.dumps(list(words)), safe=_READABLE)


def unpacked(text: str) -> list[str]:
    """Return the words that `packed` made one text of."""
    words: list[str] = json.loads(unquote(text))
    return words
