"""The commit of an execution with a thousand output files.

Ours hashes the files, stores them, and inserts rows of assets, roles and types in one transaction.
Beside it a plain loop copies and hashes (MD5, SHA-256) the same files and inserts as many rows
with equal keys; both flush the files and the database.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from itertools import count
from pathlib import Path

from measure import Comparison, Timed, compare, seconds

from deriva_ml import DerivaML, Workflow
from deriva_ml.schema import create_ml_catalog

FILES = 1000
SIZE = 16 * 1024
CODE = Workflow(
    name="bench.py", workflow_type="Training", url="https://example.org/bench.py", checksum="0"
)


def main(directory: Path) -> list[Comparison]:
    """Measure in a catalog below `directory`."""
    create_ml_catalog(str(directory / "catalog"), "lab").close()
    ml = DerivaML(str(directory / "catalog"), working_dir=directory / "work")
    ml.create_asset("Result")
    try:
        return [
            compare(
                f"commit of {FILES:,} files of {SIZE // 1024} KiB",
                _ours(ml),
                _by_hand(directory / "by hand"),
                limit_name="copy, hash, flush and insert in a loop",
                goal=3.0,
                rounds=7,
            )
        ]
    finally:
        ml.catalog.close()


def _ours(ml: DerivaML) -> Timed:
    numbers = count()

    def run() -> float:
        exe = ml.create_execution(workflow=CODE)
        with exe:
            for _ in range(FILES):
                content = next(numbers).to_bytes(8, "big") * (SIZE // 8)
                exe.asset_file_path("Result", f"{content[:8].hex()}.bin").write_bytes(content)
        taken = seconds(exe.commit_output_assets)
        assert len(ml.list_execution_assets(exe.execution_rid, "Output")) > FILES
        return taken

    return run


_TABLES = """
CREATE TABLE execution (RID TEXT PRIMARY KEY);
CREATE TABLE kind (Name TEXT PRIMARY KEY);
CREATE TABLE object (sha256 TEXT PRIMARY KEY, name TEXT UNIQUE, md5 TEXT, length INT);
CREATE TABLE asset (
    RID TEXT PRIMARY KEY, RCT TEXT NOT NULL, RMT TEXT NOT NULL, RCB TEXT, RMB TEXT,
    URL TEXT NOT NULL UNIQUE, Filename TEXT, Length INT NOT NULL, MD5 TEXT NOT NULL
);
CREATE TABLE asset_execution (
    RID TEXT PRIMARY KEY, RCT TEXT NOT NULL, RMT TEXT NOT NULL, RCB TEXT, RMB TEXT,
    Asset TEXT NOT NULL REFERENCES asset, Execution TEXT NOT NULL REFERENCES execution,
    Role TEXT NOT NULL, UNIQUE (Asset, Execution)
);
CREATE TABLE asset_type (
    RID TEXT PRIMARY KEY, RCT TEXT NOT NULL, RMT TEXT NOT NULL, RCB TEXT, RMB TEXT,
    Asset TEXT NOT NULL REFERENCES asset, Type TEXT NOT NULL REFERENCES kind, UNIQUE (Asset, Type)
);
"""


def _by_hand(place: Path) -> Timed:
    place.mkdir()
    connection = sqlite3.connect(place / "rows.db", isolation_level=None)
    for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {setting}").close()
    connection.executescript(_TABLES)
    connection.executemany("INSERT INTO kind VALUES (?)", [("Result",), ("Output_File",)])
    numbers, rounds = count(), count()

    def run() -> float:
        source, target = place / "source", place / "target"
        for folder in (source, target):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        for _ in range(FILES):
            content = next(numbers).to_bytes(8, "big") * (SIZE // 8)
            (source / f"{content[:8].hex()}.bin").write_bytes(content)
        execution = f"E{next(rounds)}"
        connection.execute("INSERT INTO execution VALUES (?)", (execution,))
        return seconds(lambda: _copy(connection, source, target, execution))

    return run


def _copy(connection: sqlite3.Connection, source: Path, target: Path, execution: str) -> None:
    stored = []
    for path in sorted(source.iterdir()):
        data = path.read_bytes()
        md5, sha256 = hashlib.md5(data).hexdigest(), hashlib.sha256(data).hexdigest()
        copy = target / sha256
        copy.write_bytes(data)
        stored.append((path.name, md5, sha256, len(data), copy))
    for *_, copy in stored:
        handle = os.open(copy, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
    system = ("2026-11-24T10:00:00.123456+00:00",) * 2 + ("bench",) * 2
    connection.execute("BEGIN IMMEDIATE")
    objects = [(s, f"/r/{m}.{n}", m, size) for n, m, s, size, _ in stored]
    connection.executemany("INSERT INTO object VALUES (?, ?, ?, ?)", objects)
    assets = [(f"A{s[:12]}", *system, f"/r/{m}.{n}", n, size, m) for n, m, s, size, _ in stored]
    connection.executemany("INSERT INTO asset VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", assets)
    roles = [(f"R{a[0]}", *system, a[0], execution, "Output") for a in assets]
    connection.executemany("INSERT INTO asset_execution VALUES (?, ?, ?, ?, ?, ?, ?, ?)", roles)
    for kind in ("Result", "Output_File"):
        types = [(f"{kind}{a[0]}", *system, a[0], kind) for a in assets]
        connection.executemany("INSERT INTO asset_type VALUES (?, ?, ?, ?, ?, ?, ?)", types)
    connection.execute("COMMIT")
