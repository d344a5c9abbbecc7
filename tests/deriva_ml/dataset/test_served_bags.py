"""Bags of a served catalog: fetched in parallel, each file once, and open without the service."""

from __future__ import annotations

import os
import shutil
import signal
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from deriva_catalog.bag import validate
from deriva_catalog.path.ast import TableName
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import DerivaMLException, DerivaMLUnavailableError
from deriva_ml.dataset.reach import reach
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


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServiceProcess, str, str]]:
    """A service of a catalog with two datasets."""
    place = tmp_path_factory.mktemp("served")
    with ServiceProcess(place / "home") as service:
        credential = {"bearer-token": service.token("kim")}
        create_ml_catalog(service.url, "lab", credential=credential).close()
        ml = DerivaML(service.url, 1, working_dir=place / "work", credential=credential)
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
        ml.catalog.close()
        yield service, first, second


@pytest.fixture
def lab(served: tuple[ServiceProcess, str, str], tmp_path: Path) -> Iterator[Lab]:
    """The service, running, and a connection with a cache of its own."""
    service, first, second = served
    service.kill()
    service.start()
    credential = {"bearer-token": service.token("kim")}
    ml = DerivaML(service.url, 1, working_dir=tmp_path / "work", credential=credential)
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
    rows.materialize(fetch_concurrency=3)
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


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """How long each request waits to connect and to read, in seconds."""
    waits: list[tuple[float, float]] = []
    send = httpx.Client.send

    def noted(client: httpx.Client, request: httpx.Request, **how: Any) -> httpx.Response:
        timeout = request.extensions["timeout"]
        waits.append((timeout["connect"], timeout["read"]))
        return send(client, request, **how)

    monkeypatch.setattr(httpx.Client, "send", noted)
    return waits


def test_a_service_that_hangs_is_waited_for_as_long_as_asked(
    lab: Lab, waits: list[tuple[float, float]]
) -> None:
    dataset = lab.ml.lookup_dataset(lab.first)
    waits.clear()
    process = lab.service._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(DerivaMLUnavailableError):
            dataset.download_dataset_bag("0.1.0", timeout=(0.1, 0.1))
    finally:
        os.kill(process.pid, signal.SIGCONT)
    assert set(waits) == {(0.1, 0.1)}
    bag = dataset.download_dataset_bag("0.1.0", timeout=(10, 60), fetch_concurrency=2)
    assert validate(bag.path).complete


def test_files_that_come_later_are_waited_for_as_long_as_asked(
    lab: Lab, waits: list[tuple[float, float]]
) -> None:
    dataset = lab.ml.lookup_dataset(lab.first)
    dataset.download_dataset_bag("0.1.0", materialize=False)
    waits.clear()
    bag = dataset.download_dataset_bag("0.1.0", materialize=False, timeout=(0.1, 0.1))
    assert waits == []  # from the cache, so that nothing can be too slow for these limits
    process = lab.service._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    waits.clear()
    try:
        with pytest.raises(DerivaMLUnavailableError):
            bag.materialize()
    finally:
        os.kill(process.pid, signal.SIGCONT)
    assert set(waits) == {(0.1, 0.1)}


def test_a_service_that_went_away_is_told_by_our_own_error(lab: Lab) -> None:
    dataset = lab.ml.lookup_dataset(lab.first)
    lab.service.kill()
    with pytest.raises(DerivaMLUnavailableError):
        dataset.list_schema_paths()


def test_the_archive_of_a_served_version_lists_its_files(lab: Lab, tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    credential = {"bearer-token": lab.service.token("kim")}
    bags = []
    for n in range(2):
        ml = DerivaML(
            lab.service.url,
            1,
            working_dir=tmp_path / f"minid{n}",
            credential=credential,
            s3_bucket=bucket.as_uri(),
        )
        bags.append(ml.download_dataset_bag(f"{lab.second}@0.1.0").path)
        ml.catalog.close()
    (archive,) = bucket.rglob("*.zip")
    with zipfile.ZipFile(archive) as packed:
        names = packed.namelist()
    assert any(name.endswith("/fetch.txt") for name in names)
    assert not any(name.endswith(".png") for name in names)
    first, second = bags
    assert first != second
    for bag in bags:
        assert validate(bag).complete
    assert lab.ml.dataset_history(lab.second)[-1].minid


def test_how_many_questions_are_asked_at_once_changes_nothing(lab: Lab) -> None:
    past = lab.ml.session.at(lab.ml.dataset_history(lab.first)[0].snapshot or "")
    together = reach(past, lab.first, concurrency=8)
    assert together == reach(past, lab.first, concurrency=1)
    assert len(together.rids["lab", "Image"]) == PICTURES
    assert together.lengths["lab", "Image"] == sum(len(f"picture {n}") for n in range(PICTURES))
