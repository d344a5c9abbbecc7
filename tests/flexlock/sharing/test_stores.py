"""One suite over every kind of store."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flexlock.errors import ShareError
from flexlock.sharing.stores import Store, open_store

needs_rclone = pytest.mark.skipif(shutil.which("rclone") is None, reason="rclone is not installed")
KINDS = ["folder", "file", pytest.param("rclone", marks=needs_rclone), "bucket"]


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    root = tmp_path / "the store"
    addresses = {
        "folder": str(root),
        "file": root.as_uri(),
        "rclone": f"rclone:{root}",
    }
    if request.param == "bucket":
        return open_store(request.getfixturevalue("bucket_address"))
    return open_store(addresses[request.param])


@pytest.fixture(scope="module")
def bucket_address(tmp_path_factory: pytest.TempPathFactory):
    """The address of a fresh bucket on a server that speaks the S3 protocol."""
    pytest.importorskip("obstore")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "something",
            "AWS_REGION": "us-east-1",
        }.items():
            patch.setenv(name, value)
        import boto3

        boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="runs")
        yield f"s3://runs/{time.time_ns()}"
    server.stop()


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_what_goes_up_comes_down(store: Store, tmp_path: Path) -> None:
    files = {
        f"objects/{n:02x}/{n:062x}": write(tmp_path, f"in/é {n}", os.urandom(n * 1000))
        for n in range(12)
    }
    up: list[int] = []
    store.upload(files, up.append)
    assert store.sizes([*files, "objects/ff/none"]) == {
        k: p.stat().st_size for k, p in files.items()
    }
    assert sum(up) >= sum(path.stat().st_size for path in files.values()) or "rclone" in store.url

    (tmp_path / "out").mkdir()
    targets = {key: tmp_path / "out" / str(n) for n, key in enumerate(files)}
    store.download(targets, up.append)
    assert [t.read_bytes() for t in targets.values()] == [s.read_bytes() for s in files.values()]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(map(str, range(12)))


def test_uploading_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    files = {"objects/ab/cd": write(tmp_path, "a", b"same")}
    store.upload(files, print)
    store.upload(files, print)
    assert store.read("objects/ab/cd") == b"same"


def test_small_keys_are_replaced(store: Store) -> None:
    assert store.read("manifests/runs/x.json") is None
    store.write("manifests/runs/x.json", b"1")
    store.write("manifests/runs/x.json", b"2")  # the same size at the same time
    assert store.read("manifests/runs/x.json") == b"2"


def test_nothing_is_there_at_first(store: Store) -> None:
    assert store.sizes([]) == {}
    assert store.sizes(["objects/00/11"]) == {}


def test_a_missing_key_is_named(store: Store, tmp_path: Path) -> None:
    store.write("objects/00/22", b"x")
    with pytest.raises(ShareError, match="objects/00/11"):
        store.download({"objects/00/11": tmp_path / "out"}, print)
    assert not (tmp_path / "out").exists()


def test_the_address_opens_the_same_store(store: Store) -> None:
    store.write("note", b"hello")
    assert open_store(store.url).read("note") == b"hello"


def test_only_local_stores_have_paths(store: Store) -> None:
    store.write("note", b"hello")
    path = store.local_path("note")
    assert path is None or path.read_bytes() == b"hello"
    assert (path is not None) == store.url.startswith("file:")


@pytest.mark.parametrize("address", ["ftp://host/x", "catalog://x", "rclone:"])
def test_unknown_kinds_are_refused(address: str) -> None:
    with pytest.raises(ShareError, match=r"rclone:"):
        open_store(address)


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    blocked = write(tmp_path, "file", b"")
    with pytest.raises(ShareError, match="could not be written"):
        open_store(str(blocked / "store")).write("key", b"")


@needs_rclone
def test_rclones_own_words_are_passed_on(tmp_path: Path) -> None:
    with pytest.raises(ShareError, match="nowhere"):
        open_store("rclone:nowhere:there").write("key", b"x")


def test_without_rclone_the_error_names_other_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    from flexlock.sharing.stores import rclone

    monkeypatch.setenv("PATH", "")
    rclone.find_rclone.cache_clear()
    with pytest.raises(ShareError, match="s3://"):
        open_store("rclone:x:y").sizes(["a"])
    rclone.find_rclone.cache_clear()


@pytest.mark.parametrize("kind", ["folder", pytest.param("rclone", marks=needs_rclone)])
def test_a_killed_upload_shows_no_half_file(kind: str, tmp_path: Path) -> None:
    big = write(tmp_path, "big", os.urandom(64 << 20))
    root = tmp_path / "store"
    address = f"rclone:{root}" if kind == "rclone" else str(root)
    code = (
        "import sys; from pathlib import Path; from flexlock.sharing.stores import open_store\n"
        "def tell(n): print(n, flush=True)\n"
        "print('start', flush=True)\n"
        "open_store(sys.argv[1]).upload({'objects/aa/bb': Path(sys.argv[2])}, tell)\n"
        "print('end', flush=True)"
    )
    for wait_s in (0.0, 0.01, 0.05, 0.1, 0.2):
        with subprocess.Popen(
            [sys.executable, "-c", code, address, str(big)],
            stdout=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(wait_s)  # a random moment, not a wait for something
            os.killpg(process.pid, signal.SIGKILL)
        assert open_store(address).sizes(["objects/aa/bb"]) in ({}, {"objects/aa/bb": 64 << 20})
    store = open_store(address)
    store.upload({"objects/aa/bb": big}, print)
    assert store.read("objects/aa/bb") == big.read_bytes()
