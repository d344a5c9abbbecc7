"""Loading a project's configuration only to say what it offers, which is to be quick."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from .endings import FAILED

__all__ = ["load_for_listing"]

_AS_IT_IS = "_DERIVA_ML_LIST_AS_IT_IS"
"""Set for the process that lists a project which cannot be loaded lightly."""


def load_for_listing(load: Callable[[], None], command: str, words: Sequence[str]) -> int | None:
    """Call `load`, which imports a configuration package, with heavy libraries left out.

    A project that notices is listed by a process of its own, which imports it as a run does, so
    that it lists the same, or fails with the error that a run would fail with.

    Args:
        load: What imports the package.
        command: The module of the command that lists.
        words: The words that the command was called with.

    Returns:
        None when the package is loaded; the exit status when that other process has done it all.
    """
    if os.environ.pop(_AS_IT_IS, None):
        load()
        return None
    if _is_loaded_lightly(load):
        return None
    sys.stdout.flush()
    # -P: the directory that the command is called in is not searched for modules, as ever.
    done = subprocess.run(
        [sys.executable, "-P", "-m", command, *words],
        env={**os.environ, _AS_IT_IS: "1"},
        check=False,
    )
    return done.returncode if done.returncode >= 0 else FAILED


def _is_loaded_lightly(load: Callable[[], None]) -> bool:
    """Whether the package is loaded, and nothing in it has noticed what was left out.

    What it raises without anything left out is raised.
    """
    from deriva_ml.core.deferring import StandInUsed, deferred_imports

    # A quarter of the time would go into looking for garbage, of which there is next to none: while
    # modules are imported, and once more when the process ends.
    gc.disable()
    try:
        with deferred_imports() as deferral:
            load()
    except StandInUsed:
        return False
    except Exception:
        if not deferral.is_needed:
            raise
        return False  # whatever it is, the import that follows tells it
    finally:
        gc.freeze()
        gc.enable()
    return deferral.is_sound
