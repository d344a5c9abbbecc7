"""Whether a person sits at a prompt of this very process."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["interactive_shell", "is_terminal", "prompt_namespace"]


def interactive_shell() -> Any:
    """Return IPython's shell when one owns this process, else None; IPython is not imported."""
    module = sys.modules.get("IPython")
    get = getattr(module, "get_ipython", None)
    return None if get is None else get()


def prompt_namespace() -> dict[str, Any] | None:
    """Return the variables of the prompt: IPython's, plain Python's, or None without one.

    ``python -i script.py`` has a prompt, although it is not shown yet while the script runs.
    """
    shell = interactive_shell()
    if shell is not None:
        namespace: dict[str, Any] = shell.user_ns
        return namespace
    if hasattr(sys, "ps1") or sys.flags.interactive:
        return vars(sys.modules["__main__"])
    return None


def is_terminal() -> bool:
    """Whether a person can type to this process and see its answers."""
    streams = (sys.stdin, sys.stdout)
    try:
        return all(stream is not None and stream.isatty() for stream in streams)
    except ValueError:  # closed
        return False
