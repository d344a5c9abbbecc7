"""What jobs in other processes print, while a terminal shows the table of their sweep."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from deriva_ml.execution.sweep_output import BesideTable


@contextmanager
def terminal() -> Iterator[int]:
    """Let standard error be a terminal; gives what reads from it."""
    reader, writer = pty.openpty()
    before = os.dup(2)
    os.dup2(writer, 2)
    try:
        yield reader
    finally:
        os.dup2(before, 2)
        for number in (before, reader, writer):
            os.close(number)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a job of Hydra."""
    config = OmegaConf.create({"hydra": {"runtime": {"output_dir": str(tmp_path / "0")}}})
    monkeypatch.setattr(HydraConfig.instance(), "cfg", config)
    monkeypatch.setenv("DERIVA_ML_QUIET", "")
    return tmp_path / "0"


def say(config: DictConfig) -> str:
    os.write(1, b"to a file\n")
    os.write(2, b"right through it\n")
    return "returned"


ELSEWHERE = -1


def test_a_worker_keeps_off_the_terminal_with_the_table(
    job: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    beside = BesideTable(say, ELSEWHERE)
    with terminal() as reader:
        assert [beside(OmegaConf.create()), beside(OmegaConf.create())] == ["returned"] * 2
        os.write(2, b"afterwards")
        assert os.read(reader, 100) == b"afterwards"
    assert (job / "stderr.log").read_text() == "right through it\n" * 2
    assert [p.name for p in job.iterdir()] == ["stderr.log"]  # standard output is no terminal
    assert capfd.readouterr().out == "to a file\n" * 2


@pytest.mark.parametrize("how", ["launching", "quiet", "redirected"])
def test_other_output_goes_where_it_always_did(
    how: str, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "quiet":
        monkeypatch.setenv("DERIVA_ML_QUIET", "true")
    beside = BesideTable(say, os.getpid() if how == "launching" else ELSEWHERE)
    with nullcontext() if how == "redirected" else terminal():
        beside(OmegaConf.create())
    assert not job.exists()
