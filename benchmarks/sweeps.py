"""Sweeps: what a job adds to the bare function, and what two processes gain.

Every figure is of whole commands on an embedded catalog. A job's cost is the difference between
sweeps of many jobs and of few, so that the start of the command is left out. The function of the
second comparison works for a second of processor time.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from statistics import median

from measure import Comparison, seconds

from deriva_ml.schema import create_ml_catalog

Sweep = Callable[..., float]

SOURCES = Path(__file__).resolve().parents[1] / "src"
MANY, FEW = 22, 2
JOBS = 50
ROUNDS = 3
WORK_S = 1.0
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")

CONFIG = """
from hydra_zen import builds, store
from deriva_ml import DerivaMLConfig
from deriva_ml.execution import Workflow, create_model_config
from models.work import work

Connection = builds(DerivaMLConfig, populate_full_signature=True)
store(Connection(hostname={place!r}, working_dir={kept!r}),
      group="deriva_ml", name="default_deriva")
store([], group="datasets", name="default_dataset")
store([], group="assets", name="default_asset")
store(builds(Workflow, name="w", workflow_type="Training", populate_full_signature=True),
      group="workflow", name="default_workflow")
store(builds(work, number=0, seconds=0.0, populate_full_signature=True, zen_partial=True),
      group="model_config", name="default_model")
store(create_model_config(description="sweep"), name="deriva_model")
"""

MODEL = '''
import json, time

def work(number: int, seconds: float, ml_instance=None, execution=None) -> float:
    """Work for some seconds of processor time, and record a measurement and a file."""
    begin = time.process_time()
    while time.process_time() - begin < seconds:
        pass
    execution.metrics_file().write_text(json.dumps({"loss": 1 / (1 + number)}) + "\\n")
    execution.asset_file_path("Execution_Asset", f"{number}.txt").write_text(str(number))
    return 1 / (1 + number)
'''


def main(directory: Path) -> list[Comparison]:
    """Measure in projects below `directory`."""
    numbers = count()

    def sweep(jobs: int, work_s: float, *words: str) -> float:
        project = _project(directory / str(next(numbers)))
        return seconds(lambda: _run(project, jobs, work_s, *words))

    sweep(FEW, 0.0, *JOBLIB)  # so that all is compiled
    return [_cost_of_a_job(sweep), _gain(sweep)]


def _cost_of_a_job(sweep: Sweep) -> Comparison:
    """The seconds that a job adds to a function that does next to nothing."""
    added, worked = [], []
    for _ in range(5):
        before = _processor_s()
        few = sweep(FEW, 0.0)
        between = _processor_s()
        many = sweep(MANY, 0.0)
        added.append((many - few) / (MANY - FEW))
        worked.append((_processor_s() - 2 * between + before) / (MANY - FEW))
    note = f"{median(worked):.3f} s of processor time"
    return Comparison("a job of a sweep adds", "", tuple(added), (), goal_s=0.3, note=note)


def _processor_s() -> float:
    """The processor time of the commands so far: on a busy machine it says more than the clock."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _gain(sweep: Sweep) -> Comparison:
    """Two processes beside one; the goal is the inverse of 1.7."""
    ours, limit = [], []
    for _ in range(ROUNDS):
        limit.append(sweep(JOBS, WORK_S))
        ours.append(sweep(JOBS, WORK_S, *JOBLIB))
    return Comparison(
        f"{JOBS} jobs of {WORK_S:g} s by joblib on two cores",
        "the basic launcher",
        tuple(ours),
        tuple(limit),
        goal=1 / 1.7,
    )


def _project(place: Path) -> Path:
    """A project with a catalog of its own."""
    create_ml_catalog(str(place / "catalog"), "lab").close()
    config = CONFIG.format(place=str(place / "catalog"), kept=str(place / "work"))
    for name, text in {
        "src/configs/__init__.py": "",
        "src/configs/base.py": config,
        "src/models/__init__.py": "",
        "src/models/work.py": MODEL,
    }.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return place


def _run(project: Path, jobs: int, work_s: float, *words: str) -> None:
    environment = {
        **{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
        # As where it is installed, modules are compiled once.
        "PYTHONPYCACHEPREFIX": str(project.parent / "compiled"),
        "PYTHONPATH": os.pathsep.join([str(SOURCES), *filter(None, sys.path)]),
        "DERIVA_ML_QUIET": "true",
        "DERIVA_ML_ALLOW_DIRTY": "true",
    }
    subprocess.run(
        [
            *(sys.executable, "-m", "deriva_ml.cli.run", "-m"),
            *(f"model_config.number=range(0,{jobs})", f"model_config.seconds={work_s}", *words),
        ],
        cwd=project,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
