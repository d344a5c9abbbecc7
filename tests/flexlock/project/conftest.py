"""A repository with a few functions that can be run from it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flexlock_projects import make_project

STEPS = '''
import os
import sys
from pathlib import Path

from flexlock import clicfg, current_run, runlock


def prepare(text="a", times: int = 2, save_dir="results/prepare"):
    Path(save_dir, "out.txt").write_text(text * times)
    return {"length": len(text) * times}


def train(lr: float, source: Path = Path("results/prepare/out.txt")):
    """Does not take a save_dir: it has that of its run."""
    if lr < 0:
        raise ValueError(f"no learning with {lr}")
    if lr > 1:
        sys.exit(3)
    (current_run().save_dir / "model.txt").write_text(f"{lr} {source.read_text()}")
    return {"loss": 1 / lr, "pid": os.getpid(), "get": "taken"}


class Model:
    def __init__(self, size=1):
        self.size = size


def fit(model, save_dir="results/fit", **more):
    return {"size": model.size, **more}


class Config:
    param = 1
    save_dir = "results/seed"


@clicfg(config_class=Config)
def main(cfg):
    runlock(config=cfg, data=["steps.py"])
    return cfg.param


def never(save_dir="results/never"):
    raise AssertionError("must not run")
'''


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = make_project(tmp_path / "project", {"steps.py": STEPS, "helper.py": ""})
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("FLEXLOCK_QUIET", "1")
    yield root
    sys.modules.pop("steps", None)
