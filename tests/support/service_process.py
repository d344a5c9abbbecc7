"""A catalog service in a process of its own, which tests kill and start again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from catalog_server import HttpClient, Tokens

_SCRIPT = """
import resource, sys
from pathlib import Path
from deriva_catalog.catalog.registry import Registry
from deriva_catalog.server.routing import ROUTES
from deriva_catalog.server.running import Running
from deriva_catalog.server.service import Service
from deriva_catalog.server.tokenfile import TokenFile
home, tokens, port, longest = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
if longest != "None":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(longest), int(longest)))
service = Service(Registry(home), TokenFile(tokens), ROUTES)
with Running(service, port=port) as running:
    print(running.port, flush=True)
    sys.stdin.read()
"""


@dataclass
class ServiceProcess:
    """A service of a home directory; `longest_file` makes longer files fail like a full disk."""

    home: Path
    longest_file: int | None = None
    port: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _clients: list[HttpClient] = field(default_factory=list)
    _tokens: Tokens | None = None

    def __enter__(self) -> ServiceProcess:
        self.home.mkdir(parents=True, exist_ok=True)
        self._tokens = Tokens(self.home.with_name(f"{self.home.name}-tokens.json"))
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()
        self.kill()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def token(self, client_id: str) -> str:
        assert self._tokens is not None
        return self._tokens.add(client_id)

    def client(self, client_id: str) -> HttpClient:
        made = HttpClient(self.port, self.token(client_id), client_id)
        self._clients.append(made)
        return made

    def start(self) -> None:
        """Start the process, at the port that it had before."""
        assert self._tokens is not None
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-c", _SCRIPT),
                *(str(self.home), str(self._tokens.path), str(self.port), str(self.longest_file)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        """Kill the process; nothing is closed or finished."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(signal.SIGKILL)
        with process:
            process.wait()
