"""Bags: a dataset of many files, and one of many rows."""

from __future__ import annotations

import csv
import os
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from datasets import _connect, _copy_and_hash
from measure import Comparison, Timed, absolute, compare, seconds

from deriva_catalog.bag import export_bag
from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
    table_document,
)
from deriva_catalog.objects import Upload
from deriva_catalog.path.ast import TableName
from deriva_ml import DerivaML
from deriva_ml.core.definitions import BuiltinTypes, ColumnDefinition, TableDefinition
from deriva_ml.dataset import Dataset
from deriva_ml.dataset.history import Versions
from deriva_ml.dataset.reach import reach
from deriva_ml.dataset.spec import DatasetSpec

PICTURES = int(os.environ.get("BENCH_PICTURES", "10000"))
PICTURE_BYTES = 20_000
ROWS = int(os.environ.get("BENCH_ROWS", "400000"))
_ROUNDS = 5
IMAGE = TableName("Image", "lab")


def main(directory: Path) -> list[Comparison]:
    """Measure in catalogs below `directory`."""
    return [*_many_files(directory / "files"), *_many_rows(directory / "rows")]


# --- many files --------------------------------------------------------------------------


def _many_files(place: Path) -> list[Comparison]:
    ml, execution = _connect(place)
    pictures = _write_pictures(place / "pictures")
    dataset = ml.datasets.create([], "files", execution, members={"Image": _upload(ml, pictures)})
    spec = DatasetSpec.from_shorthand(f"{dataset.rid}@{dataset.current_version}")
    rows_only = spec.model_copy(update={"materialize": False})

    def fresh(wanted: DatasetSpec) -> Timed:
        def run() -> float:
            shutil.rmtree(ml.cache_dir, ignore_errors=True)
            return seconds(lambda: ml.download_dataset_bag(wanted))

        return run

    def copied() -> float:
        shutil.rmtree(place / "copy", ignore_errors=True)
        return seconds(lambda: _copy_and_hash(pictures, place / "copy", folders=False))

    def warm() -> float:
        return seconds(lambda: ml.download_dataset_bag(spec))

    name = f"bag of {PICTURES:,} images of {PICTURE_BYTES // 1000} KB"
    try:
        return [
            compare(
                f"{name}, cold",
                fresh(spec),
                copied,
                limit_name="copy and hash (MD5, SHA-256) the same files",
                goal=2.0,
                rounds=_ROUNDS,
            ),
            absolute(f"{name}, from the cache", warm, goal_s=0.3, rounds=_ROUNDS),
            absolute(f"{name}, tables only", fresh(rows_only), goal_s=1.0, rounds=_ROUNDS),
        ]
    finally:
        ml.catalog.close()


def _write_pictures(place: Path) -> list[Path]:
    place.mkdir(parents=True)
    noise = random.Random(7)
    paths = [place / f"picture_{number:05}.png" for number in range(PICTURES)]
    for path in paths:
        path.write_bytes(noise.randbytes(PICTURE_BYTES))
    return paths


def _upload(ml: DerivaML, pictures: list[Path]) -> list[str]:
    with ml.catalog.transaction():
        uploads = [Upload(f"/hatrac/Image/{path.name}", path) for path in pictures]
        stored = ml.catalog.objects.put_many(uploads)
        rows = [
            {"URL": put.url, "Filename": path.name, "Length": put.length, "MD5": put.md5}
            for put, path in zip(stored, pictures, strict=True)
        ]
        return [row["RID"] for row in ml.catalog.insert(IMAGE, rows)]


# --- many rows ---------------------------------------------------------------------------

_PER_SUBJECT = 1_000
_COLUMNS = ("Subject", "Number", "Value", "Note")
_SYSTEM = ("RID", "RCT", "RMT", "RCB", "RMB")


def _many_rows(place: Path) -> list[Comparison]:
    ml, execution = _connect(place)
    subjects = _fill(ml)
    dataset = ml.datasets.create([], "rows", execution, members={"Subject": subjects})
    spec = f"{dataset.rid}@{dataset.current_version}"

    def estimate() -> float:
        shutil.rmtree(ml.cache_dir, ignore_errors=True)
        return seconds(lambda: ml.estimate_bag_size(spec))

    def write() -> float:
        shutil.rmtree(place / "bag", ignore_errors=True)
        return seconds(lambda: _write(ml, dataset, place / "bag"))

    def download() -> float:
        shutil.rmtree(ml.cache_dir, ignore_errors=True)
        return seconds(lambda: ml.download_dataset_bag(spec))

    name = f"bag of a dataset with {ROWS:,} reachable rows"
    try:
        return [
            absolute(f"size of a {name}, estimated", estimate, goal_s=2.0, rounds=_ROUNDS),
            compare(
                name,
                write,
                _bare(place, ml, loads=False),
                limit_name="the same rows by bare SQL into a CSV",
                goal=2.0,
                rounds=_ROUNDS,
            ),
            compare(
                f"{name}, with its index",
                download,
                _bare(place, ml, loads=True),
                limit_name="the same, and the CSV into a table with keys and indexes",
                goal=2.0,
                rounds=_ROUNDS,
            ),
        ]
    finally:
        ml.catalog.close()


def _write(ml: DerivaML, dataset: Dataset, place: Path) -> None:
    """What a download does before it indexes the bag."""
    past = ml.session.at(Versions(ml.session).snapshot(dataset.rid, dataset.current_version))
    reached = reach(past, dataset.rid)
    export_bag(past.catalog, place, {**reached.rids, **dict.fromkeys(reached.whole, "all")})


def _fill(ml: DerivaML) -> list[str]:
    ml.create_table(TableDefinition("Subject", [ColumnDefinition("Name", BuiltinTypes.text)]))
    kinds = {"Subject": "text", "Number": "int4", "Value": "float8", "Note": "text"}
    columns = [column_document(name, kind) for name, kind in kinds.items()]
    reference = foreign_key_document(["Subject"], "lab", "Subject")
    ml.create_table(table_document("Observation", columns, foreign_keys=[reference]))
    ml.add_dataset_element_type("Subject")
    names = [{"Name": f"subject {number}"} for number in range(ROWS // _PER_SUBJECT)]
    subjects = [row["RID"] for row in ml.catalog.insert(TableName("Subject", "lab"), names)]
    for subject in subjects:
        rows = [
            {"Subject": subject, "Number": n, "Value": n / 7, "Note": f"seen {n % 13} times"}
            for n in range(_PER_SUBJECT)
        ]
        ml.catalog.insert(TableName("Observation", "lab"), rows, returning=False)
    return subjects


_TABLE = (
    "CREATE TABLE observation (RID TEXT PRIMARY KEY, RCT TEXT, RMT TEXT, RCB TEXT, "
    "RMB TEXT, Subject TEXT, Number INTEGER, Value REAL, Note TEXT)"
)
_INDEX = "CREATE INDEX of_subject ON observation (Subject)"
_INSERT = "INSERT INTO observation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


def _bare(place: Path, ml: DerivaML, *, loads: bool) -> Timed:
    """The same rows out of a table made by hand, through Python's CSV writer, and into another."""
    file, copy = place / f"bare-{loads}.db", place / "copy.db"
    rows = ml.catalog.fetch(f"attribute/lab:Observation/{','.join((*_SYSTEM, *_COLUMNS))}")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE member (subject TEXT PRIMARY KEY)")
        connection.execute(_TABLE)
        connection.executemany(
            _INSERT, ([row[name] for name in (*_SYSTEM, *_COLUMNS)] for row in rows)
        )
        connection.execute("INSERT INTO member SELECT DISTINCT Subject FROM observation")
        connection.execute(_INDEX)
        connection.commit()

    def run() -> float:
        def write() -> None:
            with (
                closing(sqlite3.connect(file)) as connection,
                (place / "bare.csv").open("w") as out,
            ):
                writer = csv.writer(out)
                writer.writerow((*_SYSTEM, *_COLUMNS))
                writer.writerows(
                    connection.execute(
                        "SELECT o.* FROM observation o JOIN member m ON m.subject = o.Subject "
                        "ORDER BY o.RID"
                    )
                )

        def load() -> None:
            with closing(sqlite3.connect(copy)) as connection, (place / "bare.csv").open() as lines:
                connection.execute("PRAGMA synchronous=OFF").close()
                connection.execute(_TABLE)
                reader = csv.reader(lines)
                next(reader)
                connection.executemany(_INSERT, reader)
                connection.execute(_INDEX)
                connection.commit()

        if not loads:
            return seconds(write)
        copy.unlink(missing_ok=True)
        return seconds(write) + seconds(load)

    return run
