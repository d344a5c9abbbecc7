"""Truncation, redaction and amendment of history, held against a list of whole states."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends import AnyCatalog, Backend
from deriva_catalog import snaptime
from deriva_catalog.errors import BadRequest, Conflict, NotFound, ReadOnly, SnapshotUnavailable
from deriva_catalog.interface import Address
from deriva_catalog.model.definitions import column_document, table_document
from deriva_catalog.path.ast import TableName
from deriva_catalog.path.parser import parse_path

SPECIES = TableName("Species", "zoo")
CAPTURE = "tag:isrd.isi.edu,2020:history-capture"


def table_of(catalog: AnyCatalog, name: str = "Species") -> Any:
    return catalog.model.schemas["zoo"].tables[name]


def rid_of(catalog: AnyCatalog, column: str) -> str:
    return str(table_of(catalog).by_name[column].rid)


def after(snapshot: str) -> str:
    return snaptime.encode(snaptime.decode(snapshot) + 1)


# --- a slow model ------------------------------------------------------------------------

PICK = st.integers(0, 30)
STEP = st.one_of(
    st.tuples(st.just("insert"), st.integers(0, 3)),
    st.tuples(st.just("update"), PICK, st.integers(0, 3)),
    st.tuples(st.just("delete"), PICK),
    st.tuples(st.just("annotate"), st.integers(0, 9)),
    st.tuples(st.just("grant"), st.integers(0, 9)),
    st.tuples(st.just("redact"), PICK, PICK, st.one_of(st.none(), st.integers(0, 3))),
    st.tuples(st.just("amend annotations"), PICK, PICK, st.integers(10, 19)),
    st.tuples(st.just("amend acls"), PICK, PICK, st.integers(10, 19)),
    st.tuples(st.just("truncate"), PICK),
)


@dataclass
class Version:
    """One version of a row: from when, until when, and what it says."""

    begin: int
    end: int | None
    a: int | None
    b: int


@dataclass
class State:
    """What a snapshot shows: annotations and the `select` ACL of the table; rows apart."""

    annotations: dict[str, Any]
    acls: dict[str, tuple[str, ...]]


@dataclass
class Slow:
    """A catalog as a list of whole states."""

    catalog: AnyCatalog
    times: list[int] = field(default_factory=list)
    states: dict[int, State] = field(default_factory=dict)
    versions: dict[str, list[Version]] = field(default_factory=dict)
    now: State = field(default_factory=lambda: State({}, {}))
    table = TableName("T", "S")
    address = Address("S", "T")

    def committed(self) -> None:
        at = snaptime.decode(self.catalog.latest_snapshot())
        if self.times and at == self.times[-1]:
            return  # what changes nothing leaves no snapshot, and an amended one stays amended
        self.times.append(at)
        self.states[at] = copy.deepcopy(self.now)

    def bounds(self, one: int, two: int) -> tuple[int, int]:
        """Two known times, or a moment before or after one."""
        places = sorted(t + shift for t in self.times for shift in (0, 1))
        first, second = sorted((places[one % len(places)], places[two % len(places)]))
        return first, second

    def alive(self) -> list[str]:
        return sorted(rid for rid, known in self.versions.items() if known[-1].end is None)

    def insert(self, value: int) -> None:
        row = self.catalog.insert(self.table, [{"a": value, "b": value}])[0]
        self.committed()
        self.versions[row["RID"]] = [Version(self.times[-1], None, value, value)]

    def update(self, pick: int, value: int) -> None:
        if not (alive := self.alive()):
            return
        rid = alive[pick % len(alive)]
        self.catalog.update(self.table, [{"RID": rid, "a": value}])
        self.committed()
        last = self.versions[rid][-1]
        last.end = self.times[-1]
        self.versions[rid].append(Version(self.times[-1], None, value, last.b))

    def delete(self, pick: int) -> None:
        if not (alive := self.alive()):
            return
        rid = alive[pick % len(alive)]
        self.catalog.delete(parse_path(f"S:T/RID={rid}"))
        self.committed()
        self.versions[rid][-1].end = self.times[-1]

    def annotate(self, value: int) -> None:
        self.now.annotations = {"note": value}
        self.catalog.set_annotation(self.address, "note", value)
        self.committed()

    def grant(self, value: int) -> None:
        self.now.acls = {"select": (f"role{value}",)}
        self.catalog.alter(self.address, {"acls": {"select": [f"role{value}"]}})
        self.committed()

    def redact(self, one: int, two: int, value: int | None) -> None:
        first, second = self.bounds(one, two)
        table = self.catalog.model.schemas["S"].tables["T"]
        where = None if value is None else (table.by_name["b"].rid, value)
        given = snaptime.encode(first), snaptime.encode(second)
        if not [t for t in self.times if first <= t < second] and not self.within(first, second):
            with pytest.raises(Conflict):
                self.catalog.history.redact(*given, table.by_name["a"].rid, where=where)
            return
        self.catalog.history.redact(*given, table.by_name["a"].rid, where=where)
        for known in self.versions.values():
            for version in known:
                inside = first <= version.begin and (version.end or second + 1) <= second
                if inside and (value is None or version.b == value):
                    version.a = None

    def within(self, first: int, second: int) -> bool:
        """Whether a part of the range lies between the horizon and just after the latest."""
        return max(first, self.times[0]) < min(second, self.times[-1] + 1)

    def amend_annotations(self, one: int, two: int, value: int) -> None:
        first, second = self.bounds(one, two)
        if not self.within(first, second):
            return
        rid = self.catalog.model.schemas["S"].tables["T"].rid
        given = snaptime.encode(first), snaptime.encode(second)
        self.catalog.history.amend_annotations(*given, {"note": value}, rid)
        for at in self.times:
            if first <= at < second:
                self.states[at].annotations = {"note": value}

    def amend_acls(self, one: int, two: int, value: int) -> None:
        first, second = self.bounds(one, two)
        if not self.within(first, second):
            return
        rid = self.catalog.model.schemas["S"].tables["T"].rid
        given = snaptime.encode(first), snaptime.encode(second)
        self.catalog.history.amend_acls(*given, {"select": [f"role{value}"]}, rid)
        for at in self.times:
            if first <= at < second:
                self.states[at].acls = {"select": (f"role{value}",)}

    def truncate(self, pick: int) -> None:
        at = self.times[pick % len(self.times)]
        if at == self.times[0]:
            with pytest.raises(NotFound):
                self.catalog.history.truncate(snaptime.encode(at))
            return
        forgotten = self.times[0]
        self.catalog.history.truncate(snaptime.encode(at))
        self.times = [t for t in self.times if t >= at]
        with pytest.raises(SnapshotUnavailable):
            self.catalog.at(snaptime.encode(forgotten))

    def rows_at(self, at: int) -> dict[str, tuple[int | None, int]]:
        return {
            rid: (version.a, version.b)
            for rid, known in self.versions.items()
            for version in known
            if version.begin <= at and (version.end is None or at < version.end)
        }

    def check(self, reader: AnyCatalog) -> None:
        for at in self.times:
            then = reader.at(snaptime.encode(at))
            table = then.model.schemas["S"].tables["T"]
            assert dict(table.annotations) == self.states[at].annotations
            assert dict(table.acls) == self.states[at].acls
            rows = {row["RID"]: (row["a"], row["b"]) for row in then.fetch("entity/S:T")}
            assert rows == self.rows_at(at)
        table = reader.model.schemas["S"].tables["T"]
        assert dict(table.annotations) == self.now.annotations
        assert dict(table.acls) == self.now.acls
        assert len(reader.fetch("entity/S:T")) == len(self.alive())
        assert reader.history_range() == (
            snaptime.encode(self.times[0]),
            snaptime.encode(self.times[-1]),
        )


@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEP, min_size=6, max_size=18))
@pytest.mark.slow
def test_history_is_what_a_list_of_states_says(
    backend: Backend, steps: list[tuple[Any, ...]]
) -> None:
    catalog = backend.create()
    other = backend.another(catalog)  # its own caches, as in another process
    catalog.create_schema("S")
    columns = [column_document("a", "int4"), column_document("b", "int4", nullok=False)]
    catalog.create_table("S", table_document("T", columns, user_references=False))
    slow = Slow(catalog)
    slow.committed()
    catalog.history.truncate(catalog.latest_snapshot())
    for name, *arguments in [("insert", 1), ("update", 0, 2), *steps]:
        getattr(slow, name.replace(" ", "_"))(*arguments)
        if name.startswith(("amend", "redact", "truncate")):
            slow.check(other)
    slow.check(catalog)
    slow.check(other)
    assert backend.findings(catalog) == []
    catalog.close()
    other.close()


# --- single rules ------------------------------------------------------------------------


def test_the_extent_is_clipped_to_what_is_known(zoo: AnyCatalog) -> None:
    first, last = zoo.history_range()
    assert zoo.history.extent(None, "2999-01-01").last == last
    assert zoo.history.extent("1999-01-01", last).first == first
    assert zoo.history.extent(last, last).first == last
    assert zoo.history.extent().amended is None
    with pytest.raises(Conflict, match="after its end"):
        zoo.history.extent(last, first)
    with pytest.raises(Conflict, match="Nothing is known"):
        zoo.history.extent(None, "1999-01-01")
    with pytest.raises(BadRequest):
        zoo.history.extent("UUU", None)
    with pytest.raises(ReadOnly):
        _ = zoo.at(last).history


def test_a_redacted_value_is_gone_from_whole_versions_only(zoo: AnyCatalog) -> None:
    owl = zoo.insert(SPECIES, [{"name": "owl", "legs": 1}])[0]
    begun = zoo.latest_snapshot()
    zoo.update(SPECIES, [{"RID": owl["RID"], "legs": 2}])
    middle = zoo.latest_snapshot()
    zoo.update(SPECIES, [{"RID": owl["RID"], "legs": 3}])
    version = zoo.history.redact(middle, after(zoo.latest_snapshot()), rid_of(zoo, "legs"))
    legs = [zoo.at(s).fetch("entity/zoo:Species")[0]["legs"] for s in (begun, middle)]
    assert legs == [1, None]
    assert zoo.fetch("entity/zoo:Species")[0]["legs"] == 3
    assert zoo.at(middle).amended == version
    assert zoo.at(begun).amended is None
    assert zoo.history.extent(middle).amended == version
    assert zoo.history.extent(None, begun).amended is None


def test_a_filter_chooses_the_versions_to_redact(zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, [{"name": "owl", "tags": ["x"]}, {"name": "cat"}, {"name": "dog"}])
    then = zoo.latest_snapshot()
    zoo.delete(parse_path("zoo:Species"))
    bounds = then, after(zoo.latest_snapshot())
    zoo.history.redact(*bounds, rid_of(zoo, "name"), where=(rid_of(zoo, "tags"), ["x"]))
    names = sorted(str(row["name"]) for row in zoo.at(then).fetch("entity/zoo:Species"))
    assert names == ["None", "cat", "dog"]
    zoo.history.redact(*bounds, rid_of(zoo, "RCB"), where=(rid_of(zoo, "name"), None))
    makers = {row["name"]: row["RCB"] for row in zoo.at(then).fetch("entity/zoo:Species")}
    assert makers == {None: None, "cat": "kim", "dog": "kim"}


def test_a_column_is_redacted_under_each_type_and_name_that_it_had(zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, [{"name": "owl", "legs": 2}])
    first = zoo.latest_snapshot()
    column = rid_of(zoo, "legs")
    zoo.alter(Address("zoo", "Species", column="legs"), {"type": {"typename": "text"}})
    second = zoo.latest_snapshot()
    zoo.alter(Address("zoo", "Species", column="legs"), {"name": "feet"})
    zoo.drop(Address("zoo", "Species", column="feet"))
    zoo.history.redact(first, zoo.latest_snapshot(), column.lower(), where=(column, "2"))
    assert zoo.at(first).fetch("entity/zoo:Species")[0]["legs"] is None
    assert zoo.at(second).fetch("entity/zoo:Species")[0]["legs"] is None


@pytest.mark.parametrize("column", ["RID", "RMT", "RMB"])
def test_what_history_needs_is_not_redacted(zoo: AnyCatalog, column: str) -> None:
    with pytest.raises(Conflict, match="history needs it"):
        zoo.history.redact(*_whole(zoo), rid_of(zoo, column))


def test_redaction_refuses_what_it_does_not_know(zoo: AnyCatalog) -> None:
    legs = rid_of(zoo, "legs")
    with pytest.raises(NotFound):
        zoo.history.redact(*_whole(zoo), "9-ZZZZ")
    with pytest.raises(NotFound):
        zoo.history.redact(*_whole(zoo), table_of(zoo).rid)
    with pytest.raises(NotFound):
        zoo.history.redact(*_whole(zoo), legs, where=("9-ZZZZ", 1))
    other = table_of(zoo, "Animal").by_name["nr"].rid
    with pytest.raises(Conflict, match="of the same table"):
        zoo.history.redact(*_whole(zoo), legs, where=(other, 1))
    with pytest.raises(BadRequest):
        zoo.history.redact(*_whole(zoo), legs, where=(legs, "many"))
    first, last = zoo.history_range()
    with pytest.raises(Conflict, match="No snapshot lies"):
        zoo.history.redact(last, first, legs)
    assert zoo.history.extent().amended is None


def _whole(catalog: AnyCatalog) -> tuple[str, str]:
    first, last = catalog.history_range()
    return first, after(last)


def test_an_amendment_reaches_each_kind_of_element(zoo: AnyCatalog) -> None:
    before = zoo.latest_snapshot()
    table, animal = table_of(zoo), table_of(zoo, "Animal")
    control, whole = zoo.history, _whole(zoo)
    owners = list(zoo.model.acls["owner"])  # who else could see the lists then
    control.amend_acls(*whole, {"enumerate": ["*"], "owner": owners})
    control.amend_acls(*whole, {"select": ["a"]}, zoo.model.schemas["zoo"].rid)
    control.amend_acls(*whole, {"select": ["b"]}, table.by_name["legs"].rid)
    control.amend_acls(*whole, {"insert": ["c"]}, animal.foreign_keys[0].rid)
    control.amend_annotations(*whole, {"k": 1})
    control.amend_annotations(*whole, {"k": 2}, table.keys[0].rid)
    binding = {"types": ["select"], "projection": "RCB"}
    control.amend_acl_bindings(*whole, {"own": binding}, table.rid)
    model = zoo.at(before).model
    then, herd = (model.schemas["zoo"].tables[name] for name in ("Species", "Animal"))
    assert {name: roles for name, roles in model.acls.items() if roles} == {
        "enumerate": ("*",),
        "owner": tuple(owners),
    }
    assert dict(model.schemas["zoo"].acls) == {"select": ("a",)}
    assert dict(then.by_name["legs"].acls) == {"select": ("b",)}
    assert dict(herd.foreign_keys[0].acls) == {"insert": ("c",)}
    assert (dict(model.annotations), dict(then.keys[0].annotations)) == ({"k": 1}, {"k": 2})
    assert then.acl_bindings["own"]["projection_type"] == "acl"
    assert "enumerate" not in {name for name, roles in zoo.model.acls.items() if roles}
    assert zoo.model.version == model.version  # no change of the model has taken place
    assert zoo.latest_snapshot() == before


def test_amendments_refuse_what_is_malformed(zoo: AnyCatalog) -> None:
    table, control, whole = table_of(zoo), zoo.history, _whole(zoo)
    with pytest.raises(NotFound):
        control.amend_acls(*whole, {}, "9-ZZZZ")
    with pytest.raises(BadRequest, match="object"):
        control.amend_acls(*whole, [])  # type: ignore[arg-type]
    with pytest.raises(BadRequest):
        control.amend_acls(*whole, {"select": None}, table.rid)
    with pytest.raises(Conflict, match="no ACL called"):
        control.amend_acls(*whole, {"create": []}, table.rid)
    with pytest.raises(Conflict, match="has no acls"):
        control.amend_acls(*whole, {}, table.keys[0].rid)
    with pytest.raises(Conflict, match="has no acl_bindings"):
        control.amend_acl_bindings(*whole, {}, zoo.model.schemas["zoo"].rid)
    unknown = {"own": {"types": ["select"], "projection": "nothing"}}
    with pytest.raises(Conflict):
        control.amend_acl_bindings(*whole, unknown, table.rid)
    with pytest.raises(BadRequest, match="cannot be amended"):
        control.amend_annotations(*whole, {CAPTURE: False}, table.rid)
    with pytest.raises(Conflict, match="inside a transaction"), zoo.transaction():
        control.amend_annotations(*whole, {}, table.rid)
    assert control.extent().amended is None


def test_the_capture_of_history_stays_as_recorded(zoo: AnyCatalog) -> None:
    zoo.set_annotation(Address("zoo", "Species"), CAPTURE, False)
    hidden = zoo.latest_snapshot()
    zoo.history.amend_annotations(*_whole(zoo), {"k": 1}, table_of(zoo).rid)
    assert "Species" not in zoo.at(hidden).model.schemas["zoo"].tables


def test_a_change_after_an_amendment_of_the_latest_snapshot_is_a_new_one(
    zoo: AnyCatalog,
) -> None:
    before = zoo.latest_snapshot()
    zoo.history.amend_annotations(before, after(before), {"k": "then"})
    zoo.alter(Address(), {"annotations": {"k": "now"}})
    assert zoo.latest_snapshot() > before
    assert dict(zoo.at(before).model.annotations) == {"k": "then"}
    assert dict(zoo.model.annotations) == {"k": "now"}


def test_forgetting_history_forgets_its_amendments(zoo: AnyCatalog) -> None:
    before = zoo.latest_snapshot()
    zoo.history.amend_annotations(before, after(before), {"k": "then"})
    zoo.insert(SPECIES, [{"name": "owl"}])
    zoo.history.truncate(zoo.latest_snapshot())
    assert zoo.history.extent().amended is None


def test_a_row_that_is_gone_says_when_it_was_last_there(zoo: AnyCatalog) -> None:
    owl = zoo.insert(SPECIES, [{"name": "owl"}])[0]
    assert zoo.resolve_rid(owl["RID"]).deleted_at is None
    zoo.insert(SPECIES, [{"name": "cat"}])
    there = zoo.latest_snapshot()
    zoo.delete(parse_path("zoo:Species/name=owl"))
    gone = zoo.latest_snapshot()
    for place in (zoo.resolve_rid(owl["RID"]), zoo.at(gone).resolve_rid(owl["RID"].lower())):
        assert place.rid == owl["RID"]
        assert snaptime.from_iso(str(place.deleted_at)) == snaptime.decode(gone)
        assert place.last_visible_snaptime == there
        assert datetime.fromisoformat(str(place.last_visible_at)) < datetime.fromisoformat(
            str(place.deleted_at)
        )
        assert zoo.at(there).resolve_rid(owl["RID"]).deleted_at is None
