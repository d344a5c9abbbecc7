"""``python SCRIPT WORDS`` many times in little time.

Each run is a process of its own. It is forked from one that has imported the libraries and done
nothing else, so it does not spend a second on that.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

LIMIT_S = 120.0
"""How long a line may take, in seconds."""
TAIL = 20
"""How many lines are shown of what a line wrote to its standard error."""


@dataclass
class WarmPython:
    """An interpreter that is ready to run scripts in a directory."""

    directory: Path
    process: subprocess.Popen[str]

    def run(
        self,
        line: str,
        *,
        limit_s: float = LIMIT_S,
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a line of the shell that begins with ``python`` or a command of this project.

        It runs in another directory or environment than the interpreter's, if one is given.

        Raises:
            RuntimeError: It took longer than `limit_s`, or the interpreter is gone. Then the
                interpreter runs no other line.
        """
        words = shlex.split(line.replace("\\\n", " "))
        said, wrong = (self.directory.parent / f"warm-{name}" for name in ("out", "err"))
        for file in (said, wrong):
            file.write_text("")
        job = {
            "words": words,
            "out": str(said),
            "err": str(wrong),
            "directory": str(directory or self.directory),
            "environment": None if environment is None else dict(environment),
        }
        try:
            status = self._status(json.dumps(job), limit_s)
        except RuntimeError as error:
            tail = "\n".join(wrong.read_text().splitlines()[-TAIL:])
            raise RuntimeError(f"{line!r} {error}.\n{tail}") from error
        return subprocess.CompletedProcess(words, status, said.read_text(), wrong.read_text())

    def _status(self, job: str, limit_s: float) -> int:
        """How a job ended; an error, and the interpreter is ended, if that is not told in time."""
        asked, told = self.process.stdin, self.process.stdout
        assert asked is not None
        assert told is not None
        with suppress(BrokenPipeError):
            asked.write(job + "\n")
            asked.flush()
        # One line is told of each job, so that nothing waits in the buffer.
        ready, _, _ = select.select([told], [], [], limit_s)
        answer = told.readline() if ready else ""
        if answer:
            return int(answer)
        _end(self.process)
        raise RuntimeError("lost its interpreter" if ready else f"took more than {limit_s} s")


@contextmanager
def warm_python(
    directory: Path, environment: Mapping[str, str], modules: Iterable[str]
) -> Iterator[WarmPython]:
    """An interpreter in `directory` that has imported `modules`."""
    with subprocess.Popen(
        [sys.executable, __file__, *modules],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=directory,
        env=dict(environment),
        start_new_session=True,
    ) as process:
        try:
            yield WarmPython(directory, process)
            process.communicate(timeout=LIMIT_S)
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """End an interpreter, and what it runs, unless it has ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _serve(modules: Iterable[str]) -> None:
    """Import, then fork for each line of the input; print how each run ended."""
    for module in modules:
        importlib.import_module(module)
    # What was imported stays: no child needs to look there for garbage, least of all at its end.
    gc.freeze()
    # A line at a time: a child must find nothing that was read ahead.
    while line := sys.stdin.readline():
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            os.chdir(job["directory"])
            if job["environment"] is not None:
                os.environ.clear()
                os.environ.update(job["environment"])
            _become(job["words"], job["out"], job["err"])
            return
        _, ended = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(ended), flush=True)


def _become(words: list[str], out: str, err: str) -> None:
    """Be what `words` start; an error or `SystemExit` goes on to the interpreter's end."""
    for number, path in ((1, out), (2, err)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    program, *rest = words
    sys.argv = rest if program == "python" else words
    if program == "python":
        sys.path[0] = str(Path(rest[0]).absolute().parent)
        runpy.run_path(rest[0], run_name="__main__")
    else:
        sys.path.pop(0)
        module, _, function = commands()[program].partition(":")
        sys.exit(getattr(importlib.import_module(module), function)())


def commands() -> dict[str, str]:
    """The commands of this project: module and function of each."""
    with (Path(__file__).parents[2] / "pyproject.toml").open("rb") as file:
        found: dict[str, str] = tomllib.load(file)["project"]["scripts"]
    return found


if __name__ == "__main__":
    _serve(sys.argv[1:])
