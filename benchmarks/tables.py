"""The table and the rows that reading and writing are measured with."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deriva_catalog.catalog import LocalCatalog, create_local
from deriva_catalog.model.definitions import column_document, table_document
from deriva_catalog.path.ast import TableName

ROWS = 100_000
SCHEMA, TABLE = "lab", "Sample"
NAME = TableName(TABLE, SCHEMA)
COLUMNS = {
    "label": "text",
    "tissue": "text",
    "slices": "int4",
    "bytes": "int8",
    "weight": "float8",
    "stained": "boolean",
    "taken": "date",
    "scanned": "timestamptz",
}
"""Eight columns; the catalog adds its five system columns."""


def sample_rows(count: int = ROWS, *, places: int | None = None) -> list[dict[str, Any]]:
    """Rows with texts, whole numbers, floats, booleans, times and NULLs.

    Args:
        count: How many.
        places: How many decimal places the floats have; None for all the digits of a double,
            as calculated values have them.
    """
    chance = random.Random(7)
    tissues = ("cortex", "medulla", "glomerulus", None)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        {
            "label": f"sample {n:06d}",
            "tissue": chance.choice(tissues),
            "slices": chance.randrange(400),
            "bytes": chance.randrange(1 << 40),
            "weight": _shown(chance.gauss(70.0, 10.0), places),
            "stained": chance.random() < 0.5,
            "taken": (begin - timedelta(days=chance.randrange(4000))).date().isoformat(),
            "scanned": (begin + timedelta(seconds=chance.randrange(30_000_000))).isoformat(),
        }
        for n in range(count)
    ]


def _shown(number: float, places: int | None) -> float:
    return number if places is None else round(number, places)


def new_catalog(directory: Path) -> LocalCatalog:
    """A catalog with the empty table."""
    catalog = create_local(directory, client="bench")
    add_table(catalog)
    return catalog


def add_table(catalog: LocalCatalog) -> None:
    """Create the empty table in a catalog."""
    columns = [
        column_document(name, kind, nullok=name != "label") for name, kind in COLUMNS.items()
    ]
    catalog.create_schema(
        {"schema_name": SCHEMA, "tables": {TABLE: table_document(TABLE, columns)}}
    )
