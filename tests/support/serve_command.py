"""``deriva-catalog serve`` as a process of its own, which can be stopped or killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

COMMAND = [sys.executable, "-m", "deriva_catalog.cli", "serve", "--json"]


@dataclass
class ServeProcess:
    """A running command and what it announced."""

    process: subprocess.Popen[str]
    told: Mapping[str, Any]

    @property
    def port(self) -> int:
        return cast(int, urlsplit(self.told["url"]).port)

    def stop(self) -> int:
        """Stop it as a service manager does; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(300)

    def kill(self) -> None:
        """End it as a lack of memory does."""
        self.process.kill()
        self.process.wait(300)


@contextmanager
def serve_process(
    home: Path,
    *options: str,
    environment: Mapping[str, str] | None = None,
    port: int = 0,
) -> Iterator[ServeProcess]:
    """Start the command, wait until it listens, and stop it in the end."""
    variables = {**os.environ, "DERIVA_ML_HOME": str(home), **(environment or {})}
    errors = home / "stderr.txt"
    home.mkdir(parents=True, exist_ok=True)
    with errors.open("a") as stderr:
        process = subprocess.Popen(
            [*COMMAND, "--port", str(port), *options],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, errors.read_text()
        served = ServeProcess(process, json.loads(line))
        try:
            yield served
        finally:
            served.stop()
            process.stdout.close()
