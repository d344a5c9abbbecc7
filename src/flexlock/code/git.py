"""Running the git program: explicit arguments, a fixed environment, a time limit.

Several processes may be started before the first is waited for: on a small repository, starting
them is most of the time.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from flexlock.errors import CodeError

__all__ = ["Git", "Process"]

_TIMEOUT_S = 120.0
# What points a git process at another repository, as it does within hooks.
_LOCAL = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
_FIXED = {
    # The same words to everybody; filters of the repository have to read paths with any letters.
    "LC_ALL": "C.UTF-8",
    "LANGUAGE": "",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
    # Commits of ours must not depend on whether, and how, the user told git a name.
    "GIT_AUTHOR_NAME": "flexlock",
    "GIT_AUTHOR_EMAIL": "flexlock@localhost",
    "GIT_COMMITTER_NAME": "flexlock",
    "GIT_COMMITTER_EMAIL": "flexlock@localhost",
}


class Git:
    """The git program, used in one folder."""

    def __init__(self, folder: Path, *, timeout_s: float | None = None) -> None:
        self.folder = folder
        self.timeout_s = timeout_s if timeout_s is not None else _timeout_from_environment()

    def start(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> Process:
        """Start ``git [options] <arguments>`` and return at once.

        Raises:
            CodeError: There is no git program, or no such folder.
        """
        command = ["git", "-c", "core.hooksPath=/dev/null", *options, *arguments]
        inherited = {key: value for key, value in os.environ.items() if key not in _LOCAL}
        try:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**inherited, **_FIXED, **(environment or {})},
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except FileNotFoundError as error:
            if not self.folder.is_dir():
                raise CodeError(f"there is no folder {str(self.folder)!r}.") from error
            message = f"the program 'git' is not there, so the code in {str(self.folder)!r} has"
            message += " no version."
            raise CodeError(message, hint="Install git, or put it on PATH.") from error
        except OSError as error:
            message = f"git cannot be started in {str(self.folder)!r}: {error}."
            raise CodeError(message) from error
        return Process(process, arguments, self, stdin)

    def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> bytes:
        """Run git and return what it printed.

        Raises:
            CodeError: It cannot be run, failed, or took too long.
        """
        started = self.start(*arguments, stdin=stdin, environment=environment, options=options)
        with started as process:
            return process.output()


class Process:
    """A running git process. As a context manager, it is ended when the block is left."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        arguments: Sequence[str],
        git: Git,
        stdin: bytes | None,
    ) -> None:
        self._process = process
        self._name = " ".join(("git", *arguments[:2]))
        self._git = git
        self._stdin = stdin

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        with self._process:
            pass  # closes the pipes and waits

    def finish(self) -> tuple[int, bytes, str]:
        """Wait and return the exit status, the output and the messages.

        Raises:
            CodeError: It took longer than the time limit; it is ended then.
        """
        try:
            output, messages = self._process.communicate(self._stdin, self._git.timeout_s)
        except subprocess.TimeoutExpired as error:
            self._process.kill()
            self._process.communicate()
            message = f"{self._name!r} in {str(self._git.folder)!r} took longer than"
            message += f" {self._git.timeout_s:g} s."
            hint = "Set FLEXLOCK_GIT_TIMEOUT_S to a longer time, or move the repository to a"
            raise CodeError(message, hint=f"{hint} faster disk.") from error
        return self._process.returncode, output, messages.decode(errors="replace").strip()

    def output(self) -> bytes:
        """Wait and return the output.

        Raises:
            CodeError: The process failed or took too long.
        """
        status, output, messages = self.finish()
        if status:
            raise failure(self._name, self._git.folder, messages)
        return output


def failure(name: str, folder: Path, messages: str) -> CodeError:
    """Return the error that says why a git process failed."""
    where = str(folder)
    if "not a git repository" in messages:
        return NotARepositoryError(
            f"{where!r} is not inside a git repository, so its code has no version.",
            hint="Run 'git init' and commit the code.",
        )
    if "must be run in a work tree" in messages:
        return NotARepositoryError(
            f"{where!r} belongs to a git repository without files (bare, or its .git folder).",
            hint="Name a folder with the checked-out files.",
        )
    if "dubious ownership" in messages:
        found = messages.partition("repository at '")[2].partition("'")[0] or where
        return CodeError(
            f"git does not trust the repository {found!r}, because another user owns it.",
            hint=f"Run 'git config --global --add safe.directory {found}' if you do.",
        )
    return CodeError(f"{name!r} failed in {where!r}: {messages or 'no message'}.")


class NotARepositoryError(CodeError):
    """The folder does not belong to a git repository with files."""


def _timeout_from_environment() -> float:
    text = os.environ.get("FLEXLOCK_GIT_TIMEOUT_S", "")
    try:
        return float(text) if text else _TIMEOUT_S
    except ValueError as error:
        message = f"FLEXLOCK_GIT_TIMEOUT_S is {text!r}, which is no number of seconds."
        raise CodeError(message, hint="Set it to a number such as 300.") from error
