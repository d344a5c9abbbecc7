"""A catalog with everything that is hard to move, and a bag of all of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deriva_catalog.bag import export_bag
from deriva_catalog.interface import Catalog
from deriva_catalog.model.definitions import (
    asset_document,
    association_document,
    column_document,
    foreign_key_document,
    key_document,
    table_document,
    vocabulary_document,
)
from deriva_catalog.path.ast import TableName

KIND, TAG, KEEPER, ANIMAL = (TableName(n, "zoo") for n in ("Kind", "Tag", "Keeper", "Animal"))
PICTURE, ANIMAL_TAG = TableName("Picture", "zoo"), TableName("Animal_Tag", "zoo")
VALUES: Mapping[str, list[Any]] = {
    "name": ["Tom", "", None, 'a "quoted", name\nover lines', "Ünï\u2028cödé 🦊", " spaces "],
    "size": [1, None, -(2**31), 2**31 - 1, 0, 7],
    "weight": [1.5, None, 1e300, 2.5e-12, -0.25, 0.1],
    "tame": [True, False, None, True, False, None],
    "born": ["2026-11-20", None, "0001-01-01", "9999-12-31", "2026-01-01", None],
    "seen": ["2026-11-20T21:08:50.36+00:00", None, "2026-11-20T21:08:50+00:00", None, None, None],
    "clock": ["2026-11-20T21:08:50", None, None, "2026-01-01T00:00:00.000001", None, None],
    "facts": [{"a": [1, None, "x"]}, [], None, "text", 3, {"b": ""}],
    "words": [["a", "", None, 'b "c", d'], [], None, ["NULL"], ["{}"], ["x"]],
    "numbers": [[1, None, 3], [], None, [0], None, None],
}
_TYPES = {
    "name": "text",
    "size": "int4",
    "weight": "float8",
    "tame": "boolean",
    "born": "date",
    "seen": "timestamptz",
    "clock": "timestamp",
    "facts": "jsonb",
    "words": "text[]",
    "numbers": "int4[]",
}


def build(catalog: Catalog) -> Catalog:
    """Make the tables and rows: terms, animals and keepers that refer to each other, pictures."""
    with catalog.transaction():
        _create_tables(catalog)
        _insert_rows(catalog)
    return catalog


def _create_tables(catalog: Catalog) -> None:
    catalog.create_schema({"schema_name": "zoo", "comment": "Animals."})
    catalog.create_table("zoo", vocabulary_document("Kind", "zoo:{RID}"))
    catalog.create_table("zoo", vocabulary_document("Tag", "zoo:{RID}"))
    keeper = [column_document("Name", "text"), column_document("Favourite", "text")]
    catalog.create_table("zoo", table_document("Keeper", keeper))
    columns = [column_document(name, kind) for name, kind in _TYPES.items()]
    columns += [column_document("Kind", "text"), column_document("Keeper", "text", nullok=False)]
    references = [
        foreign_key_document(["Kind"], "zoo", "Kind", ["Name"]),
        foreign_key_document(["Keeper"], "zoo", "Keeper"),
    ]
    catalog.create_table("zoo", table_document("Animal", columns, foreign_keys=references))
    catalog.create_foreign_key(KEEPER, foreign_key_document(["Favourite"], "zoo", "Animal"))
    animal = column_document("Animal", "text")
    reference = foreign_key_document(["Animal"], "zoo", "Animal")
    catalog.create_table(
        "zoo", asset_document("Picture", columns=[animal], foreign_keys=[reference])
    )
    ends = [("Animal", "zoo", "Animal"), ("Tag", "zoo", "Tag", "RID")]
    catalog.create_table("zoo", association_document(ends, name="Animal_Tag"))
    catalog.create_key(KEEPER, key_document(["Name"]))


def _insert_rows(catalog: Catalog) -> None:
    terms = [
        {"Name": "cat", "Description": "Purrs.", "Synonyms": ["feline", "kitty"]},
        {"Name": "dog", "Description": "", "Synonyms": []},
    ]
    catalog.insert(KIND, terms, defaults=("ID", "URI"))
    tags = [{"Name": n, "Description": f"It is {n}.", "Synonyms": None} for n in ("old", "ill")]
    tag_rids = [row["RID"] for row in catalog.insert(TAG, tags, defaults=("ID", "URI"))]
    keepers = [r["RID"] for r in catalog.insert(KEEPER, [{"Name": "Kim"}, {"Name": "Lee"}])]
    rows = [
        {name: values[n] for name, values in VALUES.items()}
        | {"Kind": ("cat", "dog", None)[n % 3], "Keeper": keepers[n % 2]}
        for n in range(len(VALUES["name"]))
    ]
    animals = [row["RID"] for row in catalog.insert(ANIMAL, rows)]
    favourites = [{"RID": k, "Favourite": animals[n]} for n, k in enumerate(keepers)]
    catalog.update(KEEPER, favourites, targets=["Favourite"])
    links = [{"Animal": a, "Tag": tag_rids[n % 2]} for n, a in enumerate(animals)]
    catalog.insert(ANIMAL_TAG, links)
    pictures = []
    for n in range(3):
        put = catalog.objects.put(f"/hatrac/Picture/{n} é.png".replace(" é", "%20%C3%A9"), PNGS[n])
        pictures.append(
            {
                "URL": put.url,
                "Filename": f"{n} é.png",
                "Length": put.length,
                "MD5": put.md5,
                "Animal": animals[n],
            }
        )
    catalog.insert(PICTURE, pictures)


PNGS = [b"picture 0", b"picture one", b""]


def export(catalog: Catalog, directory: Path, **options: Any) -> Mapping[str, Mapping[str, str]]:
    """Export everything; returns the digests of the payload by path."""
    rows = {(t.schema, t.name): "all" for t in catalog.model.tables() if t.schema != "public"}
    return export_bag(catalog, directory, rows, **options).payload


def content(payload: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The digests of rows and files: the schema document tells where it is from."""
    return {path: d["sha256"] for path, d in payload.items() if path != "data/schema.json"}
