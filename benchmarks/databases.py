"""PostgreSQL beside its own statements, and snapshots beside live reads in both databases.

The server is the one of the tests, with its usual durability. The bare statements make the same
bytes from the same physical table, or fill an equal table with the same indexes, by the ways
that the driver documents.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from measure import Comparison, Timed, compare, seconds
from tables import NAME, ROWS, SCHEMA, TABLE, add_table, sample_rows

import postgres
from deriva_catalog.catalog import LocalCatalog, Registry, create_local
from deriva_catalog.engine.layout import live_name
from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
    key_document,
    table_document,
)
from deriva_catalog.model.elements import Table
from deriva_catalog.model.lookup import find_table
from deriva_catalog.path.ast import TableName

DONORS = 1000
DONOR, SAMPLE = TableName("Donor", "past"), TableName("Sample", "past")
JSON, CSV = "application/json", "text/csv"
_FEW = 20
"""So many small reads are timed together."""


def main(directory: Path) -> list[Comparison]:
    """Measure in a fresh database and in catalogs below `directory`."""
    with postgres.database(durable=True) as database:
        registry = Registry.of_database(database.url, directory / "files")
        try:
            return [
                *_bulk(registry, database.url),
                *_past("PostgreSQL", lambda: registry.create(client="bench")),
                *_past("SQLite", lambda: create_local(directory / "past", client="bench")),
            ]
        finally:
            registry.close()


# --- all rows ----------------------------------------------------------------------------


def _bulk(registry: Registry, url: str) -> Iterator[Comparison]:
    rows = sample_rows()
    with _new(registry) as catalog, psycopg.connect(url, autocommit=True) as bare:
        schema = f"c_{catalog.id}"
        bare.execute(f'SET search_path = "{schema}"')
        catalog.insert(NAME, rows, returning=False)
        table = find_table(catalog.model, NAME)
        bare.execute(f'VACUUM ANALYZE "{live_name(table)}"')
        for media_type, text, shown in (
            (JSON, _json_statement(table), "JSON"),
            (CSV, _csv_statement(table), "CSV"),
        ):
            yield compare(
                f"PostgreSQL: read {ROWS:,} rows as {shown}",
                lambda media_type=media_type: seconds(lambda: _size(catalog, media_type)),  # type: ignore[misc]
                lambda text=text: seconds(lambda: _copied(bare, text)),  # type: ignore[misc]
                limit_name="COPY of the same bytes",
                goal=1.3,
            )
        yield compare(
            f"PostgreSQL: insert {ROWS:,} rows",
            _inserting(registry, rows),
            _copying(bare, table, rows),
            limit_name="COPY into an equal table with the same indexes",
            goal=2.0,
            rounds=5,
        )


@contextmanager
def _new(registry: Registry) -> Iterator[LocalCatalog]:
    catalog = registry.create(client="bench")
    try:
        add_table(catalog)
        yield catalog
    finally:
        catalog.close()
        registry.delete(catalog.id)
        registry.purge(catalog.id)


def _size(catalog: LocalCatalog, media_type: Any) -> int:
    return sum(map(len, catalog.stream(f"entity/{SCHEMA}:{TABLE}", media_type)))


def _json_statement(table: Table) -> str:
    columns = ", ".join(f'"{c.physical}" AS "{c.name}"' for c in table.columns)
    select = f'SELECT row_to_json(q) FROM (SELECT {columns} FROM "{live_name(table)}") q'
    return f"COPY ({select}) TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"


def _csv_statement(table: Table) -> str:
    times = {"timestamptz", "ermrest_rct", "ermrest_rmt"}
    columns = ", ".join(
        f"left(overlay(\"{c.physical}\" placing ' ' from 11), -3)"
        if c.type.typename in times
        else f'"{c.physical}"'
        for c in table.columns
    )
    return f'COPY (SELECT {columns} FROM "{live_name(table)}") TO STDOUT (FORMAT csv)'


def _copied(connection: psycopg.Connection[Any], text: str) -> int:
    with connection.cursor().copy(text) as copy:
        return len(b"".join(map(bytes, copy)))


def _inserting(registry: Registry, rows: list[dict[str, Any]]) -> Timed:
    def run() -> float:
        with _new(registry) as catalog:
            return seconds(lambda: catalog.insert(NAME, rows, returning=False))

    return run


def _copying(
    connection: psycopg.Connection[Any], table: Table, rows: list[dict[str, Any]]
) -> Timed:
    """COPY of the same dictionaries, with system columns that are ready."""
    own = [c.name for c in table.columns if not c.is_system]
    when = "2026-11-20T21:08:50.123456+00:00"
    numbers = count()

    def run() -> float:
        name = f"bare{next(numbers)}"
        connection.execute(f'CREATE TABLE "{name}" (LIKE "{live_name(table)}" INCLUDING INDEXES)')

        def insert() -> None:
            with (
                connection.transaction(),
                connection.cursor() as cursor,
                cursor.copy(f'COPY "{name}" FROM STDIN') as copy,
            ):
                for n, row in enumerate(rows):
                    values = [row[column] for column in own]
                    copy.write_row((f"R{n}", when, when, "bench", "bench", *values, 1))

        try:
            return seconds(insert)
        finally:
            connection.execute(f'DROP TABLE "{name}"')

    return run


# --- the past ----------------------------------------------------------------------------


def _past(kind: str, create: Callable[[], LocalCatalog]) -> Iterator[Comparison]:
    """Small and large reads at a snapshot after half of the rows changed, beside live ones."""
    catalog = create()
    try:
        before, rids = _with_past(catalog)
        then = catalog.at(before)
        if kind == "PostgreSQL":
            with catalog.store.storage.writing() as connection:
                connection.exec_driver_sql("ANALYZE")
        chance = random.Random(3)
        some = chance.sample(rids, _FEW)
        donors = chance.sample(range(DONORS), _FEW)
        for name, queries in (
            ("look a row up by its key", [f"entity/past:Sample/RID={rid}" for rid in some]),
            (
                "follow a reference from one row",
                [f"entity/past:Donor/id={n}/past:Sample" for n in donors],
            ),
            (
                "a filtered page of 25",
                [
                    f"entity/past:Sample/slices::gt::{100 + n % 200}@sort(RID)?limit=25"
                    for n in donors
                ],
            ),
            (
                "counts and means by tissue",
                ["attributegroup/past:Sample/tissue;n:=cnt(RID),w:=avg(weight)"],
            ),
        ):
            yield compare(
                f"{kind}: {name}, at a snapshot",
                _reading(then, queries),
                _reading(catalog, queries),
                limit_name="the live read",
                goal=2.0,
            )
    finally:
        catalog.close()


def _with_past(catalog: LocalCatalog) -> tuple[str, list[str]]:
    """Fill a catalog, change half of it; returns the snapshot from between, and the RIDs."""
    donor = table_document(
        "Donor", [column_document("id", "int4", nullok=False)], keys=[key_document(["id"])]
    )
    kinds = {"donor": "int4", "tissue": "text", "slices": "int4", "weight": "float8"}
    sample = table_document(
        "Sample",
        [column_document(name, kind) for name, kind in kinds.items()],
        foreign_keys=[foreign_key_document(["donor"], "past", "Donor", ["id"])],
    )
    catalog.create_schema({"schema_name": "past", "tables": {"Donor": donor, "Sample": sample}})
    catalog.insert(DONOR, [{"id": n} for n in range(DONORS)], returning=False)
    rows = [
        {"donor": n % DONORS, **{name: row[name] for name in ("tissue", "slices", "weight")}}
        for n, row in enumerate(sample_rows(places=3))
    ]
    inserted = catalog.insert(SAMPLE, rows)
    before = catalog.latest_snapshot()
    half = [{"RID": r["RID"], "slices": r["slices"] + 1} for r in inserted[::2]]
    catalog.update(SAMPLE, half)
    return before, [row["RID"] for row in inserted]


def _reading(catalog: LocalCatalog, queries: list[str]) -> Timed:
    return lambda: seconds(lambda: [catalog.fetch(query) for query in queries])
