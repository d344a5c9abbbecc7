"""Handing over to Hydra: it composes, runs one job or many, and its errors become ours."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .endings import CannotGoOn, Refused
from .run_options import PROGRAM

__all__ = ["compose_and_run", "composing", "fill_hydra_store"]

_FULL_ERROR = "HYDRA_FULL_ERROR"
_QUIET = (
    "hydra.hydra_logging.root.level=WARNING",
    "++hydra.job_logging.handlers.console.level=WARNING",
)


def fill_hydra_store(*, with_optuna: bool) -> None:
    """Give Hydra what the project has stored, where its runs are kept, and Optuna's sweeper."""
    from hydra_zen import store

    from deriva_ml.core.config import register_hydra_settings

    register_hydra_settings()
    if with_optuna:
        from deriva_ml.execution.sweep_optuna import register_optuna

        register_optuna()
    store.add_to_hydra_store(overwrite_ok=True)


@contextmanager
def composing(
    is_over: Callable[[], bool] = lambda: False, *, tracebacks: bool = False
) -> Iterator[None]:
    """Refuse words that the configuration cannot be composed with.

    Args:
        is_over: Whether all is composed, so that errors are those of the model.
        tracebacks: Whether errors are raised as they are.

    Raises:
        Refused: It cannot; the message says why, and what may have been meant.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        yield
    except (HydraException, OmegaConfBaseException, TypeError, ValueError) as error:
        if tracebacks or is_over():
            raise
        from .composition import composition_text

        raise Refused(composition_text(error)) from error


def compose_and_run(
    main: Any, config_name: str, flags: Sequence[str], overrides: Sequence[str], *, quiet: bool
) -> None:
    """Compose the configuration and call its main function, or show what was asked for.

    Args:
        main: The main configuration.
        config_name: Its name.
        flags: Options of Hydra.
        overrides: The words that change it.
        quiet: Whether Hydra and the job log warnings only, on the screen.

    An error of the model keeps its traceback.

    Raises:
        CannotGoOn: With the exit status and one paragraph for the user. With
            ``HYDRA_FULL_ERROR=1`` every error keeps its traceback instead.
    """
    from hydra_zen import get_target

    task = get_target(main)
    words = [*overrides, *(_QUIET if quiet else ())]
    if not any(word.startswith("hydra.job.name=") for word in words):
        words.append(f"hydra.job.name={config_name}")
    before = sys.argv
    sys.argv = [PROGRAM, *flags, *words]
    try:
        with _full_errors() as tracebacks:
            is_single = "--multirun" not in flags
            _hand_over(task, config_name, tracebacks=tracebacks, is_single=is_single)
    finally:
        sys.argv = before


@contextmanager
def _full_errors() -> Iterator[bool]:
    """Have Hydra raise errors as they are; gives whether the user has asked for that, too.

    Otherwise it prints a shortened traceback of its own and ends the process.
    """
    given = os.environ.get(_FULL_ERROR)
    os.environ[_FULL_ERROR] = "1"
    try:
        yield bool(given)
    finally:
        os.environ.pop(_FULL_ERROR)
        if given is not None:
            os.environ[_FULL_ERROR] = given


def _hand_over(
    task: Callable[..., Any], config_name: str, *, tracebacks: bool, is_single: bool
) -> None:
    from hydra_zen import zen

    from deriva_ml.core.exceptions import DerivaMLException
    from deriva_ml.execution.begun import begun
    from deriva_ml.execution.preloading import load_what_runs_use
    from deriva_ml.execution.sweep import has_begun

    called: list[bool] = []

    def is_over() -> bool:  # jobs in other processes call nothing here
        return bool(called) or bool(begun()) or has_begun()

    @functools.wraps(task)
    def run(*arguments: Any, **settings: Any) -> Any:
        if not called:
            load_what_runs_use()
        called.append(True)
        try:
            return task(*arguments, **settings)
        except DerivaMLException as error:
            if tracebacks or not is_single:
                raise
            raise _end(error) from error  # at once: Hydra would print a line about it

    try:
        with composing(is_over, tracebacks=tracebacks):
            zen(run).hydra_main(config_name=config_name, config_path=None, version_base="1.3")
    except DerivaMLException as error:
        if tracebacks:
            raise
        raise _end(error) from error
    except OSError as error:
        if tracebacks or is_over():
            raise
        msg = f"The directory of the run cannot be made: {error}. Make room there, or name another"
        raise Refused(f"{msg} with deriva_ml.working_dir=DIR or DERIVA_ML_HOME.") from error


def _end(error: Exception) -> CannotGoOn:
    """Return the end that an error of ours means: refused while nothing was recorded."""
    from deriva_ml.core.exceptions import DerivaMLUnavailableError
    from deriva_ml.execution.begun import begun
    from deriva_ml.execution.sweep import has_begun
    from deriva_ml.launching.errors import JobFailedError

    failed = isinstance(error, DerivaMLUnavailableError | JobFailedError)
    failed = failed or bool(begun()) or has_begun()
    return CannotGoOn(str(error)) if failed else Refused(str(error))
