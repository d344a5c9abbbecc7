"""What an import did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deriva_ml.dataset.dataset import Dataset

__all__ = ["ImportResult"]


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did.

    Attributes:
        dataset: The dataset of everything that was imported.
        execution_rid: The execution that imported it; None when it was there already.
        rids: RIDs of the rows by what they were made from: the path of a file in the source, or
            the number of a row of a table, from 0.
        added: How many rows were inserted.
        present: How many were there already.
        skipped: Paths of files that are no part of the data.
    """

    dataset: Dataset
    execution_rid: str | None
    rids: Mapping[str | int, str] = field(repr=False)
    added: int = 0
    present: int = 0
    skipped: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether the catalog is another than before."""
        return self.execution_rid is not None
