"""The service as it is installed, for clients that others have written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from catalog_server import Tokens

SCRIPTS = Path(__file__).parent / "scripts"
CLIENTS = Path(sys.prefix) / "clients"
KIM = "https://lab.example/kim"
STAFF = "https://lab.example/staff"
SYSTEMS = "https://auth.globus.org/3938e0d0-ed35-11e5-8641-22000ab4b42b"
"""The group that owns catalogs by the policy that deriva-ml brings."""


@dataclass(frozen=True)
class Foreign:
    """A running service, and a client's environments."""

    host: str
    certificate: Path
    token: str

    def run(self, client: str, script: str, home: Path, *arguments: str | Path) -> dict[str, Any]:
        """Run a script in the environment of a client; returns what it printed."""
        environment = CLIENTS / client / "bin"
        if not (environment.parent / "ready").exists():
            pytest.skip(f"{client} is not installed in {environment.parent}: make clients")
        (home / ".deriva").mkdir(parents=True)
        credential = {self.host: {"bearer-token": self.token}}
        (home / ".deriva" / "credential.json").write_text(json.dumps(credential))
        done = subprocess.run(
            [environment / "python", SCRIPTS / script, self.host, *map(str, arguments)],
            env={
                "HOME": str(home),
                "PATH": f"{environment}{os.pathsep}{os.environ['PATH']}",
                "REQUESTS_CA_BUNDLE": str(self.certificate),
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        printed: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return printed


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    """``deriva-catalog serve --tls`` with two processes, for somebody who is logged in."""
    place = tmp_path_factory.mktemp("service")
    tokens = Tokens(place / "tokens.json")
    token = tokens.add(KIM, [STAFF, SYSTEMS])
    command = [sys.executable, "-m", "deriva_catalog.cli", "serve", "--json", "--tls"]
    options = ["--port", "0", "--workers", "2", "--home", place / "home"]
    with (
        (place / "log").open("w") as log,
        subprocess.Popen(
            [*command, *options, "--tokens-file", tokens.path],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (place / "log").read_text()
        told = json.loads(line)
        host = told["url"].removeprefix("https://")
        try:
            yield Foreign(host, Path(told["certificate"]), token)
        finally:
            process.terminate()
            process.communicate(timeout=60)
