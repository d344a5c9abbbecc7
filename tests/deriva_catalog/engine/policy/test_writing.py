"""Whatever a client writes is done or refused as a slow model in plain Python decides."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from deriva_catalog.access import Client
from deriva_catalog.errors import CatalogError
from deriva_catalog.model.elements import Table
from deriva_catalog.path import parse_path
from policy_worlds import CLIENTS, SCHEMA, World, table_name
from row_rights import Rights, Row

ROUNDS, ATTEMPTS = 3, 3
DENIED = "denied"
UNKNOWN = "unknown"


class _Undo(Exception):
    pass


@dataclass
class Attempt:
    """One world and one client, and the model of what it may do."""

    world: World
    client: Client
    rights: Rights

    @classmethod
    def of(cls, world: World, client: Client) -> Attempt:
        model = world.catalog.model
        tables = model.schemas[SCHEMA].tables
        rows = {name: world.catalog.fetch(f"entity/{SCHEMA}:{name}") for name in tables}
        return cls(world, client, Rights(model, rows, client))

    def table(self, name: str) -> Table:
        return self.rights.model.schemas[SCHEMA].tables[name]

    def known(self, table: Table) -> set[str]:
        return {c.name for c in table.columns if self.rights.enumerates(table, c)}

    @contextmanager
    def undone(self) -> Iterator[Any]:
        catalog = self.world.catalog
        with suppress(_Undo), catalog.transaction():
            yield catalog.for_client(self.client)
            raise _Undo

    def after(self, name: str) -> dict[str, Row]:
        rows = self.world.catalog.fetch(f"entity/{SCHEMA}:{name}")
        return {row["RID"]: row for row in rows}


def done(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except CatalogError as error:
        return DENIED if error.status in (401, 403) else UNKNOWN if error.status == 409 else error


def seen_cell(rights: Rights, table: Table, row: Row, name: str) -> Any:
    column = table.by_name[name]
    return row[name] if rights.cell(table, column, row, "select") else None


# --- deletion ----------------------------------------------------------------------------


def expect_deletion(it: Attempt, table: Table, column: str, value: Any) -> Any:
    rights = it.rights
    if not rights.enumerates(table) or column not in it.known(table):
        return UNKNOWN
    if not (
        rights.can(table, "delete")
        and rights.can(table, "select")
        and rights.can_column(table, table.by_name[column], "select")
    ):
        return DENIED
    chosen = [
        row
        for row in rights.rows[table.name]
        if rights.row(table, row, "select") and seen_cell(rights, table, row, column) == value
    ]
    if not all(rights.row(table, row, "delete") for row in chosen):
        return DENIED
    return {row["RID"] for row in chosen}


def try_deletion(it: Attempt, chance: random.Random) -> str:
    table = it.table("Note")
    column = chance.choice(("txt", "item", "author", "RID"))
    value = chance.choice(it.rights.rows["Note"])[column]
    if value is None:
        return "skipped"
    expected = expect_deletion(it, table, column, value)
    path = parse_path(f"{SCHEMA}:Note/{column}={value}")
    with it.undone() as catalog:
        before = it.after("Note")
        found = done(lambda: catalog.delete(path))
        gone = before.keys() - it.after("Note").keys()
    if isinstance(expected, str):
        assert found == expected
        assert not gone
        return expected
    assert (found, gone) == (len(expected), expected)
    return "rows" if expected else "nothing"


# --- update ------------------------------------------------------------------------------


def expect_update(it: Attempt, table: Table, keys: list[str], rows: list[Row]) -> Any:
    rights, known = it.rights, it.known(table)
    targets = [name for name in rows[0] if name not in keys]
    if not rights.enumerates(table) or not known >= {*keys, *targets}:
        return UNKNOWN
    columns = {name: table.by_name[name] for name in (*keys, *targets)}
    if not (
        rights.can(table, "update")
        and all(rights.can_column(table, columns[n], "select") for n in keys)
        and all(rights.can_column(table, columns[n], "update") for n in targets)
    ):
        return DENIED
    changed: dict[str, Row] = {}
    for row in rights.rows[table.name]:
        for given in rows:
            if not rights.row(table, row, "select"):
                continue
            if any(seen_cell(rights, table, row, n) != given[n] for n in keys):
                continue
            new = {**row, **{n: given[n] for n in targets}}
            if not rights.row(table, row, "update"):
                return DENIED
            if not all(rights.cell(table, columns[n], row, "update") for n in targets):
                return DENIED
            for fkey in table.foreign_keys:
                touches = fkey.referenced_schema == SCHEMA and set(fkey.columns) & set(targets)
                if touches and not rights.reference(table, fkey, new, "update"):
                    return DENIED
            changed[row["RID"]] = new
    return changed


def try_update(it: Attempt, chance: random.Random) -> str:
    table = it.table("Item")
    keys = chance.choice((["RID"], ["nr"], ["kind", "secret"], ["owner"]))
    targets = chance.sample(("kind", "secret", "project", "readers"), 2)
    targets = [name for name in targets if name not in keys]
    chosen = chance.sample(it.rights.rows["Item"], 3)
    rows: dict[str, Row] = {}
    for row in chosen:
        new = it.world.item(6)
        given = {name: row[name] for name in keys} | {name: new[name] for name in targets}
        rows[repr([given[name] for name in keys])] = given
    if not targets:
        return "skipped"
    expected = expect_update(it, table, keys, list(rows.values()))
    with it.undone() as catalog:
        before = it.after("Item")
        call = lambda: catalog.update(  # noqa: E731
            table_name("Item"), list(rows.values()), keys=keys, targets=targets
        )
        found = done(call)
        after = it.after("Item")
    if isinstance(expected, str):
        assert found == expected
        assert after == before
        return expected
    for rid, row in after.items():
        kept = {n: v for n, v in row.items() if n not in ("RMT", "RMB")}
        wanted = expected.get(rid, before[rid])
        assert kept == {n: v for n, v in wanted.items() if n not in ("RMT", "RMB")}
        assert (row["RMT"] == before[rid]["RMT"]) is (rid not in expected)
    matched = [
        given
        for given in rows.values()
        if any(
            all(seen_cell(it.rights, table, before[rid], n) == given[n] for n in keys)
            for rid in expected
        )
    ]
    assert found == matched
    return "rows" if expected else "nothing"


# --- insertion ---------------------------------------------------------------------------


def expect_insertion(it: Attempt, table: Table, rows: list[Row], defaults: set[str]) -> Any:
    rights, known = it.rights, it.known(table)
    if not rights.enumerates(table) or not known >= defaults:
        return UNKNOWN
    given = [c for c in table.columns if c.name in known - defaults and not c.is_system]
    if not rights.table(table, "insert"):
        return DENIED
    if not all(rights.column_lists(table, c, "insert") for c in given):
        return DENIED
    made = []
    names = {c.name for c in given}
    for row in rows:
        new = {c.name: row.get(c.name) if c.name in names else None for c in table.columns}
        for fkey in table.foreign_keys:
            touches = fkey.referenced_schema == SCHEMA and set(fkey.columns) & names
            if touches and not rights.reference(table, fkey, new, "insert"):
                return DENIED
        made.append({n: v for n, v in new.items() if not table.by_name[n].is_system})
    return made


def try_insertion(it: Attempt, chance: random.Random) -> str:
    table = it.table("Note")
    rows = [it.world.note() for _ in range(2)]
    defaults = set(chance.sample(("txt", "author", "project"), chance.choice((0, 1, 2))))
    expected = expect_insertion(it, table, rows, defaults)
    with it.undone() as catalog:
        before = it.after("Note")
        call = lambda: catalog.insert(table_name("Note"), rows, defaults=defaults)  # noqa: E731
        found = done(call)
        after = it.after("Note")
    if isinstance(expected, str):
        assert found == expected
        assert after == before
        return expected
    new = [row for rid, row in after.items() if rid not in before]
    assert [{n: row[n] for n in expected[0]} for row in new] == expected
    assert all(row["RCB"] == row["RMB"] for row in new)
    known = it.known(table)
    assert found == [{n: v for n, v in row.items() if n in known} for row in new]
    return "rows"


# --- clearing and replacing --------------------------------------------------------------


def try_clearing(it: Attempt, chance: random.Random) -> str:
    """Clearing is an update to NULL of the rows that a path selects."""
    table = it.table("Note")
    target, column = chance.sample(("txt", "item", "author", "project"), 2)
    value = chance.choice(it.rights.rows["Note"])[column]
    if value is None:
        return "skipped"
    rows = [{column: value, target: None}]
    expected = expect_update(it, table, [column], rows)
    path = parse_path(f"{SCHEMA}:Note/{column}={value}")
    with it.undone() as catalog:
        before = it.after("Note")
        found = done(lambda: catalog.clear(path, [target]))
        changed = {rid for rid, row in it.after("Note").items() if row != before[rid]}
    if isinstance(expected, str):
        assert found == expected
        assert not changed
        return expected
    assert (found, changed) == (len(expected), expected.keys())
    return "rows" if expected else "nothing"


def try_replacement(it: Attempt, chance: random.Random) -> str:
    """Rows that match on the keys are replaced, others inserted; both rights are needed."""
    table = it.table("Project")
    rows = [it.world.project(f"p{n}") for n in chance.sample(range(6), 2)]
    known = it.known(table)
    if it.rights.enumerates(table) and "name" not in known:
        return "skipped"  # no key is left to match on
    own = [c.name for c in table.columns if not c.is_system and c.name in known]
    updated = expect_update(it, table, ["name"], [{n: row[n] for n in own} for row in rows])
    there = {row["name"]: row for row in it.rights.rows["Project"]}
    seen = {
        name: row
        for name, row in there.items()
        if it.rights.can(table, "select")
        and it.rights.row(table, row, "select")
        and seen_cell(it.rights, table, row, "name") == name
    }
    inserted = expect_insertion(it, table, [r for r in rows if r["name"] not in seen], set())
    expected = updated if isinstance(updated, str) else inserted
    unseen = there.keys() - seen.keys()
    if not isinstance(expected, str) and any(row["name"] in unseen for row in rows):
        expected = UNKNOWN  # a row that the client does not see has the key
    with it.undone() as catalog:
        before = it.after("Project")
        found = done(lambda: catalog.upsert(table_name("Project"), rows))
        after = it.after("Project")
    if isinstance(expected, str):
        assert found == expected
        assert after == before
        return expected
    by_name = {row["name"]: row for row in after.values()}
    for row in rows:
        assert {n: by_name[row["name"]][n] for n in own} == {n: row[n] for n in own}
        if row["name"] in seen:
            hidden = [c.name for c in table.columns if not c.is_system and c.name not in known]
            kept = there[row["name"]]
            assert [by_name[row["name"]][n] for n in hidden] == [kept[n] for n in hidden]
    assert len(after) == len(before) + len([r for r in rows if r["name"] not in seen])
    return "rows"


ATTEMPTS_OF = (try_deletion, try_update, try_insertion, try_clearing, try_replacement)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_client_writes_what_the_policy_allows(catalog, seed):
    world = World.make(catalog, seed)
    chance = random.Random(seed)
    for _ in range(3):
        world.govern()
        for client in CLIENTS[1:]:
            it = Attempt.of(world, client)
            for _ in range(ATTEMPTS):
                for attempt in ATTEMPTS_OF:
                    attempt(it, chance)
