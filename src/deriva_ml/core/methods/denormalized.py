"""Wide tables, and tables as frames of other libraries: flat methods of `DerivaML`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..table_frames import table_as_arrow, table_as_polars

if TYPE_CHECKING:
    import pandas as pd
    import polars

    from deriva_catalog.model.elements import Table
    from deriva_ml.local_db import Workspace

    from ..base import DerivaML


def estimate_denormalized_size(
    self: DerivaML,
    include_tables: str | Iterable[str | Table],
    *,
    row_per: str | Table | None = None,
    via: str | Iterable[str | Table] | None = None,
) -> dict[str, Any]:
    """How large a wide table over the whole catalog would be.

    Returns:
        ``row_per``, ``columns`` (names and types), ``join_path``; ``tables`` with ``row_count``
        and ``estimated_bytes`` of each table joined; ``row_count``, ``estimated_bytes`` and
        ``estimated_size`` (as ``1.2 GB``) of the wide table as CSV text.

    Raises:
        DerivaMLException: As `Dataset.get_denormalized_as_dataframe`.

    Cost: two queries for each table.
    """
    from deriva_ml.denormalize import estimate_size

    return estimate_size(self.session, include_tables, row_per, via)


def cache_table(self: DerivaML, table_name: str | Table, force: bool = False) -> pd.DataFrame:
    """A whole table as a frame, kept on this machine until the catalog changes.

    Args:
        table_name: The table.
        force: Read it in any case.

    Raises:
        DerivaMLTableNotFound: There is no such table.
    """
    return workspace(self).cached_table_read(table_name, refresh=force)


def workspace(self: DerivaML) -> Workspace:
    """What this machine keeps of the answers of the catalog."""
    from deriva_ml.local_db import Workspace

    return Workspace.of(self.session)


def get_table_as_arrow(self: DerivaML, table: str | Table) -> Any:
    """All rows of a table as a ``pyarrow.Table`` (see `table_frames.table_as_arrow`)."""
    return table_as_arrow(self.session, table)


def get_table_as_polars(self: DerivaML, table: str | Table) -> polars.DataFrame:
    """All rows of a table as a Polars frame (see `table_frames.table_as_polars`)."""
    return table_as_polars(self.session, table)
