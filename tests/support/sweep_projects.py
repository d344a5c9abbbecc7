"""A project with a model, an embedded catalog and the real command, for tests of sweeps."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deriva_ml import DerivaML
from deriva_ml.execution.record import ExecutionRecord
from deriva_ml.execution.sweep_record import FILE_NAME, Sweep, SweepJob

__all__ = ["Project", "make_project", "until", "until_gone"]

CONFIG = """
from hydra_zen import builds, store
from deriva_ml import DerivaMLConfig
from deriva_ml.execution import Workflow, create_model_config
from models.mine import train

Connection = builds(DerivaMLConfig, populate_full_signature=True)
store(Connection(hostname={place!r}, working_dir={kept!r}),
      group="deriva_ml", name="default_deriva")
store([], group="datasets", name="default_dataset")
store([], group="assets", name="default_asset")
store(builds(Workflow, name="w", workflow_type="Training", populate_full_signature=True),
      group="workflow", name="default_workflow")
store(builds(train, rate=0.1, populate_full_signature=True, zen_partial=True),
      group="model_config", name="default_model")
store(create_model_config(description="sweep"), name="deriva_model")
"""

# What a job does besides is written in a file beside the project: nothing in the configuration
# tells a disturbed sweep from an undisturbed one.
MODEL = """
import json, os, random, signal, sys, time
from pathlib import Path

calls = []
count = 0


def _die(frame, event, argument):
    # Kill the process, once for each point that is in the file.
    name = frame.f_code.co_name
    if name in points and frame.f_code.co_filename.endswith("sweep_job.py"):
        frame.f_trace_lines = False
        known = frame.f_locals
        number = known["number"] if "number" in known else known["job"].number
        where, when = points[name]
        here = event == when and where in (None, number)
        if here and not Path(f"died-{name}").exists():
            Path(f"died-{name}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return _die  # for the return


if Path("die.json").exists():
    points = json.loads(Path("die.json").read_text())
    sys.settrace(_die)


class Unpicklable(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def train(rate: float, ml_instance=None, execution=None) -> float:
    global count
    seen = [len(calls), count, "LEAK" in os.environ, random.random()]
    count, os.environ["LEAK"] = count + 1, "1"
    calls.append(rate)
    random.seed(7)
    with open("seen.txt", "a") as file:
        file.write(json.dumps({"rate": rate, "rid": execution.rid, "pid": os.getpid(),
                               "seen": seen}) + "\\n")
    plan = Path("plan.json")
    what = json.loads(plan.read_text()).get(f"{rate:g}") if plan.exists() else None
    execution.metrics_file().write_text(json.dumps({"step": 1, "loss": (rate - 4) ** 2}) + "\\n")
    execution.asset_file_path("Execution_Asset", f"{rate:g}.txt").write_text(f"{rate:g}")
    if what == "fail":
        raise ValueError(f"rate {rate:g} is bad")
    if what == "unpicklable":
        raise Unpicklable(1, 2)
    if what == "exit":
        sys.exit(3)
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "wait":
        Path(f"waits-{rate:g}").touch()
        time.sleep(60)
    if what == "nap":
        time.sleep(0.15)
    return (rate - 4) ** 2
"""


@dataclass(frozen=True)
class Project:
    """A project with an embedded catalog of its own."""

    directory: Path

    def plan(self, **what: str) -> None:
        """What jobs do besides: by their rates, written ``r1``."""
        content = {rate.removeprefix("r"): do for rate, do in what.items()}
        (self.directory / "plan.json").write_text(json.dumps(content))

    def die(self, **where: tuple[int | None, str]) -> None:
        """Where processes are killed once: the number of a job (None: any), ``call`` or ``return``.

        The names are those of functions in `deriva_ml.execution.sweep_job`.
        """
        (self.directory / "die.json").write_text(json.dumps(where))

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start the command, in a process group of its own."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DERIVA_")}
        path = os.pathsep.join(p for p in sys.path if p)
        return subprocess.Popen(
            [sys.executable, "-m", "deriva_ml.cli.run", *words],
            cwd=self.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**environment, "PYTHONPATH": path, "HOME": str(self.directory)},
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        """Run the command to its end."""
        process = self.start(*words)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def sweep(self) -> Sweep:
        """The record of the latest sweep."""
        records = (self.directory / "work").rglob(FILE_NAME)
        return Sweep(max(records, key=lambda p: p.stat().st_ctime_ns).parent)

    def jobs(self) -> list[SweepJob]:
        """The jobs of the latest sweep."""
        return self.sweep().jobs()

    def seen(self) -> list[dict[str, object]]:
        """What each call of the function has seen, in order."""
        file = self.directory / "seen.txt"
        lines = file.read_text().splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]

    def forget(self) -> None:
        """Remove the plan, and what calls have seen."""
        for name in ("plan.json", "seen.txt", "die.json"):
            (self.directory / name).unlink(missing_ok=True)

    def content(self) -> list[object]:
        """What the catalog holds of the last sweep, without what differs by nature."""
        ml = DerivaML(str(self.directory / "catalog"), working_dir=self.directory / "look")
        try:
            parents = [e for e in ml.find_executions() if e.is_parent()]
            assert len({p.rid for p in parents}) == len(parents)
            return [_told(parent) for parent in parents]
        finally:
            ml.catalog.close()


def _told(execution: ExecutionRecord) -> object:
    children = [_told(child) for child in execution.list_execution_children()]
    assets = execution.list_assets("Output")
    files = sorted((a.asset_table, _named(a.filename), *sorted(a.asset_types)) for a in assets)
    about = re.sub(r"execution \w+", "execution", execution.description)
    return [about, str(execution.status), execution.status_detail, files, children]


def _named(file: str) -> str:
    """A file's name without the time and the RID that Hydra's files have in theirs."""
    pattern = r"^(environment_snapshot|hydra).*?(-config|-hydra|-overrides)?(\.\w+)$"
    return re.sub(pattern, r"\1\2\3", file)


def make_project(directory: Path, catalog: Path) -> Project:
    """A project with a copy of a catalog."""
    shutil.copytree(catalog, directory / "catalog")
    config = CONFIG.format(place=str(directory / "catalog"), kept=str(directory / "work"))
    for name, text in {
        "src/configs/__init__.py": "",
        "src/configs/base.py": config,
        "src/models/__init__.py": "",
        "src/models/mine.py": MODEL,
    }.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return Project(directory)


def until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(process.communicate(timeout=10))
        time.sleep(0.02)


def until_gone(group: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise AssertionError(f"Processes of group {group} live on.")
