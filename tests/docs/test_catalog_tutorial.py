"""Every block of the tutorial of catalogs runs, in order, as the people in it would run them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import postgres
from serve_command import ServeProcess, serve_process

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "catalog" / "tutorial.md"
BLOCK = re.compile(
    r"^(?:## (?P<title>[^\n]+)|```(?P<kind>sh|python)\n(?P<code>.*?)^```)$", re.M | re.S
)
SERVE = "deriva-catalog serve"
DATABASE = "postgresql://deriva@db.example.org/deriva"
READER = """
import json, sys
space = {"__name__": "__main__"}
for line in sys.stdin:
    exec(compile(json.loads(line), "<the tutorial>", "exec"), space)
    print("\\0", flush=True)
"""


@dataclass
class Person:
    """Somebody at a machine of their own: a home, a shell, and a Python prompt."""

    name: str
    home: Path
    commands: Path
    prompt: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        self.home.mkdir()
        with (self.home / "errors").open("w") as errors:
            self.prompt = subprocess.Popen(
                [sys.executable, "-c", READER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=self.home,
                env=self.environment,
            )

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{n: v for n, v in os.environ.items() if not n.startswith("DERIVA_")},
            "HOME": str(self.home),
            "DERIVA_ML_HOME": str(self.home / "catalogs"),
            "LOGNAME": self.name,
            "USER": self.name,
            "PYTHONPATH": str(ROOT / "src"),
            "PATH": f"{self.commands}{os.pathsep}{os.environ['PATH']}",
        }

    def python(self, code: str) -> None:
        """Run a block at the prompt."""
        assert self.prompt.stdin is not None
        assert self.prompt.stdout is not None
        self.prompt.stdin.write(json.dumps(code) + "\n")
        self.prompt.stdin.flush()
        for line in self.prompt.stdout:
            if line == "\0\n":
                return
        pytest.fail((self.home / "errors").read_text())

    def shell(self, code: str) -> None:
        """Run a block in the shell. A password that is asked for is typed."""
        typed = re.sub(r"^.*(?:user add| --name ).*$", r"\g<0> --password-stdin", code, flags=re.M)
        done = subprocess.run(
            ["bash", "-euc", typed],
            input="correct horse battery\n",
            capture_output=True,
            text=True,
            cwd=self.home,
            env=self.environment,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"

    def leave(self) -> None:
        self.prompt.communicate(timeout=60)


@contextmanager
def somebody(name: str, place: Path) -> Iterator[Person]:
    """Somebody, and the command of the package."""
    commands = place / "bin"
    commands.mkdir(exist_ok=True)
    command = commands / "deriva-catalog"
    command.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m deriva_catalog.cli "$@"\n'
    )
    command.chmod(0o755)
    person = Person(name, place / name, commands)
    try:
        yield person
    finally:
        person.leave()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_tutorial_of_catalogs(tmp_path: Path) -> None:
    port = free_port()
    services: list[ServeProcess] = []
    with ExitStack() as stack:
        database = stack.enter_context(postgres.database())
        kim, ada = (stack.enter_context(somebody(name, tmp_path)) for name in ("kim", "ada"))

        def here(code: str) -> str:
            """A block for this machine: ports that are free, a database that is there."""
            for page, local in (
                ("https://garden.example.org", f"http://localhost:{port}"),
                ("garden.example.org", f"localhost:{port}"),
                ("localhost:8080", f"localhost:{port}"),
                (f'"{DATABASE}#', f'"{database.url}#'),
                (f'"{DATABASE}"', f'"{database.url}"'),
                (DATABASE, shlex.quote(database.url)),
            ):
                code = code.replace(page, local)
            return code

        def serve(line: str) -> None:
            for earlier in services:
                earlier.stop()
            options = shlex.split(line.removeprefix(SERVE))
            home = kim.home / "catalogs"
            process = serve_process(home, *options, environment=kim.environment, port=port)
            services.append(stack.enter_context(process))

        person = kim
        for block in BLOCK.finditer(PAGE.read_text()):
            if block["title"]:
                person = ada if "another machine" in block["title"] else kim
            elif block["kind"] == "python":
                person.python(here(block["code"]))
            else:
                code, served, line = here(block["code"]).partition(SERVE)
                if code.strip():
                    person.shell(code)
                if served:
                    serve(served + line)
        assert len(services) == 2
        kim.shell(here("deriva-catalog login localhost:8080 --name kim"))
        kim.python(
            here('assert connect("localhost:8080", "garden").model.acls["owner"] == ("kim",)')
        )
