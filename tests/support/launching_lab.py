"""A small project with a catalog of its own, whose command is run as a person runs it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from deriva_ml import DerivaML

CONFIGS = """
from hydra_zen import builds, store
from deriva_ml import DerivaMLConfig
from deriva_ml.dataset import DatasetSpecConfig
from deriva_ml.execution import Workflow, create_model_config
from models.small import train

DerivaMLConf = builds(DerivaMLConfig, populate_full_signature=True)
store(group="deriva_ml")(DerivaMLConf(hostname="./lab", working_dir="work"), name="default_deriva")
store(group="datasets")([], name="default_dataset")
store(group="datasets")([DatasetSpecConfig(rid="1-ZZZZ", version="1.0.0")], name="lost")
store(group="assets")([], name="default_asset")
Flow = builds(Workflow, name="Small", workflow_type="Training", populate_full_signature=True)
store(group="workflow")(Flow, name="default_workflow")
Model = builds(train, populate_full_signature=True, zen_partial=True)
store(group="model_config")(Model, name="default_model")
store(group="model_config")(Model, name="quick", epochs=2)
store(create_model_config(description="Small models"), name="deriva_model")
"""

# It writes down when it begins; with the file `hold` it then waits until that is gone, except for
# the rate of 1.
MODEL = """
import os, time
from pathlib import Path

def train(rate: float = 0.1, epochs: int = 1, ml_instance=None, execution=None) -> float:
    with Path("journal").open("a") as file:
        file.write(f"{rate} {os.getpid()}\\n")
    while rate != 1 and Path("hold").exists():
        time.sleep(0.02)
    if rate == 13 and Path("unlucky").exists():
        raise ZeroDivisionError("an unlucky rate")
    execution.asset_file_path("Execution_Asset", f"{rate}.txt").write_text(f"{rate} {epochs}")
    return rate * epochs
"""


@dataclass(frozen=True)
class Lab:
    """A project in a folder; its catalog is in `lab`."""

    folder: Path

    def write(self) -> None:
        """Write the modules of the project."""
        files = {
            "configs/__init__.py": "",
            "configs/base.py": CONFIGS,
            "models/__init__.py": "",
            "models/small.py": MODEL,
        }
        for name, text in files.items():
            path = self.folder / "src" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def file(self, name: str, *lines: object) -> Path:
        """Write a file of lines beside the project."""
        path = self.folder / name
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start the command in a process group of its own."""
        known = {k: v for k, v in os.environ.items() if not k.startswith("DERIVA_")}
        more = {"PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(self.folder)}
        return subprocess.Popen(
            [sys.executable, "-m", "deriva_ml.cli.run", *words],
            cwd=self.folder,
            env=known | more | {"FLEXLOCK_POLL_INTERVAL": "0.5"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        with self.start(*words) as process:
            output, errors = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def journal(self) -> list[str]:
        """The rates that the model was called with."""
        return [line.split()[0] for line in self._entries()]

    def queued(self) -> list[str]:
        """The states of the tasks in the queues of all sweeps."""
        found = []
        for path in (self.folder / "work").rglob("run.lock.tasks.db"):
            with closing(sqlite3.connect(path)) as queue:
                found += [state for (state,) in queue.execute("SELECT state FROM tasks")]
        return found

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kill a command and the processes that its model ran in."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        for pid in {int(line.split()[1]) for line in self._entries()}:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=120)

    def _entries(self) -> list[str]:
        path = self.folder / "journal"
        return path.read_text().splitlines() if path.exists() else []

    def content(self) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
        """What the catalog has: description, status, children and files of each execution."""
        ml = DerivaML(str(self.folder / "lab"), working_dir=self.folder / "look")
        try:
            found = [
                (
                    str(one.description),
                    one.status.value,
                    tuple(
                        sorted(str(child.description) for child in one.list_execution_children())
                    ),
                    tuple(
                        sorted(
                            f"{asset.filename} {asset.md5}"
                            for asset in one.list_assets("Output")
                            if asset.asset_table == "Execution_Asset"
                        )
                    ),
                )
                for one in ml.find_executions()
                if not str(one.description).startswith("deriva-ml ")
            ]
        finally:
            ml.catalog.close()
        return sorted(found)

    def statuses(self) -> list[str]:
        """The states of the executions."""
        return sorted(status for _, status, *_ in self.content())


def until(condition: Callable[[], object], seconds: float = 180) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.02)
