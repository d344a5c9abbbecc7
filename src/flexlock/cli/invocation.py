"""When a call of a decorated function reads the command line.

Only when the function belongs to the script that was started: its module is ``__main__`` and no
interactive shell owns the process, or IPython's ``%run`` started the very file it stands in. A call
from another module, from a prompt, a notebook cell or a test is a plain call.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flexlock.shell import interactive_shell
from flexlock.target import main_module_name

__all__ = ["owns_command_line", "program_name"]


def owns_command_line(function: Callable[..., Any]) -> bool:
    """Whether the command line of this process is meant for `function`."""
    if function.__module__ != "__main__":
        return False
    if interactive_shell() is not None:
        return _is_started_file(function)
    return not hasattr(sys, "ps1")  # set once a plain interpreter shows its prompt


def program_name() -> str:
    """Return how this program was started, for help texts: ``python process.py``."""
    file = sys.argv[0] if sys.argv else ""
    module = main_module_name(file)
    if module is not None:
        return f"python -m {module.removesuffix('.__main__')}"
    return f"python {os.path.relpath(file)}" if file.endswith(".py") else Path(file).name


def _is_started_file(function: Callable[..., Any]) -> bool:
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or not sys.argv or not sys.argv[0]:
        return False
    file: str = code.co_filename
    return os.path.realpath(file) == os.path.realpath(sys.argv[0])
