"""Data from elsewhere becomes datasets, once, and only if it is what it says."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from deriva_ml import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLDataError,
    DerivaMLInvalidTerm,
    DerivaMLNotFoundError,
    DerivaMLTableTypeError,
    DerivaMLValidationError,
)
from deriva_ml.importing import ImportResult
from deriva_ml.importing.frames import column_type, read_columns
from deriva_ml.schema import create_ml_catalog


@pytest.fixture(scope="module")
def _empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("empty") / "catalog"
    create_ml_catalog(str(place), "lab").close()
    return place


@pytest.fixture
def ml(_empty: Path, tmp_path: Path) -> Iterator[DerivaML]:
    place = shutil.copytree(_empty, tmp_path / "catalog")
    made = DerivaML(str(place), working_dir=tmp_path / "work")
    yield made
    made.catalog.close()


def write(root: Path, files: dict[str, bytes | str]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return root


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def assert_nothing_changes(ml: DerivaML, again: ImportResult, first: ImportResult) -> None:
    assert not again.changed
    assert again.added == 0
    assert again.dataset.dataset_rid == first.dataset.dataset_rid
    assert again.rids == first.rids


# --- directories -------------------------------------------------------------------------


def test_a_directory_becomes_nested_datasets(ml: DerivaML, tmp_path: Path) -> None:
    files = {"a.txt": "a", "in/b.txt": "b", "in/deep/c.txt": "c", "in/deep/é.txt": "d"}
    place = write(tmp_path / "data", files | {".hidden": "x"})
    result = ml.import_directory(place, "Note", dataset_types="Training")
    assert (result.added, result.present) == (4, 0)
    assert set(result.rids) == set(files)
    whole = result.dataset
    assert sorted(whole.dataset_types) == ["Directory", "Training"]
    assert len(whole.list_dataset_members(recurse=True)["Note"]) == 4
    assert [r["Filename"] for r in whole.list_dataset_members()["Note"]] == ["a.txt"]
    paths = {r["Dataset"]: r["Path"] for r in ml.get_table_as_dict("Directory_Dataset")}
    assert sorted(paths.values()) == ["data", "in", "in/deep"]
    assert str(whole.current_version) == "0.1.0"
    execution = ml.lookup_execution(result.execution_rid or "")
    assert str(execution.status) == "Uploaded"
    assert len(ml.list_execution_assets(execution.execution_rid, "Output")) >= 4
    row = ml.lookup_asset(result.rids["in/b.txt"])
    assert row.md5 == md5(b"b")
    bag = ml.download_dataset_bag(f"{whole.dataset_rid}@0.1.0")
    assert len(list((bag.path / "data/asset").rglob("*.txt"))) == 4


def test_what_was_imported_before_changes_nothing(ml: DerivaML, tmp_path: Path) -> None:
    place = write(tmp_path / "data", {"a.txt": "a", "in/b.txt": "b"})
    first = ml.import_directory(place, "Note")
    before = ml.catalog.latest_snapshot()
    assert_nothing_changes(ml, ml.import_directory(place, "Note"), first)
    assert ml.catalog.latest_snapshot() == before
    write(place, {"in/c.txt": "c"})
    more = ml.import_directory(place, "Note")
    assert (more.added, more.present) == (1, 2)
    assert more.dataset.dataset_rid != first.dataset.dataset_rid


def test_directories_with_tricks_are_refused(ml: DerivaML, tmp_path: Path) -> None:
    secret = write(tmp_path / "secret", {"key": "k"})
    cases = {
        "link": (lambda d: (d / "x").symlink_to(secret / "key"), "which is not in that directory"),
        "folder": (lambda d: (d / "x").symlink_to(d / "in"), "link to a directory"),
        "name": (lambda d: (d / "a\nb").write_text("x"), "not every system can keep"),
        "empty": (lambda d: shutil.rmtree(d / "in"), "no files"),
    }
    before = ml.catalog.latest_snapshot()
    for name, (make, text) in cases.items():
        place = write(tmp_path / name, {"in/a": "a"})
        make(place)
        with pytest.raises(DerivaMLValidationError, match=text):
            ml.import_directory(place, "Note")
    with pytest.raises(DerivaMLNotFoundError):
        ml.import_directory(tmp_path / "nothing", "Note")
    place = write(tmp_path / "fine", {"a": "a"})
    with pytest.raises(DerivaMLTableTypeError):
        ml.import_directory(place, "Dataset")
    assert ml.catalog.latest_snapshot() == before
    with pytest.raises(DerivaMLInvalidTerm):
        ml.import_directory(place, "Note", dataset_types="Nonsense")
    assert "Note" not in ml.catalog.model.schemas["lab"].tables


def test_it_may_belong_to_an_execution_of_the_caller(ml: DerivaML, tmp_path: Path) -> None:
    place = write(tmp_path / "data", {"a.txt": "a"})
    with ml.create_execution(description="mine", workflow=_workflow()) as exe:
        result = ml.import_directory(place, "Note", execution=exe, nested=False)
    exe.upload_execution_outputs()
    assert result.execution_rid == exe.execution_rid
    (version,) = result.dataset.dataset_history()
    assert version.execution_rid == exe.execution_rid


def _workflow() -> object:
    from deriva_ml import Workflow

    return Workflow(name="w", workflow_type="Ingest")


# --- tables ------------------------------------------------------------------------------

CSV = """code,name,weight,tame,born,seen,tags
007,Tom,4.5,true,2020-01-02,2026-01-01T10:00:00+02:00,
042,"Rex, the dog",30,false,2019-05-06,2026-01-02T10:00:00Z,x
"""


def test_a_table_gets_types_that_fit(ml: DerivaML, tmp_path: Path) -> None:
    file = write(tmp_path, {"pets.csv": CSV}) / "pets.csv"
    result = ml.import_table(file, key="code")
    table = ml.model.name_to_table("pets")
    types = {c.name: c.type.typename for c in table.columns if not c.is_system}
    assert types == {
        "code": "text",
        "name": "text",
        "weight": "float8",
        "tame": "boolean",
        "born": "date",
        "seen": "timestamptz",
        "tags": "text",
    }
    rows = sorted(ml.get_table_as_dict("pets"), key=lambda row: str(row["code"]))
    assert [row["code"] for row in rows] == ["007", "042"]
    assert rows[0]["tags"] is None
    assert len(result.dataset.list_dataset_members()["pets"]) == 2
    (file_row,) = ml.list_execution_assets(result.execution_rid or "", "Input")
    assert file_row.md5 == md5(CSV.encode())
    assert_nothing_changes(ml, ml.import_table(file, key="code"), result)


LONG = ["9223372036854775807", "1234567890123456789"]


@pytest.mark.parametrize(
    ("name", "text", "kind", "values"),
    [
        ("a.csv", "id\n" + "\n".join(LONG), "int8", [int(n) for n in LONG]),
        ("a.csv", "id\n9223372036854775808\n1", "text", ["9223372036854775808", "1"]),
        ("a.csv", "id\n1234567890123456789\n0.5", "text", ["1234567890123456789", "0.5"]),
        ("a.csv", "id\n12345678\n0.5", "float8", [12345678.0, 0.5]),
        ("a.csv", "id\n" + "9" * 5_000, "text", ["9" * 5_000]),
        (
            "a.jsonl",
            '{"id": 9223372036854775808}\n{"id": 1}\n{"id": null}\n',
            "text",
            ["9223372036854775808", "1", None],
        ),
        ("a.jsonl", '{"id": 9007199254740993}\n{"id": 0.5}\n', "text", ["9007199254740993", "0.5"]),
    ],
)
def test_long_numbers_keep_every_digit(
    tmp_path: Path, name: str, text: str, kind: str, values: list[object]
) -> None:
    (found,) = read_columns(write(tmp_path, {name: text + "\n"}) / name).values()
    assert found == values
    assert column_type("id", found) == kind


def test_rows_are_found_by_their_key(ml: DerivaML, tmp_path: Path) -> None:
    file = write(tmp_path, {"pets.csv": CSV}) / "pets.csv"
    ml.import_table(file, key="code")
    file.write_text(CSV.replace("Tom", "Tim") + "100,Ann,1,true,2020-01-01,2026-01-01T00:00:00Z,\n")
    with pytest.raises(DerivaMLDataError, match="code='007'"):
        ml.import_table(file, key="code")
    more = ml.import_table(file, key="code", existing="replace")
    assert (more.added, more.present) == (1, 2)
    assert {row["name"] for row in ml.get_table_as_dict("pets")} == {"Tim", "Rex, the dog", "Ann"}


def test_without_a_key_equal_rows_are_the_same(ml: DerivaML, tmp_path: Path) -> None:
    file = write(tmp_path, {"n.csv": "a,b\n1,x\n1,x\n2,y\n"}) / "n.csv"
    first = ml.import_table(file, "Numbers", description="Numbers.")
    assert first.added == 3
    assert_nothing_changes(ml, ml.import_table(file, "Numbers", description="Numbers."), first)
    file.write_text("a,b\n1,x\n3,z\n")
    assert ml.import_table(file, "Numbers").added == 1


def test_values_are_compared_and_spelled_as_the_table_keeps_them(
    ml: DerivaML, tmp_path: Path
) -> None:
    head = "version,n,moment,share\n"
    file = write(tmp_path, {"t.csv": f"{head}1.10,12,2026-01-01T00:00:00,0.5\nx,13,,\n"}) / "t.csv"
    ml.import_table(file)
    # By itself each of these columns would be of another type.
    file.write_text(f"{head}1.10,012,2026-01-01,0.5\n2.50,007,2026-01-02,-inf\n1e3,,,\nTrue,,,\n")
    second = ml.import_table(file)
    assert (second.added, second.present) == (3, 1)
    rows = {r["version"]: r for r in ml.get_table_as_dict("t")}
    assert set(rows) == {"1.10", "x", "2.50", "1e3", "True"}
    assert (rows["2.50"]["n"], rows["2.50"]["moment"]) == (7, "2026-01-02T00:00:00")
    assert_nothing_changes(ml, ml.import_table(file), second)
    lines = '{"k": [1, 2], "v": 1}\n{"k": {"a": "x"}, "v": 2}\n'
    nested = write(tmp_path, {"nested.jsonl": lines}) / "nested.jsonl"
    third = ml.import_table(nested, key="k")
    assert_nothing_changes(ml, ml.import_table(nested, key="k"), third)


def test_parquet_and_json_lines_keep_their_types(ml: DerivaML, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    columns = {"n": [1, None], "d": [date(2026, 1, 2), None], "l": [[1, 2], None], "s": ["", "é"]}
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    assert read_columns(tmp_path / "t.parquet") == columns
    assert [column_type(n, v).value for n, v in columns.items()] == [
        "int8",
        "date",
        "jsonb",
        "text",
    ]
    result = ml.import_table(tmp_path / "t.parquet")
    assert {str(r["l"]) for r in ml.get_table_as_dict("t")} == {"[1, 2]", "None"}
    assert_nothing_changes(ml, ml.import_table(tmp_path / "t.parquet"), result)
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n{"b": {"c": [1]}}\n')
    assert read_columns(tmp_path / "t.jsonl") == {"a": [1, None], "b": [None, {"c": [1]}]}


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("t.csv", "a,a\n1,2\n", "a column twice"),
        ("t.csv", "a,b\n1\n", "Record 2"),
        ("t.csv", "RID,b\n1,2\n", "cannot be called"),
        ("t.csv", "a\n", "has no rows"),
        ("t.csv", "", "no columns"),
        ("t.csv", 'a\n"x\n', "not a CSV file"),
        ("t.csv", b"a\n\xff\n", "not a CSV file in UTF-8"),
        ("t.csv", "a;b\n1;2\n", "separated by ';'"),
        ("t.parquet", "nothing", "not a Parquet file"),
        ("t.jsonl", "[1]\n", "not a JSON object"),
        ("t.xls", "x", "none of the tables that can be read"),
    ],
)
def test_tables_that_are_none_are_refused(
    ml: DerivaML, tmp_path: Path, name: str, data: str | bytes, text: str
) -> None:
    file = write(tmp_path / "in", {name: data}) / name
    before = ml.catalog.latest_snapshot()
    with pytest.raises(DerivaMLValidationError, match=text):
        ml.import_table(file)
    assert ml.catalog.latest_snapshot() == before


def test_keys_must_be_keys(ml: DerivaML, tmp_path: Path) -> None:
    file = write(tmp_path, {"t.csv": "a,b\n1,\n1,2\n"}) / "t.csv"
    with pytest.raises(DerivaMLDataError, match="is repeated"):
        ml.import_table(file, key="a")
    with pytest.raises(DerivaMLDataError, match="empty in row 0"):
        ml.import_table(file, key="b")
    with pytest.raises(DerivaMLValidationError, match="no column 'c'"):
        ml.import_table(file, key="c")


# --- image folders -----------------------------------------------------------------------


def test_splits_are_nested_and_classes_are_a_feature(ml: DerivaML, tmp_path: Path) -> None:
    files = {
        f"{s}/{c}/{n}.png": f"{s}{c}{n}"
        for s in ("train", "test")
        for c in ("cat", "dog")
        for n in range(2)
    }
    place = write(tmp_path / "pets", files | {"README.md": "hello"})
    result = ml.import_image_folder(place, "Picture")
    assert result.skipped == ("README.md",)
    assert result.dataset.dataset_types == ["Split"]
    nested = {tuple(sorted(d.dataset_types)): d for d in result.dataset.list_dataset_children()}
    assert set(nested) == {("Labeled", "Training"), ("Labeled", "Testing")}
    assert len(nested["Labeled", "Training"].list_dataset_members()["Picture"]) == 4
    values = {v.Picture: v.Picture_Class for v in ml.feature_values("Picture", "Class")}
    assert values == {rid: str(path).split("/")[1] for path, rid in result.rids.items()}
    assert_nothing_changes(ml, ml.import_image_folder(place, "Picture"), result)
    write(place, {"test/owl/1.png": "owl"})
    more = ml.import_image_folder(place, "Picture", vocabulary="Picture_Class")
    assert (more.added, more.present) == (1, 8)
    assert {t.name for t in ml.list_vocabulary_terms("Picture_Class")} == {"cat", "dog", "owl"}


def test_metadata_files_give_columns_and_labels(ml: DerivaML, tmp_path: Path) -> None:
    table = "file_name,label,taken,note\n1.png,1.50,2026-01-02,first\nsub/2.png,2,,\n"
    place = write(
        tmp_path / "pets",
        {
            "train/metadata.csv": table,
            "train/1.png": "1",
            "train/sub/2.png": "2",
            "train/3.png": "3",
        },
    )
    lines = json.dumps({"file_name": "9.png", "note": "last"}) + "\n"
    write(place, {"validation/metadata.jsonl": lines, "validation/9.png": "9"})
    result = ml.import_image_folder(place, "Picture", feature_name="Kind")
    rows = {r["RID"]: r for r in ml.get_table_as_dict("Picture")}
    first = rows[result.rids["train/1.png"]]
    assert (first["taken"], first["note"]) == ("2026-01-02", "first")
    assert rows[result.rids["validation/9.png"]]["note"] == "last"
    values = {v.Picture: v.Picture_Class for v in ml.feature_values("Picture", "Kind")}
    assert values == {
        result.rids["train/1.png"]: "1.50",
        result.rids["train/sub/2.png"]: "2",
    }


def test_corrected_metadata_are_refused_or_replaced(ml: DerivaML, tmp_path: Path) -> None:
    lines = "file_name,note,taken\n1.png,{},2026-01-02T10:00:00+01:00\n2.png,same,\n"
    place = write(
        tmp_path / "pets", {"metadata.csv": lines.format("wrong"), "1.png": "1", "2.png": "2"}
    )
    first = ml.import_image_folder(place, "Picture")
    assert_nothing_changes(ml, ml.import_image_folder(place, "Picture"), first)
    write(place, {"metadata.csv": lines.format("right")})
    before = ml.catalog.latest_snapshot()
    with pytest.raises(DerivaMLDataError, match=r"1 files .* with other metadata: '1.png'"):
        ml.import_image_folder(place, "Picture")
    with pytest.raises(DerivaMLValidationError, match="'refuse' or 'replace', not 'keep'"):
        ml.import_image_folder(place, "Picture", existing="keep")
    assert ml.catalog.latest_snapshot() == before
    result = ml.import_image_folder(place, "Picture", existing="replace")
    assert (result.rids, result.added) == (first.rids, 0)
    assert {r["RID"]: r["note"] for r in ml.get_table_as_dict("Picture")} == {
        first.rids["1.png"]: "right",
        first.rids["2.png"]: "same",
    }
    again = ml.import_image_folder(place, "Picture", existing="replace")
    assert (again.changed, again.rids) == (False, first.rids)


def test_equal_images_have_the_same_metadata(ml: DerivaML, tmp_path: Path) -> None:
    lines = "file_name,note\na/1.png,one\nb/1.png,{}\n"
    files = {"metadata.csv": lines.format("two"), "a/1.png": "1", "b/1.png": "1"}
    place = write(tmp_path / "pets", files)
    with pytest.raises(DerivaMLDataError, match=r"'b/1.png' .* is equal to 'a/1.png'"):
        ml.import_image_folder(place, "Picture")
    assert "Picture" not in ml.catalog.model.schemas["lab"].tables
    write(place, {"metadata.csv": lines.format("one")})
    assert len(set(ml.import_image_folder(place, "Picture").rids.values())) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("../1.png", "no path below"),
        ("/etc/passwd", "no path below"),
        ("no.png", "no image there"),
        ("a\\b.png", "no path below"),
        ("c:/x.png", "another system"),
    ],
)
def test_metadata_that_names_something_else_is_refused(
    ml: DerivaML, tmp_path: Path, name: str, text: str
) -> None:
    place = write(tmp_path / "pets", {"1.png": "1", "metadata.csv": f"file_name\n{name}\n"})
    with pytest.raises(DerivaMLValidationError, match=text):
        ml.import_image_folder(place, "Picture")


def test_an_image_has_one_class(ml: DerivaML, tmp_path: Path) -> None:
    place = write(tmp_path / "pets", {"cat/1.png": "same", "dog/1.png": "same"})
    with pytest.raises(DerivaMLDataError, match="has the class 'dog'"):
        ml.import_image_folder(place, "Picture")
    assert "Picture" not in ml.catalog.model.schemas["lab"].tables


# --- DVC ---------------------------------------------------------------------------------


def tracked(root: Path, files: dict[str, bytes], *, old: bool = False) -> Path:
    """A repository in which DVC tracks the directory ``data``; only its cache has the bytes."""
    cache = root / ".dvc/cache" if old else root / ".dvc/cache/files/md5"
    listing = json.dumps(
        [{"md5": md5(data), "relpath": name} for name, data in sorted(files.items())]
    ).encode()
    for name, data in [*((md5(d), d) for d in files.values()), (f"{md5(listing)}.dir", listing)]:
        write(cache, {f"{name[:2]}/{name[2:]}": data})
    text = f"outs:\n- md5: {md5(listing)}.dir\n  size: 3\n  nfiles: 2\n  path: data\n"
    return write(root, {"data.dvc": text}) / "data.dvc"


@pytest.mark.parametrize("old", [False, True])
def test_what_dvc_tracks_comes_from_its_cache(ml: DerivaML, tmp_path: Path, old: bool) -> None:
    pointer = tracked(tmp_path / "repo", {"a.txt": b"a", "in/b.txt": b"bb"}, old=old)
    result = ml.import_dvc(pointer, "Note")
    assert set(result.rids) == {"data/a.txt", "data/in/b.txt"}
    assert ml.lookup_asset(result.rids["data/in/b.txt"]).md5 == md5(b"bb")
    inputs = ml.list_execution_assets(result.execution_rid or "", "Input")
    assert [a.filename for a in inputs] == ["data.dvc"]
    assert_nothing_changes(ml, ml.import_dvc(pointer, "Note"), result)


def test_outputs_of_a_pipeline_come_from_the_working_copy(ml: DerivaML, tmp_path: Path) -> None:
    lock = f"""schema: '2.0'
stages:
  train:
    cmd: python train.py
    outs:
    - path: model.bin
      hash: md5
      md5: {md5(b"model")}
      size: 5
    - path: other.bin
      md5: {md5(b"other")}
      size: 5
"""
    place = write(tmp_path / "repo", {"dvc.lock": lock, "model.bin": b"model"})
    result = ml.import_dvc(place / "dvc.lock", "Model_File", out="model.bin")
    assert set(result.rids) == {"model.bin"}
    with pytest.raises(DerivaMLNotFoundError, match=r"other\.bin.*dvc pull"):
        ml.import_dvc(place / "dvc.lock", "Model_File")
    with pytest.raises(DerivaMLNotFoundError, match="no output 'x'"):
        ml.import_dvc(place / "dvc.lock", "Model_File", out="x")


def test_bytes_with_another_digest_are_refused(ml: DerivaML, tmp_path: Path) -> None:
    pointer = tracked(tmp_path / "repo", {"a.txt": b"a"})
    digest = md5(b"a")
    cached = tmp_path / f"repo/.dvc/cache/files/md5/{digest[:2]}/{digest[2:]}"
    cached.write_bytes(b"changed")
    with pytest.raises(DerivaMLDataError, match=f"not {digest}"):
        ml.import_dvc(pointer, "Note")
    assert "Note" not in ml.catalog.model.schemas["lab"].tables
    (listing,) = (tmp_path / "repo/.dvc/cache/files/md5").rglob("*.dir")
    listing.write_bytes(listing.read_bytes() + b" ")
    with pytest.raises(DerivaMLDataError, match="list of the files"):
        ml.import_dvc(pointer, "Note")


@pytest.mark.parametrize("path", ["../a.txt", "/etc/passwd", "a/../../b", "a\\b"])
def test_a_listing_that_leads_elsewhere_is_refused(ml: DerivaML, tmp_path: Path, path: str) -> None:
    pointer = tracked(tmp_path / "repo", {path: b"a"})
    with pytest.raises(DerivaMLValidationError, match="no path below"):
        ml.import_dvc(pointer, "Note")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("outs: []\n", "no outputs"),
        ("a: [\n", "not YAML"),
        ("- 1\n", "not a file of DVC"),
        ("outs:\n- path: x\n", "no MD5"),
        ("outs: 5\n", "no list"),
        ("outs:\n- path: x\n  md5: zz\n", "for an MD5"),
    ],
)
def test_files_that_dvc_never_wrote_are_refused(
    ml: DerivaML, tmp_path: Path, text: str, error: str
) -> None:
    pointer = write(tmp_path, {"x.dvc": text}) / "x.dvc"
    with pytest.raises((DerivaMLValidationError, DerivaMLNotFoundError), match=error):
        ml.import_dvc(pointer, "Note")


# --- when it is killed -------------------------------------------------------------------

SCRIPT = """
import os, sys
from deriva_ml import DerivaML
from deriva_ml.importing import bringing

def die(*_):
    os.kill(os.getpid(), 9)

bringing.Versions.begin = die  # the last that is written
DerivaML(sys.argv[1], working_dir=sys.argv[2]).import_directory(sys.argv[3], "Note")
"""


def test_an_import_that_is_killed_leaves_no_data_and_can_be_done_again(
    ml: DerivaML, tmp_path: Path
) -> None:
    place = write(tmp_path / "data", {"a.txt": "a", "in/b.txt": "b"})
    arguments = [ml.host_name, str(tmp_path / "other"), str(place)]
    command = [sys.executable, "-c", SCRIPT, *arguments]
    assert subprocess.run(command, check=False, timeout=300).returncode == -signal.SIGKILL
    assert "Note" not in ml.catalog.model.schemas["lab"].tables
    assert ml.find_datasets() == []
    assert ml.import_directory(place, "Note").added == 2
