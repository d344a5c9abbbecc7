"""The launcher on a project without a catalog: what runs again, and how failures are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from omegaconf import OmegaConf

from deriva_ml.launching.launcher import _fingerprint

CONFIGS = """
from hydra_zen import builds, store
from deriva_ml import DerivaMLConfig
from models.small import run, train

Model = builds(train, populate_full_signature=True, zen_partial=True)
store(group="model_config")(Model, name="default_model")
store(group="deriva_ml")(builds(DerivaMLConfig, hostname="localhost"), name="default_deriva")
defaults = ["_self_", {"deriva_ml": "default_deriva"}, {"model_config": "default_model"}]
main = builds(run, populate_full_signature=True, hydra_defaults=defaults)
store(main, name="deriva_model")
"""

MODEL = """
import sys
from deriva_ml.core.exceptions import DerivaMLConfigurationError

def train(epochs: int = 1, password: str = "") -> None:
    if epochs == 13:
        raise DerivaMLConfigurationError("Thirteen epochs are too many.")
    if epochs == 14:
        sys.exit(2)
    print("train", epochs)

def run(deriva_ml, model_config, resume: bool = False, dry_run: bool = False) -> None:
    model_config()
"""

# One process for all commands: to start one takes longer than the rest.
PROGRAM = """
import json, sys
from deriva_ml.cli.run import main
for words in json.loads(sys.argv[1]):
    status = main(words)
    for stream in (sys.stdout, sys.stderr):
        print(f"--- {status}", file=stream, flush=True)
"""

SWEEP = ["-m", "model_config.epochs=1,2", "--n_jobs", "1"]
COMMANDS = [
    [*SWEEP, "hydra.sweep.dir=out"],
    [*SWEEP, "hydra.sweep.dir=out"],
    [*SWEEP, "hydra.sweep.dir=dry", "--dry-run"],
    [*SWEEP, "hydra.sweep.dir=out", "--resume"],
    ["--tasks", "/dev/stdin", "--task_to", "model_config.epochs", "hydra.sweep.dir=piped"],
    ["--tasks", "some.csv", "hydra.sweep.dir=some", "model_config.password=hunter2"],
    ["-m", "model_config.epochs=13", "model_config.password=a,b", "--n_jobs", "1"],
]


def test_commands_in_one_place_after_another(tmp_path: Path) -> None:
    for name, text in {
        "src/configs/__init__.py": "",
        "src/configs/base.py": CONFIGS,
        "src/models/__init__.py": "",
        "src/models/small.py": MODEL,
        "some.csv": "model_config.epochs\n5\n13\n14\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    known = {k: v for k, v in os.environ.items() if not k.startswith("DERIVA_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(COMMANDS)],
        cwd=tmp_path,
        env={**known, "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(tmp_path)},
        input="3\n4\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown, told = done.stdout.split("---"), done.stderr.split("---")
    called = [[line for line in one.splitlines() if line.startswith("train")] for one in shown]
    again = ["train 1", "train 2"]
    assert called == [again, again, again, [], ["train 3", "train 4"], ["train 5"], [], []]
    assert [int(one.split()[0]) for one in shown[1:]] == [0, 0, 0, 0, 0, 1, 2]
    assert "2 of 3 jobs failed:\n  Job 1 was refused: Thirteen epochs are too many.\n" in told[5]
    assert "Job 2 failed: raised DerivaMLExecutionError: The model function ended" in told[5]
    assert "hunter2" not in done.stderr
    assert told[6] == " 1\nderiva-ml-run: Thirteen epochs are too many.\n"
    assert shown[6] == " 1\n"
    # The words of jobs may have secrets in them.
    assert (tmp_path / "out" / "run.lock.tasks.db").stat().st_mode & 0o077 == 0


def test_what_is_done_counts_for_one_configuration() -> None:
    def fingerprint(epochs: int, *, resume: bool) -> str:
        about = {"model_config": {"epochs": epochs}, "resume": resume, "hydra": {"run": epochs}}
        return _fingerprint(OmegaConf.create(about))

    assert fingerprint(1, resume=True) == fingerprint(1, resume=False)
    assert fingerprint(1, resume=True) != fingerprint(2, resume=True)
