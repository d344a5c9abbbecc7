"""The same formats from a served catalog: named by links, and complete."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog_server import serving
from deriva_catalog.bag import validate
from deriva_ml.core.base import DerivaML
from deriva_ml.schema import create_ml_catalog
from interchange_lab import Lab, make_lab

from ..conftest import _populate


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    root = tmp_path_factory.mktemp("served")
    with serving(root / "home") as running:
        credential = {"bearer-token": running.tokens.add("kim")}
        create_ml_catalog(running.url, "zoo", credential=credential).close()
        ml = DerivaML(running.url, "zoo", working_dir=root / "work", credential=credential)
        _populate(ml)
        yield make_lab(ml, root)
        ml.catalog.close()


def graph(file: Path) -> dict[str, dict[str, Any]]:
    return {entity["@id"]: entity for entity in json.loads(file.read_text())["@graph"]}


def test_a_dataset_is_named_by_its_permanent_link(served: Lab, tmp_path: Path) -> None:
    assert served.dataset is not None
    place = served.dataset.to_ro_crate(tmp_path / "crate")
    assert validate(place).findings == ()
    root = graph(place / "data" / "ro-crate-metadata.json")["./"]
    link = served.ml.cite(served.dataset.dataset_rid, current=True)
    assert link.startswith("http://")
    assert any(i.startswith(f"{link}@") for i in root["identifier"])
    croissant = served.dataset.to_croissant(tmp_path / "croissant") / "croissant.json"
    assert json.loads(croissant.read_text())["url"].startswith(f"{link}@")


def test_an_execution_brings_its_files(served: Lab, tmp_path: Path) -> None:
    place = served.ml.export_ro_crate(served.script, tmp_path / "run", files="all")
    entities = graph(place / "ro-crate-metadata.json")
    action = entities[served.ml.cite(served.script, current=True)]
    assert action["actionStatus"] == "http://schema.org/CompletedActionStatus"
    assert (next((place / "outputs").rglob("model.txt"))).read_text() == "weights"
    assert len(list((place / "inputs").rglob("*.png"))) == 1
    assert all(len(e["sha256"]) == 64 for e in entities.values() if e.get("md5"))


def test_events_name_the_service(served: Lab, tmp_path: Path) -> None:
    start, end = served.ml.export_openlineage(served.script, tmp_path / "events.jsonl")
    assert start["job"]["namespace"].startswith("deriva://localhost:")
    assert end["eventType"] == "COMPLETE"
