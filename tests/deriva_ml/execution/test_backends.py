"""Lineage, audits, experiments and catalog work on PostgreSQL and over HTTP."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

import postgres
from backends import in_database, over_http
from deriva_ml import Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.core.connect import keep_schema
from deriva_ml.core.identity import identity_of
from deriva_ml.core.session import Session
from deriva_ml.execution.provenance_backfill import backfill_provenance
from deriva_ml.model import Display
from deriva_ml.model.catalog import DerivaModel
from deriva_ml.schema import create_ml_schema

from .lineage_worlds import insert, insert_executions, insert_images, make_world
from .test_lineage import asked, check

CODE = Workflow(name="w", workflow_type="Training", url="https://x/w.py", checksum="1")


@pytest.fixture(scope="module", params=["postgresql", "http-sqlite"])
def ml(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DerivaML]:
    """A catalog of the zoo on another back end; the tests only add to it."""
    root = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        if request.param == "postgresql":
            database = stack.enter_context(postgres.database())
            backend = stack.enter_context(in_database(database.url, root / "files"))
        else:
            backend = stack.enter_context(over_http(root / "home"))
        catalog = backend.create()
        create_ml_schema(catalog)
        catalog.create_schema("zoo")
        session = Session(
            hostname="localhost",
            catalog=catalog,
            model=DerivaModel(catalog),
            project_name="zoo",
            working_dir=root / "work",
            cache_dir=root / "cache",
            identity=identity_of(catalog),
        )
        made = DerivaML.over(session)
        made.create_asset("Image")
        made.add_dataset_element_type("Image")
        yield made


@pytest.mark.parametrize("seed", [100, 101])
def test_lineage_agrees_with_the_reference(ml: DerivaML, seed: int) -> None:
    world = make_world(ml, seed, acyclic=seed == 100)
    rng = random.Random(seed)
    for thing in rng.sample([*world.versions, *((asset, None) for asset in world.assets)], 3):
        back = ml.lookup_lineage(asked(world, thing))
        check(world, back, world.makers(thing), None, forward=False)
        onward = ml.lookup_lineage(asked(world, thing), direction="downstream", depth=1)
        check(world, onward, world.readers(thing), 1, forward=True)


def test_members_stand_in_for_a_maker(ml: DerivaML) -> None:
    (maker,) = insert_executions(ml, 1)
    images = insert_images(ml, 2, "old")
    (dataset,) = insert(ml, "Dataset", [{"Description": "old"}])
    insert(ml, "Dataset_Version", [{"Dataset": dataset, "Version": "1.0.0"}])
    insert(ml, "Dataset_Image", [{"Dataset": dataset, "Image": i} for i in images], "zoo")
    links = [{"Image": i, "Execution": maker, "Asset_Role": "Output"} for i in images]
    insert(ml, "Image_Execution", links, "zoo")
    assert ml.lookup_lineage(dataset).execution_rids() == [maker]


def test_provenance_is_repaired(ml: DerivaML) -> None:
    insert_images(ml, 3, "nobody")
    assert not ml.audit_provenance().is_clean
    assert backfill_provenance(ml, apply=True).total >= 3
    assert ml.audit_provenance().is_clean


def test_executions_are_compared_and_found_by_time(ml: DerivaML, tmp_path: Path) -> None:
    began = datetime.now(UTC)
    (tmp_path / "Image").mkdir()
    (tmp_path / "Image" / "a.png").write_text("a")
    ml.set_strict_preallocated_rid("Image")
    ml.set_display_annotation("Image", Display(name="Pictures"))
    assert ml.apply_annotations() == 2
    with ml.create_execution(workflow=CODE, description="measured") as exe:
        exe.metrics_file().write_text('{"loss": 0.5}\n')
    states = exe.upload_assets(tmp_path)
    assert states["Image/a.png"].rid in {a.asset_rid for a in ml.find_assets("Image")}
    found = ml.find_executions(since=began)
    assert [e.execution_rid for e in found] == [exe.execution_rid]
    frame = ml.compare_experiments(found, metrics={"loss": 0.5})
    assert list(frame["description"]) == ["measured"]
    assert ml.find_experiments() == []


def test_the_schema_that_is_kept_is_compared(ml: DerivaML) -> None:
    keep_schema(ml.session)
    assert ml.diff_schema().is_empty()
    ml.apply_catalog_annotations()
    ml.create_vocabulary("Breed")
    assert ml.diff_schema().added_tables == ("zoo:Breed",)
    assert ml.model.chaise_config["headTitle"] == "Catalog ML"
    assert ml.whoami() == {"id": "kim"}
