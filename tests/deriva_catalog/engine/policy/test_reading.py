"""Whatever a client reads is what it would read of a catalog that holds only what it may see.

The expected answer comes from a mirror: an unguarded table for each visible one, with the rows
and cells that a slow model in plain Python lets through.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from deriva_catalog.access import Client
from deriva_catalog.catalog import LocalCatalog
from deriva_catalog.engine import serialize
from deriva_catalog.engine.compile import ROW, Guarded, compile_query
from deriva_catalog.engine.rows import encoded_column
from deriva_catalog.engine.sqlite.expressions import SqliteExpressions
from deriva_catalog.engine.sqlite.functions import register
from deriva_catalog.engine.sqlite.types import storage_type
from deriva_catalog.errors import CatalogError, Forbidden, NotAuthenticated
from deriva_catalog.model.elements import Model, Table
from deriva_catalog.model.types import is_searchable
from deriva_catalog.path import parse_query
from policy_worlds import ALL, CLIENTS, SCHEMA, SEARCHED, Asked, Asking, World
from row_rights import Rights

ROUNDS, QUERIES = 4, 14


class Mirror:
    """What a client may see, as tables without any guard."""

    def __init__(self, rights: Rights, connection: sa.Connection) -> None:
        self.rights = rights
        self.connection = connection
        self.sources: dict[str, Guarded] = {}
        self.columns: dict[str, list[str]] = {}
        home = rights.model.schemas[SCHEMA]
        tables = {n: self._table(t) for n, t in home.tables.items() if rights.enumerates(t)}
        schemas = {SCHEMA: replace(home, tables=tables)}
        self.model = Model(rights.model.version, schemas)

    def _table(self, table: Table) -> Table:
        columns = [c for c in table.columns if self.rights.enumerates(table, c)]
        made = sa.Table(
            f"m_{table.name}",
            sa.MetaData(),
            sa.Column("row", sa.Text),
            *(sa.Column(f"v{n}", storage_type(c.type)) for n, c in enumerate(columns)),
        )
        made.create(self.connection)
        names = {c.name: f"v{n}" for n, c in enumerate(columns)}
        self.sources[table.name] = Guarded(made, {**names, ROW: "row"}, ValueError)
        readable = [{c.name: row[c.name] for c in columns} for row in self.rights.readable(table)]
        stored = [encoded_column(c, [row[c.name] for row in readable]) for c in columns]
        marks = ",".join("?" * (len(columns) + 1))
        for n, values in enumerate(zip(*stored, strict=True)):
            self.connection.exec_driver_sql(
                f"INSERT INTO m_{table.name} VALUES ({marks})", (str(n), *values)
            )
        shown = tuple(replace(c, nullok=True) for c in columns)
        return replace(table, columns=shown, keys=(), foreign_keys=())

    def fetch(self, url: str) -> list[dict[str, Any]]:
        query = parse_query(url).query
        source = lambda table: self.sources[table.name]  # noqa: E731
        compiled = compile_query(query, self.model, source, SqliteExpressions())
        return serialize.fetch(self.connection, compiled)

    def denies(self, asked: Asked) -> bool:
        """Whether the query touches what may not be read."""
        home = self.rights.model.schemas[SCHEMA].tables
        tables = [home[name] for name in asked.tables]
        if not all(self.rights.can(table, "select") for table in tables):
            return True
        for name, column in asked.touched:
            for one in home[name].columns:
                seen = self.rights.enumerates(home[name], one)
                means = column in (ALL, one.name)
                means |= column == SEARCHED and is_searchable(one.type)
                if seen and means and not self.rights.can_column(home[name], one, "select"):
                    return True
        return False

    def row_rights(self, name: str, rid: str, *, columns: bool) -> dict[str, Any]:
        table = self.rights.model.schemas[SCHEMA].tables[name]
        row = next(r for r in self.rights.rows[name] if r["RID"] == rid)
        found: dict[str, Any] = {
            right: self.rights.row(table, row, right) for right in ("update", "delete")
        }
        if columns:
            found["column_update"] = {
                c.name: not c.is_system and self.rights.cell(table, c, row, "update")
                for c in table.columns
                if self.rights.enumerates(table, c)
            }
        return found


@contextmanager
def mirror_of(owner: LocalCatalog, client: Client, *, historic: bool = False) -> Iterator[Mirror]:
    model = owner.model
    rows = {name: owner.fetch(f"entity/{SCHEMA}:{name}") for name in model.schemas[SCHEMA].tables}
    engine = sa.create_engine("sqlite://")
    sa.event.listen(engine, "connect", lambda raw, _: register(raw))
    with engine.connect() as connection:
        yield Mirror(Rights(model, rows, client, historic), connection)
    engine.dispose()


def outcome(read: Any, url: str) -> Any:
    try:
        return read(url)
    except CatalogError as error:
        return type(error)


def streamed(catalog: LocalCatalog, url: str) -> list[dict[str, Any]]:
    """The result as a server sends it."""
    _, pieces = catalog.dated_stream(parse_query(url).query, "application/json")
    rows: list[dict[str, Any]] = json.loads(b"".join(pieces))
    return rows


def plain(value: Any) -> str:
    """A value as text; arrays of distinct values have no order."""
    if isinstance(value, list):
        return json.dumps(sorted(map(plain, value)))
    if isinstance(value, dict):
        return json.dumps({k: plain(v) for k, v in value.items()})
    return json.dumps(value)


def comparable(rows: list[dict[str, Any]], *, ordered: bool) -> list[str]:
    # The rights of a group whose RID is masked are those on some row of it.
    for row in rows:
        if "rights" in row and row["RID"] is None:
            del row["rights"]
    shown = [plain(row) for row in rows]
    return shown if ordered else sorted(shown)


def check(asked: Asked, mirror: Mirror, catalog: LocalCatalog, client: Client) -> str:
    expected = outcome(mirror.fetch, asked.url)
    found = outcome(catalog.fetch, asked.url)
    if mirror.denies(asked):
        denial = NotAuthenticated if client.is_anonymous else Forbidden
        allowed = {denial, expected} if isinstance(expected, type) else {denial}
        assert found in allowed, asked.url
        return "denied"
    if isinstance(expected, type):
        assert found is expected, asked.url
        return "refused"
    assert not isinstance(found, type), (asked.url, found)
    masked = any(row.get("RID", "") is None for row in expected)
    if masked and "limit" in asked.url:
        return "masked"
    for row in expected:
        if "rights" in row and row["RID"] is not None and row["rights"] is not None:
            context = asked.url.split("trs(t" if "tcrs(" not in asked.url else "tcrs(t")[1]
            table = asked.tables[int(context.split(":")[0])]
            row["rights"] = mirror.row_rights(table, row["RID"], columns="tcrs(" in asked.url)
    ordered = asked.ordered and not masked
    wanted = comparable(expected, ordered=ordered)
    assert comparable(found, ordered=ordered) == wanted, asked.url
    assert comparable(streamed(catalog, asked.url), ordered=ordered) == wanted, asked.url
    return "rows" if found else "nothing"


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_client_reads_what_the_policy_lets_through(catalog, seed):
    world = World.make(catalog, seed)
    before = world.catalog.latest_snapshot()
    world.stir()
    world.govern()
    asking = Asking(random.Random(seed))
    for client in CLIENTS:
        for owner in (world.catalog, world.catalog.at(before)):
            historic = owner.snaptime is not None
            with mirror_of(owner, client, historic=historic) as mirror:
                theirs = owner.for_client(client)
                for _ in range(QUERIES // 2):
                    check(asking.query(), mirror, theirs, client)
