"""Environment variables that are read by more than one module."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_directory", "flag"]

_YES = ("1", "true", "yes", "on")


def flag(name: str) -> bool:
    """Return whether an environment variable says 1, true, yes or on."""
    return os.environ.get(name, "").strip().lower() in _YES


def cache_directory() -> Path:
    """Return the folder for what may be thrown away at any time; it need not exist."""
    base = os.environ.get("FLEXLOCK_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return Path(base or "~/.cache").expanduser() / "flexlock"
