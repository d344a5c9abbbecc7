"""The directory of a sweep: one process launches there at a time."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from ..core.config import TIMESTAMP
from ..core.exceptions import DerivaMLConfigurationError
from .claim import claimed
from .sweep_record import has_record

__all__ = ["sweep_directory", "take_place"]

_KEY = "hydra.sweep.dir"

# Held until this process ends: workers may outlive the launching of their jobs.
_held: dict[Path, ExitStack] = {}


def sweep_directory(config: DictConfig) -> Path:
    """Return the directory of the sweep that a Hydra configuration belongs to."""
    start = OmegaConf.select(config, "hydra.runtime.cwd", throw_on_missing=False)
    return Path(start or ".").absolute() / str(config.hydra.sweep.dir)


def take_place(config: DictConfig) -> Path:
    """Take the directory of a sweep for this process, and return it.

    Directories are named after the second in which sweeps begin. Where another began in the same
    one, a number is added to the name, and the configuration is changed accordingly.

    Raises:
        DerivaMLConfigurationError: The directory was asked for, and another process runs a sweep
            there.
    """
    wanted = sweep_directory(config)
    if _is_given(config, wanted):
        if _take(wanted):
            return wanted
        raise DerivaMLConfigurationError(
            f"Another process runs a sweep in {str(wanted)!r}. Wait for its end, or choose another "
            f"{_KEY}."
        )
    places = chain([wanted], (wanted.with_name(f"{wanted.name}-{n}") for n in count(2)))
    found = next(place for place in places if _take(place) and not has_record(place))
    if found != wanted:
        _change(config, found)
    return found


def _is_given(config: DictConfig, directory: Path) -> bool:
    """Whether a directory was asked for, instead of being named after the time."""
    words = OmegaConf.select(config, "hydra.overrides.hydra") or ()
    if any(str(word).lstrip("+").startswith(f"{_KEY}=") for word in words):
        return True
    try:
        datetime.strptime(directory.name, TIMESTAMP)
    except ValueError:
        return True
    return False


def _take(directory: Path) -> bool:
    """Claim a directory for as long as this process lives; gives whether it is ours now."""
    if directory in _held:
        return True
    claim = ExitStack()
    if not claim.enter_context(claimed(directory)):
        claim.close()
        return False
    _held[directory] = claim
    if sys.platform != "win32":
        os.register_at_fork(after_in_child=claim.close)  # what is forked off may live longer
    return True


def _change(config: DictConfig, directory: Path) -> None:
    """Let the sweep and its jobs, whose configurations are composed anew, have a directory."""
    from ..core.overrides import quoted

    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.sweep.dir = str(directory)
        config.hydra.overrides.hydra.append(f"{_KEY}={quoted(str(directory))}")
