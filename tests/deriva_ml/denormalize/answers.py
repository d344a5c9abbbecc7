"""Asking the same of a dataset live, of its version in the catalog, and of its bag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from pandas.testing import assert_frame_equal

from deriva_ml.dataset.bag import DatasetBag
from deriva_ml.dataset.dataset import Dataset


@dataclass(frozen=True)
class Everywhere:
    """One dataset in its three forms; what they answer is compared before it is returned."""

    live: Dataset
    bag: DatasetBag

    @classmethod
    def of(cls, dataset: Dataset) -> Everywhere:
        return cls(dataset, dataset.download_dataset_bag(materialize=False))

    def frame(self, tables: Any, **options: Any) -> pd.DataFrame:
        version = self.live.current_version
        found = self.live.get_denormalized_as_dataframe(tables, **options)
        past = self.live.get_denormalized_as_dataframe(tables, version=version, **options)
        offline = self.bag.get_denormalized_as_dataframe(tables, **options)
        assert_frame_equal(found, past)
        assert_frame_equal(found, offline)
        return found

    def rows(self, tables: Any, *columns: str, **options: Any) -> list[tuple[Any, ...]]:
        """Some columns of each row, taken from the dictionaries."""
        found = list(self.live.get_denormalized_as_dict(tables, **options))
        assert list(self.bag.get_denormalized_as_dict(tables, **options)) == found
        self.frame(tables, **options)
        return [tuple(row[c] for c in columns) for row in found]

    def error(self, kind: type[Exception], tables: Any, **options: Any) -> Any:
        """The error that all of them raise, with the same text."""
        errors = []
        for dataset in (self.live, self.bag):
            try:
                dataset.get_denormalized_as_dataframe(tables, **options)
            except kind as error:
                errors.append(error)
        assert len(errors) == 2, f"{kind.__name__} was not raised by both"
        assert str(errors[0]) == str(errors[1])
        description = self.live.describe_denormalized(tables, **options)
        assert description == self.bag.describe_denormalized(tables, **options) | {
            "source": "catalog"
        }
        return errors[0]
