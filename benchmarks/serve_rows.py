"""Rows over HTTP beside what the database alone takes for the same bytes and rows.

Reading: the limit runs the very statement that the catalog compiled, over the driver, and joins
its lines; nothing of the catalog is in between. Writing: the limit is `executemany` of values
that are ready, into a table with the same columns and indexes, with the same durability; the
service also parses, checks and stamps the rows, and answers with them.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from measure import Comparison, Timed, compare, seconds
from tables import COLUMNS, NAME, ROWS, SCHEMA, TABLE, add_table, sample_rows

from deriva_catalog.catalog.local import LocalCatalog
from deriva_catalog.engine.compile import compile_query
from deriva_catalog.engine.layout import live_name
from deriva_catalog.engine.serialize import csv_rows, json_rows
from deriva_catalog.model.lookup import find_table
from deriva_catalog.path.parser import parse_query

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from catalog_server import HttpClient, Served, serving

QUERY = f"entity/{SCHEMA}:{TABLE}"
JSON, CSV = "application/json", "text/csv"
_OWNER = "bench"
_MILLION = 10
"""How many times the rows are inserted for the reading of a million."""


def main(directory: Path) -> list[Comparison]:
    """Measure in catalogs below `directory`."""
    with serving(directory / "home") as served:
        return [*_reading(served), *_writing(served, directory)]


@dataclass(frozen=True)
class _Bench:
    """A served catalog, opened in process as well, and a connection of its owner."""

    catalog: LocalCatalog
    client: HttpClient
    address: str


@contextmanager
def _bench(served: Served) -> Iterator[_Bench]:
    client = served.client(_OWNER)
    made = served.service.registry.create(client=_OWNER)
    try:
        add_table(made)
        yield _Bench(made, client, f"/ermrest/catalog/{made.id}")
    finally:
        made.close()
        client.close()


# --- reading -----------------------------------------------------------------------------


def _reading(served: Served) -> Iterator[Comparison]:
    with _bench(served) as bench:
        bench.catalog.insert(NAME, sample_rows(places=3), returning=False)
        for media_type, kind in ((JSON, "JSON"), (CSV, "CSV")):
            yield compare(
                f"read {ROWS:,} rows over HTTP as {kind}",
                lambda media_type=media_type: seconds(lambda: _got(bench, QUERY, media_type)),
                _bare_reading(bench, media_type),
                limit_name="the same statement over the driver",
                goal=1.3,
            )
        rid = bench.catalog.fetch(f"{QUERY}?limit=1")[0]["RID"]
        one = f"{QUERY}/RID={rid}"
        _got(bench, one, JSON)
        yield compare(
            "one row over HTTP, 200 times",
            lambda: seconds(lambda: [_got(bench, one, JSON) for _ in range(200)]),
            lambda: seconds(lambda: [_got(bench, "nothing", JSON, 404) for _ in range(200)]),
            limit_name="an address that is not there",
        )


def _got(bench: _Bench, tail: str, media_type: str, status: int = 200) -> int:
    reply = bench.client.get(f"{bench.address}/{tail}", accept=media_type)
    assert reply.status == status, reply.text
    return len(reply.body)


def _bare_reading(bench: _Bench, media_type: str) -> Timed:
    """The statement that the catalog makes, its lines joined."""
    store = bench.catalog.store
    with store.reading() as moment:
        query = parse_query(QUERY).query
        compiled = compile_query(query, moment.model, moment.relation, moment.expressions)
        made = json_rows(compiled) if media_type == JSON else csv_rows(compiled)
        statement = made.compile(dialect=moment.connection.dialect)
        text = str(statement)
        values = [statement.params[name] for name in statement.positiontup or ()]

    def run() -> float:
        with store.storage.reading() as connection:
            driver: Any = connection.connection.driver_connection
            return seconds(lambda: len(_joined(driver, text, values, media_type)))

    expected = _got(bench, QUERY, media_type)
    with store.storage.reading() as connection:
        driver: Any = connection.connection.driver_connection
        found = len(_joined(driver, text, values, media_type))
    assert abs(found - expected) < 200, (found, expected)
    return run


def _joined(driver: Any, text: str, values: list[Any], media_type: str) -> bytes:
    lines = [line for (line,) in driver.execute(text, values)]
    return (",\n " if media_type == JSON else "\n").join(lines).encode()


# --- writing -----------------------------------------------------------------------------


def _writing(served: Served, directory: Path) -> Iterator[Comparison]:
    rows = sample_rows()
    bodies = {JSON: json.dumps(rows).encode(), CSV: _as_csv(rows)}
    for media_type, kind in ((JSON, "JSON"), (CSV, "CSV")):
        for minimal in (False, True):
            yield compare(
                f"insert {ROWS:,} rows over HTTP from {kind}{', no rows back' if minimal else ''}",
                _ours(served, bodies[media_type], media_type, minimal=minimal),
                _bare(served, directory, rows),
                limit_name="executemany, same columns and indexes",
                goal=2.0,
                rounds=5,
            )


def _as_csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _ours(served: Served, body: bytes, media_type: str, *, minimal: bool) -> Timed:
    headers = {"Content-Type": media_type} | ({"Prefer": "return=minimal"} if minimal else {})

    def run() -> float:
        with _bench(served) as bench:
            target = f"{bench.address}/{QUERY}"

            def post() -> None:
                reply = bench.client.request("POST", target, body, headers)
                assert reply.status == (204 if minimal else 200), reply.text

            return seconds(post)

    return run


def _bare(served: Served, directory: Path, rows: list[dict[str, Any]]) -> Timed:
    """One transaction into the tables of another catalog's file, with the catalog's settings."""
    numbers = count()

    def run() -> float:
        with _bench(served) as bench:
            table = find_table(bench.catalog.model, NAME)
            physical = [column.physical for column in table.columns]
            text = (
                f'INSERT INTO "{live_name(table)}" ({", ".join(physical)}, _vs) '
                f"VALUES ({', '.join('?' * (len(physical) + 1))})"
            )
            system = ["2026-01-01T00:00:00+00:00"] * 2 + [_OWNER] * 2
            values = [
                (f"{n:08d}", *system, *row.values(), 1_700_000_000_000_000)
                for n, row in zip(numbers, rows, strict=False)
            ]
            connection = sqlite3.connect(
                bench.catalog.directory / "catalog.db", isolation_level=None
            )
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA cache_size=-65536")

            def insert() -> None:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(text, values)
                connection.execute("COMMIT")

            try:
                return seconds(insert)
            finally:
                connection.close()

    return run


# --- a million rows ------------------------------------------------------------------------


def memory_of_a_million(directory: Path) -> Iterator[str]:
    """Read a million rows over HTTP and tell how the memory of the process grew."""
    with serving(directory / "home") as served, _bench(served) as bench:
        rows = sample_rows()
        for _ in range(_MILLION):
            bench.catalog.insert(NAME, rows, returning=False)
        del rows
        for tail in (f"{QUERY}?limit=10000", QUERY):
            before = _resident()
            size, peak = _taken(bench, tail)
            told = f"memory {before:.0f} MB before, {peak:.0f} MB at most"
            yield f"{tail}: {size / 1e6:.0f} MB; {told}"


def _taken(bench: _Bench, tail: str) -> tuple[int, float]:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", bench.client.port)
    headers = {"Authorization": f"Bearer {bench.client.token}"}
    connection.request("GET", f"{bench.address}/{tail}", headers=headers)
    reply = connection.getresponse()
    size, peak = 0, 0.0
    while piece := reply.read(1 << 20):
        size += len(piece)
        peak = max(peak, _resident())
    connection.close()
    return size, peak


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        for line in memory_of_a_million(Path(place)):
            print(line, flush=True)
