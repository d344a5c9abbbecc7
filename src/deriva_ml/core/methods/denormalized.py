"""Wide tables: flat methods of `DerivaML`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deriva_catalog.model.elements import Table

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
