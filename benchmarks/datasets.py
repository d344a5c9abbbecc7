"""Members of datasets, values of features, and downloading a version of a dataset as a bag."""

from __future__ import annotations

import hashlib
import io
import shutil
import sqlite3
from itertools import count
from pathlib import Path

from measure import Comparison, Timed, absolute, compare, seconds

from deriva_catalog.path.ast import TableName
from deriva_ml import BuiltinTypes, ColumnDefinition, DerivaML
from deriva_ml.core.query import path_of
from deriva_ml.schema import create_ml_catalog

MEMBERS = 10_000
MANY = 100_000
PICTURES = 1_797
ML = "deriva-ml"
IMAGE = TableName("Image", "lab")
_BLOCK = 1 << 20
_MEMORY = ("temp_store=MEMORY", "cache_size=-65536")


def main(directory: Path) -> list[Comparison]:
    """Measure in catalogs below `directory`."""
    return [
        *_adding(directory / "adding"),
        *_many(directory / "many"),
        *_downloading(directory / "downloading"),
    ]


def _connect(place: Path) -> tuple[DerivaML, str]:
    """A catalog with an asset table whose rows can be members, and an execution."""
    create_ml_catalog(str(place / "catalog"), "lab").close()
    ml = DerivaML(str(place / "catalog"), working_dir=place / "work", cache_dir=place / "cache")
    ml.create_asset("Image")
    ml.add_dataset_element_type("Image")
    workflow = {"Name": "bench", "URL": "https://example.org/bench.py", "Checksum": "0"}
    made = ml.catalog.insert(TableName("Workflow", ML), [workflow])[0]["RID"]
    execution = {"Workflow": made, "Description": "bench", "Status": "Running"}
    return ml, ml.catalog.insert(TableName("Execution", ML), [execution])[0]["RID"]


# --- members -----------------------------------------------------------------------------


def _adding(place: Path) -> list[Comparison]:
    ml, execution = _connect(place)
    rows = [
        {"URL": f"tag:lab:{n}.png", "Filename": f"{n}.png", "Length": n, "MD5": f"{n:032x}"}
        for n in range(MEMBERS)
    ]
    images = [row["RID"] for row in ml.catalog.insert(IMAGE, rows)]

    def ours() -> float:
        dataset = ml.datasets.create([], "bench", execution)
        return seconds(lambda: dataset.add_dataset_members({"Image": images}))

    name = f"add {MEMBERS:,} members to a dataset"
    try:
        return [
            compare(
                name,
                ours,
                _by_hand(place / "equal.db", images, _EQUAL),
                limit_name="the same rows into tables with the same keys and references",
                goal=2.0,
                rounds=15,
            ),
            compare(
                name,
                ours,
                _by_hand(place / "bare.db", images, _BARE),
                limit_name="the same rows into tables without keys",
                rounds=15,
            ),
        ]
    finally:
        ml.catalog.close()


_BARE = """
CREATE TABLE image (RID TEXT);
CREATE TABLE dataset (RID TEXT);
CREATE TABLE member (RID TEXT, RCT TEXT, RMT TEXT, RCB TEXT, RMB TEXT, Dataset TEXT, Image TEXT);
CREATE TABLE version (RID TEXT, RCT TEXT, RMT TEXT, RCB TEXT, RMB TEXT, Dataset TEXT, Version TEXT);
"""
_EQUAL = """
CREATE TABLE image (RID TEXT PRIMARY KEY);
CREATE TABLE dataset (RID TEXT PRIMARY KEY);
CREATE TABLE member (
    RID TEXT PRIMARY KEY, RCT TEXT NOT NULL, RMT TEXT NOT NULL, RCB TEXT, RMB TEXT,
    Dataset TEXT NOT NULL REFERENCES dataset, Image TEXT NOT NULL REFERENCES image,
    UNIQUE (Dataset, Image)
);
CREATE INDEX member_image ON member (Image);
CREATE TABLE version (
    RID TEXT PRIMARY KEY, RCT TEXT NOT NULL, RMT TEXT NOT NULL, RCB TEXT, RMB TEXT,
    Dataset TEXT NOT NULL REFERENCES dataset, Version TEXT NOT NULL, UNIQUE (Dataset, Version)
);
"""


def _by_hand(file: Path, images: list[str], tables: str) -> Timed:
    """The same rows (with system columns) and one version row, with the catalog's durability.

    The tables grow with each round, as ours do. The rows are made before the clock starts.
    """
    connection = sqlite3.connect(file, isolation_level=None)
    for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", *_MEMORY):
        connection.execute(f"PRAGMA {setting}").close()
    connection.executescript(tables)
    connection.executemany("INSERT INTO image VALUES (?)", [(image,) for image in images])
    numbers = count(1)

    def run() -> float:
        dataset = f"D-{next(numbers):04X}"
        system = ("2026-11-24T10:00:00.123456+00:00",) * 2 + ("bench",) * 2
        rows = [
            (f"{dataset[2:]}-{number:04X}", *system, dataset, image)
            for number, image in enumerate(images)
        ]
        version = (f"{dataset[2:]}-V", *system, dataset, "0.2.0")
        connection.execute("INSERT INTO dataset VALUES (?)", (dataset,))

        def insert() -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO member VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            connection.execute("INSERT INTO version VALUES (?, ?, ?, ?, ?, ?, ?)", version)
            connection.execute("COMMIT")

        return seconds(insert)

    return run


# --- many members, many values -----------------------------------------------------------


def _many(place: Path) -> list[Comparison]:
    """A dataset of 100,000 members, and as many values of a feature."""
    ml, execution = _connect(place)
    rows = [
        {"URL": f"tag:lab:{n}.png", "Filename": f"{n}.png", "Length": n, "MD5": f"{n:032x}"}
        for n in range(MANY)
    ]
    images = [row["RID"] for row in ml.catalog.insert(IMAGE, rows)]
    try:
        return [*_members_of(ml, execution, images), *_values_of(ml, execution, images)]
    finally:
        ml.catalog.close()


def _members_of(ml: DerivaML, execution: str, images: list[str]) -> list[Comparison]:
    dataset = ml.datasets.create([], "many", execution, members={"Image": images})

    def create() -> float:
        return seconds(
            lambda: ml.datasets.create([], "bench", execution, members={"Image": images})
        )

    def insert() -> float:
        bare = ml.catalog.insert(TableName("Dataset", ML), [{"Description": "bare"}])[0]["RID"]
        members = [{"Dataset": bare, "Image": rid} for rid in images]
        return seconds(
            lambda: ml.catalog.insert(TableName("Dataset_Image", "lab"), members, returning=False)
        )

    def read() -> float:
        query = f"entity/D:=lab:Dataset_Image/Dataset={dataset.rid}/lab:Image@sort(RID)"
        return seconds(lambda: ml.catalog.fetch(query))

    return [
        compare(
            f"create a dataset with {MANY:,} members",
            create,
            insert,
            limit_name="the engine inserting the members",
            goal=3.0,
            rounds=5,
        ),
        compare(
            f"list {MANY:,} members",
            lambda: seconds(dataset.list_dataset_members),
            read,
            limit_name="the engine reading the same rows",
            goal=3.0,
            rounds=5,
        ),
    ]


def _values_of(ml: DerivaML, execution: str, images: list[str]) -> list[Comparison]:
    import pandas as pd

    value = ColumnDefinition("Value", BuiltinTypes.float8)
    record = ml.create_feature("Image", "Score", metadata=[value])
    feature = record.feature
    assert feature is not None
    table = TableName(feature.feature_table.name, "lab")
    frame = pd.DataFrame({"Image": images, "Value": [n / 3 for n in range(MANY)]})

    def clear() -> None:
        ml.catalog.delete(path_of(feature.feature_table))

    def write() -> float:
        clear()

        def frame_in() -> None:
            values = frame.assign(Execution=execution).to_dict("records")
            ml.features.insert_values(feature, values)

        return seconds(frame_in)

    def insert() -> float:
        clear()
        rows = [
            {"Execution": execution, "Feature_Name": "Score", "Image": rid, "Value": n / 3}
            for n, rid in enumerate(images)
        ]
        return seconds(lambda: ml.catalog.insert(table, rows, returning=False))

    written = compare(
        f"{MANY:,} feature values of a frame into the catalog",
        write,
        insert,
        limit_name="the engine inserting the same rows",
        goal=3.0,
        rounds=5,
    )
    query = f"entity/lab:{table.name}@sort(RID)"
    return [
        written,
        compare(
            f"{MANY:,} feature values as a frame",
            lambda: seconds(lambda: ml.get_feature_values_as_dataframe("Image", "Score")),
            lambda: seconds(lambda: pd.DataFrame(ml.catalog.fetch(query))),
            limit_name="the engine reading the same rows, put into a frame",
            goal=3.0,
            rounds=5,
        ),
        compare(
            f"{MANY:,} feature values as records",
            lambda: seconds(lambda: ml.feature_values("Image", "Score")),
            lambda: seconds(lambda: ml.catalog.fetch(query)),
            limit_name="the engine reading the same rows",
            rounds=5,
        ),
    ]


# --- bags --------------------------------------------------------------------------------


def _downloading(place: Path) -> list[Comparison]:
    ml, execution = _connect(place)
    pictures = _write_pictures(place / "pictures")
    images = _upload(ml, pictures)
    dataset = ml.datasets.create([], "digits", execution, members={"Image": images})
    version = f"{dataset.rid}@{dataset.current_version}"

    def cold() -> float:
        shutil.rmtree(ml.cache_dir, ignore_errors=True)
        return seconds(lambda: ml.download_dataset_bag(version))

    def warm() -> float:
        return seconds(lambda: ml.download_dataset_bag(version))

    def copied(*, folders: bool) -> Timed:
        def run() -> float:
            shutil.rmtree(place / "copy", ignore_errors=True)
            return seconds(lambda: _copy_and_hash(pictures, place / "copy", folders=folders))

        return run

    name = f"download a dataset of {PICTURES:,} images as a bag, cold"
    try:
        return [
            compare(
                name,
                cold,
                copied(folders=True),
                limit_name="copy and hash (MD5, SHA-256) the same files, into a bag's folders",
                goal=2.0,
            ),
            compare(
                name,
                cold,
                copied(folders=False),
                limit_name="copy and hash the same files, into one folder",
            ),
            absolute("the same again, from the cache", warm, goal_s=0.3),
        ]
    finally:
        ml.catalog.close()


def _write_pictures(place: Path) -> list[Path]:
    """The handwritten digits that scikit-learn ships, as PNG files."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    place.mkdir(parents=True)
    pixels = np.rint(load_digits().images[:PICTURES] * 255 / 16).astype(np.uint8)
    paths = []
    for number, picture in enumerate(pixels):
        content = io.BytesIO()
        Image.fromarray(picture).save(content, format="PNG")
        paths.append(place / f"digit_{number:04}.png")
        paths[-1].write_bytes(content.getvalue())
    return paths


def _upload(ml: DerivaML, pictures: list[Path]) -> list[str]:
    with ml.catalog.transaction():
        rows = []
        for path in pictures:
            stored = ml.catalog.objects.put(f"/hatrac/Image/{path.name}", path.read_bytes())
            rows.append(
                {
                    "URL": stored.url,
                    "Filename": path.name,
                    "Length": stored.length,
                    "MD5": stored.md5,
                }
            )
        return [row["RID"] for row in ml.catalog.insert(IMAGE, rows)]


def _copy_and_hash(paths: list[Path], place: Path, *, folders: bool) -> None:
    place.mkdir()
    for number, path in enumerate(paths):
        folder = place / f"1-{number:04X}" / "Image" if folders else place
        if folders:
            folder.mkdir(parents=True)
        md5, sha256 = hashlib.md5(), hashlib.sha256()
        with path.open("rb") as source, (folder / path.name).open("wb") as target:
            while block := source.read(_BLOCK):
                md5.update(block)
                sha256.update(block)
                target.write(block)
