"""Inserting 100,000 rows from dictionaries, beside `executemany` into a bare table."""

from __future__ import annotations

import sqlite3
from itertools import count
from pathlib import Path
from typing import Any

from measure import Comparison, Timed, compare, seconds
from tables import COLUMNS, NAME, ROWS, new_catalog, sample_rows

_BARE_TYPES = {"int4": "INTEGER", "int8": "BIGINT", "float8": "REAL", "boolean": "SMALLINT"}


def main(directory: Path) -> list[Comparison]:
    """Measure in fresh catalogs and files below `directory`."""
    rows = sample_rows()
    return [
        compare(
            f"insert {ROWS:,} rows",
            _ours(directory, rows, returning=False),
            _bare(directory, rows),
            limit_name="executemany into a bare table",
            goal=3.0,
        ),
        compare(
            "the same, returning the rows",
            _ours(directory, rows, returning=True),
            _bare(directory, rows),
            limit_name="executemany into a bare table",
            goal=3.0,
        ),
    ]


def _ours(directory: Path, rows: list[dict[str, Any]], *, returning: bool) -> Timed:
    """An insertion into an empty catalog, which exists before the clock starts."""
    numbers = count()

    def run() -> float:
        catalog = new_catalog(directory / f"writing-{returning}-{next(numbers)}")
        try:
            return seconds(lambda: catalog.insert(NAME, rows, returning=returning))
        finally:
            catalog.close()

    return run


def _bare(directory: Path, rows: list[dict[str, Any]]) -> Timed:
    """One transaction of the same dictionaries with the catalog's settings of durability."""
    numbers = count()
    columns = ", ".join(
        f'"{name}" {_BARE_TYPES.get(kind, "TEXT")}' for name, kind in COLUMNS.items()
    )
    text = f"INSERT INTO bare VALUES ({', '.join(':' + name for name in COLUMNS)})"

    def run() -> float:
        path = directory / f"bare-{id(run)}-{next(numbers)}.db"
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"CREATE TABLE bare ({columns})")

        def insert() -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(text, rows)
            connection.execute("COMMIT")

        try:
            return seconds(insert)
        finally:
            connection.close()

    return run
