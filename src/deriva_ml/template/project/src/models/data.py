"""From a downloaded dataset version to arrays: no catalog, no network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from deriva_ml import DatasetBag, Execution

import catalog

SHAPES = tuple(catalog.SHAPES)


@dataclass(frozen=True)
class Part:
    """Pictures of one part of the split, in the order of `rids`.

    `inputs` is float32 of shape (n, 65): the 64 numbers of a picture, and 1 for the intercept;
    `labels` is int64 of shape (n,), positions in `SHAPES`.
    """

    rids: list[str]
    inputs: np.ndarray
    labels: np.ndarray


def split_of(execution: Execution) -> tuple[Part, Part]:
    """Return the training and the testing part of the first dataset of a run."""
    if not execution.datasets:
        raise ValueError("The run has no dataset. Start 'python src/load.py', which makes one.")
    return load_split(execution.download_dataset_bag(execution.datasets[0]))


def load_split(bag: DatasetBag) -> tuple[Part, Part]:
    """Return the training and the testing part of a split dataset."""
    labels = {record.Picture: record.Shape for record in bag.feature_values("Picture", "Label")}
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
            "choose a dataset that 'src/load.py' split."
        )
    return load_part(parts["Training"], labels), load_part(parts["Testing"], labels)


def load_part(bag: DatasetBag, labels: dict[str, str]) -> Part:
    """Read the member pictures of one dataset of a bag, with the labels given by RID."""
    members = sorted(bag.list_dataset_members()["Picture"], key=lambda row: row["RID"])
    rids = [row["RID"] for row in members]
    inputs = np.ones((len(members), 65), dtype=np.float32)
    for i, row in enumerate(members):
        path = bag.path / "data" / "asset" / row["RID"] / "Picture" / row["Filename"]
        inputs[i, :64] = np.load(path).ravel()
    return Part(rids, inputs, np.array([SHAPES.index(labels[rid]) for rid in rids], dtype=np.int64))
