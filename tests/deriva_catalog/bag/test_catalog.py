"""A bag answers like the catalog it came from, and cannot be written."""

from __future__ import annotations

import json
import shutil
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path

import pytest

from deriva_catalog.bag import (
    BagWriter,
    content_fetcher,
    export_bag,
    index_bag,
    materialize,
    open_bag,
    pack_bag,
    read_bag,
    unpack_bag,
    update_bag,
    validate,
)
from deriva_catalog.catalog import LocalCatalog
from deriva_catalog.errors import (
    BadRequest,
    Conflict,
    Corrupted,
    NotFound,
    ReadOnly,
    SnapshotUnavailable,
    Unavailable,
)
from deriva_catalog.path.ast import TableName
from deriva_catalog.path.parser import parse_path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from bdbag import bdbag_api

SAMPLE = TableName("Sample", "S")
IMAGE = TableName("Image", "S")
ALL = {("S", "Sample"): "all", ("S", "Image"): "all", ("public", "ERMrest_Client"): "all"}

QUERIES = [
    "entity/S:Sample@sort(RID)",
    "entity/S:Image@sort(RID)",
    "entity/S:Sample/Image@sort(RID)",
    "entity/S:Image/Sample@sort(RID)",
    "entity/S:Sample/n::gt::0@sort(RID)",
    "entity/S:Sample/text::null::",
    "entity/S:Sample/list=NULL",
    "attribute/S:Sample/RID,text,flag,at@sort(RID)",
    "aggregate/S:Sample/c:=cnt(*),m:=max(n),a:=avg(x)",
    "attributegroup/S:Sample/flag;c:=cnt(RID)@sort(flag)",
]


def rids(catalog: LocalCatalog, table: TableName) -> list[str]:
    return [row["RID"] for row in catalog.fetch(f"entity/S:{table.name}@sort(RID)")]


def dump(index: Path) -> list[str]:
    with closing(sqlite3.connect(index)) as connection:
        return list(connection.iterdump())


@pytest.mark.parametrize("query", QUERIES)
def test_a_bag_gives_the_catalog_s_answers(
    catalog: LocalCatalog, tmp_path: Path, query: str
) -> None:
    export_bag(catalog, tmp_path / "bag", ALL)
    bag = open_bag(tmp_path / "bag")
    assert bag.fetch(query) == catalog.fetch(query)
    for media_type in ("application/json", "application/x-json-stream", "text/csv"):
        assert list(bag.stream(query, media_type)) == list(catalog.stream(query, media_type))
    bag.close()


def test_a_bag_tells_what_it_is(catalog: LocalCatalog, tmp_path: Path) -> None:
    done = export_bag(catalog, tmp_path / "bag", ALL)
    bag = open_bag(tmp_path / "bag")
    assert (bag.id, bag.snaptime) == ("7", catalog.latest_snapshot())
    assert bag.at(done.snapshot) is bag
    assert bag.count(SAMPLE) == done.rows[("S", "Sample")] == catalog.count(SAMPLE)
    assert bag.model.schemas["S"].tables["Image"].foreign_keys
    rid = rids(catalog, IMAGE)[0]
    assert bag.resolve_rid(rid) == catalog.resolve_rid(rid)
    image = bag.path.S.Image
    assert len(list(image.filter(image.Length > 0).entities().fetch())) == 3
    with pytest.raises(SnapshotUnavailable):
        bag.at("2020-01-01T00:00:00Z")
    with pytest.raises(NotFound):
        bag.resolve_rid("9-ZZZZ")
    bag.close()


def test_only_the_rows_asked_for_are_in_the_bag(catalog: LocalCatalog, tmp_path: Path) -> None:
    wanted = rids(catalog, SAMPLE)[1:3]
    rows = {("S", "Sample"): {*wanted, "0-NONE"}, ("S", "Image"): set()}
    done = export_bag(catalog, tmp_path / "bag", rows)
    bag = open_bag(tmp_path / "bag")
    assert [row["RID"] for row in bag.fetch("entity/S:Sample@sort(RID)")] == wanted
    assert bag.count(IMAGE) == 0
    assert dict(done.rows) == {("S", "Sample"): 2, ("S", "Image"): 0}
    bag.close()


def test_rows_are_those_of_one_snapshot(catalog: LocalCatalog, tmp_path: Path) -> None:
    before = catalog.at(catalog.latest_snapshot())
    catalog.update(SAMPLE, [{"RID": rids(catalog, SAMPLE)[0], "text": "changed"}])
    catalog.delete(parse_path("S:Image"))
    export_bag(before, tmp_path / "bag", ALL)
    bag = open_bag(tmp_path / "bag")
    assert bag.fetch(QUERIES[0]) == before.fetch(QUERIES[0])
    assert bag.count(IMAGE) == 3
    bag.close()


def test_equal_snapshots_give_equal_bags(catalog: LocalCatalog, tmp_path: Path) -> None:
    fixed = catalog.at(catalog.latest_snapshot())
    export_bag(fixed, tmp_path / "one", ALL)
    export_bag(fixed, tmp_path / "two", ALL, files="list")
    materialize(tmp_path / "two", content_fetcher(catalog.objects.content))
    one, two = (
        {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        for root in (tmp_path / "one", tmp_path / "two")
    )
    assert one == two


@pytest.mark.parametrize("files", ["link", "copy", "list", "none"])
def test_an_export_tells_what_is_in_the_bag(
    catalog: LocalCatalog, tmp_path: Path, files: str
) -> None:
    done = export_bag(catalog, tmp_path / "bag", ALL, files=files)  # type: ignore[arg-type]
    there = {p.relative_to(tmp_path / "bag").as_posix() for p in (tmp_path / "bag").rglob("*")}
    assert sorted(done.paths) == sorted(there)
    assert done.payload == read_bag(tmp_path / "bag").payload


def test_an_index_is_the_same_without_reading_the_manifests(
    catalog: LocalCatalog, tmp_path: Path
) -> None:
    done = export_bag(catalog, tmp_path / "bag", ALL)
    known = index_bag(tmp_path / "bag", tmp_path / "known.db", payload=done.payload)
    found = index_bag(tmp_path / "bag", tmp_path / "found.db")
    assert dump(known) == dump(found)


def test_an_index_is_not_built_of_a_table_that_changed_since(
    catalog: LocalCatalog, tmp_path: Path
) -> None:
    done = export_bag(catalog, tmp_path / "bag", ALL)
    table = tmp_path / "bag" / "data" / "S" / "Sample.csv"
    table.write_bytes(table.read_bytes().replace(b"\n", b"\r\n", 1))
    with pytest.raises(Corrupted, match=r"Sample\.csv"):
        index_bag(tmp_path / "bag", payload=done.payload)


@pytest.mark.parametrize("files", ["link", "copy"])
def test_the_field_s_own_validator_accepts_an_export(
    catalog: LocalCatalog, tmp_path: Path, files: str
) -> None:
    done = export_bag(catalog, tmp_path / "bag", ALL, files=files)  # type: ignore[arg-type]
    bdbag_api.validate_bag(str(tmp_path / "bag"), fast=False)
    assert validate(tmp_path / "bag").complete
    assert done.files == 3
    for row in catalog.fetch("entity/S:Image"):
        file = tmp_path / "bag/data/asset" / row["RID"] / "Image" / row["Filename"]
        assert file.read_bytes() == catalog.objects.read(row["URL"])


def test_files_elsewhere_are_listed(catalog: LocalCatalog, tmp_path: Path) -> None:
    row = {"URL": "https://host/x.png", "Filename": "../x\n.png", "Length": 5, "MD5": "0" * 32}
    rid = catalog.insert(IMAGE, [row])[0]["RID"]
    export_bag(catalog, tmp_path / "bag", ALL)
    assert validate(tmp_path / "bag").to_fetch == (f"data/asset/{rid}/Image/.._x_.png",)
    bdbag_api.validate_bag_structure(str(tmp_path / "bag"))


def test_files_may_be_left_out(catalog: LocalCatalog, tmp_path: Path) -> None:
    assert export_bag(catalog, tmp_path / "bag", ALL, files="none").files == 0
    assert export_bag(catalog, tmp_path / "two", ALL, asset_tables=[]).files == 0
    with pytest.raises(BadRequest, match="files="):
        export_bag(catalog, tmp_path / "bad", ALL, files="some")  # type: ignore[arg-type]
    assert validate(tmp_path / "bag").complete


def test_every_write_is_refused(catalog: LocalCatalog, tmp_path: Path) -> None:
    export_bag(catalog, tmp_path / "bag", ALL)
    bag = open_bag(tmp_path / "bag")
    for write in (
        lambda: bag.insert(SAMPLE, [{}]),
        lambda: bag.update(SAMPLE, [{}]),
        lambda: bag.upsert(SAMPLE, [{}]),
        lambda: bag.delete(parse_path("S:Sample")),
        lambda: bag.clear(parse_path("S:Sample"), ["n"]),
        lambda: bag.lease_rids(["x"]),
        lambda: bag.create_schema("X"),
        lambda: bag.transaction().__enter__(),
    ):
        with pytest.raises(ReadOnly, match="cannot be changed"):
            write()
    bag.close()


def test_the_index_is_built_once_and_again_when_the_bag_changed(
    catalog: LocalCatalog, tmp_path: Path
) -> None:
    export_bag(catalog, tmp_path / "bag", ALL)
    open_bag(tmp_path / "bag").close()
    index = tmp_path / "bag.catalog.db"
    built = index.stat().st_ino
    open_bag(tmp_path / "bag").close()
    assert index.stat().st_ino == built

    shutil.rmtree(tmp_path / "bag")
    export_bag(catalog, tmp_path / "bag", {("S", "Sample"): set()})
    bag = open_bag(tmp_path / "bag")
    assert bag.count(SAMPLE) == 0
    bag.close()

    index.write_bytes(b"garbage")
    bag = open_bag(tmp_path / "bag")
    assert bag.count(SAMPLE) == 0
    bag.close()


def test_a_damaged_table_is_told(catalog: LocalCatalog, tmp_path: Path) -> None:
    export_bag(catalog, tmp_path / "bag", ALL)
    csv = tmp_path / "bag/data/S/Sample.csv"
    csv.write_bytes(csv.read_bytes().replace(b"plain", b"PLAIN"))
    with pytest.raises(Corrupted, match=r"Sample\.csv"):
        open_bag(tmp_path / "bag")
    assert not (tmp_path / "bag.catalog.db").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("RID,n\n1-A,x\n", "'n'"),
        ("RID,bogus\n1-A,1\n", "bogus"),
        ("RID,n\n1-A\n", "1 fields"),
        ("", "no header"),
        ('RID,n\n1-A,"1\n', "no end"),
    ],
)
def test_a_table_that_does_not_fit_its_schema_is_told(
    catalog: LocalCatalog, tmp_path: Path, text: str, message: str
) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.add("data/schema.json", json.dumps(catalog.document()).encode())
        bag.add("data/S/Sample.csv", text.encode())
    with pytest.raises(Corrupted, match=message):
        open_bag(tmp_path / "bag")


def test_older_bags_with_tables_in_many_places_are_read(
    catalog: LocalCatalog, tmp_path: Path
) -> None:
    document = catalog.document()
    for table in document["schemas"]["S"]["tables"].values():
        for element in (table, *table["column_definitions"], *table["keys"]):
            del element["RID"]
    with BagWriter(tmp_path / "bag") as bag:
        bag.add("data/schema.json", json.dumps(document).encode())
        bag.add(
            "data/Dataset/a/Sample.csv", b"RID,flag,list,at\n1-A,t,{a},2026-01-01 00:00:00+00\n"
        )
        bag.add("data/Dataset/b/Sample.csv", b'RID,flag,list,at\n1-A,t,,\n1-B,false,"[""b""]",\n')
    opened = open_bag(tmp_path / "bag")
    assert opened.fetch("attribute/S:Sample/RID,flag,list,at@sort(RID)") == [
        {"RID": "1-A", "flag": True, "list": ["a"], "at": "2026-01-01T00:00:00+00:00"},
        {"RID": "1-B", "flag": False, "list": ["b"], "at": None},
    ]
    opened.close()


def test_a_bag_without_a_schema_is_no_catalog(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.add("data/x", b"")
    with pytest.raises(Corrupted, match=r"schema\.json"):
        open_bag(tmp_path / "bag")
    with pytest.raises(NotFound, match="no bag"):
        open_bag(tmp_path / "nothing")


def test_places_may_be_texts(catalog: LocalCatalog, tmp_path: Path) -> None:
    bag, archive, other = (str(tmp_path / name) for name in ("bag", "bag.zip", "other"))
    exported = export_bag(catalog, bag, ALL, files="list")
    with update_bag(bag) as change:
        change.info["Note"] = "new"
    assert unpack_bag(pack_bag(bag, archive), other) == Path(other)
    materialize(other, content_fetcher(catalog.objects.content))
    assert validate(other).complete
    opened = open_bag(other, str(tmp_path / "index.db"))
    assert opened.count(parse_path("S:Image")) == exported.rows["S", "Image"]
    opened.close()
    assert read_bag(other).info["Note"] == "new"


def test_an_index_that_cannot_be_written_may_lie_elsewhere(
    catalog: LocalCatalog, tmp_path: Path
) -> None:
    export_bag(catalog, tmp_path / "bag", ALL)
    (tmp_path / "bag.catalog.db" / "something").mkdir(parents=True)
    with pytest.raises(Unavailable, match="index") as caught:
        open_bag(tmp_path / "bag")
    assert "open_bag(directory, index)" in caught.value.hint
    open_bag(tmp_path / "bag", tmp_path / "index.db").close()


def test_an_export_never_overwrites(catalog: LocalCatalog, tmp_path: Path) -> None:
    export_bag(catalog, tmp_path / "bag", ALL)
    with pytest.raises(Conflict):
        export_bag(catalog, tmp_path / "bag", ALL)
    with pytest.raises(BadRequest, match="RIDs in a list"):
        export_bag(catalog, tmp_path / "new", {("S", "Image"): "1-ABC"})  # type: ignore[dict-item]


def test_most_rows_of_a_large_table_are_picked_out_of_all(
    catalog: LocalCatalog, tmp_path: Path
) -> None:
    texts = ["plain", 'a "quoted", text\nover lines\r\n', "", None, "é\u2028x", '"', "\n"]
    made = catalog.insert(SAMPLE, [{"n": n, "text": texts[n % len(texts)]} for n in range(3000)])
    wanted = [*sorted(row["RID"] for row in made if row["n"] % 4), "ZZZZ"]
    done = export_bag(catalog, tmp_path / "most", {("S", "Sample"): wanted})
    assert done.rows == {("S", "Sample"): 2250}
    few = [wanted[start : start + 1000] for start in range(0, len(wanted), 1000)]
    looked_up = []
    for number, some in enumerate(few):
        export_bag(catalog, tmp_path / f"few{number}", {("S", "Sample"): some})
        data = (tmp_path / f"few{number}/data/S/Sample.csv").read_bytes()
        header, _, rows = data.partition(b"\n")
        looked_up.append(rows)
    expected = header + b"\n" + b"".join(looked_up)
    assert (tmp_path / "most/data/S/Sample.csv").read_bytes() == expected
    opened = open_bag(tmp_path / "most")
    assert opened.fetch("entity/S:Sample@sort(RID)") == [
        row for row in catalog.fetch("entity/S:Sample@sort(RID)") if row["RID"] in set(wanted)
    ]
    opened.close()
