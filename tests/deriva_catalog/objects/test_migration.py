"""Catalogs whose objects an older release wrote."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from deriva_catalog.catalog import create_local, open_local
from deriva_catalog.objects import Asker
from deriva_catalog.objects.collecting import Keeping, collect
from deriva_catalog.objects.metadata import read_fields
from deriva_catalog.objects.names import parse_name
from deriva_catalog.objects.restoring import restore, trash

ADDED = {
    "_object_name": ["acls", "removed"],
    "_object_version": ["acls", "md5_declared", "sha256_declared", "removed"],
}
LATER = ("_object_former", "_object_upload", "_object_collected")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A catalog with one object, in the first layout: neither lists nor uploads."""
    made = create_local(tmp_path / "catalog", client="kim")
    made.objects.put("/hatrac/ns/a", b"abc", content_type="text/plain")
    made.objects.put("/hatrac/gone", b"gone")
    made.objects.delete("/hatrac/gone")
    made.close()
    with closing(sqlite3.connect(tmp_path / "catalog" / "catalog.db")) as connection, connection:
        for table, columns in ADDED.items():
            for column in columns:
                connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        for table in LATER:
            connection.execute(f"DROP TABLE {table}")
    return tmp_path / "catalog"


def test_objects_of_an_older_release_go_on(old: Path) -> None:
    catalog = open_local(old, client="kim")
    assert catalog.objects.read("/hatrac/ns/a") == b"abc"
    catalog.objects.put("/hatrac/ns/a", b"new")
    assert len(catalog.objects.versions("/hatrac/ns/a")) == 2
    owner = Asker(root={"subtree-read": ("*",)})
    assert read_fields(catalog.objects, owner, parse_name("/hatrac/ns/a")) == {}
    catalog.close()


def test_what_an_older_release_deleted_waits_in_the_trash_from_now_on(old: Path) -> None:
    with closing(open_local(old, client="kim")) as catalog:
        assert collect(catalog.object_store, Keeping(deleted=timedelta(hours=1))).contents == 0
        assert [d.url.partition(":")[0] for d in trash(catalog.object_store)] == ["/hatrac/gone"]
        restore(catalog.object_store, "/hatrac/gone")
        assert catalog.objects.read("/hatrac/gone") == b"gone"


def test_objects_of_an_older_release_are_read_without_writing(old: Path) -> None:
    catalog = open_local(old, client="kim", readonly=True)
    assert catalog.objects.read("/hatrac/ns/a") == b"abc"
    assert [v.content_type for v in catalog.objects.versions("/hatrac/ns/a")] == ["text/plain"]
    catalog.close()
