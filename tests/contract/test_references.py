"""What foreign keys do when rows they refer to change or go."""

from __future__ import annotations

import pytest

from backends import AnyCatalog
from deriva_catalog.errors import ForeignKeyViolation, NotNullViolation
from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
    key_document,
    table_document,
)
from deriva_catalog.path.ast import TableName
from deriva_catalog.path.parser import parse_path

PARENT, CHILD = TableName("Parent", "S"), TableName("Child", "S")


def family(catalog: AnyCatalog, on_delete: str, on_update: str, nullok: bool = True) -> None:
    parent = table_document(
        "Parent",
        [column_document("a", "int4", nullok=False), column_document("b", "text", nullok=False)],
        keys=[key_document(["a", "b"])],
    )
    child = table_document(
        "Child",
        [
            column_document("x", "text", default="d", nullok=nullok),
            column_document("y", "int4", default=0),
        ],
        foreign_keys=[
            foreign_key_document(
                ["y", "x"], "S", "Parent", ["a", "b"], on_delete=on_delete, on_update=on_update
            )
        ],
    )
    catalog.create_schema({"schema_name": "S", "tables": {"Child": child, "Parent": parent}})
    catalog.insert(PARENT, [{"a": 0, "b": "d"}, {"a": 1, "b": "p"}, {"a": 2, "b": "q"}])
    catalog.insert(CHILD, [{"y": 1, "x": "p"}, {"y": 2, "x": "q"}, {"y": 1, "x": None}])


def children(catalog: AnyCatalog) -> list[tuple[object, object]]:
    rows = catalog.fetch("entity/S:Child")
    return [(r["y"], r["x"]) for r in sorted(rows, key=lambda r: str(r["RID"]))]


def test_cascade_deletes_and_versions_the_referring_rows(catalog: AnyCatalog) -> None:
    family(catalog, "CASCADE", "NO ACTION")
    before = catalog.latest_snapshot()
    assert catalog.delete(parse_path("S:Parent/a=1")) == 1
    assert children(catalog) == [(2, "q"), (1, None)]
    assert children(catalog.at(before)) == [(1, "p"), (2, "q"), (1, None)]


def test_set_null_keeps_the_referring_rows(catalog: AnyCatalog) -> None:
    family(catalog, "SET NULL", "NO ACTION")
    before = catalog.latest_snapshot()
    catalog.delete(parse_path("S:Parent/a=1"))
    assert children(catalog) == [(None, None), (2, "q"), (1, None)]
    rows = sorted(catalog.fetch("entity/S:Child"), key=lambda r: str(r["RID"]))
    assert rows[0]["RMT"] > rows[1]["RMT"]
    assert children(catalog.at(before))[0] == (1, "p")


def test_set_null_respects_columns_that_need_values(catalog: AnyCatalog) -> None:
    parent = table_document("Parent")
    child = table_document(
        "Child",
        [column_document("p", "text", nullok=False)],
        foreign_keys=[foreign_key_document(["p"], "S", "Parent", on_delete="SET NULL")],
    )
    catalog.create_schema({"schema_name": "S", "tables": {"Child": child, "Parent": parent}})
    rid = catalog.insert(PARENT, [{}])[0]["RID"]
    catalog.insert(CHILD, [{"p": rid}])
    with pytest.raises(NotNullViolation):
        catalog.delete(parse_path("S:Parent"))
    assert catalog.count(PARENT) == 1


def test_set_default_needs_the_default_to_exist(catalog: AnyCatalog) -> None:
    family(catalog, "SET DEFAULT", "NO ACTION")
    catalog.delete(parse_path("S:Parent/a=1"))
    assert children(catalog)[0] == (0, "d")
    with pytest.raises(ForeignKeyViolation):
        catalog.delete(parse_path("S:Parent/a=0"))


def test_restrict_refuses_at_once(catalog: AnyCatalog) -> None:
    family(catalog, "RESTRICT", "NO ACTION")
    with catalog.transaction():
        with pytest.raises(ForeignKeyViolation):
            catalog.delete(parse_path("S:Parent/a=1"))
        catalog.delete(parse_path("S:Child"))
        assert catalog.delete(parse_path("S:Parent/a=1")) == 1


def test_updates_cascade(catalog: AnyCatalog) -> None:
    family(catalog, "NO ACTION", "CASCADE")
    catalog.update(PARENT, [{"b": "p", "a": 9}], keys=["b"])
    assert children(catalog) == [(9, "p"), (2, "q"), (1, None)]


def test_updates_set_null(catalog: AnyCatalog) -> None:
    family(catalog, "NO ACTION", "SET NULL")
    catalog.update(PARENT, [{"b": "p", "a": 9}], keys=["b"])
    assert children(catalog)[0] == (None, None)


def test_updates_without_action_are_refused_unless_nothing_changes(catalog: AnyCatalog) -> None:
    family(catalog, "NO ACTION", "NO ACTION")
    catalog.update(PARENT, [{"b": "p", "a": 1}], keys=["b"])
    with pytest.raises(ForeignKeyViolation, match=r"Key \(a, b\)=\(1, p\) is still referenced"):
        catalog.update(PARENT, [{"b": "p", "a": 9}], keys=["b"])


def tree(catalog: AnyCatalog, on_delete: str) -> TableName:
    node = table_document(
        "Node",
        [column_document("n", "int4", nullok=False), column_document("up", "int4")],
        keys=[key_document(["n"])],
        foreign_keys=[
            foreign_key_document(
                ["up"], "S", "Node", ["n"], on_delete=on_delete, on_update="CASCADE"
            )
        ],
    )
    catalog.create_schema({"schema_name": "S", "tables": {"Node": node}})
    return TableName("Node", "S")


def test_a_long_chain_is_deleted_by_its_first_link(catalog: AnyCatalog) -> None:
    node = tree(catalog, "CASCADE")
    catalog.insert(node, [{"n": n, "up": n - 1 if n else None} for n in range(60)])
    assert catalog.delete(parse_path("S:Node/n=0")) == 1
    assert catalog.count(node) == 0


def test_rows_that_refer_to_each_other_go_together(catalog: AnyCatalog) -> None:
    node = tree(catalog, "NO ACTION")
    catalog.insert(node, [{"n": 1, "up": 2}, {"n": 2, "up": 1}])
    assert catalog.delete(parse_path("S:Node")) == 2


def test_a_cycle_follows_an_update(catalog: AnyCatalog) -> None:
    node = tree(catalog, "CASCADE")
    catalog.insert(node, [{"n": 1, "up": 1}, {"n": 2, "up": 1}])
    rid = next(r["RID"] for r in catalog.fetch("entity/S:Node") if r["n"] == 1)
    catalog.update(node, [{"RID": rid, "n": 7}])
    got = {(r["n"], r["up"]) for r in catalog.fetch("entity/S:Node")}
    assert got == {(7, 7), (2, 7)}
