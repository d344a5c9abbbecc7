"""How long a fresh process takes to import the packages, beside what they stand on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from measure import Comparison, Timed, compare, seconds

SOURCES = Path(__file__).resolve().parents[1] / "src"
BASE = "import hydra_zen, pydantic, sqlalchemy"
MODULE = ["-m", "deriva_ml.cli.run", "--help"]


def main(directory: Path) -> list[Comparison]:
    """Measure processes that run in `directory`."""
    base = _process(directory, "-c", BASE)
    cases = [
        ("python -c 'import deriva_ml'", ["-c", "import deriva_ml"], 1.5),
        ("python -c 'import deriva_catalog'", ["-c", "import deriva_catalog"], None),
        (
            "python -c 'from deriva_ml import DerivaML'",
            ["-c", "from deriva_ml import DerivaML"],
            1.5,
        ),
        ("deriva-ml-run --help", MODULE, 2.0),
    ]
    return [
        compare(
            name, _process(directory, *arguments), base, limit_name=f"python -c '{BASE}'", goal=goal
        )
        for name, arguments, goal in cases
    ]


def _process(directory: Path, *arguments: str) -> Timed:
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    command = [sys.executable, *arguments]

    def work() -> None:
        subprocess.run(
            command, cwd=directory, env=environment, check=True, stdout=subprocess.DEVNULL
        )

    return lambda: seconds(work)
