"""What a caller in Python asks for is checked as a command line is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flexlock.errors import ConfigError
from flexlock.tasks.lists import make_tasks
from flexlock.tasks.model import TaskOptions
from flexlock.tasks.options import cores
from flexlock.tasks.preparing import Sweep, prepare


def double(x: int) -> int:
    return 2 * x


def prepared(root: Path, **options: Any) -> Sweep:
    asked = TaskOptions(**options)
    return prepare(double, {"x": 1}, make_tasks([1, 2], key="x"), asked, None, root, ())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n_jobs": 0}, "n_jobs must be at least 1"),
        ({"n_jobs": -2}, "n_jobs must be at least 1"),
        ({"max_attempts": 0}, "max_attempts must be at least 1"),
        ({"retry": "sometimes"}, "retry='sometimes' is none of none, failed, all"),
        ({"queue": "paper"}, "queue='paper' is none of auto, sqlite, files"),
        ({"slurm_config": {}, "pbs_config": {}}, "Both slurm_config and pbs_config"),
        ({"export": "table.xls"}, r"'\.xls'"),
    ],
)
def test_what_no_option_means_is_refused(
    tmp_path: Path, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        prepared(tmp_path, **options)


def test_a_config_of_any_kind_and_a_worker_for_each_core_will_do(tmp_path: Path) -> None:
    sweep = prepared(tmp_path, n_jobs=-1)
    assert sweep.options.n_jobs == cores()
    assert sweep.base.x == 1
