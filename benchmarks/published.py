"""Our client beside deriva-ml 1.17.10, over one catalog that our service has.

The published client runs in an environment of its own (``make clients``). Each does its work on
the same rows of the same catalog, in turns, as a process that has just connected.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measure import Comparison

from deriva_catalog.path.ast import TableName
from deriva_ml import BuiltinTypes, ColumnDefinition, DerivaML
from deriva_ml.core.query import name_of
from deriva_ml.schema import create_ml_catalog
from foreign import Foreign, Place, foreign, is_installed, serving_foreign

IMAGES = 10_000
ROUNDS = 3
_TENTH = 0.1
_PARTS = {
    "create": f"create a dataset and add {IMAGES:,} members",
    "members": f"list {IMAGES:,} members",
    "assets": f"list {IMAGES:,} assets",
    "values": f"{IMAGES:,} values of a feature, as records",
    "frame": f"{IMAGES:,} values of a feature, as a frame",
}


def main(directory: Path) -> list[Comparison]:
    """Measure over a service that is started below `directory`; needs the published client."""
    if not is_installed("deriva-ml"):
        print("deriva-ml is not installed beside us (make clients); it is left out")
        return []
    client = foreign("deriva-ml", directory / "home")
    with serving_foreign(directory / "served", "sqlite", tls=True) as place, _trusting(place):
        catalog, images = _filled(place, directory)
        theirs: dict[str, list[float]] = {part: [] for part in _PARTS}
        ours: dict[str, list[float]] = {part: [] for part in _PARTS}
        for _ in range(ROUNDS):
            _note(theirs, _published(client, place, catalog, images))
            _note(ours, _own(place, catalog, images, directory))
    return [
        Comparison(name, "deriva-ml 1.17.10", tuple(ours[part]), tuple(theirs[part]), goal=_TENTH)
        for part, name in _PARTS.items()
    ]


@contextmanager
def _trusting(place: Place) -> Iterator[None]:
    """Let this process trust the certificate of a service, for as long as it is needed."""
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = str(place.certificate)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = before


def _note(times: Mapping[str, list[float]], taken: Mapping[str, float]) -> None:
    for part, seconds in taken.items():
        times[part].append(seconds)


def _connect(place: Place, catalog: str, directory: Path) -> DerivaML:
    return DerivaML(
        place.url,
        catalog,
        domain_schema="lab",
        working_dir=directory / "work",
        credential={"bearer-token": place.token},
    )


def _filled(place: Place, directory: Path) -> tuple[str, list[str]]:
    """A catalog with images and a value of a feature for each."""
    credential = {"bearer-token": place.token}
    made = create_ml_catalog(place.url, "lab", credential=credential)
    catalog = str(made.id)
    made.close()
    ml = _connect(place, catalog, directory)
    ml.catalog.create_schema("WWW")  # the published client expects one
    ml.create_asset("Image")
    ml.add_dataset_element_type("Image")
    rows = [
        {"URL": f"tag:lab:{n}.png", "Filename": f"{n}.png", "Length": n, "MD5": f"{n:032x}"}
        for n in range(IMAGES)
    ]
    images = [row["RID"] for row in ml.catalog.insert(TableName("Image", "lab"), rows)]
    value = ColumnDefinition("Value", BuiltinTypes.float8)
    feature = ml.create_feature("Image", "Score", metadata=[value]).feature
    assert feature is not None
    execution = ml.unknown_provenance_execution_rid()
    values = [
        {"Execution": execution, "Feature_Name": "Score", "Image": rid, "Value": n / 3}
        for n, rid in enumerate(images)
    ]
    ml.catalog.insert(name_of(feature.feature_table), values, returning=False)
    ml.catalog.close()
    return catalog, images


def _published(
    client: Foreign, place: Place, catalog: str, images: list[str]
) -> Mapping[str, float]:
    script = str(Path(__file__).with_name("published_client.py"))
    more: dict[str, Any] = {"catalog": catalog, "images": images}
    taken: Mapping[str, float] = client.run(script, place, **more)
    return taken


def _own(place: Place, catalog: str, images: list[str], directory: Path) -> dict[str, float]:
    ml = _connect(place, catalog, directory)
    taken: dict[str, float] = {}

    def timed(part: str, work: Callable[[], Any]) -> Any:
        begun = time.perf_counter()
        result = work()
        taken[part] = time.perf_counter() - begun
        return result

    def create() -> Any:
        execution = ml.unknown_provenance_execution_rid()
        dataset = ml.datasets.create(["Training"], "Ours", execution)
        dataset.add_dataset_members({"Image": images})
        return dataset

    try:
        dataset = timed("create", create)
        assert len(timed("members", dataset.list_dataset_members)["Image"]) == len(images)
        assert len(timed("assets", lambda: ml.list_assets("Image"))) == len(images)
        values = timed("values", lambda: list(ml.feature_values("Image", "Score")))
        assert len(values) == len(images)
        frame = timed("frame", lambda: ml.get_feature_values_as_dataframe("Image", "Score"))
        assert len(frame) == len(images)
    finally:
        ml.catalog.close()
    return taken
