"""A project's configuration package: found, imported, and asked for its main configuration."""

from __future__ import annotations

import difflib
import importlib
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .endings import Refused

__all__ = [
    "check_experiments",
    "known_words",
    "load_package",
    "load_project",
    "main_config",
    "told_where",
]


def load_project(directory: Path) -> None:
    """Load the configuration package for a run.

    Raises:
        Refused: There is no such package, or nothing in it.
    """
    from deriva_ml.core.exceptions import DerivaMLException

    try:
        load_package(directory)
    except DerivaMLException as error:
        raise Refused(str(error)) from error


@contextmanager
def told_where() -> Iterator[None]:
    """Say where a project's configuration fails while it is imported in the block.

    Raises:
        DerivaMLConfigurationError: A module raised an error, which is the cause.
    """
    from deriva_ml.core.exceptions import DerivaMLConfigurationError, DerivaMLException

    try:
        yield
    except DerivaMLException:
        raise
    except Exception as error:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
        raise DerivaMLConfigurationError(
            f"The project's configuration cannot be loaded: {_line_of(error)}"
            f"{type(error).__name__}: {text}\n--debug shows the whole traceback."
        ) from error


def _line_of(error: Exception) -> str:
    """The last line of the project that an error came by, to be written before it."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return _shown(Path(error.filename), error.lineno)
    frames = traceback.extract_tb(error.__traceback__)
    files = [(Path(frame.filename), frame.lineno) for frame in frames if frame.filename[:1] != "<"]
    own = [place for place in files if not _is_installed(place[0])]
    return _shown(*own[-1]) if own else ""


def _is_installed(file: Path) -> bool:
    places = (sysconfig.get_path("stdlib"), Path(__file__).parents[2])
    installed = {"site-packages", "dist-packages"}.intersection(file.parts)
    return bool(installed) or any(file.is_relative_to(place) for place in places)


def _shown(file: Path, line: int | None) -> str:
    here = Path.cwd()
    return f"{file.relative_to(here) if file.is_relative_to(here) else file}, line {line}: "


def load_package(directory: Path) -> None:
    """Import the modules of a configuration package, with its surroundings on the path.

    A project without a connection of its own gets that of its context file.

    Raises:
        DerivaMLConfigurationError: There is no such package, or nothing in it.
    """
    from deriva_ml.core.context import offer_context
    from deriva_ml.core.exceptions import DerivaMLConfigurationError
    from deriva_ml.execution.load_configs import load_configs

    package = directory.resolve()
    if not package.is_dir():
        raise DerivaMLConfigurationError(
            f"There is no configuration package in {str(directory)!r}. Start the command in the "
            "project's directory, or name the package with --config-dir."
        )
    for path in (package.parent.parent, package.parent):
        if str(path) not in sys.path:
            sys.path.insert(0, str(path))
    if not load_configs(package.name):
        load_all = getattr(importlib.import_module(package.name), "load_all_configs", None)
        if load_all is None:
            raise DerivaMLConfigurationError(
                f"{str(directory)!r} holds no Python modules, so there is nothing to choose from."
            )
        load_all()
    offer_context(package)


def known_words() -> list[str]:
    """Return the words that the project's options and named sweeps can be chosen by."""
    from deriva_ml.core.zen_store import stored_options
    from deriva_ml.execution.multirun import list_multirun_configs

    known = []
    for option in stored_options():
        plus = "+" if option.group == "experiment" else ""
        if option.group:
            known += [f"{plus}{option.group}={option.name}", f"{plus}{option.group}="]
    return known + [f"+multirun={name}" for name in list_multirun_configs()]


def check_experiments(words: Sequence[str]) -> None:
    """Refuse an experiment where the project has none: Hydra would take it for a new key.

    Raises:
        Refused: A word chooses an experiment, and there is none.
    """
    from deriva_ml.core.zen_store import stored_options

    chosen = [word for word in words if word.lstrip("+").startswith("experiment=")]
    if chosen and not any(option.group == "experiment" for option in stored_options()):
        msg = f"{chosen[0]!r} chooses an experiment, and the project has none. It stores one with"
        raise Refused(f"{msg} store(..., group='experiment', package='_global_', name=...).")


def main_config(name: str) -> Any:
    """Return the stored main configuration of that name.

    Raises:
        Refused: There is none; the message names those there are.
    """
    from hydra_zen import store

    known = sorted(entry["name"] for entry in store if entry["group"] is None)
    if name in known:
        return store[None, name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(map(repr, known)) or "none"
    msg = (
        f"There is no main configuration {name!r}.{hint} Stored: {listed}. A project stores one "
        "with store(create_model_config(...), name='deriva_model')."
    )
    raise Refused(msg)
