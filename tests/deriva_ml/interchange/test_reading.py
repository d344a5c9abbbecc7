"""Packages of other people as datasets: files verified, everything that was said kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import DerivaMLDataError, DerivaMLNotFoundError
from interchange_lab import Lab, workflow

METADATA = "ro-crate-metadata.json"


def write(place: Path, *entities: dict[str, Any], **root: Any) -> Path:
    """An RO-Crate with some entities."""
    about = {"@id": METADATA, "@type": "CreativeWork", "about": {"@id": "./"}}
    whole = {"@id": "./", "@type": "Dataset", "name": "Stones", **root}
    document = {
        "@context": "https://w3id.org/ro/crate/1.1/context",
        "@graph": [about, whole, *entities],
    }
    place.mkdir(parents=True, exist_ok=True)
    (place / METADATA).write_text(json.dumps(document))
    return place


def parts(*identifiers: str) -> list[dict[str, str]]:
    return [{"@id": identifier} for identifier in identifiers]


@pytest.fixture
def crate(tmp_path: Path) -> Path:
    """A crate with a file, a directory, a file on the web, and an entity of another world."""
    place = tmp_path / "stones"
    (place / "more").mkdir(parents=True)
    (place / "a stone.txt").write_text("granite")
    (place / "more" / "b.txt").write_text("basalt")
    digest = hashlib.sha256(b"granite").hexdigest()
    return write(
        place,
        {
            "@id": "a%20stone.txt",
            "@type": "File",
            "description": "A stone.",
            "contentSize": "7",
            "sha256": digest,
        },
        {"@id": "more/", "@type": "Dataset", "name": "More"},
        {"@id": "https://example.org/c.txt", "@type": "File"},
        {"@id": "#quarry", "@type": "https://stones.example.org/Quarry", "depth": 12},
        description="From a quarry.",
        hasPart=parts("a%20stone.txt", "more/", "https://example.org/c.txt"),
        license="CC0-1.0",
    )


def test_a_crate_becomes_a_dataset_of_verified_files(ml: DerivaML, crate: Path) -> None:
    dataset = ml.import_ro_crate(crate, workflow=workflow("import.py"))
    assert dataset.description == "Stones\n\nFrom a quarry."
    files = dataset.list_dataset_members(recurse=True)["File"]
    assert {(f["Length"], f["Description"]) for f in files} == {(7, "A stone."), (6, "")}
    record = ml.lookup_execution(str(dataset.dataset_history()[0].execution_rid))
    (kept,) = (a for a in record.list_assets("Output") if a.filename == METADATA)
    assert ml.catalog.objects.read(kept.url) == (crate / METADATA).read_bytes()
    assert b"Quarry" in (crate / METADATA).read_bytes()


def test_our_own_crates_are_read_too(ml: DerivaML, lab: Lab, tmp_path: Path) -> None:
    run = lab.ml.export_ro_crate(lab.script, tmp_path / "run")
    dataset = ml.import_ro_crate(run, workflow=workflow("import.py"))
    names = {f["URL"].rpartition("/")[2].partition("#")[0] for f in _files(dataset)}
    assert {"model.txt", "Label.csv"} <= names
    assert lab.inner is not None
    bag = lab.inner.to_ro_crate(tmp_path / "bag")
    inner = ml.import_ro_crate(bag, workflow=workflow("import.py"), description="Mine.")
    assert inner.description == "Mine."
    assert any("picture%200.png" in f["URL"] for f in _files(inner))


def _files(dataset: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dataset.list_dataset_members(recurse=True)["File"]
    return found


def _changed(place: Path) -> None:
    (place / "a stone.txt").write_text("granola")


def _shorter(place: Path) -> None:
    (place / "a stone.txt").write_text("tuff")


def _missing(place: Path) -> None:
    (place / "a stone.txt").unlink()


def _leading_out(place: Path) -> None:
    outside = {"@id": "../secret.txt", "@type": "File"}
    write(place, outside, hasPart=parts("../secret.txt"))


def _linked_out(place: Path) -> None:
    (place.parent / "secret.txt").write_text("secret")
    (place / "link.txt").symlink_to("../secret.txt")
    write(place, {"@id": "link.txt", "@type": "File"}, hasPart=parts("link.txt"))


def _absolute(place: Path) -> None:
    write(place, {"@id": "/etc/passwd", "@type": "File"}, hasPart=parts("/etc/passwd"))


def _no_json(place: Path) -> None:
    (place / METADATA).write_text("{")


def _half_a_character(place: Path) -> None:
    file = place / METADATA
    file.write_text(file.read_text().replace('"name": "', '"name": "\\ud800', 1))


def _no_root(place: Path) -> None:
    (place / METADATA).write_text('{"@graph": []}')


def _empty(place: Path) -> None:
    write(place)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_changed, "another content"),
        (_shorter, "has 4 bytes, not 7"),
        (_missing, "is missing"),
        (_leading_out, "leads out"),
        (_linked_out, "leads out"),
        (_absolute, "leads out"),
        (_no_json, "is not the description"),
        (_half_a_character, "is not the description"),
        (_no_root, "which entity"),
        (_empty, "no file on this machine"),
    ],
)
def test_a_crate_that_lies_is_refused_and_nothing_written(
    ml: DerivaML, crate: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(crate)
    before = ml.catalog.latest_snapshot()
    with pytest.raises(DerivaMLDataError, match=message):
        ml.import_ro_crate(crate)
    assert ml.catalog.latest_snapshot() == before


def test_a_directory_without_a_crate_is_told(ml: DerivaML, tmp_path: Path) -> None:
    with pytest.raises(DerivaMLNotFoundError, match=METADATA):
        ml.import_ro_crate(tmp_path)
