"""Feature values of a dataset as a frame: a method of `Dataset` and `DatasetBag` alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from deriva_catalog.model.elements import Table
from deriva_ml.core.exceptions import translated

if TYPE_CHECKING:
    import pandas as pd

    from deriva_ml.feature.record import Selector

    from .collection import Datasets

__all__ = ["get_feature_values_as_dataframe"]


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
