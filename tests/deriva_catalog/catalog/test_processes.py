"""Several processes, forks and killed writers on one catalog."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deriva_catalog.catalog import LocalCatalog, create_local
from deriva_catalog.model.definitions import column_document, key_document, table_document
from deriva_catalog.path.ast import TableName

SOURCE = Path(__file__).parents[3] / "src"
T = TableName("T", "S")

WRITER = """
import sys
from deriva_catalog.catalog import open_local
from deriva_catalog.path.ast import TableName
catalog = open_local(sys.argv[1])
for n in range(200):
    catalog.insert(TableName("T", "S"), [{"name": f"{sys.argv[2]}-{n}"}], returning=False)
    catalog.update(TableName("T", "S"), [{"name": "shared", "n": n}], keys=["name"])
"""

KILLED = """
import sys
from deriva_catalog.catalog import open_local
from deriva_catalog.path.ast import TableName
from deriva_catalog.path.parser import parse_path
from deriva_catalog.model.definitions import table_document
catalog = open_local(sys.argv[1])
with catalog.transaction():
    rows = [{"name": str(n)} for n in range(20000)]
    catalog.insert(TableName("T", "S"), rows, returning=False)
    catalog.create_table("S", table_document("U"))
    catalog.delete(parse_path("S:T/name=shared"))
    print("ready", flush=True)
    sys.stdin.read()
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    environment = dict(os.environ)
    known = environment.get("PYTHONPATH", "")
    environment["PYTHONPATH"] = os.pathsep.join(p for p in (str(SOURCE), known) if p)
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def catalog(tmp_path: Path) -> LocalCatalog:
    made = create_local(tmp_path / "catalog", client="kim")
    made.create_schema("S")
    columns = [column_document("name", "text", nullok=False), column_document("n", "int4")]
    made.create_table("S", table_document("T", columns, keys=[key_document(["name"])]))
    made.insert(T, [{"name": "shared"}])
    return made


@pytest.mark.slow
def test_two_processes_lose_no_write(catalog: LocalCatalog) -> None:
    writers = [start(WRITER, str(catalog.directory), name) for name in ("a", "b")]
    for writer in writers:
        _, problem = writer.communicate(timeout=300)
        assert writer.returncode == 0, problem
    assert catalog.count(T) == 401
    snapshots = {row["RCT"] for row in catalog.fetch("entity/S:T")}
    assert len(snapshots) == 401
    assert catalog.check() == []
    catalog.close()


@pytest.mark.slow
def test_a_killed_writer_leaves_the_catalog_as_it_was(catalog: LocalCatalog) -> None:
    before = catalog.latest_snapshot(), catalog.document(), catalog.fetch("entity/S:T")
    writer = start(KILLED, str(catalog.directory))
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    writer.kill()
    writer.communicate(timeout=60)
    assert (catalog.latest_snapshot(), catalog.document(), catalog.fetch("entity/S:T")) == before
    catalog.insert(T, [{"name": "next"}])
    assert catalog.check() == []
    catalog.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_writes_with_connections_of_its_own(catalog: LocalCatalog) -> None:
    catalog.count(T)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            catalog.insert(T, [{"name": "child"}])
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    catalog.insert(T, [{"name": "parent"}])
    assert catalog.count(T) == 3
    assert catalog.check() == []
    catalog.close()
