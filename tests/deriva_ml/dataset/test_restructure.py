"""Files laid out in directories: files that are only linked with members, and file transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deriva_catalog.path.ast import TableName
from deriva_ml.core.exceptions import DerivaMLUnavailableError, DerivaMLValidationError
from deriva_ml.dataset.bag import DatasetBag

from ..conftest import Stage


@pytest.fixture(scope="module")
def bag(stage: Stage) -> DatasetBag:
    """Two subjects, one to train and one to test with; each has a picture in two formats."""
    ml = stage.ml
    names = [{"Name": "Tom"}, {"Name": "Rex"}]
    subjects = [r["RID"] for r in ml.catalog.insert(TableName("Subject", "zoo"), names)]
    rows = []
    for number, (subject, suffix) in enumerate((s, f) for s in subjects for f in ("gif", "png")):
        stored = ml.catalog.objects.put(f"/hatrac/Image/{number}", bytes([number]))
        rows.append(
            {
                "URL": stored.url,
                "Filename": f"a.{suffix}",
                "Length": stored.length,
                "MD5": stored.md5,
                "Subject": subject,
            }
        )
    ml.catalog.insert(TableName("Image", "zoo"), rows)
    parts = [
        ml.datasets.create([kind], members=[subject])
        for kind, subject in zip(("Training", "Testing"), subjects, strict=True)
    ]
    whole = ml.datasets.create(["Split"], members=[*(p.rid for p in parts), subjects[0]])
    return whole.download_dataset_bag()


def tree(place: Path) -> list[str]:
    return sorted(str(p.relative_to(place)) for p in place.rglob("*") if not p.is_dir())


def test_files_of_members_are_placed_where_the_innermost_dataset_is(
    bag: DatasetBag, tmp_path: Path
) -> None:
    bag.restructure_assets(tmp_path)
    kinds = ("testing", "training")
    assert tree(tmp_path) == [f"{k}/a.{suffix}" for k in kinds for suffix in ("gif", "png")]


def test_files_that_a_transformer_would_give_one_name_are_told_apart(
    bag: DatasetBag, tmp_path: Path
) -> None:
    def convert(source: Path, target: Path) -> Path:
        made = target.with_suffix(".txt")
        made.write_text(source.name)
        return made

    placed = bag.restructure_assets(tmp_path, file_transformer=convert)
    assert len(set(placed.values())) == 4
    assert sorted(p.read_text() for p in placed.values()) == ["a.gif", "a.gif", "a.png", "a.png"]


def test_a_transformer_that_writes_one_file_twice_is_refused(
    bag: DatasetBag, tmp_path: Path
) -> None:
    def convert(source: Path, target: Path) -> Path:
        made = target.with_name("same.txt")
        made.write_text(source.name)
        return made

    with pytest.raises(DerivaMLValidationError, match="let it write to the place"):
        bag.restructure_assets(tmp_path, file_transformer=convert)


def test_types_may_have_no_directories(bag: DatasetBag, tmp_path: Path) -> None:
    placed = bag.restructure_assets(tmp_path, type_to_dir_map={})
    assert {p.parent for p in placed.values()} == {tmp_path}
    assert len(tree(tmp_path)) == 4


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"type_to_dir_map": {"Training": "../elsewhere"}}, "not below the output directory"),
        ({"targets": ["Subject"], "target_transform": len}, "it returns the name of a directory"),
        ({"asset_table": "Execution_Asset", "targets": ["Name"]}, "neither a feature nor a column"),
    ],
)
def test_what_gives_no_directory_is_refused(
    bag: DatasetBag, tmp_path: Path, arguments: dict[str, Any], text: str
) -> None:
    with pytest.raises(DerivaMLValidationError, match=text):
        bag.restructure_assets(tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_two_values_that_would_share_a_directory_are_refused(
    bag: DatasetBag, tmp_path: Path
) -> None:
    names = iter(["left/eye", "left_eye"] * 2)
    with pytest.raises(DerivaMLValidationError, match="'left/eye' and of 'left_eye'"):
        bag.restructure_assets(
            tmp_path / "out", targets=["Subject"], target_transform=lambda _: next(names)
        )
    assert not (tmp_path / "out").exists()


def test_a_directory_that_cannot_be_written_is_an_error_of_ours(
    bag: DatasetBag, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DerivaMLUnavailableError, match="another call goes on"):
        bag.restructure_assets(tmp_path / "file")
