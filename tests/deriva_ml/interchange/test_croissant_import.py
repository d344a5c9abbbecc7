"""Datasets that Croissant describes as datasets of the catalog: tables, terms, rows and files."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLDataError,
    DerivaMLNotFoundError,
    DerivaMLValidationError,
)
from interchange_lab import Lab, workflow

STONES = "id,name,kind,weight,polished,found\n1,one,granite,2.5,t,2026-01-02\n2,two,,,f,\n"
SITES = [{"sites/code": "N", "sites/depth": 3}, {"sites/code": "S", "sites/depth": None}]


def column(record_set: str, name: str, kind: str, **more: Any) -> dict[str, Any]:
    source = {"fileObject": {"@id": "stones.csv"}, "extract": {"column": name}}
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": name,
        "dataType": f"sc:{kind}",
        "source": source,
        **more,
    }


def description() -> dict[str, Any]:
    """A table, a vocabulary, a table in the description itself, and what cannot be read."""
    kinds = [{"kinds/name": "granite"}, {"kinds/name": "basalt"}]
    key = {"@id": "kinds/name"}
    return {
        "@type": "sc:Dataset",
        "name": "Stones",
        "description": "From a quarry.",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "stones.csv",
                "contentUrl": "stones.csv",
                "encodingFormat": "text/csv",
                "sha256": hashlib.sha256(STONES.encode()).hexdigest(),
            },
            {"@type": "cr:FileObject", "@id": "far", "contentUrl": "https://example.org/far.zip"},
            {"@type": "cr:FileSet", "@id": "pictures", "includes": "pictures/*.txt"},
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "stones",
                "name": "Stone",
                "key": {"@id": "stones/id"},
                "field": [
                    column("stones", "id", "Integer"),
                    column("stones", "name", "Text"),
                    column("stones", "kind", "Text", references={"field": key}),
                    column("stones", "weight", "Float"),
                    column("stones", "polished", "Boolean"),
                    column("stones", "found", "Date"),
                ],
            },
            {
                "@type": "cr:RecordSet",
                "@id": "kinds",
                "name": "Kind",
                "dataType": "sc:Enumeration",
                "key": key,
                "field": {"@id": "kinds/name", "name": "name", "dataType": "sc:Text"},
                "data": kinds,
            },
            {
                "@type": "cr:RecordSet",
                "@id": "sites",
                "name": "Site",
                "field": [
                    {"@id": "sites/code", "name": "code", "dataType": "sc:Text"},
                    {"@id": "sites/depth", "name": "depth", "dataType": "sc:Integer"},
                ],
                "data": SITES,
            },
            {
                "@type": "cr:RecordSet",
                "@id": "shout",
                "field": [{**column("shout", "name", "Text")}],
            },
        ],
    }


@pytest.fixture
def stones(tmp_path: Path) -> Path:
    where = tmp_path / "stones"
    (where / "pictures").mkdir(parents=True)
    (where / "pictures" / "one.txt").write_text("a picture")
    (where / "stones.csv").write_text(STONES)
    found = description()
    found["recordSet"][-1]["field"][0]["source"]["transform"] = {"regex": "(.*)"}
    (where / "croissant.json").write_text(json.dumps(found))
    return where


def rows(ml: DerivaML, table: str) -> list[dict[str, Any]]:
    found = ml.get_table_as_dict(table)
    return [
        {k: v for k, v in row.items() if k not in ("RCT", "RMT", "RCB", "RMB")} for row in found
    ]


def test_record_sets_become_tables_terms_and_members(
    ml: DerivaML, stones: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "deriva_ml"):
        dataset = ml.import_croissant(stones, dataset_types="Training", workflow=workflow("in.py"))
    assert dataset.description == "Stones\n\nFrom a quarry."
    kept = [{k: v for k, v in r.items() if k != "RID"} for r in rows(ml, "Stone")]
    assert kept == [
        {
            "id": 1,
            "name": "one",
            "kind": "granite",
            "weight": 2.5,
            "polished": True,
            "found": "2026-01-02",
        },
        {"id": 2, "name": "two", "kind": None, "weight": None, "polished": False, "found": None},
    ]
    assert {t.name for t in ml.list_vocabulary_terms("Kind")} == {"granite", "basalt"}
    members = dataset.list_dataset_members()
    assert [len(members[name]) for name in ("Stone", "Site", "Dataset")] == [2, 2, 1]
    (inner,) = dataset.list_dataset_children()
    assert [f["Length"] for f in inner.list_dataset_members()["File"]] == [len("a picture")]
    (key,) = (f for f in ml.model.name_to_table("Stone").foreign_keys if f.columns == ("kind",))
    assert (key.referenced_table, key.referenced_columns) == ("Kind", ("Name",))
    assert "far" in caplog.text
    assert "computed" in caplog.text


def test_the_description_is_kept_word_for_word(ml: DerivaML, stones: Path) -> None:
    dataset = ml.import_croissant(stones / "croissant.json", workflow=workflow("in.py"))
    record = ml.lookup_execution(str(dataset.dataset_history()[0].execution_rid))
    (kept,) = (a for a in record.list_assets("Output") if a.filename == "croissant.json")
    assert ml.catalog.objects.read(kept.url) == (stones / "croissant.json").read_bytes()


def test_our_own_descriptions_come_back_with_the_same_rows(
    ml: DerivaML, lab: Lab, tmp_path: Path
) -> None:
    assert lab.inner is not None
    bag = lab.inner.download_dataset_bag()
    own = bag.to_croissant(tmp_path / "own")
    ml.import_croissant(own, prefix="Their_", workflow=workflow("in.py"))
    for table in ("Subject", "Image"):
        theirs = bag.get_table_as_dict(table)
        ours = ml.get_table_as_dict(f"Their_{table}")
        for column_name in theirs[0].keys() - {"RCT", "RMT", "RCB", "RMB", "RID", "URL"}:
            wanted = {r["RID"]: r[column_name] or None for r in theirs}
            assert {r["Source_RID"]: r[column_name] for r in ours} == wanted
    # A table of rows about files is no asset table, and one of labels no feature.
    assert "Their_Image" not in {t.name for t in ml.model.find_assets()}
    assert {str(f.feature_table.name) for f in ml.find_features()} == {"Execution_Image_Label"}
    (image,) = (
        f for f in ml.model.name_to_table("Their_Image").foreign_keys if f.columns == ("Subject",)
    )
    assert (image.referenced_table, image.referenced_columns) == ("Their_Subject", ("Source_RID",))


def _changed(found: dict[str, Any], stones: Path) -> None:
    (stones / "stones.csv").write_text(STONES + "3,three,,,,\n")


def _missing(found: dict[str, Any], stones: Path) -> None:
    (stones / "stones.csv").unlink()


def _leading_out(found: dict[str, Any], stones: Path) -> None:
    found["distribution"][0]["contentUrl"] = "../stones.csv"


def _no_such_column(found: dict[str, Any], stones: Path) -> None:
    found["recordSet"][0]["field"][0]["source"]["extract"]["column"] = "number"


def _wrong_type(found: dict[str, Any], stones: Path) -> None:
    found["recordSet"][0]["field"][1]["dataType"] = "sc:Integer"


def _dangling(found: dict[str, Any], stones: Path) -> None:
    del found["recordSet"][1]["data"][0]


def _twice(found: dict[str, Any], stones: Path) -> None:
    found["recordSet"][2]["data"].append({"sites/code": "N"})
    found["recordSet"][2]["key"] = {"@id": "sites/code"}


def _nothing(found: dict[str, Any], stones: Path) -> None:
    found["distribution"], found["recordSet"] = found["distribution"][1:2], []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_changed, "another content"),
        (_missing, "is missing"),
        (_leading_out, "leads out"),
        (_no_such_column, "lacks the columns"),
        (_wrong_type, "'one' as 'name'"),
        (_dangling, "granite"),
        (_twice, "Site"),
        (_nothing, "can be read"),
    ],
)
def test_a_description_that_lies_leaves_no_table_behind(
    ml: DerivaML, stones: Path, damage: Callable[[dict[str, Any], Path], None], message: str
) -> None:
    found = json.loads((stones / "croissant.json").read_text())
    damage(found, stones)
    (stones / "croissant.json").write_text(json.dumps(found))
    with pytest.raises(DerivaMLDataError, match=message):
        ml.import_croissant(stones, workflow=workflow("in.py"))
    assert not {"Stone", "Kind", "Site"} & ml.model.schemas["zoo"].tables.keys()
    assert ml.find_datasets() == []


def test_names_that_are_taken_and_no_description_are_refused(ml: DerivaML, stones: Path) -> None:
    ml.create_vocabulary("Stone", "Taken.")
    before = ml.catalog.latest_snapshot()
    with pytest.raises(DerivaMLValidationError, match="prefix="):
        ml.import_croissant(stones, workflow=workflow("in.py"))
    (stones / "croissant.json").write_text("[]")
    with pytest.raises(DerivaMLDataError, match="not a description"):
        ml.import_croissant(stones)
    (stones / "croissant.json").unlink()
    with pytest.raises(DerivaMLNotFoundError):
        ml.import_croissant(stones)
    assert ml.catalog.latest_snapshot() == before
