"""Put the data into the catalog, as datasets with versions, and note which versions to use.

The data are drawn here, so that the project works at once: replace `draw` by reading files of
your own. Each step is an execution. When this is interrupted, start it again: it goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from deriva_ml import DerivaML, DerivaMLConfig, Execution
from deriva_ml.dataset import Dataset, split_dataset
from deriva_ml.execution import Workflow, run_model

from catalog import NAME, SHAPES, open_catalog

RECORD = Path(__file__).parent / "configs" / "datasets.json"
DATA_VERSION = 1
"""Raise this when `draw`, or the files that come in its place, have changed: loads them anew."""


def load(host: str, pictures: int, record: Path = RECORD) -> None:
    """Load, make the dataset, split it, and record the versions."""
    ml = open_catalog(host)
    what = f"{pictures} pictures, data version {DATA_VERSION}"
    loaded = step(ml, host, f"Load {what}", "Ingest", partial(write_pictures, pictures))
    put = partial(make_dataset, loaded)
    made = step(ml, host, f"Make the dataset of {what}", "Dataset_Management", put)
    whole = find_dataset(ml, "Complete", made)
    cut = partial(split, whole.dataset_rid)
    divided = step(ml, host, f"Split the dataset of {what}", "Dataset_Split", cut)
    record_datasets(whole, find_dataset(ml, "Split", divided), record)


def step(
    ml: DerivaML, host: str, description: str, kind: str, function: Callable[..., None]
) -> str:
    """Run a function as an execution and return the execution's RID.

    What was done before is not done again, and what was interrupted goes on. A step is known by
    its description, its function and the arguments of that, not by what the function does.
    """
    before = runs_of(ml, description)
    run_model(
        DerivaMLConfig(hostname=host, catalog_id=NAME),
        datasets=[],
        assets=[],
        description=description,
        workflow=Workflow(name=description, workflow_type=kind),
        model_config=function,
        resume=True,
    )
    run = runs_of(ml, description)[0]
    told = "was done before, execution" if run in before else "done, execution"
    print(f"{description}: {told} {run}", flush=True)
    return run


def runs_of(ml: DerivaML, description: str) -> list[str]:
    """Return the completed executions of a step, the newest first."""
    runs = ml.find_executions(status="Uploaded", sort=True)
    return [run.execution_rid for run in runs if run.description == description]


def draw(shape: str, generator: np.random.Generator) -> np.ndarray:
    """Draw a ring or a cross: float32 of shape (8, 8) in [0, 1], with some noise."""
    rows, columns = np.mgrid[0:8, 0:8] - (3.5 + generator.uniform(-0.5, 0.5, (2, 1, 1)))
    if shape == "ring":
        distance = np.abs(np.hypot(rows, columns) - generator.uniform(2.2, 3.0))
    else:
        distance = np.minimum(np.abs(rows), np.abs(columns))
    picture = np.clip(1.2 - distance, 0, 1) + generator.normal(0, 0.4, (8, 8))
    return np.clip(picture, 0, 1).astype(np.float32)


def write_pictures(count: int, *, ml_instance: DerivaML, execution: Execution) -> None:
    """Write pictures as files and register them with their labels."""
    generator = np.random.default_rng(0)
    label = ml_instance.feature_record_class("Picture", "Label")
    values = []
    for number in range(count):
        shape = list(SHAPES)[number % len(SHAPES)]
        path = execution.asset_file_path("Picture", f"picture_{number:04}.npy")
        np.save(path, draw(shape, generator))
        values.append(label(Picture=path, Shape=shape))
    execution.add_features(values)


def make_dataset(loaded: str, *, ml_instance: DerivaML, execution: Execution) -> None:
    """Put all pictures that an execution loaded in one dataset."""
    dataset = execution.create_dataset(
        ["Complete", "Labeled"], description="All pictures, with what was drawn"
    )
    outputs = ml_instance.lookup_execution(loaded).list_assets(asset_role="Output")
    pictures = [asset.asset_rid for asset in outputs if asset.asset_table == "Picture"]
    dataset.add_dataset_members({"Picture": pictures})


def split(dataset: str, *, ml_instance: DerivaML, execution: Execution) -> None:
    """Split a dataset 75/25 by label, so that both parts have the same share of each shape."""
    split_dataset(
        ml_instance,
        dataset,
        execution,
        test_size=0.25,
        seed=42,
        stratify_by_column="Label.Shape",
        training_types=["Labeled"],
        testing_types=["Labeled"],
        split_description="Pictures split 75/25, stratified by label",
    )


def find_dataset(ml: DerivaML, kind: str, run: str) -> Dataset:
    """Return the dataset of a type that an execution made."""
    found = (d for d in ml.find_datasets(sort=True) if kind in d.dataset_types)
    return next(d for d in found if d.dataset_history()[0].execution_rid == run)


def record_datasets(whole: Dataset, divided: Dataset, path: Path) -> None:
    """Write down which versions runs shall use, for `configs/datasets.py`."""
    known = {
        name: {"rid": dataset.dataset_rid, "version": str(dataset.current_version)}
        for name, dataset in (("complete", whole), ("split", divided))
    }
    path.write_text(json.dumps(known, indent=2) + "\n")
    print("The datasets are in", path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Put the data into the catalog.")
    parser.add_argument("--host", default="localhost", help="this machine, or a server")
    parser.add_argument("--pictures", type=int, default=120, help="how many to draw")
    options = parser.parse_args()
    load(options.host, options.pictures)
