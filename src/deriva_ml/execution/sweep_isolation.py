"""Keeping the jobs apart that one worker process runs one after another.

Launchers such as joblib's use a process again. What a job changed in it would be seen by the next
job there, so that results depended on which worker came to run which job. Before a job runs, what
the process shares is looked at; afterwards it is put back.
"""

from __future__ import annotations

import copy
import gc
import os
import random
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["is_installed", "isolated"]

_PLAIN = (dict, list, set)
_SOURCES = Path(__file__).resolve().parents[2]
_OURS = ("deriva_catalog", "deriva_ml", "flexlock", "hamilton")
_FOLDERS = ("site-packages", "dist-packages")
_PLACES = (
    *(Path(sysconfig.get_path(n)) for n in ("stdlib", "platstdlib", "purelib", "platlib")),
    Path(os.__file__).parent,
    *(_SOURCES / name for name in _OURS),
)
# A module's file is named as the search path leads to it, which may be through links.
_INSTALLED = frozenset(p for place in _PLACES for p in (place.absolute(), place.resolve()))


@contextmanager
def isolated() -> Iterator[None]:
    """Undo, after the block, what it changed in the state that the process keeps.

    That is: the environment, the current directory, the search path, the words of the command
    line, filters of warnings, the state of the random number generators of Python and NumPy, and
    the global variables of the project's own modules, with the plain lists, sets and mappings in
    them. Modules of the project that the block imported are imported anew by the next one, except
    those of a package with an extension module, since many of these cannot be imported twice.
    Modules of installed packages are left alone.
    """
    if not gc.get_freeze_count():
        # The collector of garbage need not look at all modules again in each job.
        gc.collect()
        gc.freeze()
    environment, directory = dict(os.environ), Path.cwd()
    path, words, filters = list(sys.path), list(sys.argv), list(warnings.filters)
    numbers = _random_states()
    modules = {name: _contents(module) for name, module in _project_modules()}
    try:
        yield
    finally:
        there = _project_modules()
        kept = {_top(name) for name, module in there if _is_extension(module)}
        for name, module in there:
            if name in modules:
                _put_back(module, modules[name])
            elif _top(name) not in kept:
                del sys.modules[name]
        _put_random_states_back(numbers)
        sys.path[:], sys.argv[:] = path, words
        warnings.filters[:] = filters  # type: ignore[index]
        os.environ.clear()
        os.environ.update(environment)
        with suppress(OSError):  # the directory may be gone
            os.chdir(directory)


def _project_modules() -> list[tuple[str, ModuleType]]:
    """The loaded modules that belong to no installed package."""
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or _top(name) in ("__main__", "__mp_main__"):
            continue
        if not is_installed(file):
            found.append((name, module))
    return found


def _top(name: str) -> str:
    return name.partition(".")[0]


def _is_extension(module: ModuleType) -> bool:
    return str(module.__file__).endswith(tuple(EXTENSION_SUFFIXES))


@cache
def is_installed(path: str) -> bool:
    """Whether a file or directory is of Python, of an installed package, or of this project."""
    for one in (Path(path).absolute(), Path(path).resolve()):
        if any(folder in one.parts for folder in _FOLDERS):
            return True
        if one in _INSTALLED or not _INSTALLED.isdisjoint(one.parents):
            return True
    return False


def _contents(module: ModuleType) -> dict[str, tuple[Any, Any]]:
    """The global variables of a module; plain containers with a copy of what is in them."""
    return {
        name: (value, copy.copy(value) if type(value) in _PLAIN else None)
        for name, value in vars(module).items()
        if not name.startswith("__")
    }


def _put_back(module: ModuleType, before: dict[str, tuple[Any, Any]]) -> None:
    there = vars(module)
    for name in [n for n in there if n not in before and not n.startswith("__")]:
        if not isinstance(there[name], ModuleType):  # a submodule that was imported since
            del there[name]
    for name, (value, content) in before.items():
        there[name] = value
        if type(value) is list:
            value[:] = content
        elif type(value) in _PLAIN:
            value.clear()
            value.update(content)


def _random_states() -> dict[str, Any]:
    states: dict[str, Any] = {"random": random.getstate()}
    if "numpy" in sys.modules:
        import numpy

        states["numpy"] = numpy.random.get_state()
    return states


def _put_random_states_back(states: dict[str, Any]) -> None:
    random.setstate(states["random"])
    if "numpy" in states:
        import numpy

        numpy.random.set_state(states["numpy"])
