"""Wide tables of a dataset: methods of `Dataset` and `DatasetBag`, the same for both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table

from .versions import DatasetVersion

if TYPE_CHECKING:
    import pandas as pd
    import polars

    from deriva_ml.denormalize import Source, WideTable
    from deriva_ml.feature.record import Selector

    from .bag import DatasetBag
    from .dataset import Dataset

Tables = str | Table | Iterable[str | Table]
Version = DatasetVersion | str | None


class Denormalizable(Protocol):
    """A dataset, live or in a bag."""

    def denormalization_source(self, version: Version = None) -> Source:
        """Where the rows of its wide tables come from."""
        ...


def live_source(self: Dataset, version: Version = None) -> Source:
    """Where the rows of wide tables come from: the catalog, or its snapshot of a version."""
    from deriva_ml.denormalize import Source

    session = self._at(version).session
    kind = "snapshot" if session.is_snapshot else "catalog"
    return Source(session, kind, self.dataset_rid)


def bag_source(self: DatasetBag, version: Version = None) -> Source:
    """Where the rows of wide tables come from: the bag.

    Raises:
        DerivaMLNotFoundError: The bag holds another version.
    """
    from deriva_ml.denormalize import Source

    self._check_version(version)
    return Source(self._datasets.session, "bag", self.dataset_rid)


def get_denormalized_as_dataframe(  # noqa: D417 - a method
    self: Denormalizable,
    include_tables: Tables,
    *,
    row_per: str | Table | None = None,
    via: Tables | None = None,
    ignore_unrelated_anchors: bool = False,
    selector: Selector | None = None,
    system_columns: Iterable[str] | None = None,
    version: Version = None,
) -> pd.DataFrame:
    """Several linked tables as one frame: a row for each row of one of them.

    The rows are those of `row_per` that belong to the dataset: its members (also of datasets
    inside it), and what is linked with members by foreign keys. Columns of tables that they refer
    to are repeated on each row. Links between tables and features with several values give
    several rows. A member of a table of the request that no row belongs to has a row of its own,
    with nothing in the columns of other tables.

    Args:
        include_tables: Tables whose columns are shown, named ``Table.column``
            (``schema.Table.column`` where tables of several schemas are asked for). The name of a
            feature stands for the table of its values.
        row_per: What a row stands for; None means the table that no other of them refers to.
        via: Tables that lead from one to another without giving columns, or one of several keys
            between the same tables, as ``Table.column``.
        ignore_unrelated_anchors: Leave out members that have nothing to do with `row_per`.
        selector: Chooses between several values of the feature about the same row; a row for
            which it returns None has no value.
        system_columns: Columns of the system to show beside `RID`, such as ``RCT``.
        version: Which version of the dataset; None means as it is (a bag has one only).

    Returns:
        A frame with columns in the order of `include_tables`, typed by the model; rows in the
        order of the RIDs of `row_per`, those of members without one at the end.

    Raises:
        DerivaMLDenormalizeMultiLeaf: It is not clear what a row stands for.
        DerivaMLDenormalizeNoSink: The tables refer to each other in a circle.
        DerivaMLDenormalizeDownstreamLeaf: A table has many rows for one of `row_per`.
        DerivaMLDenormalizeAmbiguousPath: Two tables are linked in several ways.
        DerivaMLDenormalizeUnrelatedAnchor: Members have nothing to do with `row_per`.
        DerivaMLDenormalizeError: A table is linked in no way, or a feature's name is that of
            several features.
        DerivaMLTableNotFound: There is no such table or feature.
        DerivaMLValidationError: An argument is not what it should be.

    Cost: a query for each table joined, route to the members, and element type.
    """
    return _wide(
        self,
        include_tables,
        row_per,
        via,
        ignore_unrelated_anchors,
        selector,
        system_columns,
        version,
    ).dataframe()


def get_denormalized_as_arrow(
    self: Denormalizable,
    include_tables: Tables,
    *,
    row_per: str | Table | None = None,
    via: Tables | None = None,
    ignore_unrelated_anchors: bool = False,
    selector: Selector | None = None,
    system_columns: Iterable[str] | None = None,
    version: Version = None,
) -> Any:
    """The same as a ``pyarrow.Table`` (see `get_denormalized_as_dataframe`).

    Raises:
        ImportError: pyarrow is not installed.
    """
    return _wide(
        self,
        include_tables,
        row_per,
        via,
        ignore_unrelated_anchors,
        selector,
        system_columns,
        version,
    ).arrow()


def get_denormalized_as_polars(
    self: Denormalizable,
    include_tables: Tables,
    *,
    row_per: str | Table | None = None,
    via: Tables | None = None,
    ignore_unrelated_anchors: bool = False,
    selector: Selector | None = None,
    system_columns: Iterable[str] | None = None,
    version: Version = None,
) -> polars.DataFrame:
    """The same as a Polars frame (see `get_denormalized_as_dataframe`).

    Raises:
        ImportError: polars or pyarrow is not installed.
    """
    return _wide(
        self,
        include_tables,
        row_per,
        via,
        ignore_unrelated_anchors,
        selector,
        system_columns,
        version,
    ).polars()


def get_denormalized_as_dict(
    self: Denormalizable,
    include_tables: Tables,
    *,
    row_per: str | Table | None = None,
    via: Tables | None = None,
    ignore_unrelated_anchors: bool = False,
    selector: Selector | None = None,
    system_columns: Iterable[str] | None = None,
    version: Version = None,
) -> Iterator[Row]:
    """The same row by row (see `get_denormalized_as_dataframe`).

    What is wrong with the request is raised at once; rows are read 10,000 at a time while they
    are taken, so memory does not grow with them. Values are in the JSON form, as in other rows.
    """
    return _wide(
        self,
        include_tables,
        row_per,
        via,
        ignore_unrelated_anchors,
        selector,
        system_columns,
        version,
    ).rows()


def list_denormalized_columns(
    self: Denormalizable,
    include_tables: Tables,
    *,
    row_per: str | Table | None = None,
    via: Tables | None = None,
    version: Version = None,
) -> list[tuple[str, str]]:
    """Names and types of the columns that the wide table would have; nothing is read.

    Raises:
        DerivaMLException: As `get_denormalized_as_dataframe`.
    """
    from deriva_ml.denormalize import columns_of, make_plan

    source = self.denormalization_source(version)
    return columns_of(make_plan(source.graph(), include_tables, row_per, via))


def describe_denormalized(
    self: Denormalizable,
    include_tables: Tables,
    *,
    row_per: str | Table | None = None,
    via: Tables | None = None,
    ignore_unrelated_anchors: bool = False,
    version: Version = None,
) -> dict[str, Any]:
    """What the wide table would be, or what stands in its way; does not raise for that.

    Returns:
        ``row_per``, ``row_per_source`` (``explicit`` or ``auto-inferred``),
        ``row_per_candidates``, ``columns`` (names and types), ``include_tables``, ``via``,
        ``join_path`` (tables in the order of the join), ``transparent_intermediates`` (those
        without columns), ``ambiguities``, ``estimated_row_count`` (``in_scope_row_per_rows``,
        ``orphan_rows``, ``total``), ``anchors`` (``total``, ``by_type``), ``source``
        (``catalog``, ``snapshot`` or ``bag``) and ``warnings``. All are always there; what is
        not known is None or empty.
    """
    from deriva_ml.denormalize import describe

    return describe(
        lambda: self.denormalization_source(version),
        include_tables,
        row_per=row_per,
        via=via,
        ignore_unrelated_anchors=ignore_unrelated_anchors,
    )


def list_schema_paths(
    self: Denormalizable, tables: Tables | None = None, *, version: Version = None
) -> dict[str, Any]:
    """How the tables that the members lead to are linked, or only some tables.

    Returns:
        ``member_types`` and ``anchor_types`` (tables with members), ``reachable_tables``,
        ``association_tables``, ``feature_tables``; ``schema_paths``: for each pair ``(from, to)``
        of table names the ways by which the first refers to the second, each with its ``path``
        (names of all tables) and whether it is ``direct``.
    """
    from deriva_ml.denormalize import schema_paths

    return schema_paths(self.denormalization_source(version), tables)


def cache_denormalized(
    self: Dataset,
    include_tables: Tables,
    version: Version = None,
    force: bool = False,
    *,
    row_per: str | Table | None = None,
    via: Tables | None = None,
    ignore_unrelated_anchors: bool = False,
) -> pd.DataFrame:
    """The frame of `get_denormalized_as_dataframe`, kept on this machine.

    It is kept for one snapshot of the catalog: that of a version stays good, that of the present
    state is made anew after any change. With `force` it is made in any case.
    """
    from deriva_ml.local_db import Workspace

    source = self.denormalization_source(version)
    return Workspace.of(source.session).cache_denormalized(
        source,
        include_tables,
        force=force,
        row_per=row_per,
        via=via,
        ignore_unrelated_anchors=ignore_unrelated_anchors,
    )


def get_table_as_arrow(self: DatasetBag, table: str | Table) -> Any:
    """All rows of a table that are in the bag as a ``pyarrow.Table``, typed by the model.

    Raises:
        ImportError: pyarrow is not installed.
    """
    from deriva_ml.core.table_frames import table_as_arrow

    return table_as_arrow(self.datasets.session, table)


def get_table_as_polars(self: DatasetBag, table: str | Table) -> polars.DataFrame:
    """All rows of a table that are in the bag as a Polars frame, typed by the model.

    Raises:
        ImportError: polars or pyarrow is not installed.
    """
    from deriva_ml.core.table_frames import table_as_polars

    return table_as_polars(self.datasets.session, table)


def _wide(
    self: Denormalizable,
    include_tables: Tables,
    row_per: str | Table | None,
    via: Tables | None,
    ignore_unrelated_anchors: bool,
    selector: Selector | None,
    system_columns: Iterable[str] | None,
    version: Version,
) -> WideTable:
    from deriva_ml.denormalize import make_wide_table

    return make_wide_table(
        self.denormalization_source(version),
        include_tables,
        row_per=row_per,
        via=via,
        ignore_unrelated_anchors=ignore_unrelated_anchors,
        selector=selector,
        system_columns=system_columns,
    )
