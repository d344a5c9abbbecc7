"""What a caller in Python asks for is checked as a command line is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flexlock.errors import ConfigError
from flexlock.tasks.commands import run_workers
from flexlock.tasks.lists import make_tasks
from flexlock.tasks.model import TaskOptions
from flexlock.tasks.options import cores
from flexlock.tasks.preparing import Sweep, prepare
from flexlock.tasks.sweep import run_tasks
from flexlock.tasks.variables import claim_batch, lease_s, line_every_s, poll_s


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


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("FLEXLOCK_LEASE", "-1"),
        ("FLEXLOCK_LOG_FREQUENCY", "15s"),
        ("FLEXLOCK_LOG_FREQUENCY", "nan"),
        ("FLEXLOCK_POLL_INTERVAL", "often"),
        ("FLEXLOCK_CLAIM_BATCH", "0"),
        ("FLEXLOCK_CLAIM_BATCH", "\N{SUPERSCRIPT TWO}"),
    ],
)
def test_malformed_variables_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigError, match=f"{variable} is '{text}', not a"):
        prepared(tmp_path)
    with pytest.raises(ConfigError, match=variable):
        run_workers(tmp_path, TaskOptions())


def test_a_misspelt_queue_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXLOCK_QUEUE", "sqlit")
    with pytest.raises(ConfigError, match="FLEXLOCK_QUEUE"):
        run_tasks(double, {"x": 1}, make_tasks([1], key="x"), lock=None, root=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_variables_say_how_tasks_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEASE", "LOG_FREQUENCY", "POLL_INTERVAL", "CLAIM_BATCH"):
        monkeypatch.setenv(f"FLEXLOCK_{name}", "")
    assert (lease_s(), line_every_s(), poll_s()) == (120, 15, 10)
    assert [claim_batch("local"), claim_batch("slurm")] == [64, 1]
    monkeypatch.setenv("FLEXLOCK_LEASE", "2.5")
    monkeypatch.setenv("FLEXLOCK_LOG_FREQUENCY", "0")
    monkeypatch.setenv("FLEXLOCK_POLL_INTERVAL", "0")
    monkeypatch.setenv("FLEXLOCK_CLAIM_BATCH", "7")
    assert (lease_s(), line_every_s(), poll_s(), claim_batch("slurm")) == (2.5, 0, 0.1, 7)


def test_a_config_of_any_kind_and_a_worker_for_each_core_will_do(tmp_path: Path) -> None:
    sweep = prepared(tmp_path, n_jobs=-1)
    assert sweep.options.n_jobs == cores()
    assert sweep.base.x == 1
