"""Environment variables that are read by more than one module."""

from __future__ import annotations

import math
import os
from pathlib import Path

from flexlock.errors import ConfigError

__all__ = ["cache_directory", "count", "flag", "seconds"]

_YES = ("1", "true", "yes", "on")


def flag(name: str) -> bool:
    """Return whether an environment variable says 1, true, yes or on."""
    return os.environ.get(name, "").strip().lower() in _YES


def seconds(name: str, default: float, *, zero: bool = False) -> float:
    """Return the number of seconds that an environment variable says; unset or empty, the default.

    Args:
        name: The variable.
        default: What counts without it.
        zero: Whether 0 will do.

    Raises:
        ConfigError: It says no finite number, or one that is too small.
    """
    text = os.environ.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isfinite(value) and (value > 0 or (zero and value == 0)):
        return value
    message = f"{name} is {text!r}, not a number of seconds."
    least = "a number that is not below 0" if zero else "a number above 0"
    raise ConfigError(message, hint=f"Set it to {least}, or unset it.")


def count(name: str, default: int) -> int:
    """Return the whole number above 0 that a variable says; unset or empty, the default.

    Raises:
        ConfigError: It says something else.
    """
    text = os.environ.get(name, "")
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value > 0:
        return value
    message = f"{name} is {text!r}, not a whole number above 0."
    raise ConfigError(message, hint="Set it to one, or unset it.")


def cache_directory() -> Path:
    """Return the folder for what may be thrown away at any time; it need not exist."""
    base = os.environ.get("FLEXLOCK_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return Path(base or "~/.cache").expanduser() / "flexlock"
