"""Bringing versions of a dataset to this machine: methods of `Dataset`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from deriva_ml.core.arguments import words
from deriva_ml.core.exceptions import translated

if TYPE_CHECKING:
    from .bag import DatasetBag
    from .cache import BagKey
    from .dataset import Dataset
    from .versions import DatasetVersion


@translated()
def download_dataset_bag(
    self: Dataset,
    version: DatasetVersion | str | None = None,
    materialize: bool = True,
    use_minid: bool | None = None,
    exclude_tables: Iterable[str] | None = None,
    timeout: tuple[float, float] | None = None,
    fetch_concurrency: int = 8,
    reachability_concurrency: int = 8,
) -> DatasetBag:
    """A version of the dataset on this machine, readable without the catalog.

    Args:
        self: The dataset.
        version: Which version; None means the current one.
        materialize: Bring the files too, not only the rows.
        use_minid: Take the bag from where its persistent identifier says, and give it one first
            if it has none; takes a connection with an ``s3_bucket``. None means what the connection
            says, after a look into the cache; without some tables the bag is then made here.
        exclude_tables: Tables that are left out.
        timeout: Seconds to wait for a connection and for the next bytes, of a served catalog and
            of files that lie elsewhere; None means (10, 610) for those, and for the catalog what
            the connection has.
        fetch_concurrency: Files that are fetched at the same time.
        reachability_concurrency: Questions about rows that are asked of a served catalog at the
            same time; one in this process is asked one after the other.

    Raises:
        DerivaMLNotFoundError: The dataset has no such version.
        DerivaMLValidationError: The version is under development, or `use_minid` is set and tables
            are to be left out.
        DerivaMLConfigurationError: `use_minid` is set, and the connection has no bucket.
    """
    from .download import Carriage, download_bag

    return download_bag(
        self._datasets.session,
        self.dataset_rid,
        self._datasets.current_version(self.dataset_rid) if version is None else version,
        with_files=materialize,
        exclude_tables=exclude_tables,
        carriage=Carriage(fetch_concurrency, reachability_concurrency, timeout),
        use_minid=use_minid,
    )


@translated()
def estimate_bag_size(
    self: Dataset,
    version: DatasetVersion | str | None = None,
    exclude_tables: Iterable[str] | None = None,
    reachability_concurrency: int = 8,
) -> dict[str, Any]:
    """How large the bag of a version would be (see `sizes.estimate_bag_size`)."""
    from .sizes import estimate_bag_size as estimate

    key = _key(self, version, exclude_tables)
    return estimate(self._datasets.session, key, concurrency=reachability_concurrency)


@translated()
def bag_info(
    self: Dataset,
    version: DatasetVersion | str | None = None,
    exclude_tables: Iterable[str] | None = None,
    reachability_concurrency: int = 8,
) -> dict[str, Any]:
    """How large the bag of a version is, and how much of it is here (see `sizes.bag_info`)."""
    from .sizes import bag_info as info

    key = _key(self, version, exclude_tables)
    return info(self._datasets.session, key, concurrency=reachability_concurrency)


def cache(
    self: Dataset,
    version: DatasetVersion | str | None = None,
    materialize: bool = True,
    exclude_tables: Iterable[str] | None = None,
    timeout: tuple[float, float] | None = None,
    fetch_concurrency: int = 8,
    reachability_concurrency: int = 8,
) -> dict[str, Any]:
    """Bring a version here without an execution; returns its `bag_info`."""
    left_out = frozenset(words(exclude_tables, "exclude_tables"))
    bag = download_dataset_bag(
        self,
        version,
        materialize,
        exclude_tables=left_out,
        timeout=timeout,
        fetch_concurrency=fetch_concurrency,
        reachability_concurrency=reachability_concurrency,
    )
    return bag_info(self, bag.current_version, left_out)


def _key(
    self: Dataset, version: DatasetVersion | str | None, exclude_tables: Iterable[str] | None
) -> BagKey:
    from .download import key_of

    label = self._datasets.current_version(self.dataset_rid) if version is None else version
    return key_of(self._datasets.session, self.dataset_rid, label, exclude_tables)
