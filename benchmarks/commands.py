"""How much processor time the commands take that run nothing, beside importing what they stand on.

On a busy machine that says more than the clock.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

from measure import Comparison, Timed, compare

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "examples" / "digits"
BASE = "import hydra, hydra_zen"
RUN = ("-m", "deriva_ml.cli.run")


def main(directory: Path) -> list[Comparison]:
    """Measure commands in the example project, with a home in `directory`."""
    base = _process(directory, "-c", BASE)
    return [
        compare(
            f"deriva-ml-run {option} in examples/digits",
            _process(directory, *RUN, option),
            base,
            limit_name=f"python -c '{BASE}'",
            goal=2.0,
            rounds=15,
        )
        for option in ("--help", "--list-configs")
    ]


def _process(home: Path, *arguments: str) -> Timed:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "DERIVA_ML_HOME": str(home)}
    command = [sys.executable, *arguments]

    def work() -> float:
        before = _processor_s()
        subprocess.run(command, cwd=PROJECT, env=environment, check=True, stdout=subprocess.DEVNULL)
        return _processor_s() - before

    return work


def _processor_s() -> float:
    """The processor time of all commands so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
