"""The git repository of a new project: made with its first commit, and the notebooks' filter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from shlex import quote

from ..core.exceptions import DerivaMLConfigurationError, DerivaMLException
from ..execution.git import PLAIN_WORDS
from .origin import own_requirement

__all__ = ["FIRST_COMMIT", "check_git", "install_filter", "make_repository"]

FIRST_COMMIT = "Begin with the project template of DerivaML"
_WHO = ("AUTHOR", "COMMITTER")
_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")


def check_git(directory: Path, *, commits: bool) -> None:
    """Refuse to begin where a repository could not be made.

    Args:
        directory: Where git's settings are read.
        commits: Whether there will be a commit, which needs an author.

    Raises:
        DerivaMLConfigurationError: A program is missing, or git does not know who you are.
    """
    otherwise = "or give --no-git, for a project without a repository."
    if shutil.which("git") is None:
        raise DerivaMLConfigurationError(f"git is not installed. Install it, {otherwise}")
    if find_spec("nbstripout") is None:
        raise DerivaMLConfigurationError(
            "nbstripout is not installed; it keeps the outputs of notebooks out of git. Install "
            f"it with: python -m pip install {quote(own_requirement())}, {otherwise}"
        )
    if commits and any(_run(directory, "git", "var", f"GIT_{who}_IDENT")[0] for who in _WHO):
        raise DerivaMLConfigurationError(
            "git does not know who you are, so it could not commit. Tell it with: git config "
            "--global user.name 'Your Name' && git config --global user.email you@example.org, "
            f"{otherwise}"
        )


def make_repository(directory: Path) -> None:
    """Make a repository of a directory, with the notebooks' filter, and commit what is in it.

    Raises:
        DerivaMLException: git, or a hook of the user's, fails; with what it says.
    """
    _git(directory, "init", "--quiet")
    install_filter(directory, directory / ".gitattributes")
    _git(directory, "add", "--all")
    _git(directory, "commit", "--quiet", "--message", FIRST_COMMIT)


def install_filter(directory: Path, attributes: Path) -> None:
    """Tell the repository that a directory lies in to strip outputs when notebooks are added.

    Args:
        directory: A directory of the repository.
        attributes: The file that names the filter.

    Raises:
        DerivaMLException: It fails; with what it says.
    """
    words = ("-m", "nbstripout", "--install", "--attributes", str(attributes))
    status, said = _run(directory, sys.executable, *words)
    if status:
        raise DerivaMLException(f"nbstripout could not be set up: {said}")


def _git(directory: Path, *words: str) -> None:
    status, said = _run(directory, "git", *words)
    if status:
        raise DerivaMLException(f"'git {words[0]}' failed, so nothing was made: {said}")


def _run(directory: Path, *command: str) -> tuple[int, str]:
    """The status of a program, and what it says."""
    # A hook or an editor may have set these for another repository.
    environment = {k: v for k, v in os.environ.items() if k not in _FOREIGN}
    done = subprocess.run(
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**environment, "GIT_TERMINAL_PROMPT": "0", **PLAIN_WORDS},
    )
    said = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").rstrip(".")
    return done.returncode, f"{said}."
