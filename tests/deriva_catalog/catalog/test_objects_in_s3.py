"""Catalogs whose objects lie in a bucket: made, opened, copied, backed up and removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deriva_catalog.catalog import LocalCatalog, create_local, open_local
from deriva_catalog.catalog.backup import backup, restore
from deriva_catalog.catalog.own_objects import open_own_objects
from deriva_catalog.catalog.registry import Registry
from deriva_catalog.cli import main
from deriva_catalog.errors import BadRequest, Corrupted, Unavailable
from deriva_catalog.objects.checking import verify
from s3_server import Bucket


@pytest.fixture
def registry(tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry whose catalogs keep their objects in the bucket."""
    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path / "home"))
    made = Registry()
    made.objects = bucket.url()
    return made


@pytest.fixture
def catalog(registry: Registry) -> Iterator[LocalCatalog]:
    """One of them, with an object."""
    made = registry.create(catalog_id="zoo")
    made.objects.put("/hatrac/a", b"bytes of a")
    yield made
    made.close()


def test_everybody_who_opens_it_finds_the_same_store(
    catalog: LocalCatalog, registry: Registry, bucket: Bucket
) -> None:
    assert len(bucket.contents()) == 1
    assert not (catalog.directory / "objects").exists()
    plain = Registry()
    again = plain.open("zoo")
    assert again.objects.read("/hatrac/a") == b"bytes of a"
    assert again.object_store.content.url == catalog.object_store.content.url
    assert verify(again.object_store) == []
    again.close()


def test_a_store_that_cannot_be_used_makes_no_catalog(
    tmp_path: Path, registry: Registry, bucket: Bucket
) -> None:
    registry.objects = bucket.url().replace(bucket.name, "no-such-bucket")
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        registry.create(catalog_id="zoo")
    assert registry.catalogs() == []
    with pytest.raises(BadRequest, match="forgotten"):
        create_local(tmp_path / "own", objects="memory://")
    assert not (tmp_path / "own" / "catalog.db").exists()


def test_a_backup_holds_the_bytes_itself(
    catalog: LocalCatalog, tmp_path: Path, bucket: Bucket
) -> None:
    backup(catalog, tmp_path / "backup")
    catalog.object_store.content.destroy()
    assert bucket.all_keys() == []
    saved = restore(tmp_path / "backup", tmp_path / "again")
    assert saved.objects.read("/hatrac/a") == b"bytes of a"
    assert saved.object_store.content.directory == tmp_path / "again" / "objects"
    saved.close()


def test_a_backup_of_damaged_bytes_fails_and_leaves_nothing(
    catalog: LocalCatalog, tmp_path: Path, bucket: Bucket
) -> None:
    bucket.admin.put_object(Bucket=bucket.name, Key=bucket.all_keys()[0], Body=b"else")
    with pytest.raises(Corrupted, match="damaged"):
        backup(catalog, tmp_path / "backup")
    assert [p.name for p in tmp_path.iterdir()] == ["home"]


def test_copies_have_bytes_of_their_own(
    catalog: LocalCatalog, registry: Registry, bucket: Bucket, tmp_path: Path
) -> None:
    copied = registry.copy(catalog, catalog_id="copy")
    assert len(bucket.all_keys()) == 2
    registry.delete("zoo")
    registry.purge("zoo")
    assert len(bucket.all_keys()) == 1
    assert copied.objects.read("/hatrac/a") == b"bytes of a"
    home = registry.restore(backup(copied, tmp_path / "backup"), catalog_id="restored")
    assert home.object_store.content.url.startswith("s3://")
    assert home.objects.read("/hatrac/a") == b"bytes of a"
    home.close()
    copied.close()


def test_a_catalog_moves_from_a_directory_to_a_bucket(
    tmp_path: Path, bucket: Bucket, registry: Registry
) -> None:
    registry.objects = None
    local = registry.create(catalog_id="here")
    put = local.objects.put("/hatrac/a", b"bytes of a")
    there = registry.copy(local, catalog_id="there", objects=bucket.url())
    local.close()
    assert bucket.contents() == {put.sha256}
    assert there.objects.read(put.url) == b"bytes of a"
    there.close()


def test_a_directory_of_its_own_may_have_its_objects_in_a_bucket(
    tmp_path: Path, bucket: Bucket
) -> None:
    made = create_local(tmp_path / "own", objects=bucket.url("more/deep"))
    made.objects.put("/hatrac/a", b"bytes of a")
    made.close()
    assert bucket.all_keys()[0].startswith("more/deep/")
    again = open_local(tmp_path / "own", readonly=True)
    assert again.objects.read("/hatrac/a") == b"bytes of a"
    again.close()


def test_what_the_service_began_stays_where_it_is(registry: Registry, bucket: Bucket) -> None:
    own = open_own_objects(registry)
    put = own.put("/hatrac/a", b"bytes of a")
    own.close()
    registry.objects = None
    again = open_own_objects(registry)
    assert bucket.contents() == {put.sha256}
    assert again.read("/hatrac/a") == b"bytes of a"
    again.close()


def test_the_command_line_takes_a_store(
    tmp_path: Path, bucket: Bucket, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "digits", "--objects", bucket.url()]) == 0
    made = registry.open("digits")
    made.objects.put("/hatrac/a", b"1")
    made.close()
    assert main(["info", "digits"]) == 0
    assert f"Files      s3://{bucket.name}/lab/" in capsys.readouterr().out
    assert main(["check", "digits"]) == 0
    assert main(["copy", "digits", "local"]) == 0
    assert main(["copy", "digits", "other", "--objects", bucket.url("second")]) == 0
    assert [key.split("/")[0] for key in bucket.all_keys()] == ["lab", "second"]
    assert main(["delete", "other", "--yes"]) == 0
    assert [key.split("/")[0] for key in bucket.all_keys()] == ["lab"]
    bad = bucket.url().replace(bucket.name, "no-such-bucket")
    assert main(["init", "worse", "--objects", bad]) == 1
    assert "NoSuchBucket" in capsys.readouterr().err
