"""Whole tables as Arrow tables and Polars frames, over any catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deriva_catalog.model.elements import Table

from .exceptions import translated
from .session import Session

if TYPE_CHECKING:
    import polars

__all__ = ["as_polars", "table_as_arrow", "table_as_polars"]


@translated()
def table_as_arrow(session: Session, table: str | Table) -> Any:
    """All rows of a table as a ``pyarrow.Table``, typed by the model, in the order of RIDs.

    Raises:
        DerivaMLTableNotFound: There is no such table.
        ImportError: pyarrow is not installed.
    """
    found = session.table(table)
    return session.catalog.path[found.schema][found.name].entities().sort("RID").arrow()


def table_as_polars(session: Session, table: str | Table) -> polars.DataFrame:
    """All rows of a table as a Polars frame, typed by the model, in the order of RIDs.

    Raises:
        DerivaMLTableNotFound: There is no such table.
        ImportError: polars or pyarrow is not installed.
    """
    return as_polars(table_as_arrow(session, table))


def as_polars(table: Any) -> polars.DataFrame:
    """An Arrow table as a Polars frame.

    Raises:
        ImportError: polars is not installed.
    """
    try:
        import polars
    except ImportError:
        raise ImportError(
            "Polars frames need the package polars, which is not installed. "
            "Install it: pip install 'derivaml[dataflow]'"
        ) from None
    frame = polars.from_arrow(table)
    assert isinstance(frame, polars.DataFrame), "a table is no single column"
    return frame
