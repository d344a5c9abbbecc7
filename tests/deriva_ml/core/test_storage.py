"""What DerivaML keeps on this machine, and getting the room back."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from deriva_catalog.objects.cache import Wanted
from deriva_catalog.path.frames import Output
from deriva_ml.core.base import DerivaML
from deriva_ml.core.content import content_cache
from deriva_ml.core.disk import survey
from deriva_ml.core.exceptions import DerivaMLStateInconsistency
from deriva_ml.core.storage import Places, Storage, find_places, trim_caches
from deriva_ml.execution import Workflow
from deriva_ml.execution.claim import claimed
from deriva_ml.local_db import ResultCache

WORKFLOW = Workflow(
    name="w", workflow_type="Training", url="https://example.org/w.py", checksum="beef"
)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "work", tmp_path / "work" / "cache")


@pytest.fixture
def storage(places: Places) -> Storage:
    return Storage(places)


def keep(places: Places, data: bytes, *targets: str) -> None:
    """Put bytes below the cache, shared with the cache of contents."""
    wanted = Wanted(sha256=hashlib.sha256(data).hexdigest())

    def write(path: Path) -> None:
        path.write_bytes(data)

    for target in targets:
        content_cache(places.cache_dir).get(wanted, places.cache_dir / target, write)


def asset_at(rid: str, data: bytes) -> str:
    return f"assets/{rid}_{hashlib.md5(data).hexdigest()}/{rid}.bin"


def bag_at(rid: str, name: str = "x") -> str:
    return f"bags/{rid}@1.0.0-0123456789abcdef/Dataset_{rid}/data/{name}"


def leave(directory: Path, seconds_ago: float) -> None:
    """Make everything in a directory look as if it was made and read so long ago."""
    when = time.time() - seconds_ago
    for path in (*directory.rglob("*"), directory):
        os.utime(path, (when, when))


def test_names_that_share_bytes_count_once(tmp_path: Path) -> None:
    (tmp_path / "a" / "deep").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(b"12345")
    os.link(tmp_path / "a" / "one", tmp_path / "a" / "deep" / "two")
    (tmp_path / "a" / "link").symlink_to("one")
    seen = survey([tmp_path / "a", tmp_path / "none"])
    assert (seen.size_bytes, seen.file_count, seen.dir_count, seen.freed_bytes) == (5, 1, 1, 5)
    os.link(tmp_path / "a" / "one", tmp_path / "elsewhere")
    assert survey([tmp_path / "a"]).freed_bytes == 0


def test_an_empty_place_has_nothing(storage: Storage) -> None:
    assert storage.kept() == []
    assert storage.list_cached_assets() == []
    assert storage.list_execution_dirs() == []
    assert storage.trim_cache(0) == {"items_removed": 0, "bytes_freed": 0}
    assert storage.get_cache_size()["total_bytes"] == 0
    assert storage.summary()["total_size_mb"] == 0


def test_what_bags_and_assets_share_is_counted_once(places: Places, storage: Storage) -> None:
    keep(places, b"picture", asset_at("1-A", b"picture"), bag_at("1-D"), bag_at("1-E"))
    keep(places, b"more", bag_at("1-D", "y"))
    assert storage.get_cache_size()["total_bytes"] == 11
    assert storage.get_cache_size()["file_count"] == 2
    found = {(k.kind, k.rid, k.version): k.size_bytes for k in storage.kept()}
    assert found == {
        ("asset", "1-A", ""): 7,
        ("bag", "1-D", "1.0.0"): 11,
        ("bag", "1-E", "1.0.0"): 7,
    }
    summary = storage.summary()
    assert (summary["bag_count"], summary["asset_count"]) == (2, 1)
    assert summary["bag_size_mb"] == pytest.approx(11e-6)


def test_an_asset_takes_its_content_with_it_unless_a_bag_shares_it(
    places: Places, storage: Storage
) -> None:
    keep(places, b"alone", asset_at("1-A", b"alone"))
    keep(places, b"shared", asset_at("1-B", b"shared"), bag_at("1-D"))
    assert storage.delete_cached_asset("1-A") == {"assets_removed": 1, "bytes_freed": 5}
    assert storage.delete_cached_asset("1-B") == {"assets_removed": 1, "bytes_freed": 0}
    assert storage.delete_cached_asset("1-C") == {"assets_removed": 0, "bytes_freed": 0}
    assert storage.get_cache_size()["total_bytes"] == 6
    assert (places.cache_dir / bag_at("1-D")).read_bytes() == b"shared"


def test_clearing_the_cache_gives_all_of_it_back(places: Places, storage: Storage) -> None:
    keep(places, b"picture", asset_at("1-A", b"picture"), bag_at("1-D"))
    keep(places, b"old", "passed/on")
    (places.cache_dir / "passed" / "on").unlink()
    assert storage.clear_cache(older_than_days=1)["bytes_freed"] == 0
    done = storage.clear_cache()
    assert (done["dirs_removed"], done["bytes_freed"], done["errors"]) == (2, 10, 0)
    assert storage.get_cache_size()["total_bytes"] == 0


def test_only_what_is_old_is_cleared(places: Places, storage: Storage) -> None:
    keep(places, b"old", asset_at("1-A", b"old"))
    keep(places, b"young", asset_at("1-B", b"young"))
    leave(places.cache_dir / "assets" / Path(asset_at("1-A", b"old")).parts[1], 2 * 86_400)
    assert storage.clear_cache(older_than_days=1)["dirs_removed"] == 1
    assert [a.rid for a in storage.list_cached_assets()] == ["1-B"]


def test_what_was_used_least_recently_goes_first(places: Places, storage: Storage) -> None:
    for number, rid in enumerate(["1-A", "1-B", "1-C"]):
        keep(places, rid.encode() * 100, bag_at(rid))
        leave(places.cache_dir / "bags" / Path(bag_at(rid)).parts[1], 1000 - 100 * number)
    assert storage.trim_cache(900) == {"items_removed": 0, "bytes_freed": 0}
    assert storage.trim_cache(700) == {"items_removed": 1, "bytes_freed": 300}
    assert sorted(k.rid for k in storage.kept()) == ["1-B", "1-C"]
    assert storage.room_bytes() == 600
    assert storage.trim_cache(0)["bytes_freed"] == 600
    assert storage.kept() == []


def test_contents_that_nothing_shares_go_too(places: Places, storage: Storage) -> None:
    keep(places, b"x" * 10, "a/file")
    (places.cache_dir / "a" / "file").unlink()
    (kept,) = storage.kept()
    assert (kept.kind, kept.size_bytes, kept.file_count) == ("content", 10, 1)
    assert storage.trim_cache(5) == {"items_removed": 1, "bytes_freed": 10}


def test_results_of_questions_are_kept_and_go_as_other_things(
    places: Places, storage: Storage
) -> None:
    results = ResultCache(places.cache_dir / "results")
    old, new = "a" * 32, "b" * 32
    for number, key in enumerate((old, new)):
        results.keep(key, "catalog", ["Image"], "s", [Output("A", None)], [["x" * 50]])
        for file in results.directory.glob(f"{key}.*"):
            os.utime(file, (time.time() - 1000 * (2 - number),) * 2)
    (kept,) = storage.kept()
    assert (kept.kind, kept.file_count) == ("result", 4)
    assert storage.clear_cache(older_than_days=1)["files_removed"] == 0
    assert storage.trim_cache(storage.room_bytes() - 1)["items_removed"] == 1
    assert [result.key for result in results.list()] == [new]
    room = storage.room_bytes()
    assert room > 0
    for file in results.directory.glob(f"{new}.*"):
        os.utime(file, (time.time() + 1000,) * 2)  # the clock was put back since
    done = storage.clear_cache()
    assert (done["files_removed"], done["bytes_freed"]) == (2, room)
    assert storage.room_bytes() == 0
    assert storage.kept() == []


def test_several_caches_have_one_limit(tmp_path: Path) -> None:
    both = []
    for number, name in enumerate(["h/1", "h/2"]):
        places = Places(tmp_path / name, tmp_path / name / "cache")
        keep(places, name.encode() * 10, bag_at("1-A"))
        leave(places.cache_dir / "bags" / Path(bag_at("1-A")).parts[1], 1000 - 100 * number)
        both.append(Storage(places))
    assert sorted(find_places(tmp_path)) == ["h/1", "h/2"]
    assert trim_caches(both, 30) == {"items_removed": 1, "bytes_freed": 30}
    assert [len(s.kept()) for s in both] == [0, 1]


def test_files_of_executions_go_when_they_are_uploaded(ml: DerivaML) -> None:
    with ml.create_execution(workflow=WORKFLOW) as exe:
        exe.asset_file_path("Execution_Asset", "m.bin").write_bytes(b"weights")
    rid = exe.execution_rid
    (found,) = ml.list_execution_dirs()
    assert found["execution_rid"] == rid
    assert found["size_bytes"] >= 7
    with pytest.raises(DerivaMLStateInconsistency, match="only copy"):
        ml.storage.delete_execution(rid)
    assert ml.clean_execution_dirs()["dirs_removed"] == 0
    with (
        claimed(ml.working_dir / "execution" / rid),
        pytest.raises(DerivaMLStateInconsistency, match="is running"),
    ):
        ml.storage.delete_execution(rid, discard=True)
    assert ml.storage.delete_execution(rid, discard=True) >= 7
    assert ml.list_execution_dirs() == []


def test_files_without_a_readable_journal_go_only_when_they_are_discarded(
    places: Places, storage: Storage
) -> None:
    for rid in ("1-AAAA", "1-BBBB"):
        keep(places, b"only copy", f"../execution/{rid}/assets/out.bin")
    (places.working_dir / "execution" / "1-AAAA" / "journal.db").write_bytes(b"no database" * 100)
    assert storage.clean_execution_dirs() == {"dirs_removed": 0, "bytes_freed": 0, "errors": 1}
    with pytest.raises(DerivaMLStateInconsistency, match="journal"):
        storage.delete_execution("1-AAAA")
    with pytest.raises(DerivaMLStateInconsistency, match="discard"):
        storage.delete_execution("1-BBBB")
    assert [d["size_bytes"] >= 9 for d in storage.list_execution_dirs()] == [True, True]
    for rid in ("1-AAAA", "1-BBBB"):
        assert storage.delete_execution(rid, discard=True) == 9
    assert storage.list_execution_dirs() == []
    assert not storage.waits("1-BBBB")


def test_an_unreadable_journal_does_not_end_the_cleaning(ml: DerivaML) -> None:
    with ml.create_execution(workflow=WORKFLOW) as exe:
        exe.asset_file_path("Execution_Asset", "m.bin").write_bytes(b"weights")
    exe.upload_execution_outputs()
    left = ml.working_dir / "execution" / exe.execution_rid / "assets"
    left.mkdir(exist_ok=True)
    (left / "left.bin").write_bytes(b"left")
    broken = ml.working_dir / "execution" / "1-AAAA"  # comes first
    (broken / "assets").mkdir(parents=True)
    (broken / "journal.db").write_bytes(b"no database" * 100)
    assert ml.clean_execution_dirs(exclude_rids=exe.execution_rid)["dirs_removed"] == 0
    done = ml.clean_execution_dirs()
    assert (done["dirs_removed"], done["errors"]) == (1, 1)
