"""Published clients in environments of their own, and the services that they are tried against.

`Foreign.run` runs one script with a client's own Python and gives what it printed as JSON.
`serving_foreign` starts ``deriva-catalog serve`` as a person does. The environments are made by
``make clients``; a test that needs one that is not there is skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from catalog_server import Tokens
from deriva_catalog.server.authn.accounts import add_account
from deriva_catalog.server.authn.sessions import Sessions
from postgres import database
from serve_command import serve_process

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "tests" / "clients" / "scripts"
ACCOUNT, PASSWORD = "sam", "correct horse battery"
# The second is whom the policy of deriva-ml's own catalogs makes their owner.
GROUPS = (
    "https://idp.example.org/lab",
    "https://auth.globus.org/3938e0d0-ed35-11e5-8641-22000ab4b42b",
)
_LONGEST = 600


@dataclass(frozen=True)
class Place:
    """A served place, as a client's script is told of it."""

    scheme: str
    host: str
    client: str
    token: str
    other: str
    other_token: str
    certificate: str | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"


@dataclass(frozen=True)
class Foreign:
    """A client's environment."""

    name: str
    python: Path
    home: Path
    scripts: Path = SCRIPTS

    def run(self, script: str, place: Place, **more: Any) -> Any:
        """Run a script of ``tests/clients/scripts``; what its last line of output says."""
        given = {**vars(place), "url": place.url, **more}
        done = self.started([str(self.scripts / script), json.dumps(given)], place.certificate)
        assert done.returncode == 0, f"{script} ended with {done.returncode}:\n{done.stderr}"
        return json.loads(done.stdout.splitlines()[-1])

    def started(
        self, arguments: list[str], certificate: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the environment's Python, without what the caller's environment would tell it.

        Clients do not look at certificates of ``localhost``, unless they are told whom to trust.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        variables = {
            "HOME": str(self.home),
            "PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONWARNINGS": "ignore",
            "LANG": "C.UTF-8",
            **({} if certificate is None else {"REQUESTS_CA_BUNDLE": certificate}),
            **({} if self.scripts is SCRIPTS else {"TMPDIR": str(self.scripts)}),
        }
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=self.home,
            env=variables,
            capture_output=True,
            text=True,
            timeout=_LONGEST,
            check=False,
        )


def in_repository(client: Foreign, folder: Path) -> Foreign:
    """The client with its scripts, and its temporary files, in a git repository of their own."""
    folder.mkdir(parents=True)
    for script in SCRIPTS.glob("*.py"):
        shutil.copy(script, folder)
    (folder / ".gitignore").write_text("tmp*\n__pycache__/\n")
    for command in (
        ["init", "--quiet"],
        ["remote", "add", "origin", "https://git.example.org/lab/analysis.git"],
        ["add", "."],
        ["-c", "user.name=Kim", "-c", "user.email=kim@example.org", "commit", "-qm", "Analyse"],
        ["tag", "v1.0.0"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return replace(client, scripts=folder)


def foreign(name: str, home: Path) -> Foreign:
    """The environment of a client, or a skipped test."""
    if not is_installed(name):
        pytest.skip(f"{name} is not installed in {_place(name)}: make clients")
    return Foreign(name, _place(name) / "bin" / "python", home)


def is_installed(name: str) -> bool:
    """Whether the environment of a client is there, and whole."""
    return (_place(name) / "ready").exists()


def _place(name: str) -> Path:
    return Path(sys.prefix) / "clients" / name


@contextmanager
def serving_foreign(home: Path, backend: str, *, tls: bool = False) -> Iterator[Place]:
    """Serve from a fresh home, or a fresh PostgreSQL database, with two clients and an account."""
    home.mkdir(parents=True, exist_ok=True)
    tokens = Tokens(home / "tokens.json")
    options = [
        "--tokens-file",
        str(tokens.path),
        "--access-log",
        str(home / "access.log"),
        *(["--tls", "--workers", "2"] if tls else []),
    ]
    with ExitStack() as stack:
        if backend == "postgresql":
            url = stack.enter_context(database()).url
            options += ["--database", url, "--files", str(home / "files")]
            logins = Sessions.of_database(url)
        else:
            logins = Sessions.of_home(home)
        add_account(logins.store, ACCOUNT, PASSWORD, now=logins.clock())
        logins.close()
        served = stack.enter_context(serve_process(home, *options))
        place = Place(
            scheme="https" if tls else "http",
            host=f"localhost:{served.port}",
            client="https://idp.example.org/kim",
            token=tokens.add("https://idp.example.org/kim", GROUPS),
            other="https://idp.example.org/lee",
            other_token=tokens.add("https://idp.example.org/lee"),
        )
        yield replace(place, certificate=served.told["certificate"]) if tls else place
