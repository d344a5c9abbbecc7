"""Datasets that Croissant describes as datasets of the catalog: tables, terms, rows and files."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pyarrow
import pytest
from pyarrow import parquet

from deriva_catalog.path.ast import TableName
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLDataError,
    DerivaMLNotFoundError,
    DerivaMLValidationError,
)
from deriva_ml.interchange.croissant_reading import read_croissant, records
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
            wanted = {r["RID"]: r[column_name] for r in theirs}
            assert {r["Source_RID"]: r[column_name] for r in ours} == wanted
    # A table of rows about files is no asset table, and one of labels no feature.
    assert "Their_Image" not in {t.name for t in ml.model.find_assets()}
    assert {str(f.feature_table.name) for f in ml.find_features()} == {"Execution_Image_Label"}
    (image,) = (
        f for f in ml.model.name_to_table("Their_Image").foreign_keys if f.columns == ("Subject",)
    )
    assert (image.referenced_table, image.referenced_columns) == ("Their_Subject", ("Source_RID",))


@pytest.mark.parametrize("tables", ["parquet", "csv"])
def test_our_own_vocabularies_come_back_whole(
    ml: DerivaML, tmp_path: Path, tables: Literal["parquet", "csv"]
) -> None:
    words = ["fowl", 'say "tweet", {a}', "NULL"]
    ml.add_term("Dataset_Type", "Flock", "It flies.", synonyms=words)
    with ml.create_execution(workflow=workflow()) as exe:
        (subject,) = ml.catalog.insert(TableName("Subject", "zoo"), [{"Name": "Tweety"}])
        dataset = exe.create_dataset("Flock", description="One.")
        dataset.add_dataset_members({"Subject": [subject["RID"]]})
    own = dataset.download_dataset_bag().to_croissant(tmp_path / "own", tables=tables)
    ml.import_croissant(own, prefix="Their_", workflow=workflow("in.py"))

    def terms(table: str) -> list[tuple[Any, ...]]:
        found = ml.list_vocabulary_terms(table)
        return [(t.name, t.id, t.uri, t.description, t.synonyms) for t in found]

    (kept,) = (t for t in terms("Their_Dataset_Type") if t[0] == "Flock")
    assert kept in terms("Dataset_Type")
    assert ml.lookup_term("Their_Dataset_Type", "fowl").name == "Flock"


def test_terms_that_are_keyed_by_number_are_rows(ml: DerivaML, stones: Path) -> None:
    found = json.loads((stones / "croissant.json").read_text())
    kinds = found["recordSet"][1]
    kinds["key"] = {"@id": "kinds/id"}
    kinds["field"] = [
        {"@id": f"kinds/{name}", "name": name, "dataType": "sc:Text"} for name in ("id", "name")
    ]
    kinds["data"] = [{"kinds/id": "1", "kinds/name": "granite"}]
    del found["recordSet"][0]["field"][2]["references"]
    (stones / "croissant.json").write_text(json.dumps(found))
    ml.import_croissant(stones, workflow=workflow("in.py"))
    assert [(r["id"], r["name"]) for r in ml.get_table_as_dict("Kind")] == [("1", "granite")]


def test_files_that_no_record_set_reads_are_files_once(ml: DerivaML, stones: Path) -> None:
    found = json.loads((stones / "croissant.json").read_text())
    (stones / "README").write_text("read me")
    (stones / "left.csv").write_text("a\n1\n")
    listed = [("readme", "README"), ("again", "./README"), ("picture", "pictures/one.txt")]
    found["distribution"] += [
        {"@type": "cr:FileObject", "@id": name, "contentUrl": url} for name, url in listed
    ]
    left = {"@type": "cr:FileObject", "@id": "left", "contentUrl": "left.csv"}
    found["distribution"].append({**left, "encodingFormat": "text/csv"})
    found["recordSet"].append({"@id": "left", "field": {"@id": "x", "source": {}}})
    (stones / "croissant.json").write_text(json.dumps(found))
    dataset = ml.import_croissant(stones, workflow=workflow("in.py"))
    files = dataset.list_dataset_members(recurse=True)["File"]
    names = sorted(str(f["URL"]).partition("#")[0].rpartition("/")[2] for f in files)
    assert names == ["README", "left.csv", "one.txt"]


def _values(stones: Path, encoding: str, content: str, **kinds: str) -> list[dict[str, Any]]:
    """The records of a file whose columns are of these kinds; a list where one ends in ``*``."""
    (stones / "values").write_bytes(content.encode(errors="surrogateescape"))
    file = {"@type": "cr:FileObject", "@id": "values", "contentUrl": "values"}
    fields = [
        {
            "@id": name,
            "dataType": f"sc:{kind.rstrip('*')}",
            "repeated": kind.endswith("*"),
            "source": {"fileObject": {"@id": "values"}, "extract": {"column": name}},
        }
        for name, kind in kinds.items()
    ]
    told = {
        "distribution": [{**file, "encodingFormat": encoding}],
        "recordSet": {"@id": "values", "field": fields},
    }
    (stones / "croissant.json").write_text(json.dumps(told))
    (record_set,) = read_croissant(stones / "croissant.json").record_sets
    return list(records(record_set))


def test_values_are_what_the_file_says(stones: Path) -> None:
    row = {
        "words": ["a", None],
        "numbers": [1, None, 2.5],
        "whole": [-3, None],
        "inner": {"é": [1, None]},
        "empty": "",
    }
    kinds = {"words": "Text*", "numbers": "Float*", "whole": "Integer*"}
    (found,) = _values(
        stones, "application/jsonl", json.dumps(row), **kinds, inner="Text", empty="Text"
    )
    assert found == {**row, "inner": '{"é": [1, null]}'}
    text = "big,round,empty\n-9007199254740993,3.0,\n"
    (found,) = _values(stones, "text/csv", text, big="Integer", round="Integer", empty="Text")
    assert found == {"big": -9007199254740993, "round": 3, "empty": None}
    for wrong in ("3.5", "inf", "x"):
        with pytest.raises(DerivaMLDataError, match="which is no int8"):
            _values(stones, "text/csv", f"a\n{wrong}\n", a="Integer")


def test_cells_may_be_long(stones: Path) -> None:
    usual = csv.field_size_limit()
    (found,) = _values(stones, "text/csv", f"a\n{'x' * 200_000}\n", a="Text")
    assert len(found["a"]) == 200_000
    assert csv.field_size_limit() == usual


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("application/jsonl", '{"a": 1}\n{"a"'),
        ("application/jsonl", "[1]"),
        ("text/csv", "a\n\udcff\n"),
        ("application/x-parquet", "PAR0"),
    ],
)
def test_rows_that_are_malformed_name_their_file(stones: Path, encoding: str, content: str) -> None:
    with pytest.raises(DerivaMLDataError, match="values' with the rows of 'values'"):
        _values(stones, encoding, content, a="Integer")


def test_a_damaged_page_of_parquet_names_its_file(stones: Path) -> None:
    whole = io.BytesIO()
    parquet.write_table(pyarrow.table({"a": range(100)}), whole)
    damaged = b"PAR1" + b"\xff" * 40 + whole.getvalue()[44:]
    with pytest.raises(DerivaMLDataError, match="values' with the rows of 'values'"):
        _values(
            stones, "application/x-parquet", damaged.decode(errors="surrogateescape"), a="Integer"
        )


@pytest.mark.parametrize(
    ("part", "wrong", "message"),
    [
        ("distribution", "stones.csv", "'distribution' of the description has 'stones.csv'"),
        ("recordSet", [["x"]], "'recordSet' of the description"),
        ("recordSet", {"@id": "r", "field": "f"}, "'field' of 'r' has 'f'"),
        ("recordSet", {"@id": "r", "data": [1]}, "'data' of 'r' has 1"),
        ("recordSet", {"@id": "r", "field": {"@id": "f", "source": "x"}}, "'source' of field 'f'"),
    ],
)
def test_entries_that_are_malformed_are_named(
    stones: Path, part: str, wrong: Any, message: str
) -> None:
    (stones / "croissant.json").write_text(json.dumps({"distribution": [], part: wrong}))
    with pytest.raises(DerivaMLDataError, match=message):
        read_croissant(stones)


def test_kinds_may_be_lists_and_unknown_ones_are_told(stones: Path) -> None:
    found = description()
    found["distribution"][0]["@type"] = ["cr:FileObject", "sc:DataDownload"]
    found["distribution"][1] = {"@type": "cr:Cloud", "@id": "far"}
    (stones / "croissant.json").write_text(json.dumps(found))
    told = read_croissant(stones)
    assert [f.path.name for f in told.listed] == ["stones.csv"]
    assert any("'far'" in text and "Cloud" in text for text in told.left_out)


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
