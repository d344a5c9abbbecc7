"""Bags of a served catalog: fetched in parallel, each file once, and open without the service."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deriva_catalog.bag import validate
from deriva_catalog.path.ast import TableName
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import DerivaMLException
from deriva_ml.dataset.spec import DatasetSpec
from deriva_ml.schema import create_ml_catalog
from service_process import ServiceProcess

from ..conftest import make_execution

PICTURES = 12


@dataclass
class Lab:
    """A service that can be stopped, a connection to it, and two datasets that share pictures."""

    service: ServiceProcess
    ml: DerivaML
    first: str
    second: str


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with ServiceProcess(tmp_path / "home") as service:
        credential = {"bearer-token": service.token("kim")}
        create_ml_catalog(service.url, "lab", credential=credential).close()
        ml = DerivaML(service.url, 1, working_dir=tmp_path / "work", credential=credential)
        ml.create_asset("Image")
        ml.add_dataset_element_type("Image")
        with ml.catalog.transaction():
            rows = []
            for n in range(PICTURES):
                put = ml.catalog.objects.put(f"/hatrac/lab/{n}.png", b"picture %d" % n)
                rows.append(
                    {"URL": put.url, "Filename": f"{n}.png", "Length": put.length, "MD5": put.md5}
                )
            images = [row["RID"] for row in ml.catalog.insert(TableName("Image", "lab"), rows)]
        execution = make_execution(ml)
        first = ml.datasets.create([], "all", execution, members=images).rid
        second = ml.datasets.create([], "some", execution, members=images[:5]).rid
        yield Lab(service, ml, first, second)
        ml.catalog.close()


def test_each_file_is_fetched_once_and_opens_without_the_service(lab: Lab) -> None:
    ml = lab.ml
    assert ml.bag_info(f"{lab.first}@0.1.0")["tables"]["Image"]["row_count"] == PICTURES
    bag = ml.download_dataset_bag(f"{lab.first}@0.1.0")
    assert validate(bag.path).complete
    kept = {p for p in (ml.cache_dir / "content").rglob("*") if len(p.name) == 64}
    assert len(kept) == PICTURES
    rows = ml.download_dataset_bag(
        DatasetSpec.from_shorthand(f"{lab.second}@0.1.0").model_copy(update={"materialize": False})
    )
    lab.service.kill()
    # What the first dataset has brought completes the second: no service is asked.
    rows.materialize()
    assert validate(rows.path).complete
    again = ml.download_dataset_bag(f"{lab.first}@0.1.0")
    assert len(again.list_dataset_members()["Image"]) == PICTURES
    assert ml.bag_info(f"{lab.first}@0.1.0")["status"] == "cached_materialized"
    assert [b.version for b in ml.list_cached_bags()] == ["0.1.0", "0.1.0"]
    with pytest.raises(DerivaMLException, match="cannot be reached"):
        ml.download_dataset_bag(f"{lab.first}@9.0.0")


def test_an_interrupted_download_goes_on_and_repairs_what_was_damaged(lab: Lab) -> None:
    spec = DatasetSpec.from_shorthand(f"{lab.first}@0.1.0")
    rows = lab.ml.download_dataset_bag(spec.model_copy(update={"materialize": False}))
    lab.service.kill()
    with pytest.raises(DerivaMLException):
        rows.materialize()
    lab.service.start()
    shutil.rmtree(lab.ml.cache_dir / "content", ignore_errors=True)
    bag = lab.ml.download_dataset_bag(spec)
    assert bag.path == rows.path
    victim = bag.asset_path("Image", bag.list_dataset_members()["Image"][3])
    data = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(b"x" * len(data))
    others = {p: p.stat().st_ino for p in bag.path.rglob("*.png") if p != victim}
    lab.ml.download_dataset_bag(spec)
    assert victim.read_bytes() == data
    assert {p: p.stat().st_ino for p in others} == others  # nothing else was fetched again
    assert validate(bag.path).complete
