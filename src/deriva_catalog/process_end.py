"""How the process of a command ends."""

from __future__ import annotations

import atexit
import gc

__all__ = ["end_without_search"]


def end_without_search() -> None:
    """Let this process end without a search for garbage.

    Python looks through all objects when it ends, which takes a quarter of a second or more after
    large libraries were imported. A command closes what it opened, and the system takes back the
    memory. For commands only: a library does not decide how its caller's process ends.
    """
    atexit.unregister(gc.freeze)  # once, though a program may call several commands
    atexit.register(gc.freeze)
