"""Feature values of a dataset: methods of `Datasets`, and of `Dataset` and `DatasetBag` alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from deriva_catalog.model.elements import Table
from deriva_ml.core.exceptions import translated

from .reach import reach

if TYPE_CHECKING:
    import pandas as pd

    from deriva_ml.feature.record import FeatureRecord, Selector

    from .collection import Datasets

__all__ = ["feature_values", "get_feature_values_as_dataframe", "values_of"]


class OfCatalog(Protocol):
    """A dataset of a catalog or of a bag."""

    @property
    def dataset_rid(self) -> str:
        """Its RID."""
        ...

    @property
    def datasets(self) -> Datasets:
        """The datasets of the same catalog."""
        ...


@translated()
def get_feature_values_as_dataframe(
    self: OfCatalog,
    table: str | Table,
    feature_name: str,
    selector: Selector | None = None,
    materialize_limit: int | None = None,
    execution_rids: Sequence[str] | None = None,
) -> pd.DataFrame:
    """What `feature_values` gives as a frame, typed by the model: a row for each record.

    Raises:
        DerivaMLFeatureNotFound: There is no such feature.
        DerivaMLMaterializeLimitExceeded: There are more rows than allowed; none was read.
    """
    among = self.datasets.values_of(self.dataset_rid, table, feature_name)
    return self.datasets.features.frame(
        table, feature_name, selector, materialize_limit, execution_rids, among=among
    )


@translated()
def feature_values(
    self: Datasets,
    rid: str,
    table: str | Table,
    feature_name: str,
    selector: Selector | None = None,
    materialize_limit: int | None = None,
    execution_rids: Sequence[str] | None = None,
) -> list[FeatureRecord]:
    """Values of a feature that belong to a dataset (see `Features.values`)."""
    among = values_of(self, rid, table, feature_name)
    return self.features.values(
        table, feature_name, selector, materialize_limit, execution_rids, among=among
    )


@translated()
def values_of(self: Datasets, rid: str, table: str | Table, feature_name: str) -> list[str]:
    """RIDs of the rows of a feature's table that belong to a dataset."""
    values = self.features.lookup(table, feature_name).feature_table
    return reach(self.session, rid).rids.get((values.schema, values.name), [])
