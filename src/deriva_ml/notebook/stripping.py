"""Whether git strips a notebook of its outputs when it is committed, and really does."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..execution.git import find_repository

__all__ = ["stripping_problem"]

_FILTER = "nbstripout"
_SET_UP = "nbstripout --install"
_TIMEOUT_S = 30
_OUTPUTS = [{"name": "stdout", "output_type": "stream", "text": ["an output"]}]


def stripping_problem(notebook: Path) -> str | None:
    """What keeps git from stripping outputs of a notebook, and the line that mends it.

    None when all is well, and outside a repository. A notebook with outputs and the same without
    are sent through the repository's filter, so that one that is set up but does not work, or
    does something else, is noticed.
    """
    repository = find_repository(notebook)
    if repository is None:
        return None
    directory = str(repository.root)
    install = _SET_UP if find_spec(_FILTER) else f"pip install nbstripout && {_SET_UP}"
    path = notebook.resolve().relative_to(repository.root.resolve()).as_posix()
    chosen = (_git(directory, "check-attr", "filter", "--", path) or "").rstrip()
    name = chosen.rpartition(": ")[2]
    if name in ("unspecified", "unset", ""):
        return (
            f"Outputs of {notebook.name!r} are committed with it, because git has no filter that "
            f"strips them. Set it up once in this clone: {install}"
        )
    command = (_git(directory, "config", "--get", f"filter.{name}.clean") or "").strip()
    if not command:
        return (
            f"The attributes of {notebook.name!r} ask for the filter {name!r}, which this clone "
            f"does not have, so outputs are committed. Set it up once in this clone: {install}"
        )
    # A filter may do something else, so what it makes of a notebook without outputs counts.
    probes = (_probe(_OUTPUTS), _probe([]))
    words = ("hash-object", "--stdin", f"--path={path}")
    filtered, bare = [_git(directory, *words, text=probe) for probe in probes]
    if filtered is None or filtered != bare:
        return (
            f"The filter {name!r} of this clone does not strip outputs: its command is "
            f"{command!r}. Set it up again: {install}"
        )
    return None


def _probe(outputs: list[dict[str, Any]]) -> str:
    """A small notebook whose cell has these outputs."""
    cell = {
        "cell_type": "code",
        "execution_count": 1,
        "id": "probe",
        "metadata": {},
        "outputs": outputs,
        "source": ["print('an output')"],
    }
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def _git(directory: str, *words: str, text: str | None = None) -> str | None:
    program = shutil.which("git")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "-C", directory, *words],
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
