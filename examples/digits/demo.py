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
    _load(ml, options.images, home / "datasets.json")

    again = _is_complete(ml)
    experiment("+experiment=baseline", "--resume")
    experiment("+multirun=perceptron_sweep", "--resume")
    if again and not options.finish:
        experiment("+experiment=quick", f"model_config.seed={_trained(ml)}", "--resume")
    show(ml, home, time.perf_counter() - began)


def _load(ml: DerivaML, images: int | None, record: Path) -> None:
    """Put the images into the catalog, as a dataset and its split, and note their versions."""
    what = "the digits" if images is None else f"{images} digits"
    loaded = once(ml, f"Load {what}", "Ingest", partial(load.write_images, images))
    put = partial(load.make_dataset, loaded)
    made = once(ml, f"Make the dataset of {what}", "Dataset_Management", put)
    whole = load.find_dataset(ml, "Complete", made)
    cut = partial(load.split, whole.dataset_rid)
    divided = once(ml, f"Split the dataset of {what}", "Dataset_Split", cut)
    load.record_datasets(whole, load.find_dataset(ml, "Split", divided), record)


def once(ml: DerivaML, description: str, kind: str, function: Callable[..., None]) -> str:
    """Run a function as an execution, and return the execution's RID.

    What was done before is not done again; what was interrupted goes on.
    """
    began = time.perf_counter()
    print(f"{description} ...", flush=True)
    before = _runs_of(ml, description)
    run_model(
        DerivaMLConfig(hostname=HOST, catalog_id=NAME),
        datasets=[],
        assets=[],
        description=description,
        workflow=Workflow(name=description, workflow_type=kind),
        model_config=function,
        resume=True,
    )
    run = _runs_of(ml, description)[0]
    took = f"done in {time.perf_counter() - began:.1f} s"
    told = "was done before" if run in before else took
    print(f"{description}: {told}, execution {run}", flush=True)
    return run


def _runs_of(ml: DerivaML, description: str) -> list[str]:
    """The completed executions of a step, the newest first."""
    runs = ml.find_executions(status="Uploaded", sort=True)
    return [run.execution_rid for run in runs if run.description == description]


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
