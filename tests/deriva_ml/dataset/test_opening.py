"""Bags of this machine: ours from elsewhere, and those of older releases."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from deriva_catalog.bag import BagWriter, pack_bag, unpack_bag
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLDataError,
    DerivaMLException,
    DerivaMLNotFoundError,
    DerivaMLSchemaError,
    DerivaMLValidationError,
)
from deriva_ml.dataset import opening
from deriva_ml.dataset.opening import open_dataset_bag

from ..conftest import Zoo


@pytest.mark.parametrize("form", ["directory", "reading only", "zip", "tgz"])
def test_a_bag_that_was_sent_by_somebody_opens_anywhere(
    ml: DerivaML, nested: str, tmp_path: Path, form: str
) -> None:
    bag = ml.download_dataset_bag(f"{nested}@0.1.0")
    sent = tmp_path / "sent" / "bag"
    if form in ("directory", "reading only"):
        shutil.copytree(bag.path, sent)
        if form == "reading only":  # nobody can write where the index goes, not even root
            (sent.with_name("bag.catalog.db") / "something").mkdir(parents=True)
    else:
        sent = sent.with_suffix(f".{form}")
        sent.parent.mkdir()
        pack_bag(bag.path, sent)
    opened = open_dataset_bag(sent, working_dir=tmp_path / "elsewhere")
    assert opened.rid == nested
    assert opened.list_dataset_members(recurse=True) == bag.list_dataset_members(recurse=True)
    row = opened.list_dataset_members(recurse=True)["Image"][0]
    assert opened.asset_path("Image", row).read_bytes().startswith(b"picture")
    again = open_dataset_bag(sent, working_dir=tmp_path / "elsewhere")
    assert again == opened
    child = bag.list_dataset_children()[0].rid
    inner = open_dataset_bag(sent, child, working_dir=tmp_path / "elsewhere")
    assert len(inner.list_dataset_members()["Image"]) > 0
    assert opened.materialize() == opened


@pytest.mark.parametrize("when", ["before", "while"])
def test_another_process_may_unpack_the_archive_at_the_same_time(
    ml: DerivaML, nested: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    bag = ml.download_dataset_bag(f"{nested}@0.1.0")
    sent = pack_bag(bag.path, tmp_path / "bag.zip")

    def beside(archive: Path, place: Path, **options: Any) -> Path:
        """Unpack the archive, which another process does a little faster."""

        def other(_: int = 0) -> None:
            if not place.exists():
                unpack_bag(archive, place)

        if when == "before":
            other()
        return unpack_bag(archive, place, progress=other, **options)

    monkeypatch.setattr(opening, "unpack_bag", beside)
    opened = open_dataset_bag(sent, working_dir=tmp_path / "elsewhere")
    assert opened.list_dataset_members(recurse=True) == bag.list_dataset_members(recurse=True)


def test_a_bag_that_cannot_be_unpacked_is_told(ml: DerivaML, nested: str, tmp_path: Path) -> None:
    bag = ml.download_dataset_bag(f"{nested}@0.1.0")
    sent = pack_bag(bag.path, tmp_path / "bag.zip")
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "opened").write_text("in the way")
    with pytest.raises(DerivaMLException, match="unpacking"):
        open_dataset_bag(sent, working_dir=tmp_path, cache_dir=cache)


# --- the layout of the published release, written down by hand ---------------------------

TEXT = {"typename": "text"}
SYSTEM = ["RID", "RCT", "RMT", "RCB", "RMB"]


def column(name: str, kind: str = "text") -> dict[str, object]:
    if kind == "text[]":
        array = {"typename": kind, "is_array": True, "base_type": TEXT}
        return {"name": name, "type": array, "nullok": True}
    return {"name": name, "type": {"typename": kind}, "nullok": True}


def table(
    name: str, schema: str, *columns: dict[str, object], **references: str
) -> dict[str, object]:
    """A table's document as older servers give it: without identifiers of elements."""
    return {
        "kind": "table",
        "schema_name": schema,
        "table_name": name,
        "comment": None,
        "annotations": {},
        "column_definitions": [
            column("RID", "ermrest_rid"),
            column("RCT", "ermrest_rct"),
            column("RMT", "ermrest_rmt"),
            column("RCB", "ermrest_rcb"),
            column("RMB", "ermrest_rmb"),
            *columns,
        ],
        "keys": [{"unique_columns": ["RID"], "names": [[schema, f"{name}_RID_key"]]}],
        "foreign_keys": [
            {
                "names": [[schema, f"{name}_{here}_fkey"]],
                "foreign_key_columns": [
                    {"schema_name": schema, "table_name": name, "column_name": here}
                ],
                "referenced_columns": [
                    {
                        "schema_name": there.partition(":")[0],
                        "table_name": there.partition(":")[2],
                        "column_name": "RID",
                    }
                ],
            }
            for here, there in references.items()
        ],
    }


def old_document(ml: DerivaML) -> dict[str, object]:
    """The ML schema as it is, and a domain in the documents of an older server."""
    document = json.loads(json.dumps(ml.catalog.document()))
    ml_tables = document["schemas"]["deriva-ml"]["tables"]
    for one in ml_tables.values():
        for element in (one, *one["column_definitions"], *one["keys"], *one["foreign_keys"]):
            element.pop("RID", None)
    image = table(
        "Image", "lab", column("URL"), column("Filename"), column("Description"),
        column("Length", "int8"), column("MD5"), column("Good", "boolean"),
        column("Marks", "text[]"), Subject="lab:Subject",
    )  # fmt: skip
    image["column_definitions"].append(column("Subject"))  # type: ignore[attr-defined]
    member = table(
        "Dataset_Image", "deriva-ml", column("Dataset"), column("Image"),
        Dataset="deriva-ml:Dataset", Image="lab:Image",
    )  # fmt: skip
    member["keys"].append({"unique_columns": ["Dataset", "Image"], "names": [["deriva-ml", "k"]]})  # type: ignore[attr-defined]
    document["schemas"] = {
        "public": document["schemas"]["public"],
        "deriva-ml": {
            **document["schemas"]["deriva-ml"],
            "tables": {**ml_tables, "Dataset_Image": member},
        },
        "lab": {
            "schema_name": "lab",
            "comment": None,
            "annotations": {},
            "tables": {"Image": image, "Subject": table("Subject", "lab", column("Name"))},
        },
    }
    return document  # type: ignore[no-any-return]


T = "2026-01-02 03:04:05.6+00,2026-01-02 03:04:05.6+00,,"
IMAGES = [
    f'1-III1,{T},/hatrac/1.png,1.png,,1,{"1" * 32},t,"{{a,b}}",1-SSS1\n',
    f'1-III2,{T},/hatrac/2.png,2.png,"",2,{"2" * 32},false,,1-SSS1\n',
    f'1-III3,{T},/hatrac/3.png,3.png,"a, ""b""",3,{"3" * 32},,"[""c""]",\n',
]
HEAD = "RID,RCT,RMT,RCB,RMB"
IMAGE_HEAD = f"{HEAD},URL,Filename,Description,Length,MD5,Good,Marks,Subject\n"


@pytest.fixture
def released(ml: DerivaML, tmp_path: Path) -> Path:
    """A bag with a file for each path of tables, whose rows repeat."""
    place = tmp_path / "cache" / f"1-D1_{'0' * 64}" / "Dataset_1-DDD1"
    files = {
        "schema.json": json.dumps(old_document(ml)),
        "Dataset/Dataset.csv": f"{HEAD},Description,Deleted,Version\n"
        f"1-DDD1,{T},pictures,f,1-VVV1\n",
        "Dataset/Dataset_Version/Dataset_Version.csv": (
            f"{HEAD},Dataset,Version,Description\n1-VVV1,{T},1-DDD1,1.2.0,first\n"
        ),
        "Dataset/Dataset_Image/Dataset_Image.csv": f"{HEAD},Dataset,Image\n"
        + "".join(f"1-MMM{n},{T},1-DDD1,1-III{n}\n" for n in (1, 2)),
        "Dataset/Dataset_Image/Image/Image.csv": IMAGE_HEAD + "".join(IMAGES[:2]),
        "Dataset/Dataset_Subject/Subject/Image/Image.csv": IMAGE_HEAD + "".join(IMAGES[1:]),
        "Dataset/Dataset_Image/Image/Subject/Subject.csv": f"{HEAD},Name\n1-SSS1,{T},Tom\n",
        "Dataset/Dataset_Subject/Subject/Subject.csv": f"{HEAD},Name\n1-SSS1,{T},Tom\n",
    }
    with BagWriter(place) as bag:
        for name, text in files.items():
            bag.add(f"data/{name}", text.encode())
        bag.add("data/asset/1-III1/Image/1.png", b"1")
    return place


def test_a_bag_of_the_published_release_is_read(released: Path, tmp_path: Path) -> None:
    bag = open_dataset_bag(released, working_dir=tmp_path / "work")
    assert (bag.rid, bag.description, str(bag.current_version)) == ("1-DDD1", "pictures", "1.2.0")
    images = bag.get_table_as_dict("Image")
    assert [i["RID"] for i in images] == ["1-III1", "1-III2", "1-III3"]  # each once
    assert [i["Good"] for i in images] == [True, False, None]
    assert [i["Description"] for i in images] == [None, "", 'a, "b"']
    assert [i["Marks"] for i in images] == [["a", "b"], None, ["c"]]
    assert [i["Length"] for i in images] == [1, 2, 3]
    assert images[0]["RCT"] == "2026-01-02T03:04:05.6+00:00"
    assert [m["RID"] for m in bag.list_dataset_members()["Image"]] == ["1-III1", "1-III2"]
    assert bag.asset_path("Image", images[0]).read_bytes() == b"1"


def test_tables_of_one_name_are_told_apart_by_their_columns(ml: DerivaML, tmp_path: Path) -> None:
    document = old_document(ml)
    other = table("Subject", "deriva-ml", column("Weight", "int4"))
    document["schemas"]["deriva-ml"]["tables"]["Subject"] = other  # type: ignore[index]
    with BagWriter(tmp_path / "bag") as bag:
        bag.add("data/schema.json", json.dumps(document).encode())
        bag.add("data/Dataset/x/Subject.csv", f"{HEAD},Weight\n1-WWW1,{T},7\n".encode())
        bag.add("data/Dataset/y/Subject.csv", f"{HEAD},Name\n1-SSS1,{T},Tom\n".encode())
        bag.add("data/Dataset/Dataset.csv", f"{HEAD},Description\n1-DDD1,{T},d\n".encode())
    opened = open_dataset_bag(tmp_path / "bag", working_dir=tmp_path / "work")
    subjects = opened.paths["lab"]["Subject"].entities().fetch()
    assert [s["Name"] for s in subjects] == ["Tom"]


def test_what_is_no_bag_of_a_dataset_is_told(
    ml: DerivaML, photos: Zoo, nested: str, tmp_path: Path
) -> None:
    with pytest.raises(DerivaMLNotFoundError, match="no bag at"):
        open_dataset_bag(tmp_path / "nothing")
    (tmp_path / "file.txt").touch()
    with pytest.raises(DerivaMLValidationError, match="neither a directory nor an archive"):
        open_dataset_bag(tmp_path / "file.txt")
    with pytest.raises(DerivaMLException):
        open_dataset_bag(tmp_path)
    bag = shutil.copytree(ml.download_dataset_bag(f"{nested}@0.1.0").path, tmp_path / "bag")
    with pytest.raises(DerivaMLSchemaError, match="no schema 'other'"):
        open_dataset_bag(bag, ml_schema="other")
    with pytest.raises(DerivaMLNotFoundError):
        open_dataset_bag(bag, "ZZZZ")
    (bag / "data/zoo/Image.csv").unlink()
    with pytest.raises(DerivaMLDataError, match=r"Image\.csv"):
        open_dataset_bag(bag)
