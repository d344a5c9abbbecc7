"""From a downloaded dataset version to arrays: no catalog, no network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from deriva_ml import DatasetBag


@dataclass(frozen=True)
class Part:
    """Images of one part of the split, in the order of `rids`.

    `pixels` is float32 of shape (n, 8, 8) in [0, 1]; `labels` is int64 of shape (n,).
    """

    rids: list[str]
    pixels: np.ndarray
    labels: np.ndarray


def load_part(bag: DatasetBag, labels: dict[str, str]) -> Part:
    """Read the member images of one dataset of a bag, with the labels given by image RID."""
    members = sorted(bag.list_dataset_members()["Image"], key=lambda row: row["RID"])
    rids = [row["RID"] for row in members]
    pixels = np.empty((len(members), 8, 8), dtype=np.float32)
    for i, row in enumerate(members):
        path = bag.path / "data" / "asset" / row["RID"] / "Image" / row["Filename"]
        with Image.open(path) as picture:
            pixels[i] = np.asarray(picture, dtype=np.float32) / 255.0
    return Part(rids, pixels, np.array([int(labels[rid]) for rid in rids], dtype=np.int64))


def load_split(bag: DatasetBag) -> tuple[Part, Part]:
    """Return the training and the testing part of a split dataset."""
    labels = {record.Image: record.Digit for record in bag.feature_values("Image", "Label")}
    parts = {
        kind: child
        for child in bag.list_dataset_children()
        for kind in ("Training", "Testing")
        if kind in child.dataset_types
    }
    missing = {"Training", "Testing"} - parts.keys()
    if missing:
        raise ValueError(
            f"Dataset {bag.dataset_rid} has no {' and no '.join(sorted(missing))} part; "
            "choose a dataset made by the split step."
        )
    return load_part(parts["Training"], labels), load_part(parts["Testing"], labels)
