"""Where something comes from, among ten thousand executions.

Ours is `lookup_lineage` over layers of executions that read what two of the layer before made.
Beside it are the same questions put to the catalog's engine, without following or showing
anything, and one recursive statement of SQLite over equal tables, which gives RIDs only.
"""

from __future__ import annotations

import random
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

from measure import Comparison, compare, seconds

from deriva_catalog.path.ast import TableName
from deriva_ml import DerivaML
from deriva_ml.execution.lineage_lookup import lookup_lineage
from deriva_ml.schema import create_ml_catalog

ML = "deriva-ml"
EXECUTIONS = 10_000
LAYER = 100


class _Recording:
    """A catalog that writes down what it is asked, and passes it on."""

    def __init__(self, catalog: Any) -> None:
        self.inner = catalog
        self.asked: list[Any] = []

    def fetch(self, query: Any) -> Any:
        self.asked.append(query)
        return self.inner.fetch(query)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def main(directory: Path) -> list[Comparison]:
    """Measure in a catalog below `directory`."""
    create_ml_catalog(str(directory / "catalog"), "lab").close()
    ml = DerivaML(str(directory / "catalog"), working_dir=directory / "work")
    ml.create_asset("Result")
    try:
        links, last = _fill(ml)
        return _measured(ml, links, last, directory / "bare.db")
    finally:
        ml.catalog.close()


def _measured(ml: DerivaML, links: list[dict[str, str]], last: str, bare: Path) -> list[Comparison]:
    def ours() -> float:
        return seconds(lambda: ml.lookup_lineage(last, max_executions=2 * EXECUTIONS))

    found = ml.lookup_lineage(last, max_executions=2 * EXECUTIONS)
    recording: Any = _Recording(ml.catalog)
    session = replace(ml.session, catalog=recording)
    lookup_lineage(session, last, max_executions=2 * EXECUTIONS)

    def same_questions() -> float:
        def ask() -> None:
            for query in recording.asked:
                ml.catalog.fetch(query)

        return seconds(ask)

    connection = _equal_tables(bare, links)

    def recursive() -> float:
        return seconds(lambda: connection.execute(_RECURSIVE, (last,)).fetchall())

    note = f"{found.executions_visited} executions, {len(recording.asked)} questions"
    name = f"lineage over {EXECUTIONS:,} executions"
    return [
        compare(
            name,
            ours,
            same_questions,
            limit_name="the same questions to the engine",
            goal=3.0,
            note=note,
        ),
        compare(name, ours, recursive, limit_name="one recursive statement of SQLite, RIDs only"),
    ]


def _fill(ml: DerivaML) -> tuple[list[dict[str, str]], str]:
    rng = random.Random(0)
    code = {"Name": "bench.py", "URL": "https://example.org/bench.py", "Checksum": "0"}

    def insert(table: str, rows: list[dict[str, Any]], schema: str = ML) -> list[str]:
        made = ml.catalog.insert(TableName(table, schema), rows)
        return [row["RID"] for row in made]

    workflow = insert("Workflow", [code])[0]
    executions = insert(
        "Execution",
        [
            {"Workflow": workflow, "Description": f"run {n}", "Status": "Uploaded"}
            for n in range(EXECUTIONS)
        ],
    )
    results = insert(
        "Result",
        [
            {"URL": f"tag:lab:{n}", "Filename": f"{n}.bin", "Length": n, "MD5": f"{n:032x}"}
            for n in range(EXECUTIONS)
        ],
        "lab",
    )
    links = []
    for number, (execution, result) in enumerate(zip(executions, results, strict=True)):
        links.append({"Result": result, "Execution": execution, "Asset_Role": "Output"})
        begin = (number // LAYER - 1) * LAYER
        above = range(begin, begin + LAYER) if begin >= 0 else ()
        same = begin + number % LAYER  # so that every execution is behind the last ones
        chosen = {same, rng.choice(above), rng.choice(above)} if above else set()
        links += [
            {"Result": results[n], "Execution": execution, "Asset_Role": "Input"} for n in chosen
        ]
    insert("Result_Execution", links, "lab")
    return links, results[-1]


_RECURSIVE = """
WITH RECURSIVE behind(execution) AS (
    SELECT execution FROM link WHERE result = ? AND role = 'Output'
    UNION
    SELECT made.execution FROM behind
    JOIN link AS read ON read.execution = behind.execution AND read.role = 'Input'
    JOIN link AS made ON made.result = read.result AND made.role = 'Output'
)
SELECT execution FROM behind
"""


def _equal_tables(file: Path, links: list[dict[str, str]]) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.executescript(
        "CREATE TABLE link (result TEXT, execution TEXT, role TEXT, UNIQUE (result, execution));"
        "CREATE INDEX link_execution ON link (execution);"
    )
    connection.execute("BEGIN")
    rows = [(link["Result"], link["Execution"], link["Asset_Role"]) for link in links]
    connection.executemany("INSERT INTO link VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")
    return connection
