"""A small catalog in a real database of each kind, read through the compiler."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import postgres
from deriva_catalog.engine import serialize
from deriva_catalog.engine.compile import compile_query, compile_rows
from deriva_catalog.engine.dialect import Expressions
from deriva_catalog.engine.layout import live_table
from deriva_catalog.engine.postgresql.address import parse_address
from deriva_catalog.engine.postgresql.storage import PostgresStorage
from deriva_catalog.engine.sqlite.storage import SqliteStorage
from deriva_catalog.model.elements import Column, ForeignKey, Key, Model, Schema, Table
from deriva_catalog.model.types import parse_type
from deriva_catalog.path import parse_path, parse_query

_numbers = count(1)
WHEN = "2026-11-20T21:08:50.5+00:00"
SYSTEM = {name: f"ermrest_{name.lower()}" for name in ("RID", "RCT", "RMT", "RCB", "RMB")}


def make_table(rid, schema, name, columns, keys=(), fkeys=()):
    """`fkeys` holds (columns, schema, table, referenced columns)."""
    made = tuple(
        Column(f"{rid}-C{i}", n, parse_type(t), nullok=n not in ("RID", "RCT", "RMT", "id"))
        for i, (n, t) in enumerate({**SYSTEM, **columns}.items())
    )
    all_keys = [("RID",), *keys]
    return Table(
        rid,
        schema,
        name,
        made,
        tuple(Key(f"{rid}-K{i}", f"{name}_k{i}", k) for i, k in enumerate(all_keys)),
        tuple(ForeignKey(f"{rid}-F{i}", f"{name}_f{i}", *f) for i, f in enumerate(fkeys)),
    )


@dataclass
class Reader:
    model: Model
    physical: dict[str, sa.Table]
    connection: sa.Connection
    expressions: Expressions

    @property
    def is_sqlite(self) -> bool:
        return self.connection.dialect.name == "sqlite"

    def source(self, table: Table) -> sa.FromClause:
        return self.physical[table.qualified]

    def compile(self, url: str):
        query = parse_query(url).query if isinstance(url, str) else url
        return compile_query(query, self.model, self.source, self.expressions)

    def rows(self, url: str) -> list[dict[str, Any]]:
        """The rows by way of `fetch`, which must agree with the JSON that the database makes."""
        compiled = self.compile(url)
        fetched = serialize.fetch(self.connection, compiled)
        text = b"".join(serialize.stream(self.connection, compiled, "application/json"))
        assert json.loads(text) == fetched
        return fetched

    def values(self, url: str, name: str = "RID") -> list[Any]:
        return [row[name] for row in self.rows(url)]

    def rids(self, url: str) -> set[str]:
        found = self.values(url)
        assert len(found) == len(set(found))
        return set(found)

    def text(self, url: str, media_type: str, **options) -> str:
        compiled = self.compile(url)
        return b"".join(serialize.stream(self.connection, compiled, media_type, **options)).decode()

    def context_rids(self, path: str) -> set[str]:
        _, select = compile_rows(parse_path(path), self.model, self.source, self.expressions)
        return set(self.connection.execute(select).scalars())

    def sql(self, url: str) -> str:
        return str(self.compile(url).select.compile(self.connection))

    def insert(self, table: str, *rows: dict[str, Any]) -> None:
        """Stored values, past SQLAlchemy's types."""
        physical = self.physical[table]
        for row in rows:
            full = {"RCT": WHEN, "RMT": WHEN, "\0_vs": 1, **row}
            names = ",".join('"' + physical.c[n].name.replace('"', '""') + '"' for n in full)
            marks = ",".join(["?" if self.is_sqlite else "%s"] * len(full))
            values = [self._stored(physical.c[n], v) for n, v in full.items()]
            self.connection.exec_driver_sql(
                f'INSERT INTO "{physical.name}" ({names}) VALUES ({marks})', tuple(values)
            )

    def _stored(self, column: sa.Column[Any], value: Any) -> Any:
        if isinstance(column.type, sa.Boolean) and value is not None:
            return bool(value)
        return value

    def clear(self, table: str) -> None:
        self.connection.exec_driver_sql(f'DELETE FROM "{self.physical[table].name}"')


BACKENDS = ["sqlite", "postgresql"]
Make = Callable[..., Reader]


@pytest.fixture(scope="session", params=BACKENDS)
def backend(request) -> str:
    """The kind of database."""
    return request.param


@pytest.fixture(scope="session")
def database(backend) -> Iterator[postgres.Database | None]:
    """A database for the tables of all tests, each in schemas of its own; None for SQLite."""
    if backend == "sqlite":
        yield None
        return
    with postgres.database() as made:
        yield made


@pytest.fixture
def reader_of(database, tmp_path) -> Iterator[Make]:
    """Makes empty catalogs of the tables given."""
    with _readers(database, tmp_path) as make:
        yield make


@contextlib.contextmanager
def _readers(database: postgres.Database | None, folder: Path) -> Iterator[Make]:
    with contextlib.ExitStack() as stack:

        def make(*tables: Table) -> Reader:
            schemas: dict[str, dict[str, Table]] = {}
            for table in tables:
                schemas.setdefault(table.schema, {})[table.name] = table
            model = Model(
                1, {name: Schema(f"S-{name}", name, found) for name, found in schemas.items()}
            )
            storage = _storage(database, folder)
            stack.callback(storage.close)
            # Not in a transaction that a statement which is refused would end.
            connection = stack.enter_context(storage.engine.connect())
            physical = {t.qualified: live_table(t, storage.storage_type) for t in tables}
            for table in physical.values():
                table.create(connection)
            return Reader(model, physical, connection, storage.expressions)

        yield make


def _storage(database: postgres.Database | None, folder: Path) -> SqliteStorage | PostgresStorage:
    number = next(_numbers)
    if database is None:
        return SqliteStorage(folder / f"{number}.sqlite", create=True)
    storage = PostgresStorage(parse_address(database.url), f"s{number}")
    storage.create()
    return storage


@pytest.fixture(scope="session")
def reader(database, tmp_path_factory) -> Iterator[Reader]:
    """A catalog that tests only read."""
    with _readers(database, tmp_path_factory.mktemp("reading")) as make:
        yield _small_catalog(make)


def _small_catalog(reader_of):
    """Subjects have images; a tree refers to itself; Pair refers to Subject twice."""
    subject = make_table("1-A", "S", "Subject", {"id": "int4", "name": "text"}, [("id",)])
    image = make_table(
        "1-B",
        "S",
        "Image",
        {
            "subject": "int4",
            "name": "text",
            "n": "int4",
            "size": "float8",
            "valid": "boolean",
            "tags": "text[]",
            "info": "jsonb",
            "raw": "json",
            "day": "date",
            "taken": "timestamptz",
            "took": "interval",
            "counts": "int4[]",
        },
        fkeys=[(("subject",), "S", "Subject", ("id",))],
    )
    tree = make_table(
        "1-C",
        "S",
        "Tree",
        {"id": "int4", "parent": "int4"},
        [("id",)],
        [(("parent",), "S", "Tree", ("id",))],
    )
    pair = make_table(
        "1-D",
        "S",
        "Pair",
        {"one": "int4", "other": "int4"},
        fkeys=[(("one",), "S", "Subject", ("id",)), (("other",), "S", "Subject", ("id",))],
    )
    twin = make_table("1-E", "T", "Tree", {"x": "text"})
    made = reader_of(subject, image, tree, pair, twin)
    made.insert(
        "S:Subject",
        {"RID": "1A0", "id": 1, "name": "ann"},
        {"RID": "1A2", "id": 2, "name": "bob"},
        {"RID": "1A4", "id": 3, "name": None},
    )
    made.insert(
        "S:Image",
        {"RID": "1B0", "subject": 1, "name": "Head 1", "n": 5, "size": 0.1 + 0.2, "valid": 1}
        | {"tags": '["a","b c",null]', "info": '{"k":1}', "raw": '{"b":1,"a":2}'}
        | {"day": "2026-01-02", "taken": "2026-01-02T03:04:05.5+00:00", "took": "2 days"}
        | {"counts": "[1,20]"},
        {"RID": "1B2", "subject": 1, "name": "head, two", "n": 10, "size": 3.0, "valid": 0}
        | {"tags": '["b"]', "info": "null", "took": "30:00:00", "counts": "[3]"}
        | {"taken": "2026-01-02T03:04:05+00:00"},
        {"RID": "1B4", "subject": 2, "name": "", "n": -3, "size": "NaN", "tags": "[]"},
        {"RID": "1B6", "subject": None, "name": None, "size": "-Infinity"},
    )
    made.insert(
        "S:Tree",
        {"RID": "1C0", "id": 1, "parent": None},
        {"RID": "1C2", "id": 2, "parent": 1},
        {"RID": "1C4", "id": 3, "parent": 1},
    )
    made.insert("S:Pair", {"RID": "1D0", "one": 1, "other": 2}, {"RID": "1D2", "one": 2})
    return made
