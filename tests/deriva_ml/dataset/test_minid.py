"""Archives of dataset versions with identifiers that last, in buckets and folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from deriva_catalog.bag import unpack_bag, validate
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLConfigurationError,
    DerivaMLException,
    DerivaMLNotFoundError,
    DerivaMLValidationError,
)
from deriva_ml.dataset import registries
from deriva_ml.dataset.registries import Registered, StoreRegistry, open_registry
from s3_server import Bucket

Connect = Callable[..., DerivaML]


@pytest.fixture
def connect(ml: DerivaML, place: Path, tmp_path: Path) -> Iterator[Connect]:
    """Make further connections to the catalog, each with a cache of its own."""
    made: list[DerivaML] = []

    def connected(bucket: str | None, **options: object) -> DerivaML:
        work = tmp_path / f"work{len(made)}"
        made.append(DerivaML(str(place), working_dir=work, s3_bucket=bucket, **options))  # type: ignore[arg-type]
        return made[-1]

    yield connected
    for one in made:
        one.catalog.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a bucket"


def version_row(ml: DerivaML, dataset: str) -> tuple[str | None, str | None]:
    last = ml.dataset_history(dataset)[-1]
    return last.minid, last.spec_hash


def file_of(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def test_a_version_is_archived_once_and_read_by_its_identifier(
    ml: DerivaML, nested: str, connect: Connect, folder: Path
) -> None:
    first = connect(folder.as_uri())
    assert (first.use_minid, first.s3_bucket) == (True, folder.as_uri())
    bag = first.download_dataset_bag(f"{nested}@0.1.0")
    minid, spec_hash = version_row(ml, nested)
    assert minid is not None
    assert spec_hash is not None
    assert minid.startswith(f"{folder.as_uri()}/minids/")
    record = json.loads(file_of(minid).read_bytes())
    archive = file_of(record["location"])
    assert archive.name == f"Dataset_{nested}.zip"
    assert archive.parent.name == record["sha256"]
    assert record["metadata"]["dataset_version"] == "0.1.0"
    # Another machine gets the same bag from the archive, not from the catalog's tables.
    second = connect(folder.as_uri())
    before = ml.catalog.latest_snapshot()
    again = second.download_dataset_bag(f"{nested}@0.1.0")
    assert again.path != bag.path
    assert (again.path / "manifest-md5.txt").read_bytes() == (
        bag.path / "manifest-md5.txt"
    ).read_bytes()
    assert again.list_dataset_members(recurse=True) == bag.list_dataset_members(recurse=True)
    assert validate(again.path).complete
    assert ml.catalog.latest_snapshot() == before
    assert len(list(folder.rglob("*.zip"))) == 1


def test_the_archive_alone_is_a_whole_bag(
    nested: str, connect: Connect, folder: Path, tmp_path: Path
) -> None:
    connect(folder.as_uri()).download_dataset_bag(f"{nested}@0.1.0")
    (archive,) = folder.rglob("*.zip")
    assert validate(unpack_bag(archive, tmp_path / "out")).complete


def test_a_method_can_ask_for_an_identifier_when_the_connection_does_not(
    ml: DerivaML, nested: str, connect: Connect, folder: Path
) -> None:
    quiet = connect(folder.as_uri(), use_minid=False)
    quiet.download_dataset_bag(f"{nested}@0.1.0")
    assert version_row(ml, nested) == (None, None)
    dataset = quiet.lookup_dataset(nested)
    dataset.download_dataset_bag("0.1.0", use_minid=True)
    assert version_row(ml, nested)[0]
    before = ml.catalog.latest_snapshot()
    dataset.download_dataset_bag("0.1.0", use_minid=True)  # it has one now
    assert ml.catalog.latest_snapshot() == before


def test_a_method_does_as_the_connection_says(
    ml: DerivaML, nested: str, connect: Connect, folder: Path
) -> None:
    dataset = connect(folder.as_uri()).lookup_dataset(nested)
    dataset.download_dataset_bag("0.1.0", use_minid=False)
    assert version_row(ml, nested) == (None, None)
    connect(folder.as_uri()).lookup_dataset(nested).cache("0.1.0")
    assert version_row(ml, nested)[0]


def test_a_part_of_a_version_leaves_its_identifier_alone(
    ml: DerivaML, nested: str, connect: Connect, folder: Path
) -> None:
    dataset = connect(folder.as_uri()).lookup_dataset(nested)
    part = dataset.download_dataset_bag("0.1.0", exclude_tables={"Subject"})
    assert not (part.path / "data" / "zoo" / "Subject.csv").exists()
    assert version_row(ml, nested) == (None, None)
    dataset.download_dataset_bag("0.1.0", use_minid=True)
    whole = version_row(ml, nested)
    other = connect(folder.as_uri()).lookup_dataset(nested)
    other.cache("0.1.0", exclude_tables={"Subject"})
    with pytest.raises(DerivaMLValidationError, match="Leave one of them out"):
        other.download_dataset_bag("0.1.0", use_minid=True, exclude_tables={"Subject"})
    assert version_row(ml, nested) == whole
    assert other.download_dataset_bag("0.1.0").get_table_as_dict("Subject")


def test_an_archive_that_was_changed_is_refused(
    nested: str, connect: Connect, folder: Path
) -> None:
    connect(folder.as_uri()).download_dataset_bag(f"{nested}@0.1.0")
    (archive,) = folder.rglob("*.zip")
    data = archive.read_bytes()
    archive.unlink()  # it cannot be written
    archive.write_bytes(data + b"x")
    other = connect(folder.as_uri())
    with pytest.raises(DerivaMLValidationError, match="is registered under"):
        other.download_dataset_bag(f"{nested}@0.1.0")
    assert not list((other.cache_dir / "bags").iterdir())
    archive.unlink()
    with pytest.raises(DerivaMLNotFoundError, match="nothing at"):
        other.download_dataset_bag(f"{nested}@0.1.0")
    shutil.rmtree(folder / "minids")
    with pytest.raises(DerivaMLNotFoundError, match="nothing at"):
        other.download_dataset_bag(f"{nested}@0.1.0")


def test_without_a_bucket_it_is_off_or_refused(ml: DerivaML, nested: str, connect: Connect) -> None:
    plain = connect(None, use_minid=True)
    assert plain.use_minid is False
    plain.download_dataset_bag(f"{nested}@0.1.0")
    with pytest.raises(DerivaMLException, match="need a bucket"):
        plain.lookup_dataset(nested).download_dataset_bag("0.1.0", use_minid=True)
    assert version_row(ml, nested) == (None, None)


@pytest.mark.parametrize(
    ("bucket", "options", "why"),
    [
        ("nowhere://bucket", {}, "no store of objects"),
        ("file:///dev/null/x", {}, "failed"),
        ("file:///tmp", {"registry": "somebody"}, "no registry 'somebody'"),
    ],
)
def test_stores_and_registries_that_are_not_there_are_told(
    ml: DerivaML, nested: str, connect: Connect, bucket: str, options: dict[str, str], why: str
) -> None:
    with pytest.raises(DerivaMLException, match=why):
        connect(bucket, **options).download_dataset_bag(f"{nested}@0.1.0")
    assert version_row(ml, nested) == (None, None)


# --- registries --------------------------------------------------------------------------

SHA256 = "ab" * 32


def test_a_folder_is_a_registry(tmp_path: Path) -> None:
    registry = open_registry((tmp_path / "records").as_uri())
    made = registry.register("s3://b/x.zip", SHA256, {"title": "é"})
    assert registry.register("s3://b/x.zip", SHA256, {"title": "é"}) == made
    assert registry.resolve(made) == Registered(made, "s3://b/x.zip", SHA256, {"title": "é"})
    with pytest.raises(DerivaMLValidationError, match="no SHA-256"):
        registry.register("s3://b/x.zip", "short", {})
    with pytest.raises(DerivaMLNotFoundError, match="nothing at"):
        registry.resolve(made.replace(".json", "0.json"))
    with pytest.raises(DerivaMLNotFoundError, match="no identifier of the registry"):
        registry.resolve("minid:b9j69h")
    file_of(made).unlink()
    file_of(made).write_text("{}")
    with pytest.raises(DerivaMLValidationError, match="no record of a bag"):
        registry.resolve(made)


class Institute:
    """A registry of somebody else, as a plug-in gives it."""

    def __init__(self, argument: str) -> None:
        self.prefix = argument
        self.known: dict[str, Registered] = {}

    def register(self, location: str, sha256: str, metadata: dict[str, str]) -> str:
        identifier = f"{self.prefix}:{len(self.known)}"
        self.known[identifier] = Registered(identifier, location, sha256, metadata)
        return identifier

    def resolve(self, identifier: str) -> Registered:
        return self.known[identifier]


INSTITUTE = Institute("none")


def institute(argument: str) -> Institute:
    """What the entry point names."""
    INSTITUTE.prefix = argument
    return INSTITUTE


def test_an_installed_registry_is_chosen_by_its_name(
    ml: DerivaML, nested: str, connect: Connect, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = EntryPoint("institute", f"{__name__}:institute", registries.ENTRY_POINTS)
    broken = EntryPoint("broken", "builtins:str", registries.ENTRY_POINTS)
    monkeypatch.setattr(registries, "entry_points", lambda group: [entry, broken])
    connect(folder.as_uri(), registry="institute:lab").download_dataset_bag(f"{nested}@0.1.0")
    assert version_row(ml, nested)[0] == "lab:0"
    monkeypatch.setenv("DERIVA_ML_REGISTRY", "institute:lab")
    bag = connect(folder.as_uri()).download_dataset_bag(f"{nested}@0.1.0")
    assert validate(bag.path).complete
    assert not (folder / "minids").exists()
    with pytest.raises(DerivaMLConfigurationError, match=r"no register\(\) and resolve"):
        open_registry("broken:x")
    assert isinstance(open_registry("file:///x"), StoreRegistry)


# --- a bucket of S3 ----------------------------------------------------------------------


def test_archives_and_records_lie_in_a_bucket(
    ml: DerivaML,
    nested: str,
    connect: Connect,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{bucket.port}")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    bag = connect(bucket.name).download_dataset_bag(f"{nested}@0.1.0")
    minid, _ = version_row(ml, nested)
    assert minid is not None
    assert minid.startswith(f"s3://{bucket.name}/minids/")
    again = connect(f"s3://{bucket.name}").download_dataset_bag(f"{nested}@0.1.0")
    assert again.path != bag.path
    assert validate(again.path).complete
