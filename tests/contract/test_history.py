"""Every snapshot stays what it was, whatever happens afterwards."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends import AnyCatalog, Backend
from deriva_catalog.errors import NotFound, SnapshotUnavailable
from deriva_catalog.interface import Address
from deriva_catalog.model.definitions import column_document, table_document
from deriva_catalog.path.ast import Path, Root, TableName
from deriva_catalog.path.parser import parse_path

Rows = dict[str, dict[str, Any]]
ROW = st.integers(0, 5)
VALUE = st.integers(-9, 9)
STEP = st.one_of(
    st.tuples(st.just("insert"), st.lists(VALUE, min_size=1, max_size=3)),
    st.tuples(st.just("update"), st.lists(ROW, min_size=1, max_size=3, unique=True), VALUE),
    st.tuples(st.just("delete"), st.lists(ROW, min_size=1, max_size=2, unique=True)),
    st.tuples(st.just("add column"), st.one_of(st.none(), VALUE)),
    st.tuples(st.just("drop column"), ROW),
    st.tuples(st.just("rename column"), ROW),
    st.tuples(st.just("retype column"), ROW),
    st.tuples(st.just("rename table")),
)


class Replay:
    """What the catalog should hold, in plain Python."""

    def __init__(self, catalog: AnyCatalog) -> None:
        self.catalog = catalog
        self.table = TableName("T0", "S")
        self.columns = {"c0": "int4"}
        self.rows: Rows = {}
        self.made = 1
        catalog.create_schema("S")
        columns = [column_document("c0", "int4")]
        catalog.create_table("S", table_document("T0", columns, user_references=False))

    def name(self, prefix: str) -> str:
        self.made += 1
        return f"{prefix}{self.made}"

    def stored(self, column: str, value: int) -> object:
        return value if self.columns[column] == "int4" else str(value)

    def chosen(self, numbers: list[int]) -> list[str]:
        rids = sorted(self.rows)
        return sorted({rids[n % len(rids)] for n in numbers}) if rids else []

    def insert(self, values: list[int]) -> None:
        new = [{c: self.stored(c, v) for c in self.columns} for v in values]
        for row in self.catalog.insert(self.table, new):
            self.rows[row["RID"]] = {c: row[c] for c in self.columns}

    def update(self, numbers: list[int], value: int) -> None:
        if not self.columns:
            return
        column = sorted(self.columns)[0]
        rids = self.chosen(numbers)
        changes = [{"RID": rid, column: self.stored(column, value)} for rid in rids]
        self.catalog.update(self.table, changes, targets=[column])
        for rid in rids:
            self.rows[rid][column] = self.stored(column, value)

    def delete(self, numbers: list[int]) -> None:
        rids = self.chosen(numbers)
        if rids:
            wanted = ",".join(rids)
            self.catalog.delete(parse_path(f"S:{self.table.name}/RID=any({wanted})"))
        for rid in rids:
            del self.rows[rid]

    def add_column(self, default: int | None) -> None:
        name = self.name("c")
        self.catalog.create_column(self.table, column_document(name, "int4", default=default))
        self.columns[name] = "int4"
        for row in self.rows.values():
            row[name] = default

    def column(self, number: int) -> str | None:
        names = sorted(self.columns)
        return names[number % len(names)] if names else None

    def address(self, column: str) -> Address:
        return Address("S", self.table.name, column=column)

    def drop_column(self, number: int) -> None:
        column = self.column(number)
        if column is None:
            return
        self.catalog.drop(self.address(column))
        del self.columns[column]
        for row in self.rows.values():
            del row[column]

    def rename_column(self, number: int) -> None:
        column = self.column(number)
        if column is None:
            return
        new = self.name("c")
        self.catalog.alter(self.address(column), {"name": new})
        self.columns[new] = self.columns.pop(column)
        for row in self.rows.values():
            row[new] = row.pop(column)

    def retype_column(self, number: int) -> None:
        column = self.column(number)
        if column is None or self.columns[column] == "text":
            return
        self.catalog.alter(self.address(column), {"type": {"typename": "text"}})
        self.columns[column] = "text"
        for row in self.rows.values():
            row[column] = None if row[column] is None else str(row[column])

    def rename_table(self) -> None:
        new = self.name("T")
        self.catalog.alter(Address("S", self.table.name), {"table_name": new})
        self.table = TableName(new, "S")


def state(catalog: AnyCatalog, table: TableName, columns: dict[str, str]) -> Rows:
    from deriva_catalog.path.ast import EntityQuery

    rows = catalog.fetch(EntityQuery(Path(Root(table))))
    assert all(set(row) - {"RID", "RCT", "RMT", "RCB", "RMB"} == set(columns) for row in rows)
    return {row["RID"]: {c: row[c] for c in columns} for row in rows}


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEP, min_size=4, max_size=14))
@pytest.mark.slow
def test_every_snapshot_equals_what_a_replay_says(
    backend: Backend, steps: list[tuple[Any, ...]]
) -> None:
    catalog = backend.create()
    replay = Replay(catalog)
    past = []
    for name, *arguments in [("insert", [1, 2, 3]), *steps]:
        getattr(replay, name.replace(" ", "_"))(*arguments)
        past.append(
            (
                catalog.latest_snapshot(),
                replay.table,
                dict(replay.columns),
                copy.deepcopy(replay.rows),
            )
        )
    for snapshot, table, columns, rows in past:
        assert state(catalog.at(snapshot), table, columns) == rows
    assert state(catalog, replay.table, replay.columns) == replay.rows
    assert backend.findings(catalog) == []
    catalog.close()


SPECIES = TableName("Species", "zoo")


def test_a_time_between_snapshots_serves_the_earlier_one(zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, [{"name": "owl"}])
    first = zoo.latest_snapshot()
    row = zoo.fetch("entity/zoo:Species")[0]
    zoo.delete(parse_path("zoo:Species"))
    assert zoo.at(row["RCT"]).snaptime == first
    assert zoo.at("2999-01-01T00:00:00Z").snaptime == zoo.latest_snapshot()
    assert zoo.at(first).latest_snapshot() == first
    assert zoo.at(first).at(None).snaptime is None


def test_a_time_before_the_first_snapshot_is_refused_in_known_words(zoo: AnyCatalog) -> None:
    with pytest.raises(SnapshotUnavailable, match="is prior to any known revision"):
        zoo.at("1999-01-01T00:00:00Z")


def test_a_dropped_table_is_still_in_its_snapshots(zoo: AnyCatalog) -> None:
    zoo.insert(TableName("Animal", "zoo"), [{"nr": 1, "facts": [1, 2]}])
    before = zoo.latest_snapshot()
    zoo.drop(Address("zoo", "Animal"))
    assert zoo.at(before).fetch("entity/zoo:Animal")[0]["facts"] == [1, 2]
    assert "Animal" not in zoo.model.schemas["zoo"].tables
    assert "Animal" in zoo.at(before).model.schemas["zoo"].tables


def test_a_default_on_a_new_column_is_an_update_of_all_rows(zoo: AnyCatalog) -> None:
    old = zoo.insert(SPECIES, [{"name": "owl"}])[0]
    before = zoo.latest_snapshot()
    zoo.create_column(SPECIES, column_document("eyes", "int4", default=2))
    new = zoo.fetch("entity/zoo:Species")[0]
    assert new["eyes"] == 2
    assert new["RMT"] > old["RMT"]
    assert zoo.at(before).fetch("entity/zoo:Species") == [old]


def test_a_column_without_default_changes_no_row(zoo: AnyCatalog) -> None:
    old = zoo.insert(SPECIES, [{"name": "owl"}])[0]
    zoo.create_column(SPECIES, column_document("eyes", "int4"))
    assert zoo.fetch("entity/zoo:Species") == [old | {"eyes": None}]


def test_a_table_that_keeps_no_history_is_in_no_snapshot(zoo: AnyCatalog) -> None:
    tag = "tag:isrd.isi.edu,2020:history-capture"
    address = Address("zoo", "Species")
    zoo.set_annotation(address, tag, False)
    zoo.insert(SPECIES, [{"name": "owl"}])
    hidden = zoo.latest_snapshot()
    zoo.delete(parse_path("zoo:Species"))
    zoo.insert(SPECIES, [{"name": "cat"}])
    zoo.set_annotation(address, tag, None)
    again = zoo.latest_snapshot()
    zoo.delete(parse_path("zoo:Species"))
    assert "Species" not in zoo.at(hidden).model.schemas["zoo"].tables
    assert [row["name"] for row in zoo.at(again).fetch("entity/zoo:Species")] == ["cat"]


def test_only_false_under_one_spelling_ends_the_history_of_a_table(zoo: AnyCatalog) -> None:
    address = Address("zoo", "Species")
    zoo.set_annotation(address, "tag:isrd.isi.edu:2020,history-capture", False)
    zoo.set_annotation(address, "tag:isrd.isi.edu,2020:history-capture", "false")
    zoo.insert(SPECIES, [{"name": "owl"}])
    then = zoo.latest_snapshot()
    zoo.delete(parse_path("zoo:Species"))
    assert [row["name"] for row in zoo.at(then).fetch("entity/zoo:Species")] == ["owl"]


def test_truncation_forgets_what_is_older_and_keeps_the_rest(
    backend: Backend, zoo: AnyCatalog
) -> None:
    zoo.insert(SPECIES, [{"name": "owl"}])
    first = zoo.latest_snapshot()
    zoo.update(SPECIES, [{"name": "owl", "legs": 2}], keys=["name"])
    second = zoo.latest_snapshot()
    zoo.update(SPECIES, [{"name": "owl", "legs": 3}], keys=["name"])
    zoo.drop(Address("zoo", "Animal"))
    assert zoo.truncate_history(second) == second
    assert zoo.history_range() == (second, zoo.latest_snapshot())
    with pytest.raises(SnapshotUnavailable):
        zoo.at(first)
    assert zoo.at(second).fetch("entity/zoo:Species")[0]["legs"] == 2
    assert zoo.at(second).fetch("entity/zoo:Animal") == []
    with pytest.raises(NotFound):
        zoo.truncate_history(second)
    assert backend.findings(zoo) == []


def test_a_snapshot_opened_before_truncation_says_that_it_is_gone(zoo: AnyCatalog) -> None:
    old = zoo.at(zoo.latest_snapshot())
    zoo.insert(SPECIES, [{"name": "owl"}])
    zoo.truncate_history(zoo.latest_snapshot())
    with pytest.raises(SnapshotUnavailable):
        old.fetch("entity/zoo:Species")
