"""The digits on this machine, and on a service of SQLite and of PostgreSQL: equal results."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import postgres
from catalog_server import serving
from deriva_catalog.catalog import Registry
from deriva_ml import DerivaML, DerivaMLConfig
from deriva_ml.execution import Workflow, run_model

pytest.importorskip("PIL", reason="the examples extra is not installed")
pytest.importorskip("sklearn", reason="the examples extra is not installed")

PROJECT = Path(__file__).resolve().parents[2] / "examples" / "digits"
pytestmark = pytest.mark.slow
IMAGES = 20
WHERE = ["in process", "served SQLite", "served PostgreSQL"]
OWN = {"RCT", "RMT", "RCB", "RMB", "Snapshot", "Start", "Stop"}
"""Columns that say when, or by whom."""


@contextmanager
def host(where: str, home: Path, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """The host name of a place for the catalog."""
    patch.setenv("DERIVA_ML_HOME", str(home))
    if where == "in process":
        yield "localhost"
        return
    with postgres.database() as database:
        place = home / "served"
        served_there = (
            Registry.of_database(database.url, files=place / "files")
            if where == "served PostgreSQL"
            else None
        )
        with serving(place, registry=served_there) as served:
            file = home / "credential.json"
            token = {"bearer-token": served.tokens.add("kim")}
            file.write_text(json.dumps({f"localhost:{served.port}": token}))
            patch.setenv("DERIVA_CREDENTIAL_FILE", str(file))
            yield served.url


def tables(ml: DerivaML) -> dict[str, list[dict[str, Any]]]:
    """The rows of all tables of the project and of DerivaML, without what differs by nature."""
    found = {}
    for schema in ("digits", "deriva-ml"):
        for name in ml.catalog.model.schemas[schema].tables:
            rows = ml.catalog.fetch(f"entity/{schema}:{name}@sort(RID)")
            found[name] = [comparable(name, row) for row in rows]
    return found


def comparable(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row without what differs by nature: times, versions of objects, files about a run."""
    left_out = OWN | (
        {"URL", "MD5", "Length", "Filename"} if table == "Execution_Metadata" else set()
    )
    kept = {c: v for c, v in row.items() if c not in left_out and not c.endswith("_Duration")}
    if str(kept.get("URL", "")).startswith("/hatrac/"):
        kept["URL"] = kept["URL"].rpartition(":")[0]
    return kept


def step(ml: DerivaML, name: str, kind: str, function: Callable[..., None]) -> str:
    """Run a function as an execution, and return its RID."""
    run_model(
        DerivaMLConfig(hostname=name, catalog_id="digits"),
        datasets=[],
        assets=[],
        description=kind,
        workflow=Workflow(name=kind, workflow_type=kind),
        model_config=function,
    )
    [run] = [run for run in ml.find_executions() if run.description == kind]
    return run.execution_rid


def made(where: str, home: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What there is after a small version of the demonstration's first steps."""
    import catalog
    import load

    with host(where, home, patch) as name:
        ml = catalog.open_catalog(name)
        loaded = step(ml, name, "Ingest", partial(load.write_images, IMAGES))
        made = step(ml, name, "Dataset_Management", partial(load.make_dataset, loaded))
        complete = load.find_dataset(ml, "Complete", made).dataset_rid
        divided = step(ml, name, "Dataset_Split", partial(load.split, complete))
        whole = load.find_dataset(ml, "Split", divided)
        bag = whole.download_dataset_bag(whole.current_version)
        pictures = {path.name: path.read_bytes() for path in sorted(bag.path.rglob("*.png"))}
        frame = bag.get_table_as_dataframe("Image")
        seen = {
            "tables": tables(ml),
            "bag": [comparable("Image", row) for row in frame.to_dict("records")],
            "pictures": pictures,
            "members": {k: len(v) for k, v in whole.list_dataset_members(recurse=True).items()},
        }
        ml.catalog.close()
    return seen


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What there is in each place."""
    found = {}
    for where in WHERE:
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(PROJECT / "src"))
            found[where] = made(where, tmp_path_factory.mktemp("digits"), patch)
            for module in ("catalog", "load"):
                sys.modules.pop(module)
    return found


@pytest.mark.parametrize("where", WHERE[1:])
@pytest.mark.parametrize("what", ["tables", "bag", "pictures", "members"])
def test_a_service_gives_what_there_is_in_process(
    results: dict[str, dict[str, Any]], where: str, what: str
) -> None:
    ours, theirs = results["in process"][what], results[where][what]
    assert theirs.keys() == ours.keys() if isinstance(ours, dict) else len(theirs) == len(ours)
    if what == "tables":
        for name, rows in ours.items():
            assert theirs[name] == rows, name
    assert theirs == ours


def test_there_is_something_to_compare(results: dict[str, dict[str, Any]]) -> None:
    here = results["in process"]
    assert len(here["pictures"]) == len(here["bag"]) == IMAGES
    assert len(here["tables"]["Execution"]) == 4
