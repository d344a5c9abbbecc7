"""Reading 100,000 rows as JSON, live and at a snapshot, beside SQLite's own statement.

The bare statement prints floats with 15 digits (not enough to read them back) and booleans as 0
and 1; ours is exact. It reads the same physical table of the same file.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from measure import Comparison, Timed, compare, seconds
from tables import NAME, SCHEMA, TABLE, new_catalog, sample_rows

from deriva_catalog.catalog import LocalCatalog
from deriva_catalog.engine.layout import live_name
from deriva_catalog.model.lookup import find_table

QUERY = f"entity/{SCHEMA}:{TABLE}"
JSON = "application/json"
BARE = "SQLite's `json_group_array` over the same table"


def main(directory: Path) -> list[Comparison]:
    """Measure in catalogs below `directory`."""
    return [*_read(directory / "short", places=3), *_read(directory / "long", places=None)]


def _read(place: Path, places: int | None) -> list[Comparison]:
    kind = "all digits" if places is None else f"{places} decimals"
    catalog = new_catalog(place)
    inserted = catalog.insert(NAME, sample_rows(places=places))
    try:
        live = compare(
            f"read 100,000 rows as JSON, floats of {kind}",
            lambda: seconds(lambda: _size(catalog)),
            _bare(catalog),
            limit_name=BARE,
            goal=1.5,
        )
        before = catalog.latest_snapshot()
        half = [{"RID": r["RID"], "slices": r["slices"] + 1} for r in inserted[::2]]
        catalog.update(NAME, half)
        then = catalog.at(before)
        snapshot = compare(
            f"the same at a snapshot, 50 % updated since, floats of {kind}",
            lambda: seconds(lambda: _size(then)),
            lambda: seconds(lambda: _size(catalog)),
            limit_name="the live read",
            goal=2.0,
        )
        return [live, snapshot]
    finally:
        catalog.close()


def _size(catalog: LocalCatalog) -> int:
    return sum(map(len, catalog.stream(QUERY, JSON)))


def _bare(catalog: LocalCatalog) -> Timed:
    """One statement that makes the same array of objects."""
    table = find_table(catalog.model, NAME)
    members = ", ".join(f"'{c.name}', \"{c.physical}\"" for c in table.columns)
    text = f'SELECT json_group_array(json_object({members})) FROM "{live_name(table)}"'
    connection = sqlite3.connect(catalog.directory / "catalog.db")
    connection.execute("PRAGMA cache_size=-65536")
    return lambda: seconds(lambda: len(connection.execute(text).fetchone()[0].encode()))
