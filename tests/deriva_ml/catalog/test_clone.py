"""A clone has what the original has, and knows where it is from."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import menagerie
from backends import OverHttp
from deriva_catalog.catalog import connect
from deriva_catalog.model.definitions import table_document
from deriva_catalog.path.ast import TableName
from deriva_ml import DerivaML
from deriva_ml.catalog import (
    AssetMode,
    ClonePolicy,
    CloneViaBagResult,
    clone_via_bag,
    create_ml_workspace,
    get_catalog_provenance,
    localize_assets,
)
from deriva_ml.core.exceptions import (
    DerivaMLDataError,
    DerivaMLNotFoundError,
    DerivaMLTableNotFound,
    DerivaMLValidationError,
)
from deriva_ml.schema import create_ml_catalog

UPLOAD = ClonePolicy(asset_mode=AssetMode.UPLOAD_IF_MISSING)


def clone(source: Path, dest: Path | str, **more: object) -> DerivaML:
    """Clone into a new directory and connect to it."""
    clone_via_bag(
        source_hostname=str(source),
        source_catalog_id=1,
        dest_hostname=str(dest),
        dest_catalog_id=None,
        **more,  # type: ignore[arg-type]
    )
    return DerivaML(str(dest), working_dir=Path(dest).parent / "work")


@pytest.fixture(scope="module")
def part(
    demo_place: Path, root: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[DerivaML, CloneViaBagResult]]:
    """A clone of one dataset with its files, in the store of this machine."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DERIVA_ML_HOME", str(home))
        result = clone_via_bag(dest_hostname="localhost", alias="copy", **_of(demo_place, root))
        ml = DerivaML("localhost", "copy", working_dir=home / "work")
        yield ml, result
        ml.catalog.close()


def _of(place: Path, root: str) -> dict[str, Any]:
    return {
        "source_hostname": str(place),
        "source_catalog_id": 1,
        "dest_catalog_id": None,
        "root_rid": root,
        "policy": UPLOAD,
    }


def test_a_clone_exports_the_same_bag(demo: DerivaML, thin_place: Path, tmp_path: Path) -> None:
    ml = DerivaML(str(thin_place), working_dir=tmp_path / "work")
    payloads = [
        menagerie.content(menagerie.export(each.catalog, tmp_path / name, files="none"))
        for each, name in ((demo, "one"), (ml, "two"))
    ]
    different = {p for p in payloads[0] if payloads[0][p] != payloads[1].get(p)}
    assert different == {
        "data/deriva-ml/Dataset_Version.csv",  # snapshots are of one catalog
        "data/deriva-ml/Execution_Metadata.csv",  # files are elsewhere
        "data/demo-schema/Image.csv",
        "data/demo-schema/BoundingBox.csv",
    }
    assert payloads[0].keys() == payloads[1].keys()
    assert ml.catalog.check() == []
    ml.catalog.close()


def test_a_part_has_only_what_belongs_to_it(part: tuple[DerivaML, CloneViaBagResult]) -> None:
    ml, _ = part
    assert len(ml.find_datasets()) == 7
    assert 0 < len(ml.get_table_as_dict("Image")) < 12
    assert ml.unknown_provenance_execution_rid()
    assert ml.lookup_term("Workflow_Type", "Training")


def test_a_dataset_of_a_clone_downloads_with_its_files(
    part: tuple[DerivaML, CloneViaBagResult],
    thin_place: Path,
    demo: DerivaML,
    root: str,
    tmp_path: Path,
) -> None:
    there = demo.download_dataset_bag(f"{root}@1.0.0")
    thin = DerivaML(str(thin_place), working_dir=tmp_path / "work")
    for ml in (part[0], thin):
        bag = ml.download_dataset_bag(f"{root}@1.0.0")
        for name in ("Subject", "Image", "Dataset"):
            mine, theirs = (b.list_dataset_members(recurse=True)[name] for b in (bag, there))
            assert [r["RID"] for r in mine] == [r["RID"] for r in theirs]
        pictures = sorted(p.name for p in (bag.path / "data/asset").rglob("*.png"))
        assert pictures == sorted(p.name for p in (there.path / "data/asset").rglob("*.png"))
        assert len(pictures) == 8
        values = {v.Image: v.ImageQuality for v in bag.feature_values("Image", "Quality")}
        assert values == {v.Image: v.ImageQuality for v in there.feature_values("Image", "Quality")}
    thin.catalog.close()


def test_the_origin_is_written_down(
    part: tuple[DerivaML, CloneViaBagResult], demo_place: Path, demo: DerivaML
) -> None:
    ml, result = part
    record = ml.catalog_provenance
    assert record == result.provenance
    assert record is not None
    assert record.is_clone
    details = record.clone_details
    assert details is not None
    assert details.source_hostname == demo_place.as_uri()
    assert details.source_snapshot == demo.catalog.latest_snapshot()
    assert (details.rows_copied, details.assets_copied) == (result.rows_copied, 16)
    assert details.assets_localized


def test_cloning_once_more_changes_nothing(
    part: tuple[DerivaML, CloneViaBagResult], demo_place: Path, root: str, tmp_path: Path
) -> None:
    before = part[0].catalog.latest_snapshot()
    options = _of(demo_place, root) | {"dest_catalog_id": "copy"}
    again = clone_via_bag(dest_hostname="localhost", output_dir=tmp_path / "bags", **options)
    assert not again.changed
    assert part[0].catalog.latest_snapshot() == before
    assert again.bag is not None
    assert (again.bag / "bagit.txt").is_file()


def test_a_new_version_is_taken_over(copied: Path, root: str, tmp_path: Path) -> None:
    place = tmp_path / "clone"
    clone(copied, place, root_rid=root).catalog.close()
    original = DerivaML(str(copied), working_dir=tmp_path / "w")
    subject = original.catalog.fetch("entity/demo-schema:Subject@sort(RID)")[-1]["RID"]
    original.add_dataset_members(root, {"Subject": [subject]})
    original.catalog.close()
    with pytest.raises(DerivaMLDataError, match=f"deriva-ml:Dataset {root}"):
        clone(copied, place, root_rid=root)
    ml = clone(copied, place, root_rid=root, policy=ClonePolicy(existing="replace"))
    assert str(ml.dataset_version(root)) == "1.1.0"
    bag = ml.download_dataset_bag(f"{root}@1.1.0")
    assert [r["RID"] for r in bag.list_dataset_members()["Subject"]] == [subject]
    ml.catalog.close()


def test_a_part_goes_into_a_catalog_of_its_own_origin(
    demo_place: Path, root: str, tmp_path: Path
) -> None:
    mine = create_ml_catalog(str(tmp_path / "mine"), "mine")
    mine.create_table("mine", table_document("Thing", []))
    mine.insert(TableName("Thing", "mine"), [{"RID": root}], nondefaults=["RID"])
    mine.close()
    with pytest.raises(DerivaMLDataError, match="rids='fresh'"):
        clone(demo_place, tmp_path / "mine", root_rid=root)
    policy = ClonePolicy(rids="fresh", asset_mode=AssetMode.UPLOAD_IF_MISSING)
    ml = clone(demo_place, tmp_path / "mine", root_rid=root, policy=policy)
    assert len(ml.find_datasets()) == 7
    (whole,) = (d for d in ml.find_datasets() if "Complete" in d.dataset_types)
    bag = ml.download_dataset_bag(f"{whole.dataset_rid}@1.0.0")
    assert len(bag.list_dataset_members(recurse=True)["Image"]) == 4
    assert len(list(ml.catalog.fetch("entity/deriva-ml:File/Filename=unknown"))) == 1
    ml.catalog.close()


def test_a_workspace_is_a_clone(demo_place: Path, root: str, tmp_path: Path) -> None:
    with pytest.warns(FutureWarning, match="truncate_oversized"):
        result = create_ml_workspace(
            str(demo_place),
            1,
            root,
            include_tables=["Report"],
            exclude_objects=["OCR_Report"],
            dest_hostname=str(tmp_path / "clone"),
            truncate_oversized=True,
        )
    assert result.loaded.inserted["demo-schema", "Report"] == 8
    assert ("demo-schema", "OCR_Report") not in result.loaded.tables_created
    details = result.provenance.clone_details if result.provenance else None
    assert details is not None
    assert (details.orphan_strategy, details.exclude_objects) == ("fail", ("OCR_Report",))
    with pytest.raises(TypeError, match="no argument 'nonsense'"):
        create_ml_workspace(str(demo_place), 1, root, nonsense=1)


def test_a_catalog_is_not_cloned_into_itself(copied: Path, root: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(copied)
    for dest in (copied, tmp_path / "link", copied.as_uri()):
        with pytest.raises(DerivaMLValidationError, match="cannot be cloned into itself"):
            clone(copied, dest)
    with pytest.raises(DerivaMLValidationError, match="say with dest_hostname"):
        create_ml_workspace(str(copied), 1, root)


def test_a_catalog_of_this_machine_is_not_cloned_into_itself(
    part: tuple[DerivaML, CloneViaBagResult], monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    monkeypatch.setenv("DERIVA_ML_HOME", str(part[0].catalog.directory.parent.parent))
    with pytest.raises(DerivaMLValidationError, match="cannot be cloned into itself"):
        create_ml_workspace("localhost", "copy", root, dest_catalog_id=part[1].catalog_id)


@pytest.mark.parametrize(
    "left_out",
    [
        {"exclude_objects": ("Execution", "File", "Workflow", "Asset_Type")},
        {"exclude_schemas": ("deriva-ml",)},
    ],
)
def test_tables_of_the_ml_schema_may_be_left_out(
    demo_place: Path, tmp_path: Path, left_out: dict[str, tuple[str, ...]]
) -> None:
    result = clone_via_bag(
        source_hostname=str(demo_place),
        source_catalog_id=1,
        dest_hostname=str(tmp_path / "clone"),
        dest_catalog_id=None,
        policy=ClonePolicy(**left_out),  # type: ignore[arg-type]
    )
    catalog = connect(tmp_path / "clone")
    assert result.loaded.inserted["demo-schema", "Subject"] == 12
    tables = {t.name for t in catalog.model.tables()}
    assert not tables & set(left_out.get("exclude_objects", ()))
    assert ("Dataset" in tables) == ("exclude_objects" in left_out)
    catalog.close()


def test_what_is_not_there_is_refused_before_anything_is_made(
    demo_place: Path, demo: DerivaML, root: str, tmp_path: Path
) -> None:
    image = demo.list_assets("Image")[0].asset_rid
    for more, error, text in (
        ({"root_rid": "9-ZZZZ"}, DerivaMLNotFoundError, "no row '9-ZZZZ'"),
        ({"root_rid": image}, DerivaMLValidationError, "not a dataset"),
        ({"anchors": {"Subject": [image]}}, DerivaMLValidationError, "not of 'Subject'"),
        (
            {"policy": ClonePolicy(exclude_objects=("Nothing",))},
            DerivaMLTableNotFound,
            "no table 'Nothing'",
        ),
        (
            {"policy": ClonePolicy(exclude_schemas="Nothing")},  # type: ignore[arg-type]
            DerivaMLValidationError,
            "no schema 'Nothing'",
        ),
        ({"policy": "rows_only"}, DerivaMLValidationError, "is a ClonePolicy"),
        ({"anchors": "9-ZZZZ"}, DerivaMLNotFoundError, "no row '9-ZZZZ'"),
    ):
        with pytest.raises(error, match=text):
            clone(demo_place, tmp_path / "clone", **more)
    with pytest.raises(DerivaMLValidationError, match="asset_mode is one of rows_only"):
        ClonePolicy(asset_mode="everything")  # type: ignore[arg-type]
    assert not (tmp_path / "clone").exists()


def test_to_a_server_and_back(
    demo_place: Path,
    served: OverHttp,
    root: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host, credential = served.served.url, {"bearer-token": served.served.tokens.add("kim")}
    there = clone_via_bag(
        dest_hostname=host, dest_credential=credential, alias="shared", **_of(demo_place, root)
    )
    back = clone_via_bag(
        source_hostname=host,
        source_catalog_id="shared",
        dest_hostname=str(tmp_path / "back"),
        dest_catalog_id=None,
        root_rid=root,
        source_credential=credential,
    )
    assert (there.loaded.uploaded, back.loaded.listed) == (16, 16)
    assert back.rows_copied >= there.rows_copied
    ml = DerivaML(str(tmp_path / "back"), working_dir=tmp_path / "work")
    asked: list[str] = []
    send = httpx.Client.send

    def noted(client: httpx.Client, request: httpx.Request, *, stream: bool) -> httpx.Response:
        target = request.extensions["target"].decode().partition("/hatrac/")[2]
        asked.append(f"{request.method} {target}")
        return send(client, request, stream=stream)

    monkeypatch.setattr(httpx.Client, "send", noted)
    for table, given in (("Image", None), ("BoundingBox", host.removeprefix("http://"))):
        assets = [asset.asset_rid for asset in ml.list_assets(table)]
        done = localize_assets(
            ml, table, assets, source_hostname=given, source_credential=credential
        )
        assert (done.assets_processed, done.errors) == (len(assets), ())
        assert done.source_hostnames == (host.removeprefix("http://"),)
    # The files of a table come together.
    assert [each for each in asked if each != "GET "] == ["POST ;stat", "POST ;content/get"] * 2
    version = ml.increment_dataset_version(root, "patch")  # the files are here from now on
    bag = ml.download_dataset_bag(f"{root}@{version}")
    assert len(bag.list_dataset_members(recurse=True)["Image"]) == 4
    details = get_catalog_provenance(ml).clone_details  # type: ignore[union-attr]
    assert details is not None
    assert details.source_hostname == host
    ml.catalog.close()


SCRIPT = """
import os, sys
import deriva_ml.catalog.clone as module
from deriva_catalog.engine.store import Store

limit, count = int(sys.argv[3]), 0
inner = module.load_bag

def load(*args, **more):
    def step(rows):
        global count
        count += 1
        if count == limit:
            os.kill(os.getpid(), 9)
    return inner(*args, progress=step, **more)

module.load_bag = load
module.clone_via_bag(source_hostname=sys.argv[1], source_catalog_id=1, dest_hostname=sys.argv[2],
                     dest_catalog_id=None)
"""


def test_a_clone_that_is_killed_leaves_nothing(demo_place: Path, tmp_path: Path) -> None:
    place = tmp_path / "clone"
    command = [sys.executable, "-c", SCRIPT, str(demo_place), str(place), "25"]
    assert subprocess.run(command, check=False, timeout=90).returncode == -signal.SIGKILL
    assert not place.exists()
