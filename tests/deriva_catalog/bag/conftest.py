"""A small catalog with every kind of value, and bags of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deriva_catalog.catalog import LocalCatalog, create_local
from deriva_catalog.model.definitions import (
    asset_document,
    column_document,
    foreign_key_document,
    table_document,
)
from deriva_catalog.path.ast import TableName

SAMPLE = TableName("Sample", "S")
IMAGE = TableName("Image", "S")

VALUES = {
    "text": ["plain", "", None, 'a "quoted", text\nover lines\r\n', "é\u2028x", " spaces "],
    "n": [1, None, -(2**31), 2**31 - 1, 0, 7],
    "x": [1.5, None, 1e300, float("inf"), -0.25, 0.1],
    "flag": [True, False, None, True, False, None],
    "day": ["2026-11-20", None, "0001-01-01", "9999-12-31", "2026-01-01", None],
    "at": ["2026-11-20T21:08:50.36+00:00", None, "2026-11-20T21:08:50+00:00", None, None, None],
    "doc": [{"a": [1, None, "x"]}, [], None, "text", 3, {"b": ""}],
    "list": [["a", "", None, 'b "c", d'], [], None, ["NULL"], ["{}"], ["x"]],
    "numbers": [[1, None, 3], [], None, [0], None, None],
}
TYPES = {
    "text": "text",
    "n": "int4",
    "x": "float8",
    "flag": "boolean",
    "day": "date",
    "at": "timestamptz",
    "doc": "jsonb",
    "list": "text[]",
    "numbers": "int4[]",
}


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[LocalCatalog]:
    made = create_local(tmp_path / "catalog", client="kim", catalog_id="7")
    made.create_schema("S")
    columns = [column_document(name, kind) for name, kind in TYPES.items()]
    made.create_table("S", table_document("Sample", columns))
    reference = foreign_key_document(["Sample"], "S", "Sample")
    sample = column_document("Sample", "text")
    made.create_table("S", asset_document("Image", columns=[sample], foreign_keys=[reference]))
    rows = [
        {name: values[n] for name, values in VALUES.items()} for n in range(len(VALUES["text"]))
    ]
    samples = made.insert(SAMPLE, rows)
    images = []
    for n in range(3):
        data = b"image %d" % n * (n + 1)
        put = made.objects.put(f"/hatrac/S/{n}.png", data, filename=f"i{n}.png")
        images.append(
            {
                "URL": put.url,
                "Filename": f"i{n}.png",
                "Length": put.length,
                "MD5": put.md5,
                "Sample": samples[n]["RID"],
            }
        )
    made.insert(IMAGE, images)
    yield made
    made.close()
