"""What loading a bag does where the bag and the catalog differ."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

import menagerie
from backends import over_http
from deriva_catalog.access import Client
from deriva_catalog.bag import (
    BagWriter,
    LoadPolicy,
    TableKnowledge,
    content_fetcher,
    load_bag,
    open_bag,
)
from deriva_catalog.bag.tags import read_bag
from deriva_catalog.catalog import LocalCatalog, RemoteCatalog, create_local, open_local
from deriva_catalog.errors import (
    BadRequest,
    Conflict,
    Corrupted,
    Forbidden,
    ForeignKeyViolation,
    NotFound,
)
from deriva_catalog.interface import Address
from deriva_catalog.model.definitions import column_document, table_document, vocabulary_document
from deriva_catalog.path.ast import Path as DataPath
from deriva_catalog.path.ast import Root, TableName
from deriva_catalog.path.parser import parse_path
from deriva_catalog.rid import decode
from menagerie import ANIMAL, KEEPER, KIND, PICTURE, PNGS, TAG, export


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCatalog]:
    place = tmp_path_factory.mktemp("menagerie") / "catalog"
    catalog = menagerie.build(create_local(place, client="ann"))
    yield catalog
    catalog.close()


@pytest.fixture(scope="module")
def bag(source: LocalCatalog) -> Path:
    """A bag of the whole, with its files."""
    export(source, source.directory.parent / "bag")
    return source.directory.parent / "bag"


@pytest.fixture(scope="module")
def listing(source: LocalCatalog) -> Path:
    """A bag of the whole that lists its files."""
    export(source, source.directory.parent / "listing", files="list")
    return source.directory.parent / "listing"


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[LocalCatalog]:
    made = create_local(tmp_path / "there", client="kim")
    yield made
    made.close()


def rids(bag: Path, table: str) -> list[str]:
    opened = open_bag(bag)
    found = [row["RID"] for row in opened.fetch(f"entity/zoo:{table}@sort(RID)")]
    opened.close()
    return found


def partial(source: LocalCatalog, place: Path, **left_out: set[str]) -> Path:
    """A bag without some rows."""
    rows = {}
    for table in source.model.schemas["zoo"].tables.values():
        found = source.fetch(f"entity/zoo:{table.name}")
        rows["zoo", table.name] = [
            r["RID"] for r in found if r["RID"] not in left_out.get(table.name, ())
        ]
    from deriva_catalog.bag import export_bag

    export_bag(source, place, rows)
    return place


# --- tables ------------------------------------------------------------------------------


def test_columns_that_are_missing_are_added_with_their_references(
    catalog: LocalCatalog, bag: Path
) -> None:
    catalog.create_schema("zoo")
    catalog.create_table("zoo", vocabulary_document("Kind", "zoo:{RID}"))
    columns = [column_document("name", "text"), column_document("mine", "int4", default=3)]
    catalog.create_table("zoo", table_document("Animal", columns))
    loaded = load_bag(bag, catalog, LoadPolicy(files="missing"))
    assert ("zoo", "Animal", "facts") in loaded.columns_created
    assert ("zoo", "Animal") not in loaded.tables_created
    table = catalog.model.schemas["zoo"].tables["Animal"]
    assert {f.referenced_table for f in table.foreign_keys} >= {"Kind", "Keeper"}
    assert [row["mine"] for row in catalog.fetch("entity/zoo:Animal")] == [3] * 6


def test_tables_that_contradict_are_refused_with_a_list(catalog: LocalCatalog, bag: Path) -> None:
    catalog.create_schema("zoo")
    wrong = [
        column_document("name", "int4"),
        column_document("size", "int4", nullok=False),
        column_document("more", "text", nullok=False),
    ]
    catalog.create_table("zoo", table_document("Animal", wrong))
    catalog.insert(ANIMAL, [{"name": 1, "size": 2, "more": "x"}])
    before = catalog.latest_snapshot()
    with pytest.raises(Conflict) as refused:
        load_bag(bag, catalog)
    text = str(refused.value)
    assert "name is text in the bag and int4 in the catalog" in text
    assert "size may be empty in the bag" in text
    assert "more must have a value and is not in the bag" in text
    assert "has rows and no column 'Keeper'" in text
    assert catalog.latest_snapshot() == before


def test_left_out_tables_are_not_made(catalog: LocalCatalog, bag: Path) -> None:
    out = frozenset({("zoo", "Picture"), ("zoo", "Animal_Tag")})
    loaded = load_bag(bag, catalog, LoadPolicy(exclude_tables=out))
    assert set(catalog.model.schemas["zoo"].tables) == {"Kind", "Tag", "Keeper", "Animal"}
    assert loaded.listed == 0


def test_annotations_come_along_unless_they_shall_not(
    source: LocalCatalog, catalog: LocalCatalog, tmp_path: Path, bag: Path
) -> None:
    load_bag(bag, catalog)
    own = source.model.schemas["zoo"].tables["Picture"].by_name["URL"].annotations
    assert own
    assert catalog.model.schemas["zoo"].tables["Picture"].by_name["URL"].annotations == own
    other = create_local(tmp_path / "other", client="kim")
    load_bag(bag, other, LoadPolicy(annotations=False))
    assert not other.model.schemas["zoo"].tables["Picture"].by_name["URL"].annotations
    other.close()


# --- terms and other rows that are the same ----------------------------------------------


def _with_kinds(catalog: LocalCatalog) -> None:
    catalog.create_schema("zoo")
    for name in ("Tag", "Kind"):
        catalog.create_table("zoo", vocabulary_document(name, "zoo:{RID}"))
    term = {"Name": "cat", "Description": "Mine.", "Synonyms": ["puss"]}
    catalog.insert(KIND, [term], defaults=("ID", "URI"))
    old = {"Name": "old", "Description": "Aged.", "Synonyms": []}
    catalog.insert(TAG, [old], defaults=("ID", "URI"))


def test_terms_are_merged_by_name_and_references_follow(catalog: LocalCatalog, bag: Path) -> None:
    _with_kinds(catalog)
    loaded = load_bag(bag, catalog)
    kinds = catalog.fetch("entity/zoo:Kind@sort(Name)")
    assert [(k["Name"], k["Description"]) for k in kinds] == [("cat", "Mine."), ("dog", "")]
    assert loaded.present["zoo", "Kind"] == 1
    (old,) = catalog.fetch("entity/zoo:Tag/Name=old")
    assert old["RID"] in loaded.rids.values()
    assert len(catalog.fetch(f"entity/zoo:Animal_Tag/Tag={old['RID']}")) == 3
    assert not load_bag(bag, catalog).changed


def test_terms_may_be_replaced_or_refused(catalog: LocalCatalog, bag: Path) -> None:
    _with_kinds(catalog)
    with pytest.raises(Conflict, match="zoo:Kind: 'cat' is described otherwise"):
        load_bag(bag, catalog, LoadPolicy(vocabularies="refuse"))
    loaded = load_bag(bag, catalog, LoadPolicy(vocabularies="replace"))
    assert loaded.updated["zoo", "Kind"] == 1
    (cat,) = catalog.fetch("entity/zoo:Kind/Name=cat")
    assert (cat["Description"], cat["Synonyms"]) == ("Purrs.", ["feline", "kitty"])


def test_a_term_that_is_a_synonym_of_another_is_refused(catalog: LocalCatalog, bag: Path) -> None:
    _with_kinds(catalog)
    catalog.update(KIND, [{"Name": "cat", "Synonyms": ["dog"]}], keys=["Name"])
    with pytest.raises(Conflict, match="a synonym of 'cat'"):
        load_bag(bag, catalog)


def test_rows_may_be_the_same_by_what_they_say(catalog: LocalCatalog, bag: Path) -> None:
    catalog.create_schema("zoo")
    catalog.create_table("zoo", table_document("Keeper", [column_document("Name", "text")]))
    (kim,) = catalog.insert(KEEPER, [{"Name": "Kim"}])
    knowledge = TableKnowledge(identities={("zoo", "Keeper"): ("Name",)})
    load_bag(bag, catalog, knowledge=knowledge)
    assert sorted(r["Name"] for r in catalog.fetch("entity/zoo:Keeper")) == ["Kim", "Lee"]
    assert len(catalog.fetch(f"entity/zoo:Animal/Keeper={kim['RID']}")) == 3


def test_identifiers_that_are_taken_are_refused(catalog: LocalCatalog, bag: Path) -> None:
    catalog.create_schema("zoo")
    catalog.create_table("zoo", table_document("Other", [column_document("a", "text")]))
    rid = rids(bag, "Animal")[0]
    catalog.insert(TableName("Other", "zoo"), [{"RID": rid, "a": "x"}], nondefaults=["RID"])
    with pytest.raises(Conflict, match=f"{rid} is a row of zoo:Animal in the bag"):
        load_bag(bag, catalog)
    assert load_bag(bag, catalog, LoadPolicy(rids="fresh")).rows_inserted == 21


def test_a_leased_identifier_may_be_that_of_the_bag(
    source: LocalCatalog, catalog: LocalCatalog, listing: Path
) -> None:
    rid = rids(listing, "Keeper")[0]
    (last,) = catalog.lease_rids(["filler"]).values()
    between = decode(rid) - decode(last) - 1
    catalog.lease_rids([f"filler {n}" for n in range(between)])
    assert catalog.lease_rids([token := f"catalog/{source.id}#{rid}"]) == {token: rid}
    policy = LoadPolicy(rids="fresh")
    loaded = load_bag(listing, catalog, policy)
    assert catalog.count(KEEPER) == 2
    assert rid in {row["RID"] for row in catalog.fetch("entity/zoo:Keeper")}
    assert rid not in loaded.rids
    assert not load_bag(listing, catalog, policy).changed


# --- rows that are there -----------------------------------------------------------------


def test_rows_with_other_content_are_refused_kept_or_replaced(
    catalog: LocalCatalog, bag: Path
) -> None:
    load_bag(bag, catalog)
    rid = rids(bag, "Animal")[0]
    catalog.update(ANIMAL, [{"RID": rid, "name": "changed"}])
    with pytest.raises(Conflict, match=f"zoo:Animal {rid}"):
        load_bag(bag, catalog)
    assert not load_bag(bag, catalog, LoadPolicy(existing="keep")).changed
    loaded = load_bag(bag, catalog, LoadPolicy(existing="replace"))
    assert loaded.updated == {("zoo", "Animal"): 1}
    assert catalog.fetch(f"entity/zoo:Animal/RID={rid}")[0]["name"] == "Tom"


@pytest.mark.parametrize("files", ["rows", "missing"])
def test_replaced_rows_of_files_have_the_bytes_of_the_bag(
    catalog: LocalCatalog, tmp_path: Path, files: Literal["rows", "missing"]
) -> None:
    source = menagerie.build(create_local(tmp_path / "source", client="ann"))
    options = {"files": "list" if files == "rows" else "link"}
    export(source, tmp_path / "before", **options)
    load_bag(tmp_path / "before", catalog, LoadPolicy(files=files))
    urls = {row["RID"]: row["URL"] for row in catalog.fetch("entity/zoo:Picture")}
    told, changed, _ = source.fetch("entity/zoo:Picture@sort(Filename)")
    source.update(PICTURE, [{"RID": told["RID"], "Description": "told"}])
    put = source.objects.put(changed["URL"].partition(":")[0], b"other bytes")
    values = {"URL": put.url, "MD5": put.md5, "Length": put.length}
    source.update(PICTURE, [{"RID": changed["RID"], **values}])
    export(source, tmp_path / "after", **options)
    policy = LoadPolicy(files=files, existing="replace")
    assert load_bag(tmp_path / "after", catalog, policy).updated == {("zoo", "Picture"): 2}
    now = {row["RID"]: row for row in catalog.fetch("entity/zoo:Picture")}
    url = now[changed["RID"]]["URL"]
    if files == "rows":
        assert url.startswith(source.directory.as_uri())
        assert url != urls[changed["RID"]]
    else:
        assert catalog.objects.read(url) == b"other bytes"
    assert now[told["RID"]]["Description"] == "told"
    assert now[told["RID"]]["URL"] == urls[told["RID"]]
    assert not load_bag(tmp_path / "after", catalog, policy).changed
    source.close()


def test_a_replaced_row_keeps_its_url_where_the_bag_has_no_file(
    catalog: LocalCatalog, bag: Path, source: LocalCatalog, tmp_path: Path
) -> None:
    load_bag(bag, catalog, LoadPolicy(files="missing"))
    before = catalog.fetch("entity/zoo:Picture@sort(Filename)")
    catalog.update(PICTURE, [{"RID": before[0]["RID"], "Filename": "renamed.png"}])
    # In the catalog of the bag the same file is called otherwise.
    urls = [{"RID": before[0]["RID"], "URL": "/hatrac/elsewhere/0.png"}]
    catalog.update(PICTURE, urls, targets=["URL"])
    export(source, tmp_path / "rows", files="none")
    policy = LoadPolicy(files="missing", existing="replace")
    assert load_bag(tmp_path / "rows", catalog, policy).updated == {("zoo", "Picture"): 1}
    (row,) = catalog.fetch(f"entity/zoo:Picture/RID={before[0]['RID']}")
    assert (row["Filename"], row["URL"]) == (before[0]["Filename"], "/hatrac/elsewhere/0.png")


# --- references to nothing ---------------------------------------------------------------


@pytest.fixture
def torn(source: LocalCatalog, tmp_path: Path) -> Path:
    """A bag without one keeper, whom three animals need and who likes one of them."""
    keeper = source.fetch("entity/zoo:Keeper@sort(RID)")[1]["RID"]
    return partial(source, tmp_path / "torn", Keeper={keeper})


def test_references_to_nothing_are_refused_with_the_rows(catalog: LocalCatalog, torn: Path) -> None:
    with pytest.raises(ForeignKeyViolation, match=r"zoo:Animal \S+: Keeper=\S+ of zoo:Keeper"):
        load_bag(torn, catalog)
    assert "zoo" not in catalog.model.schemas


def test_rows_that_refer_to_nothing_are_left_out_with_what_refers_to_them(
    catalog: LocalCatalog, torn: Path
) -> None:
    loaded = load_bag(torn, catalog, LoadPolicy(dangling="delete"))
    assert loaded.deleted[("zoo", "Animal")] == 3
    assert loaded.deleted[("zoo", "Animal_Tag")] == 3
    assert loaded.deleted[("zoo", "Picture")] == 1
    assert catalog.count(ANIMAL) == 3
    assert catalog.check() == []
    assert not load_bag(torn, catalog, LoadPolicy(dangling="delete")).changed


def test_a_reference_that_may_not_be_empty_is_not_cleared(
    catalog: LocalCatalog, torn: Path
) -> None:
    with pytest.raises(ForeignKeyViolation, match="may not be empty"):
        load_bag(torn, catalog, LoadPolicy(dangling="clear"))


def test_references_are_cleared(
    source: LocalCatalog, catalog: LocalCatalog, tmp_path: Path
) -> None:
    animals = {row["RID"] for row in source.fetch("entity/zoo:Animal")}
    links = {row["RID"] for row in source.fetch("entity/zoo:Animal_Tag")}
    bag = partial(source, tmp_path / "torn", Animal=animals, Animal_Tag=links)
    loaded = load_bag(bag, catalog, LoadPolicy(dangling="clear"))
    assert loaded.cleared == {("zoo", "Keeper"): 2, ("zoo", "Picture"): 3}
    assert [row["Animal"] for row in catalog.fetch("entity/zoo:Picture")] == [None] * 3


def test_what_is_missing_in_the_bag_may_be_in_the_catalog(
    catalog: LocalCatalog, bag: Path, torn: Path
) -> None:
    load_bag(bag, catalog)
    assert not load_bag(torn, catalog).changed


# --- people who do not own the catalog ---------------------------------------------------


def everything(table: str) -> DataPath:
    return DataPath(Root(TableName(table, "zoo")))


def test_a_guest_may_load_with_fresh_identifiers_only(catalog: LocalCatalog, listing: Path) -> None:
    load_bag(listing, catalog)
    catalog.clear(everything("Keeper"), ["Favourite"])
    for name in ("Picture", "Animal_Tag", "Animal", "Keeper"):
        catalog.delete(everything(name))
    everybody = {right: ["ann"] for right in ("select", "enumerate", "insert", "update")}
    catalog.set_acls(Address(), {"owner": ["kim"], **everybody})
    guest = catalog.for_client(Client("ann"))
    with pytest.raises(Forbidden, match="rids='fresh'"):
        load_bag(listing, guest)
    policy = LoadPolicy(rids="fresh", system_columns="fresh")
    loaded = load_bag(listing, guest, policy)
    assert (loaded.rows_inserted, loaded.listed) == (17, 3)
    assert {row["RCB"] for row in catalog.fetch("entity/zoo:Animal")} == {"ann"}
    urls = [row["URL"] for row in catalog.fetch("entity/zoo:Picture")]
    assert all("/hatrac/Picture/" in url and not url.startswith("/") for url in urls)


# --- files -------------------------------------------------------------------------------


def test_without_files_the_urls_say_where_these_are(
    source: LocalCatalog, catalog: LocalCatalog, listing: Path
) -> None:
    loaded = load_bag(listing, catalog)
    assert (loaded.uploaded, loaded.listed) == (0, 3)
    for row in catalog.fetch("entity/zoo:Picture"):
        assert row["URL"].startswith(source.directory.as_uri())
    assert len({row["URL"] for row in catalog.fetch("entity/zoo:Picture")}) == 3


def test_files_are_uploaded_and_those_that_are_there_are_not(
    catalog: LocalCatalog, bag: Path, listing: Path, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="3 files are neither in the bag"):
        load_bag(listing, catalog, LoadPolicy(files="missing"))
    catalog.objects.content.add(PNGS[0])
    holey = shutil.copytree(listing, tmp_path / "holey")
    with pytest.raises(NotFound, match="2 files"):
        load_bag(holey, catalog, LoadPolicy(files="missing"))
    loaded = load_bag(bag, catalog, LoadPolicy(files="missing"))
    assert loaded.uploaded == 3
    rows = catalog.fetch("entity/zoo:Picture@sort(Filename)")
    assert [catalog.objects.read(row["URL"]) for row in rows] == PNGS


def test_files_that_are_listed_are_fetched(
    source: LocalCatalog, catalog: LocalCatalog, listing: Path, tmp_path: Path
) -> None:
    holey = shutil.copytree(listing, tmp_path / "holey")
    fetcher = content_fetcher(source.objects.content)
    loaded = load_bag(holey, catalog, LoadPolicy(files="all"), fetcher=fetcher)
    assert loaded.uploaded == 3


def test_only_files_that_are_needed_are_fetched(
    source: LocalCatalog, catalog: LocalCatalog, listing: Path, tmp_path: Path
) -> None:
    holey = shutil.copytree(listing, tmp_path / "holey")
    load_bag(listing, catalog)
    (gone, *_) = catalog.fetch("entity/zoo:Picture@sort(Filename)")
    catalog.delete(parse_path(f"zoo:Picture/RID={gone['RID']}"))
    fetcher = content_fetcher(source.objects.content)
    loaded = load_bag(holey, catalog, LoadPolicy(files="all"), fetcher=fetcher)
    assert loaded.uploaded == 1
    assert [p.name for p in (holey / "data/asset").iterdir()] == [gone["RID"]]


def test_a_file_that_is_not_what_the_manifest_says_is_refused(
    catalog: LocalCatalog, bag: Path, tmp_path: Path
) -> None:
    bad = shutil.copytree(bag, tmp_path / "bad")
    path = next(p for p in read_bag(bad).payload if p.startswith("data/asset/"))
    (bad / path).unlink()
    (bad / path).write_bytes(b"something else")
    with pytest.raises(Corrupted, match="its manifest says"):
        load_bag(bad, catalog, LoadPolicy(files="missing"))
    assert "zoo" not in catalog.model.schemas


def test_rows_that_are_not_what_the_manifest_says_are_refused(
    catalog: LocalCatalog, bag: Path, tmp_path: Path
) -> None:
    bad = shutil.copytree(bag, tmp_path / "bad")
    table = bad / "data/zoo/Keeper.csv"
    table.write_text(table.read_text().replace("Kim", "Tim"))
    with pytest.raises(Corrupted):
        load_bag(bad, catalog)


def test_a_bag_of_something_else_is_refused(catalog: LocalCatalog, tmp_path: Path) -> None:
    with BagWriter(tmp_path / "plain", {}) as plain:
        plain.add("data/notes.txt", b"hello")
    with pytest.raises(Corrupted):
        load_bag(tmp_path / "plain", catalog)


def test_a_policy_has_only_the_words_that_mean_something() -> None:
    with pytest.raises(BadRequest, match="'refuse' or 'delete' or 'clear', not 'drop'"):
        LoadPolicy(dangling="drop")  # type: ignore[arg-type]


# --- what the caller adds ----------------------------------------------------------------


def test_what_the_caller_writes_at_the_end_belongs_to_the_same_change(
    catalog: LocalCatalog, bag: Path
) -> None:
    def fail(*_: object) -> None:
        catalog.set_annotation(Address(), "tag:example.org,2026:loaded", True)
        raise Conflict("no")

    with pytest.raises(Conflict, match="no"):
        load_bag(bag, catalog, finish=fail)
    assert "zoo" not in catalog.model.schemas
    assert "tag:example.org,2026:loaded" not in catalog.model.annotations


# --- a server that is not ours -----------------------------------------------------------


def test_a_server_without_transactions_gets_the_same_rows(bag: Path, tmp_path: Path) -> None:
    with over_http(tmp_path / "home") as served:
        there = served.create()
        assert isinstance(there, RemoteCatalog)
        link = there._link
        link.features = {name: on for name, on in link.features.items() if name in _STANDARD}
        loaded = load_bag(bag, there)
        assert loaded.rows_inserted == 21
        again = export(there, tmp_path / "again", files="none")
        same = menagerie.content(again)
        first = read_bag(bag).manifests["sha256"]
        different = {p for p, digest in same.items() if first[p] != digest}
        assert different == {f"data/zoo/{t}.csv" for t in _CHANGED}
        keepers = there.fetch("entity/zoo:Keeper@sort(Name)")
        assert all(row["Favourite"] for row in keepers)
        assert not load_bag(bag, there).changed


_STANDARD = frozenset({"trs", "tcrs", "rid_lease", "history_control"})
_CHANGED = ("Animal", "Animal_Tag", "Keeper", "Kind", "Picture", "Tag")
"""Elsewhere, who changed rows and when cannot be carried over."""


# --- when it is killed -------------------------------------------------------------------

SCRIPT = """
import os, sys
from pathlib import Path
from deriva_catalog.bag import LoadPolicy, load_bag
from deriva_catalog.catalog import open_local

catalog, limit = open_local(sys.argv[1]), int(sys.argv[3])
steps = []

def step(rows):
    steps.append(rows)
    if len(steps) == limit:
        os.kill(os.getpid(), 9)

def last(*_):
    if limit == 99:
        os.kill(os.getpid(), 9)

load_bag(Path(sys.argv[2]), catalog, LoadPolicy(files="missing"), progress=step, finish=last)
"""


@pytest.mark.parametrize("step", ["1", "3", "99"])
def test_a_process_that_is_killed_leaves_the_catalog_as_before(
    tmp_path: Path, bag: Path, step: str
) -> None:
    place = tmp_path / "killed"
    create_local(place, client="kim").close()
    command = [sys.executable, "-c", SCRIPT, str(place), str(bag), step]
    code = subprocess.run(command, check=False, timeout=300).returncode
    assert code == -signal.SIGKILL
    catalog = open_local(place, client="kim")
    assert "zoo" not in catalog.model.schemas
    assert catalog.check() == []
    assert load_bag(bag, catalog, LoadPolicy(files="missing")).rows_inserted == 21
    assert catalog.count(PICTURE) == 3
    catalog.close()
