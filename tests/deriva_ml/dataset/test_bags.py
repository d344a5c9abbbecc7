"""Versions of datasets as bags: what is in them, how they are kept, what they answer."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.request import urlretrieve

import pytest

from deriva_catalog.bag import validate
from deriva_catalog.bag.seen import Seen
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLDatasetNotFound,
    DerivaMLException,
    DerivaMLNotFoundError,
    DerivaMLReadOnlyError,
    DerivaMLTableNotFound,
    DerivaMLValidationError,
)
from deriva_ml.dataset.bag import DatasetBag
from deriva_ml.dataset.reach import reach
from deriva_ml.dataset.spec import DatasetSpec
from deriva_ml.feature import FeatureRecord

from ..conftest import Zoo, make_execution


def test_a_bag_answers_as_the_live_dataset_does(ml: DerivaML, nested: str) -> None:
    live = ml.lookup_dataset(nested)
    bag = ml.download_dataset_bag(f"{nested}@0.1.0")
    assert bag.list_dataset_members(recurse=True) == live.list_dataset_members(recurse=True)
    assert [c.rid for c in bag.list_dataset_children()] == live.list_dataset_children_rids()
    assert bag.dataset_types == live.dataset_types
    assert bag.description == live.description
    assert bag.current_version == live.current_version
    assert bag.dataset_history() == live.dataset_history()
    assert bag.execution_rid == live.dataset_history()[-1].execution_rid
    assert [str(f) for f in bag.find_features("Image")] == ["Image:Label"]
    labels = [v.model_dump() for v in bag.feature_values("Image", "Label")]
    assert labels == [v.model_dump() for v in live.feature_values("Image", "Label")]
    assert len(labels) == 6
    child = bag.list_dataset_children()[0]
    assert len(child.feature_values("Image", "Label")) == 4
    assert [p.rid for p in child.list_dataset_parents()] == [nested]


def test_a_bag_has_the_files_and_any_tool_accepts_it(ml: DerivaML, nested: str) -> None:
    from bdbag import bdbag_api

    bag = ml.download_dataset_bag(f"{nested}@0.1.0")
    for row in bag.list_dataset_members(recurse=True)["Image"]:
        assert bag.asset_path("Image", row).read_bytes().startswith(b"picture")
    assert validate(bag.path).complete
    bdbag_api.validate_bag(str(bag.path), fast=False)


def test_a_bag_holds_what_goes_with_the_members_and_nothing_else(ml: DerivaML, photos: Zoo) -> None:
    some = ml.datasets.create(members=photos.images[:1])
    ml.datasets.create(members=photos.images[:3])
    bag = ml.download_dataset_bag(f"{some.rid}@0.1.0")
    counts = {t: len(bag.get_table_as_dict(t)) for t in ("Image", "Subject", "Dataset")}
    assert counts == {"Image": 1, "Subject": 1, "Dataset": 1}
    assert {t["Name"] for t in bag.get_table_as_dict("Image_Class")} == {"cat", "dog"}
    assert [e["RID"] for e in bag.get_table_as_dict("Execution")] == sorted(
        {photos.execution, ml.unknown_provenance_execution_rid()}
    )
    assert bag.list_workflow_executions("Training") == [photos.execution]


def test_a_dataset_of_subjects_brings_their_pictures(ml: DerivaML, photos: Zoo) -> None:
    dataset = ml.datasets.create(members=photos.subjects[:1])
    reached = reach(ml.session, dataset.rid)
    assert set(photos.images[:4]) <= set(reached.rids["zoo", "Image"])
    assert reached.rids["zoo", "Subject"] == photos.subjects[:1]
    without = reach(ml.session, dataset.rid, exclude_tables=["Image"])
    assert ("zoo", "Image") not in without.rids


def test_a_bag_shows_its_version_whatever_happens_later(ml: DerivaML, photos: Zoo) -> None:
    dataset = ml.datasets.create(members=photos.images[:2])
    dataset.add_dataset_members(photos.images[2:])
    old = dataset.download_dataset_bag("0.1.0")
    new = dataset.download_dataset_bag()
    assert (str(old.current_version), str(new.current_version)) == ("0.1.0", "0.2.0")
    assert [len(b.list_dataset_members()["Image"]) for b in (old, new)] == [2, 8]
    with pytest.raises(DerivaMLNotFoundError, match=r"holds version '0\.1\.0'"):
        old.list_dataset_members(version="0.2.0")


def test_a_version_in_the_cache_opens_without_the_catalog(
    ml: DerivaML, nested: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ml.download_dataset_bag(f"{nested}@0.1.0")
    session = replace(ml.session, catalog=Unreachable())  # type: ignore[arg-type]
    again = replace_session(ml, session).download_dataset_bag(f"{nested}@0.1.0")
    assert again == first
    assert len(again.list_dataset_members(recurse=True)["Image"]) == 6


class Unreachable:
    """A catalog that can be asked for nothing."""

    def __getattr__(self, name: str) -> object:
        msg = f"The catalog was asked for {name}."
        raise AssertionError(msg)


def replace_session(ml: DerivaML, session: object) -> DerivaML:
    """The same connection over another session."""
    other = object.__new__(DerivaML)
    other.session = session  # type: ignore[assignment]
    return other


def test_rows_come_first_and_files_later(ml: DerivaML, nested: str) -> None:
    spec = DatasetSpec(rid=nested, version="0.1.0", materialize=False)  # type: ignore[arg-type]
    bag = ml.download_dataset_bag(spec)
    row = bag.list_dataset_members(recurse=True)["Image"][0]
    assert not bag.asset_path("Image", row).exists()
    assert bag.materialize().asset_path("Image", row).is_file()
    assert ml.download_dataset_bag(f"{nested}@0.1.0") == bag


class FileTransport:
    """Lets `bdbag` fetch ``file:`` URLs, which it leaves to handlers of its users."""

    def __init__(self, config: object, keychain: object, **options: object) -> None:
        pass

    def fetch(self, url: str, output_path: str, **options: object) -> str:
        """Copy what the URL names."""
        Path(output_path).parent.mkdir(parents=True, exist_ok=True)
        return str(urlretrieve(url, output_path)[0])


def test_other_tools_complete_a_bag_without_the_catalog(
    ml: DerivaML, nested: str, tmp_path: Path
) -> None:
    from bdbag import bdbag_api
    from bdbag.bdbag_config import DEFAULT_CONFIG

    spec = DatasetSpec(rid=nested, version="0.1.0", materialize=False)  # type: ignore[arg-type]
    copy = tmp_path / "copy"
    shutil.copytree(ml.download_dataset_bag(spec).path, copy)
    handler = f"{FileTransport.__module__}.{FileTransport.__name__}"
    config = tmp_path / "bdbag.json"
    config.write_text(
        json.dumps({**DEFAULT_CONFIG, "fetch_config": {"file": {"handler": handler}}})
    )
    bdbag_api.materialize(str(copy), config_file=str(config), quiet=True)
    bdbag_api.validate_bag(str(copy), fast=False)
    assert validate(copy).complete


def test_files_that_were_lost_are_brought_again(ml: DerivaML, nested: str) -> None:
    bag = ml.download_dataset_bag(f"{nested}@0.1.0")
    path = bag.asset_path("Image", bag.list_dataset_members(recurse=True)["Image"][0])
    path.unlink()
    ml.download_dataset_bag(f"{nested}@0.1.0")
    assert path.is_file()


def _image(bag: DatasetBag) -> Path:
    return bag.asset_path("Image", bag.list_dataset_members(recurse=True)["Image"][0])


def _spoil(file: Path) -> None:
    """Change one byte."""
    data = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(bytes([data[0] ^ 1]) + data[1:])


def test_damage_that_keeps_the_length_is_found(ml: DerivaML, nested: str) -> None:
    path = _image(ml.download_dataset_bag(f"{nested}@0.1.0"))
    data = path.read_bytes()
    if os.geteuid() != 0:  # for others than root it is the stored object itself, and read-only
        path.unlink()
    path.write_bytes(b"x" * len(data))
    bag = ml.download_dataset_bag(f"{nested}@0.1.0")
    assert path.read_bytes() == data
    assert validate(bag.path).complete


def test_a_damaged_object_is_told_when_the_bag_is_opened_again(ml: DerivaML, nested: str) -> None:
    path = _image(ml.download_dataset_bag(f"{nested}@0.1.0"))
    stored = ml.catalog.objects.content.path(hashlib.sha256(path.read_bytes()).hexdigest())
    assert stored is not None
    _spoil(path)
    if not path.samefile(stored):
        _spoil(stored)
    with pytest.raises(DerivaMLException, match="damaged"):
        ml.download_dataset_bag(f"{nested}@0.1.0")


def test_a_file_that_was_only_touched_is_kept(ml: DerivaML, nested: str) -> None:
    path = _image(ml.download_dataset_bag(f"{nested}@0.1.0"))
    number = path.stat().st_ino
    os.utime(path, (1, 1))
    ml.download_dataset_bag(f"{nested}@0.1.0")
    assert path.stat().st_ino == number


def test_a_file_that_does_not_belong_is_not_kept(ml: DerivaML, nested: str) -> None:
    stray = _image(ml.download_dataset_bag(f"{nested}@0.1.0")).with_name("stray")
    stray.write_bytes(b"x")
    bag = ml.download_dataset_bag(f"{nested}@0.1.0")
    assert not stray.exists()
    assert validate(bag.path).complete


@pytest.mark.parametrize("record", [None, b"", b"nonsense", b"[]", b'{"looks": 1}'])
def test_a_bag_without_its_record_is_hashed_and_kept(
    ml: DerivaML, nested: str, record: bytes | None
) -> None:
    bag = ml.download_dataset_bag(f"{nested}@0.1.0")
    seen, number = bag.path.with_name("seen.json"), bag.path.stat().st_ino
    seen.unlink()
    if record is not None:
        seen.write_bytes(record)
    assert ml.download_dataset_bag(f"{nested}@0.1.0").path.stat().st_ino == number
    assert seen.stat().st_size > 100


@pytest.mark.parametrize("materialize", [True, False])
def test_what_is_remembered_of_a_new_bag_is_what_a_look_finds(
    ml: DerivaML, nested: str, materialize: bool
) -> None:
    spec = DatasetSpec(rid=nested, version="0.1.0", materialize=materialize)
    bag = ml.download_dataset_bag(spec)
    assert Seen.load(bag.path.with_name("seen.json")) == Seen.of(bag.path, materialize)


def test_what_a_killed_process_left_is_removed_after_a_day(ml: DerivaML, nested: str) -> None:
    left = [
        ml.cache_dir / "bags" / f".{kind}-{n}" for kind in ("building", "discarded") for n in "12"
    ]
    for place in left:
        (place / "Dataset_X").mkdir(parents=True)
    for place in left[::2]:
        os.utime(place, (1, 1))
    ml.download_dataset_bag(f"{nested}@0.1.0")
    assert [place.exists() for place in left] == [False, True, False, True]


@pytest.mark.parametrize("damage", ["manifest", "table", "gone", "index"])
def test_a_damaged_bag_is_made_again(ml: DerivaML, nested: str, damage: str) -> None:
    bag = ml.download_dataset_bag(f"{nested}@0.1.0")
    expected = bag.list_dataset_members(recurse=True)
    victims = {
        "manifest": bag.path / "manifest-md5.txt",
        "table": bag.path / "data" / "zoo" / "Image.csv",
        "index": bag.path.with_name(f"{bag.path.name}.catalog.db"),
    }
    if damage == "gone":
        shutil.rmtree(bag.path / "data" / "zoo")
    else:
        victims[damage].write_bytes(b"nonsense")
    again = ml.download_dataset_bag(f"{nested}@0.1.0")
    assert again.list_dataset_members(recurse=True) == expected
    assert validate(again.path).complete


def test_tables_can_be_left_out(ml: DerivaML, nested: str) -> None:
    spec = DatasetSpec(rid=nested, version="0.1.0", exclude_tables={"Subject"})  # type: ignore[arg-type]
    bag = ml.download_dataset_bag(spec)
    assert bag.get_table_as_dict("Subject") == []
    assert bag.path != ml.download_dataset_bag(f"{nested}@0.1.0").path


def test_a_bag_cannot_be_written(ml: DerivaML, nested: str) -> None:
    bag = ml.download_dataset_bag(f"{nested}@0.1.0")
    with pytest.raises(DerivaMLReadOnlyError):
        bag.datasets.add_members(nested, [nested])


def test_reading_a_bag_names_what_it_lacks(ml: DerivaML, nested: str) -> None:
    bag = ml.download_dataset_bag(f"{nested}@0.1.0")
    assert "Image" in bag.list_tables()
    assert bag.lookup_term("Image_Class", "cat").name == "cat"
    assert len(bag.get_table_as_dataframe("Image")) == 6
    with pytest.raises(DerivaMLTableNotFound):
        bag.get_table_as_dict("Imag")
    with pytest.raises(DerivaMLDatasetNotFound):
        bag.lookup_dataset("ZZZZ")


@pytest.mark.parametrize("spec", ["{}@9.9.9", "{}", "ZZZZ@0.1.0", "{}@0.1.0.post1.dev1", "x@y"])
def test_versions_that_do_not_exist_are_refused(ml: DerivaML, nested: str, spec: str) -> None:
    before = ml.catalog.latest_snapshot()
    with pytest.raises(DerivaMLException):
        ml.download_dataset_bag(spec.format(nested))
    with pytest.raises(DerivaMLException, match="bucket"):
        ml.lookup_dataset(nested).download_dataset_bag(use_minid=True)
    assert ml.catalog.latest_snapshot() == before
    assert not list((ml.cache_dir / "bags").glob("*")) if ml.cache_dir.exists() else True


# --- directories of files ----------------------------------------------------------------


@pytest.fixture
def bag(ml: DerivaML, nested: str) -> DatasetBag:
    """The split dataset as a bag."""
    return ml.download_dataset_bag(f"{nested}@0.1.0")


def _tree(place: Path) -> list[str]:
    return sorted(str(p.relative_to(place)) for p in place.rglob("*") if not p.is_dir())


def test_files_are_laid_out_by_type_and_label(bag: DatasetBag, tmp_path: Path) -> None:
    placed = bag.restructure_assets(tmp_path / "out", targets=["Label"])
    assert _tree(tmp_path / "out") == [
        "testing/dog/0.png",
        "testing/dog/1.png",
        "training/cat/0.png",
        "training/cat/1.png",
        "training/cat/2.png",
        "training/cat/3.png",
    ]
    assert all(p.is_symlink() and p.read_bytes() == s.read_bytes() for s, p in placed.items())
    assert bag.restructure_assets(tmp_path / "out", targets=["Label"]) == placed


def test_files_with_one_name_are_told_apart(ml: DerivaML, photos: Zoo, tmp_path: Path) -> None:
    dataset = ml.datasets.create(["Training"], members=[photos.images[0], photos.images[4]])
    bag = dataset.download_dataset_bag()
    bag.restructure_assets(tmp_path / "out", use_symlinks=False)
    assert _tree(tmp_path / "out") == sorted(
        f"training/0_{rid}.png" for rid in (photos.images[0], photos.images[4])
    )


def test_another_file_in_the_way_is_never_replaced(bag: DatasetBag, tmp_path: Path) -> None:
    mine = tmp_path / "out" / "training" / "0.png"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(DerivaMLValidationError, match="in the way"):
        bag.restructure_assets(tmp_path / "out")
    assert mine.read_text() == "mine"
    assert _tree(tmp_path / "out") == ["training/0.png"]


def test_a_column_a_function_and_a_transformer_can_decide(bag: DatasetBag, tmp_path: Path) -> None:
    def upper(source: Path, target: Path) -> Path:
        place = target.with_suffix(".txt")
        place.write_bytes(source.read_bytes().upper())
        return place

    placed = bag.restructure_assets(
        tmp_path / "out",
        targets=["Subject"],
        target_transform=lambda rid: f"subject/{rid}",
        type_to_dir_map={"Split": "all"},
        file_transformer=upper,
    )
    assert len(placed) == 6
    assert {p.parts[-3] for p in placed.values()} == {"all"}
    assert {p.read_bytes()[:7] for p in placed.values()} == {b"PICTURE"}


def test_missing_values_are_unknown_left_out_or_refused(
    ml: DerivaML, photos: Zoo, tmp_path: Path
) -> None:
    ml.create_feature("Image", "Mood", terms=["Image_Class"])
    row = {"Execution": photos.execution, "Image": photos.images[0], "Image_Class": "cat"}
    ml.features.insert_values(ml.lookup_feature("Image", "Mood"), [row])
    dataset = ml.datasets.create(members=photos.images[:2])
    bag = dataset.download_dataset_bag()
    bag.restructure_assets(tmp_path / "a", targets=["Mood"])
    bag.restructure_assets(tmp_path / "b", targets=["Mood"], missing="skip")
    assert _tree(tmp_path / "a") == ["testing/Unknown/1.png", "testing/cat/0.png"]
    assert _tree(tmp_path / "b") == ["testing/cat/0.png"]
    with pytest.raises(DerivaMLValidationError, match="no value of 'Mood'"):
        bag.restructure_assets(tmp_path / "c", targets=["Mood"], missing="error")


def test_several_values_need_a_selector(ml: DerivaML, photos: Zoo, tmp_path: Path) -> None:
    later = make_execution(ml)
    row = {"Execution": later, "Image": photos.images[0], "Image_Class": "dog"}
    ml.features.insert_values(ml.lookup_feature("Image", "Label"), [row])
    bag = ml.datasets.create(members=photos.images[:1]).download_dataset_bag()
    with pytest.raises(DerivaMLValidationError, match="2 different values"):
        bag.restructure_assets(tmp_path / "a", targets=["Label"])
    bag.restructure_assets(tmp_path / "a", targets={"Label": FeatureRecord.select_newest})
    assert _tree(tmp_path / "a") == ["testing/dog/0.png"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"targets": ["Nothing"]},
        {"targets": ["Label.Image_Class"]},
        {"targets": ["Label", "Subject"]},
        {"missing": "guess"},
        {"asset_table": "Subject"},
    ],
)
def test_layouts_that_mean_nothing_are_refused(
    bag: DatasetBag, tmp_path: Path, arguments: dict[str, object]
) -> None:
    with pytest.raises(DerivaMLException):
        bag.restructure_assets(tmp_path / "out", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
