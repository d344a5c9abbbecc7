"""Samples of a bag as a dataset of PyTorch. Importing this needs torch."""

from __future__ import annotations

from typing import Any

from torch.utils.data import Dataset

from .adapters import Samples

__all__ = ["TorchSamples"]


class TorchSamples(Dataset[Any]):
    """A map-style dataset: ``(sample, RID)``, or ``(sample, target, RID)``.

    It may be sent to workers of a `DataLoader`, whatever way they are started, if the loader and
    the transforms may.
    """

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    @property
    def rids(self) -> list[str]:
        """RIDs of the rows, in order."""
        return [row["RID"] for row in self.samples.rows]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, place: int) -> tuple[Any, ...]:
        return self.samples.item(range(len(self.samples))[place])
