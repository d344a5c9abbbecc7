"""The digits in the catalog: its tables, its images, its datasets.

The data are the 1,797 handwritten digits that scikit-learn ships (8 by 8 pixels, from the UCI
Machine Learning Repository). Each step can be interrupted and run again: its execution knows what
is done, and does not do it twice.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from deriva_ml import ColumnDefinition, DerivaML, Execution
from deriva_ml.dataset import Dataset, split_dataset
from deriva_ml.schema import create_ml_catalog

HOST = os.environ.get("DIGITS_HOST", "localhost")
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def open_catalog(name: str) -> DerivaML:
    """Connect to the catalog of that name, creating it the first time.

    It is this machine's own, or on the server that the variable DIGITS_HOST names.
    """
    from deriva_ml.core.exceptions import DerivaMLNotFoundError

    try:
        return DerivaML(HOST, name)
    except DerivaMLNotFoundError:
        create_ml_catalog(HOST, "digits", catalog_alias=name)
        return DerivaML(HOST, name)


def define_tables(ml: DerivaML) -> None:
    """Define images, the ten digits, and what is said about an image."""
    if "Image" in {table.name for table in ml.list_asset_tables()}:
        return
    with ml.catalog.transaction():
        ml.create_vocabulary("Digit", "The ten digits")
        for digit, word in enumerate(WORDS):
            ml.add_term("Digit", str(digit), description=f"The digit {word}", synonyms=[word])
        ml.create_asset("Image", comment="Handwritten digits, 8 by 8 pixels, 8-bit grey")
        ml.create_feature("Image", "Label", terms=["Digit"], comment="What the writer wrote")
        confidence = ColumnDefinition(name="Confidence", type="float4")
        ml.create_feature(
            "Image",
            "Prediction",
            terms=["Digit"],
            metadata=[confidence],
            comment="What a model sees",
        )
        ml.add_dataset_element_type("Image")


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


def make_dataset(*, ml_instance: DerivaML, execution: Execution) -> None:
    """Put all images in one dataset."""
    dataset = execution.create_dataset(
        ["Complete", "Labeled"], description="All handwritten digits, with ground truth"
    )
    images = [asset.asset_rid for asset in ml_instance.list_assets("Image")]
    dataset.add_dataset_members({"Image": images})


def split(*, ml_instance: DerivaML, execution: Execution) -> None:
    """Split 80/20 by label, so that both parts have the same share of each digit."""
    split_dataset(
        ml_instance,
        find_dataset(ml_instance, "Complete").dataset_rid,
        execution,
        test_size=0.2,
        seed=42,
        stratify_by_column="Label.Digit",
        training_types=["Labeled"],
        testing_types=["Labeled"],
        split_description="Digits split 80/20, stratified by label",
    )


def find_dataset(ml: DerivaML, kind: str) -> Dataset:
    """The first dataset of a type."""
    return next(d for d in ml.find_datasets() if kind in d.dataset_types)


def record_datasets(ml: DerivaML, path: Path) -> None:
    """Write down which versions experiments shall use, for `configs/datasets.py`."""
    datasets = {name: find_dataset(ml, name.title()) for name in ("complete", "split")}
    known = {
        name: {"rid": dataset.dataset_rid, "version": str(dataset.current_version)}
        for name, dataset in datasets.items()
    }
    path.write_text(json.dumps(known, indent=2) + "\n")
