"""Joining four tables of a dataset to one wide table, against one SQL join into a frame."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from measure import Comparison, compare, seconds

from deriva_catalog.path.ast import TableName
from deriva_ml import DerivaML
from deriva_ml.core.definitions import ColumnDefinition, ForeignKeyDefinition, TableDefinition
from deriva_ml.dataset.dataset import Dataset
from deriva_ml.schema import create_ml_catalog

ROWS = 100_000
SCHEMA = "lab"
TABLES = ("Subject", "Visit", "Image", "Measure")
NAMES = list(reversed(TABLES))
_BATCH = 20_000


def main(directory: Path) -> list[Comparison]:
    """Measure in a catalog below `directory`."""
    ml, dataset = _fill(directory / "wide")
    by_hand = _by_hand(directory / "bare.db", ml)
    rows = f"{len(TABLES)} tables of {ROWS:,} rows"
    try:
        return [
            compare(
                f"denormalise {rows} into a frame",
                lambda: seconds(lambda: dataset.get_denormalized_as_dataframe(NAMES)),
                lambda: seconds(lambda: _frame(by_hand)),
                limit_name="one SQL join over the same rows in bare SQLite, fetched into a frame",
                goal=3.0,
                rounds=5,
            ),
            compare(
                f"denormalise {rows} as a stream of dictionaries",
                lambda: seconds(lambda: _drain(dataset)),
                lambda: seconds(lambda: _rows(by_hand)),
                limit_name="one SQL join over the same rows in bare SQLite, a dictionary for each",
                goal=3.0,
                rounds=5,
            ),
        ]
    finally:
        by_hand.close()
        ml.catalog.close()


def _fill(place: Path) -> tuple[DerivaML, Dataset]:
    """Tables that each refer to the one before; the rows of the last one are members."""
    create_ml_catalog(str(place / "catalog"), SCHEMA).close()
    ml = DerivaML(str(place / "catalog"), working_dir=place / "work")
    above: list[str] = []
    for depth, name in enumerate(TABLES):
        _create(ml, name, TABLES[depth - 1] if depth else None)
        rows = [
            {"Label": f"{name} {n}", "Number": n, "Value": n / 7}
            | ({TABLES[depth - 1]: above[n * 7919 % ROWS]} if depth else {})
            for n in range(ROWS)
        ]
        above = [
            row["RID"]
            for first in range(0, ROWS, _BATCH)
            for row in ml.catalog.insert(TableName(name, SCHEMA), rows[first : first + _BATCH])
        ]
    ml.add_dataset_element_type(TABLES[-1])
    return ml, ml.datasets.create(members={TABLES[-1]: above})


def _create(ml: DerivaML, name: str, above: str | None) -> None:
    columns = [
        ColumnDefinition("Label", "text"),
        ColumnDefinition("Number", "int4"),
        ColumnDefinition("Value", "float8"),
    ]
    keys = []
    if above is not None:
        columns.append(ColumnDefinition(above, "text", nullok=False))
        keys.append(ForeignKeyDefinition((above,), SCHEMA, above, ("RID",), f"{name}_fkey"))
    ml.create_table(TableDefinition(name, columns, foreign_keys=keys))


def _drain(dataset: Dataset) -> None:
    for _ in dataset.get_denormalized_as_dict(NAMES):
        pass


# --- the limit ---------------------------------------------------------------------------

_JOIN = """
SELECT * FROM member
JOIN Measure ON Measure.RID = member.Measure
JOIN Image ON Image.RID = Measure.Image
JOIN Visit ON Visit.RID = Image.Visit
JOIN Subject ON Subject.RID = Visit.Subject
ORDER BY Measure.RID
"""


def _by_hand(file: Path, ml: DerivaML) -> sqlite3.Connection:
    """The same rows in plain tables with RIDs as primary keys, and as much cache as ours."""
    connection = sqlite3.connect(file)
    for setting in ("temp_store=MEMORY", "cache_size=-65536"):
        connection.execute(f"PRAGMA {setting}").close()
    for depth, name in enumerate(TABLES):
        names = ["RID", "Label", "Number", "Value", *([TABLES[depth - 1]] if depth else [])]
        types = ("TEXT PRIMARY KEY", "TEXT", "INTEGER", "REAL", "TEXT")
        columns = ", ".join(f"{n} {t}" for n, t in zip(names, types, strict=False))
        connection.execute(f"CREATE TABLE {name} ({columns})")
        rows = ml.catalog.fetch(f"attribute/{SCHEMA}:{name}/{','.join(names)}")
        marks = ", ".join("?" for _ in names)
        values = [tuple(row[n] for n in names) for row in rows]
        connection.executemany(f"INSERT INTO {name} VALUES ({marks})", values)
    connection.execute("CREATE TABLE member (Measure TEXT PRIMARY KEY)")
    connection.execute("INSERT INTO member SELECT RID FROM Measure")
    connection.commit()
    return connection


def _frame(connection: sqlite3.Connection) -> None:
    import pandas as pd

    cursor = connection.execute(_JOIN)
    names = [f"{n}.{c[0]}" for n, c in enumerate(cursor.description)]
    pd.DataFrame.from_records(cursor.fetchall(), columns=names)


def _rows(connection: sqlite3.Connection) -> None:
    cursor = connection.execute(_JOIN)
    names = [f"{n}.{c[0]}" for n, c in enumerate(cursor.description)]
    for values in cursor:
        dict(zip(names, values, strict=True))
