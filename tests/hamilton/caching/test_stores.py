import datetime
import pickle

import pytest

from hamilton.caching.stores.base import ResultRetrievalError, StoredResult
from hamilton.caching.stores.file import FileResultStore
from hamilton.caching.stores.memory import InMemoryMetadataStore, InMemoryResultStore
from hamilton.caching.stores.sqlite import CacheDatabase, SQLiteMetadataStore, SQLiteResultStore


@pytest.fixture(params=["file", "memory", "sqlite", "sqlite files"])
def results(request, tmp_path):
    if request.param == "file":
        return FileResultStore(tmp_path)
    if request.param == "memory":
        return InMemoryResultStore()
    small = 0 if request.param == "sqlite files" else 10_000
    return SQLiteResultStore(CacheDatabase(tmp_path / "k.db"), tmp_path, inline_bytes=small)


@pytest.fixture(params=["memory", "sqlite"])
def metadata(request, tmp_path):
    return InMemoryMetadataStore() if request.param == "memory" else SQLiteMetadataStore(tmp_path)


@pytest.mark.parametrize("value", [None, 1, {"a": [1, 2]}, b"x" * 100])
def test_a_value_comes_back(results, value):
    results.set("v", value)
    assert results.exists("v")
    assert results.get("v") == value
    results.flush()
    assert results.get("v") == value


def test_a_deleted_value_is_gone(results):
    for name in ("v", "w", "u"):
        results.set(name, 1)
    results.delete("v")
    results.delete("never there")
    assert not results.exists("v")
    with pytest.raises(ResultRetrievalError):
        results.get("v")
    results.delete_all()
    assert not results.exists("w")


def test_an_expired_value_is_gone(results):
    results.set("v", 1, expires_in=datetime.timedelta(seconds=-1))
    with pytest.raises(ResultRetrievalError):
        results.get("v")


def test_expired_files_can_be_removed(tmp_path):
    store = FileResultStore(tmp_path)
    store.set("old", 1, expires_in=datetime.timedelta(seconds=-1))
    store.set("new", 1, expires_in=datetime.timedelta(hours=1))
    store.delete_expired()
    assert store.versions() == ["new"]


def test_what_killed_writers_left_can_be_removed(tmp_path):
    store = FileResultStore(tmp_path)
    store.set("v", 1)
    (tmp_path / ".v.0.part").write_bytes(b"half")
    store.delete_leftovers()
    assert (tmp_path / ".v.0.part").exists(), "it may be on its way"
    store.delete_leftovers(older_than_s=-1)
    assert [f.name for f in tmp_path.iterdir()] == ["v"]


def test_a_missing_folder_is_made_only_when_asked(tmp_path):
    with pytest.raises(FileNotFoundError, match="create_dir"):
        FileResultStore(tmp_path / "no", create_dir=False)


def test_a_stored_file_is_a_plain_pickle(tmp_path):
    FileResultStore(tmp_path).set("v", [1, 2])
    with (tmp_path / "v").open("rb") as file:
        assert pickle.load(file).value == [1, 2]


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-9], lambda b: b"", lambda b: b[:5] + b"?" + b[6:]]
)
def test_a_damaged_file_is_a_missing_value(tmp_path, damage):
    store = FileResultStore(tmp_path)
    store.set("v", list(range(100)))
    file = tmp_path / "v"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ResultRetrievalError):
        store.get("v")


def test_stored_results_need_saver_and_loader_together():
    with pytest.raises(ValueError, match="both"):
        StoredResult.new(1, saver=object())
    assert StoredResult.new(1).expires_in == -1
    assert not StoredResult.new(1, datetime.timedelta(hours=1)).expired


def test_keys_and_runs_come_back(metadata):
    metadata.initialize("r1")
    metadata.set("k1", "v1", "r1")
    metadata.set("k2", "v2", "r1")
    metadata.initialize("r2")
    metadata.set("k1", "v3", "r2")
    assert metadata.get("k1") == "v3"
    assert metadata.get("k9") is None
    assert metadata.exists("k2")
    assert len(metadata) == metadata.size == 2
    assert metadata.get_run_ids() == ["r1", "r2"]
    assert metadata.last_run_id == "r2"
    first = {(e["cache_key"], e["data_version"]) for e in metadata.get_run("r1")}
    assert first == {("k1", "v1"), ("k2", "v2")}
    assert [e["data_version"] for e in metadata.get_last_run()] == ["v3"]


def test_an_unknown_run_is_an_index_error(metadata):
    with pytest.raises(IndexError):
        metadata.get_run("r1")
    with pytest.raises(IndexError):
        metadata.get_last_run()


def test_a_deleted_key_is_gone(metadata):
    metadata.set("k1", "v1", "r1")
    metadata.set("k2", "v1", "r1")
    metadata.delete("k1")
    assert not metadata.exists("k1")
    metadata.delete_all()
    assert len(metadata) == 0


def test_memory_stores_are_written_out_and_read_back(tmp_path):
    memory, values = InMemoryMetadataStore(), InMemoryResultStore()
    memory.initialize("r")
    memory.set("k", "v", "r")
    values.set("v", 7)
    memory.persist_to(SQLiteMetadataStore(tmp_path))
    values.persist_to(FileResultStore(tmp_path))
    again = InMemoryMetadataStore.load_from(SQLiteMetadataStore(tmp_path))
    assert again.get("k") == "v"
    found = InMemoryResultStore.load_from(FileResultStore(tmp_path), metadata_store=again)
    assert found.get("v") == 7
    with pytest.raises(ValueError, match="data_versions"):
        InMemoryResultStore.load_from(FileResultStore(tmp_path))


def test_a_damaged_database_is_set_aside(tmp_path):
    SQLiteMetadataStore(tmp_path).set("k", "v", "r")
    (tmp_path / "metadata_store.db").write_bytes(b"no database" * 200)
    store = SQLiteMetadataStore(tmp_path)
    assert store.get("k") is None
    store.set("k", "w", "r")
    store.flush()
    assert SQLiteMetadataStore(tmp_path).get("k") == "w"
    assert (tmp_path / "metadata_store.db.damaged").exists()


def test_pruning_keeps_what_was_used_last(tmp_path):
    store = SQLiteResultStore(CacheDatabase(tmp_path / "k.db"), tmp_path, max_size=10**9)
    for name in ("a", "b", "c"):
        store.set(name, name * 1000)
        store.flush()
    store.get("a")
    assert store.prune(max_size=2500) == 1
    assert [store.exists(n) for n in ("a", "b", "c")] == [True, False, True]
    assert store.prune(max_age_s=0) == 2


def test_a_pickled_store_opens_the_same_files(tmp_path):
    store = SQLiteMetadataStore(tmp_path)
    store.set("k", "v", "r")
    assert pickle.loads(pickle.dumps(store)).get("k") == "v"
