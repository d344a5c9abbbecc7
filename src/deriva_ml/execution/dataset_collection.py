"""The datasets that an execution reads, brought to this machine when they are first looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from deriva_ml.core.exceptions import DerivaMLDatasetNotFound, some_of
from deriva_ml.dataset.spec import DatasetSpec

if TYPE_CHECKING:
    from deriva_ml.dataset.bag import DatasetBag
    from deriva_ml.dataset.dataset import Dataset

__all__ = ["DatasetCollection"]


class DatasetCollection(Sequence["DatasetBag"]):
    """The input datasets in the order in which they were declared; it cannot be changed.

    An index or an iteration gives `DatasetBag`s, and so does a RID in brackets. Each dataset is
    downloaded once, when it is first asked for.

    Args:
        specs: The datasets and their versions.
        download: Brings one of them here.
        took: Told the seconds that a download took.
    """

    def __init__(
        self,
        specs: Sequence[DatasetSpec],
        download: Callable[[DatasetSpec], DatasetBag],
        took: Callable[[float], object],
    ) -> None:
        self._specs = {spec.rid: spec for spec in specs}
        self._download = download
        self._took = took
        self._bags: dict[str, DatasetBag] = {}

    def bag(self, spec: DatasetSpec) -> DatasetBag:
        """The bag of one dataset version."""
        key = str(spec)
        if key not in self._bags:
            began = time.monotonic()
            self._bags[key] = self._download(spec)
            self._took(time.monotonic() - began)
        return self._bags[key]

    def find(self, dataset: DatasetSpec | DatasetBag | Dataset | str) -> DatasetBag:
        """The bag that is meant (see `Execution.download_dataset_bag`)."""
        from deriva_ml.dataset.dataset import Dataset

        if isinstance(dataset, Dataset):
            known = self._specs.get(dataset.dataset_rid)
            return self.bag(
                known or DatasetSpec(rid=dataset.dataset_rid, version=dataset.current_version)
            )
        if isinstance(dataset, DatasetSpec):
            return self.bag(dataset)
        if isinstance(dataset, str):
            named = "@" in dataset
            return self.bag(DatasetSpec.from_shorthand(dataset) if named else self.spec(dataset))
        return dataset

    def spec(self, rid: str) -> DatasetSpec:
        """Which version of a dataset is read.

        Raises:
            DerivaMLDatasetNotFound: The dataset is not an input.
        """
        if rid not in self._specs:
            raise DerivaMLDatasetNotFound(
                rid,
                f"Dataset {rid!r} is not an input; inputs are {some_of(self.keys()) or 'none'}.",
            )
        return self._specs[rid]

    def keys(self) -> list[str]:
        """RIDs of the datasets."""
        return list(self._specs)

    def values(self) -> list[DatasetBag]:
        """The datasets."""
        return list(self)

    def items(self) -> list[tuple[str, DatasetBag]]:
        """RIDs and datasets."""
        return [(rid, self.bag(spec)) for rid, spec in self._specs.items()]

    def specs(self) -> list[DatasetSpec]:
        """The datasets as they were asked for; nothing is downloaded."""
        return list(self._specs.values())

    def __len__(self) -> int:
        return len(self._specs)

    def __iter__(self) -> Iterator[DatasetBag]:
        return (self.bag(spec) for spec in self._specs.values())

    def __contains__(self, dataset: object) -> bool:
        return getattr(dataset, "dataset_rid", dataset) in self._specs

    @overload
    def __getitem__(self, index: int | str) -> DatasetBag: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[DatasetBag]: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            return self.bag(self.spec(index))
        chosen = list(self._specs.values())[index]
        return [self.bag(s) for s in chosen] if isinstance(index, slice) else self.bag(chosen)

    def __repr__(self) -> str:
        return f"DatasetCollection({[str(s) for s in self._specs.values()]})"
