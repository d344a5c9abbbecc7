"""Put the digits into the catalog, as datasets with versions, and note which versions to use.

The data are the 1,797 handwritten digits that scikit-learn ships (8 by 8 pixels, from the UCI
Machine Learning Repository). Each step can be interrupted and run again: its execution knows what
is done, and does not do it twice.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from deriva_ml import DerivaML, Execution
from deriva_ml.dataset import Dataset, split_dataset


def write_images(limit: int | None, *, ml_instance: DerivaML, execution: Execution) -> None:
    """Write the images as PNG files and register them with their labels.

    Args:
        limit: How many images; None means all.
        ml_instance: The catalog.
        execution: The run to record into.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    label = ml_instance.feature_record_class("Image", "Label")
    values = []
    # scikit-learn counts ink from 0 to 16; a PNG has 8 bits.
    pixels = np.rint(digits.images[:limit] * 255 / 16).astype(np.uint8)
    for number, (picture, target) in enumerate(zip(pixels, digits.target, strict=False)):
        path = execution.asset_file_path("Image", f"digit_{number:04}.png")
        Image.fromarray(picture).save(path)
        values.append(label(Image=path, Digit=str(target)))
    execution.add_features(values)


def make_dataset(loaded: str, *, ml_instance: DerivaML, execution: Execution) -> None:
    """Put all images that an execution loaded in one dataset."""
    dataset = execution.create_dataset(
        ["Complete", "Labeled"], description="All handwritten digits, with ground truth"
    )
    outputs = ml_instance.lookup_execution(loaded).list_assets(asset_role="Output")
    images = [asset.asset_rid for asset in outputs if asset.asset_table == "Image"]
    dataset.add_dataset_members({"Image": images})


def split(dataset: str, *, ml_instance: DerivaML, execution: Execution) -> None:
    """Split a dataset 80/20 by label, so that both parts have the same share of each digit."""
    split_dataset(
        ml_instance,
        dataset,
        execution,
        test_size=0.2,
        seed=42,
        stratify_by_column="Label.Digit",
        training_types=["Labeled"],
        testing_types=["Labeled"],
        split_description="Digits split 80/20, stratified by label",
    )


def find_dataset(ml: DerivaML, kind: str, run: str) -> Dataset:
    """The dataset of a type that an execution made."""
    found = (d for d in ml.find_datasets(sort=True) if kind in d.dataset_types)
    return next(d for d in found if d.dataset_history()[0].execution_rid == run)


def record_datasets(whole: Dataset, divided: Dataset, path: Path) -> None:
    """Write down which versions experiments shall use, for `configs/datasets.py`."""
    known = {
        name: {"rid": dataset.dataset_rid, "version": str(dataset.current_version)}
        for name, dataset in (("complete", whole), ("split", divided))
    }
    path.write_text(json.dumps(known, indent=2) + "\n")
