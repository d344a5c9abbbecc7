"""The files that the rows of a described dataset are loaded from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from deriva_catalog.bag.names import PAYLOAD
from deriva_catalog.objects import Content, hash_file
from deriva_ml.core.exceptions import DerivaMLValidationError

if TYPE_CHECKING:
    from deriva_catalog.model.elements import Table
    from deriva_ml.dataset.bag import DatasetBag

__all__ = ["TableFile", "TableFormat", "table_files"]

TableFormat = Literal["parquet", "csv"]
"""The files that loaders read rows from."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file with the rows of a table: its path in the bag, its length and digests."""

    table: Table
    path: str
    content: Content


def table_files(bag: DatasetBag, folder: Path, tables: TableFormat = "csv") -> list[TableFile]:
    """The files that hold the rows of a bag's tables; Parquet files are written into `folder`.

    Of the tables of the ML schema, those without rows are left out.

    Raises:
        DerivaMLValidationError: `tables` is none of the choices.
        ImportError: pyarrow is needed and not installed.
    """
    if tables not in ("parquet", "csv"):
        raise DerivaMLValidationError(f"tables is {tables!r}; it can be 'parquet' or 'csv'.")
    session = bag.datasets.session
    found = []
    for table in session.model.tables():
        csv = f"{PAYLOAD}{table.schema}/{table.name}.csv"
        if not (bag.path / csv).is_file() or not (
            table.schema != session.ml_schema or _has_rows(bag.path / csv)
        ):
            continue
        path = csv if tables == "csv" else f"tables/{table.schema}/{table.name}.parquet"
        if tables == "parquet":
            _write_parquet(bag, table, folder / path)
        found.append(
            TableFile(table, path, hash_file((bag.path if path == csv else folder) / path))
        )
    return found


def _has_rows(file: Path) -> bool:
    with file.open("rb") as lines:
        lines.readline()
        return bool(lines.readline())


def _write_parquet(bag: DatasetBag, table: Table, target: Path) -> None:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise ImportError(
            "Parquet files need pyarrow, which is not installed. Install it: pip install "
            "'derivaml[dataflow]', or choose tables='csv'."
        ) from error
    rows = bag.paths[table.schema][table.name].entities().sort("RID").arrow()
    target.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(rows, target)
