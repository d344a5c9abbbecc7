"""What `data=` accepts, and what is recorded for it."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flexlock.data.tracking import hash_data, normalise, rehash, track
from flexlock.errors import ConfigError, DataError, MissingDataError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "data/scans").mkdir(parents=True)
    (tmp_path / "data/input.csv").write_text("a,b\n")
    (tmp_path / "data/scans/one.dcm").write_bytes(bytes(300_000))
    (tmp_path / "data/scans/notes.txt").write_text("n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (None, []),
        ("data/input.csv", ["input"]),
        (Path("data/input.csv"), ["input"]),
        (["data/input.csv", "data/scans/"], ["input", "scans"]),
        (["data/a.csv", "data/a.json"], ["data/a.csv", "data/a.json"]),
        (["data/a.csv", "data/a.csv"], ["a"]),
        (["v1.2", "x.tar.gz", ".env", "https://x.org/y/z.csv"], ["v1.2", "x", ".env", "z"]),
        ({"first": "a", 2: Path("b")}, ["first", "2"]),
    ],
)
def test_names(data: object, names: list[str]) -> None:
    assert list(normalise(data)) == names


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (3, "neither a path"),
        ([3], "'0' is 3, which is no path"),
        ([""], "empty path"),
        ({"x": {"pth": "a"}}, r"'x' has the unknown keys \['pth'\]"),
        ({"x": {"hash": "stat"}}, "needs either a path or a dataset"),
        ({"x": {"path": "a", "hash": "half"}}, "hash='half'"),
        ({"x": {"path": "a", "include": [1]}}, r"patterns \[1\]"),
    ],
)
def test_what_is_not_understood_is_named(data: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        normalise(data)


def test_files_and_folders(here: Path) -> None:
    states, warnings = track(["data/input.csv", "data/scans"])
    assert warnings == ()
    one, two = states.values()
    assert (one.path, one.kind, one.bytes, one.files) == ("data/input.csv", "file", 4, 1)
    assert (two.kind, two.bytes, two.files, two.method) == ("dir", 300_001, 2, "full")
    assert one.hash == hash_data("data/input.csv")
    assert one.algorithm == "blake3"


def test_settings(here: Path) -> None:
    scans = {"path": "data/scans", "include": ["*.dcm"], "algorithm": "sha256"}
    states, _ = track({"scans": scans})
    state = states["scans"]
    digest = hashlib.sha256(bytes(300_000)).hexdigest()
    manifest = f"flexlock manifest 1\none.dcm\0f 300000 {digest}\n"
    assert state.hash == hashlib.sha256(manifest.encode()).hexdigest()
    assert (state.include, state.files) == (("*.dcm",), 1)
    assert rehash(state) == state


@pytest.mark.parametrize("path", ["data/input.csv", "data/scans"])
@pytest.mark.parametrize("method", ["stat", "sample"])
def test_estimates(here: Path, method: str, path: str) -> None:
    states, _ = track({"x": {"path": path, "hash": method}})
    state = states["x"]
    assert state.method == method
    assert rehash(state) == state
    assert state.hash != hash_data(path)
    file = here / path if (here / path).is_file() else here / path / "one.dcm"
    with file.open("r+b") as opened:
        opened.write(b"!")
    os.utime(file, (1, 1))
    assert rehash(state) != state


def test_a_missing_path_names_its_key(here: Path) -> None:
    with pytest.raises(MissingDataError, match=r"data 'labels': 'data/none' does not exist"):
        track({"labels": "data/none"})
    states, warnings = track({"labels": "data/none"}, allow_missing=True)
    assert (states["labels"].hash, states["labels"].algorithm) == (None, None)
    assert warnings == ("data 'labels': 'data/none' does not exist.",)


def test_notes_become_warnings(here: Path) -> None:
    os.mkfifo(here / "data/scans/pipe")
    _, warnings = track("data/scans")
    assert warnings == ("data 'scans': pipe (named pipe) is not hashed",)


def test_paths_start_from_the_root(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states, _ = track("data/input.csv")
    monkeypatch.chdir("/")
    assert track("data/input.csv", root=here)[0] == states
    with pytest.raises(MissingDataError):
        rehash(states["input"])
    assert rehash(states["input"], root=here) == states["input"]


def test_known_hashes_and_datasets_are_not_looked_at(here: Path) -> None:
    states, _ = track(
        {
            "far": {"path": "s3://bucket/x", "hash": "sha256:ab12"},
            "set": {"dataset": "1-ABC", "version": "1.2.0"},
        }
    )
    far, dataset = states.values()
    assert (far.kind, far.method, far.algorithm, far.hash) == ("url", "given", "sha256", "ab12")
    assert (dataset.kind, dataset.path, dataset.hash) == ("dataset", "1-ABC@1.2.0", None)
    assert rehash(far) == far
    assert rehash(dataset) == dataset


class Answers(BaseHTTPRequestHandler):
    tag = '"v1"'

    def do_HEAD(self) -> None:
        self.send_response(404 if self.path == "/none" else 200)
        if self.path == "/tagged":
            self.send_header("ETag", self.tag)
        if self.path == "/dated":
            self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("Content-Length", "12")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_urls_are_known_by_their_tag(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    states, _ = track([f"{server}/tagged", f"{server}/dated"])
    tagged = states["tagged"]
    assert (tagged.kind, tagged.algorithm, tagged.bytes) == ("url", "etag", 12)
    assert states["dated"].hash != tagged.hash
    assert rehash(tagged) == tagged
    monkeypatch.setattr(Answers, "tag", '"v2"')
    assert rehash(tagged) != tagged
    assert replace(rehash(tagged), hash=tagged.hash) == tagged


def test_urls_without_a_version_are_refused(server: str) -> None:
    with pytest.raises(DataError, match="neither an entity tag nor a time"):
        track(f"{server}/plain")
    with pytest.raises(MissingDataError, match="HTTP 404"):
        track(f"{server}/none")
    with pytest.raises(DataError, match="cannot be looked up"):
        track("http://127.0.0.1:9/x")
    with pytest.raises(DataError, match="cannot be asked for"):
        track("s3://bucket/x")
