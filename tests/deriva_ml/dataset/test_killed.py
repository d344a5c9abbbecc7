"""A change of datasets that is killed anywhere has happened as a whole, or not at all."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deriva_ml.core.base import DerivaML

from ..conftest import Stage, fill_zoo

SCRIPT = Path(__file__).with_name("change_and_die.py")
KILLS = 4
TABLES = (
    "Dataset",
    "Dataset_Version",
    "Dataset_Dataset_Type",
    "Dataset_Dataset",
    "Dataset_Image",
    "Dataset_File",
    "Directory_Dataset",
    "File",
    "File_Asset_Type",
    "Dataset_Type",
)
Perform = Callable[[str, int], tuple[int, int]]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")


@pytest.fixture(scope="module")
def beginning(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with a dataset of four pictures inside another, to copy."""
    ml = stage.clear()
    zoo = fill_zoo(ml)
    inner = ml.datasets.create([], "source", members=zoo.images[:4])
    ml.datasets.create([], "outer", members=[inner.rid])
    ml.catalog.close()
    return Path(shutil.copytree(stage.place, tmp_path_factory.mktemp("killed") / "catalog"))


@pytest.fixture(scope="module")
def perform(stage: Stage) -> Iterator[Perform]:
    """Performs an operation up to a step; returns how its process ended and the steps it made."""
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), str(stage.place), str(stage.work)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None

        def run(operation: str, point: int) -> tuple[int, int]:
            server.stdin.write(f"{operation} {point}\n")
            server.stdin.flush()
            status, steps = server.stdout.readline().split()
            return int(status), int(steps)

        yield run
        server.stdin.close()


def _content(ml: DerivaML) -> dict[str, Any]:
    """All rows about datasets, without the times."""
    times = {"RCT", "RMT", "Snapshot"}
    return {
        table: [
            {k: v for k, v in row.items() if k not in times} for row in ml.get_table_as_dict(table)
        ]
        for table in TABLES
    }


def _counts(content: dict[str, list[Any]]) -> dict[str, int]:
    return {table: len(rows) for table, rows in content.items()}


def _again(stage: Stage, beginning: Path) -> None:
    stage.ml.catalog.close()
    shutil.rmtree(stage.place)
    shutil.copytree(beginning, stage.place)


@pytest.mark.parametrize("operation", ["create", "add_members", "split", "add_files"])
def test_a_killed_change_is_whole_or_absent(
    stage: Stage, beginning: Path, perform: Perform, operation: str
) -> None:
    _again(stage, beginning)
    before = _content(stage.ml)
    perform(operation, 0)  # what is compiled then takes no steps later
    _again(stage, beginning)
    status, steps = perform(operation, 0)
    after = _content(stage.ml)
    assert (status, before != after) == (0, True)
    assert steps > 50
    chance = random.Random(f"killed {operation}")
    # Not near the end, since not every process makes exactly as many steps.
    for point in sorted(chance.sample(range(1, steps * 9 // 10), KILLS)):
        _again(stage, beginning)
        status, _ = perform(operation, point)
        assert status == -signal.SIGKILL
        assert _content(stage.ml) in (before, after), f"killed at step {point} of {steps}"
    assert stage.ml.catalog.check() == []  # type: ignore[attr-defined]
    # Whatever the last one left behind, it can be done then.
    if _content(stage.ml) == before:
        assert perform(operation, 0)[0] == 0
        assert _counts(_content(stage.ml)) == _counts(after)
