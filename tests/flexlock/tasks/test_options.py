"""The command line's options for tasks."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from flexlock.errors import ConfigError
from flexlock.tasks.model import TaskOptions
from flexlock.tasks.options import add_task_arguments, cores, task_options


def parse(*argv: str) -> TaskOptions:
    parser = argparse.ArgumentParser()
    add_task_arguments(parser)
    return task_options(parser.parse_args(argv))


def test_nothing_given_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLEXLOCK_DEFAULT_N_JOBS", raising=False)
    assert parse() == TaskOptions()


@pytest.mark.parametrize("dash", ["_", "-"])
def test_both_spellings_of_every_option(dash: str) -> None:
    words = "--n_jobs=10 --slurm_config s.yaml --rerun_changed --max_attempts 3 --stop_on_error"
    words += " --allow_duplicates --no_wait"
    options = parse(*(word.replace("_", dash) for word in words.split()))
    assert options == TaskOptions(
        n_jobs=10,
        slurm_config="s.yaml",
        rerun_changed=True,
        max_attempts=3,
        stop_on_error=True,
        allow_duplicates=True,
        wait=False,
    )


def test_several_task_files_and_jobs_to_wait_for() -> None:
    parser = argparse.ArgumentParser()
    add_task_arguments(parser)
    given = parser.parse_args(
        ["--tasks", "a.txt", "b.txt", "--tasks", "-", "--after", "1:2", "--after", "3"]
    )
    assert given.tasks == ["a.txt", "b.txt", "-"]
    assert task_options(given).after == ("1", "2", "3")


def test_n_jobs_is_the_cores_for_minus_one_and_comes_from_the_environment_without_the_option(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert parse("--n_jobs", "-1").n_jobs == cores() == len(os.sched_getaffinity(0))
    monkeypatch.setenv("FLEXLOCK_DEFAULT_N_JOBS", "7")
    assert parse().n_jobs == 7
    assert parse("--n_jobs", "2").n_jobs == 2


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--n_jobs", "0"], "at least 1"),
        (["--n_jobs", "-2"], "at least 1"),
        (["--max_attempts", "0"], "at least 1"),
        (["--slurm_config", "a", "--pbs_config", "b"], "leave one out"),
    ],
)
def test_contradictions_are_refused(argv: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse(*argv)


def test_export_is_a_path() -> None:
    assert parse("--export", "t.csv").export == Path("t.csv")
