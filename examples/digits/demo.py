"""The main job, end to end: load, version, split, train, sweep, and see what happened.

Run it again and it takes up what was interrupted, reuses what is done and adds an experiment.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "src"))

import load
from catalog import HOST, NAME, open_catalog
from deriva_ml import DerivaML, DerivaMLConfig
from deriva_ml.execution import Workflow, run_model
from summary import show


def main() -> None:
    """Run the demonstration."""
    options = _options()
    home = options.home.resolve()
    os.environ["DERIVA_ML_HOME"] = str(home)
    home.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()

    ml = open_catalog()
    once("Load the digits", "Ingest", partial(load.write_images, options.images))
    once("Make the dataset", "Dataset_Management", load.make_dataset)
    once("Split the dataset", "Dataset_Split", load.split)
    load.record_datasets(ml, home / "datasets.json")

    again = _is_complete(ml)
    experiment("+experiment=baseline", "--resume")
    experiment("+multirun=perceptron_sweep", "--resume")
    if again and not options.finish:
        experiment("+experiment=quick", f"model_config.seed={_trained(ml)}", "--resume")
    show(ml, home, time.perf_counter() - began)


def once(description: str, kind: str, function: Callable[..., None]) -> None:
    """Run a function as an execution, unless that was done; go on where it was interrupted."""
    began = time.perf_counter()
    print(f"{description} ...", flush=True)
    run_model(
        DerivaMLConfig(hostname=HOST, catalog_id=NAME),
        datasets=[],
        assets=[],
        description=description,
        workflow=Workflow(name=description, workflow_type=kind),
        model_config=function,
        resume=True,
    )
    print(f"{description}: done in {time.perf_counter() - began:.1f} s", flush=True)


def experiment(*arguments: str) -> None:
    """Run the project's command as a user would, in the project's directory."""
    print("$ deriva-ml-run", *arguments, flush=True)
    command = [sys.executable, "-m", "deriva_ml.cli.run", *arguments]
    code = subprocess.run(command, cwd=HERE, check=False).returncode
    if code:
        sys.exit(
            f"The step ended with code {code}. Run the demonstration again to go on from here."
        )


def _is_complete(ml: DerivaML) -> bool:
    """Whether the demonstration came to its end before: a sweep is uploaded after its last job."""
    trained = ml.find_executions(workflow_type="Training", status="Uploaded")
    return any(run.is_parent() for run in trained)


def _trained(ml: DerivaML) -> int:
    """How many training runs are complete."""
    return len(list(ml.find_executions(workflow_type="Training", status="Uploaded")))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--home",
        type=Path,
        default=Path(os.environ.get("DERIVA_ML_HOME", HERE.parents[1] / ".demo")),
        help="where catalogs and outputs live (default: $DERIVA_ML_HOME, else .demo beside "
        "the Makefile)",
    )
    parser.add_argument("--images", type=int, help="load only the first N images")
    parser.add_argument(
        "--finish", action="store_true", help="complete what was interrupted, add no experiment"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
