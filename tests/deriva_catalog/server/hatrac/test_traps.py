"""What goes wrong in stores that look right: lost answers, open transactions, tricks in names."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog_server import HttpClient, Served, serving
from deriva_catalog.catalog import create_local, open_local
from deriva_catalog.catalog.opening import default_client
from deriva_catalog.objects import ContentStore
from deriva_catalog.server.settings import Settings

DATA = random.Random(3).randbytes(2_500)
SHA256 = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
TRICKS = [
    "..",
    ".",
    "%2e%2e",
    "%2E%2e",
    "a%00b",
    "a\\b",
    "a%ffb",
    "a|b",
    "a<b",
    "",
]


def test_an_end_whose_answer_was_lost_shows_at_once(kim: HttpClient, name: str) -> None:
    plan = {"chunk-length": 1000, "content-length": len(DATA)}
    job = kim.post(f"{name};upload", plan).headers["location"]
    for n in range(3):
        assert kim.put(f"{job}/{n}", DATA[n * 1000 : (n + 1) * 1000]).status == 204
    assert kim.post(job).status == 201  # the client does not hear of it
    assert kim.post(job).status == 404
    head = kim.head(name)
    assert head.headers["content-sha256"] == SHA256
    assert head.headers["content-location"].startswith(f"{name}:")


def test_who_goes_on_uses_the_chunk_length_of_the_job(kim: HttpClient, name: str) -> None:
    job = kim.post(f"{name};upload", {"chunk-length": 700, "content-length": len(DATA)}).text
    job = job.strip()
    assert kim.put(f"{job}/1", DATA[1000:2000]).status == 409  # another default than the job's
    length = kim.get(job).json["chunk-length"]
    for n, begin in enumerate(range(0, len(DATA), length)):
        assert kim.put(f"{job}/{n}", DATA[begin : begin + length]).status == 204
    assert kim.post(job).status == 201
    assert kim.get(name).body == DATA


def test_nothing_is_locked_while_bytes_flow(tmp_path: Path) -> None:
    first, second = create_local(tmp_path / "zoo"), open_local(tmp_path / "zoo")

    def pieces() -> Iterator[bytes]:
        for n in range(3):
            second.objects.put(f"/hatrac/beside/{n}", b"written in the midst of the other")
            yield DATA

    put = first.objects.put("/hatrac/slow", pieces())
    assert put.length == 3 * len(DATA)
    assert len(second.objects.names("/hatrac/beside")) == 3
    first.close()
    second.close()


def test_bodies_have_a_limit(tmp_path: Path) -> None:
    with serving(tmp_path / "home", settings=Settings(body_bytes=1000)) as served:
        kim = served.client(default_client())
        assert kim.put("/hatrac/a", DATA).status == 413
        assert kim.get("/hatrac/a").status == 404
        plan = {"chunk-length": 2000, "content-length": len(DATA)}
        job = kim.post("/hatrac/a;upload", plan).headers["location"]
    with serving(tmp_path / "home", settings=Settings(body_bytes=1000)) as served:
        with HttpClient(served.port, served.tokens.add(default_client())) as again:
            assert again.put(f"{job}/0", DATA[:2000]).status == 413
            assert "chunks-received" in again.get(job).json
            assert again.get(job).json["chunks-received"] == []
        assert list(served.service.objects.content.digests()) == []


@pytest.mark.parametrize("part", TRICKS)
def test_tricks_in_names_reach_no_file(served: Served, kim: HttpClient, part: str) -> None:
    before = _files(served)
    for target in (f"/hatrac/ns/{part}/x", f"/hatrac/ns/x/{part}/y"):
        for query in ("", "?parents=true"):
            assert kim.put(target + query, b"evil").status in (400, 404)
        plan = {"chunk-length": 1, "content-length": 1}
        assert kim.post(f"{target};upload?parents=true", plan).status in (400, 404)
    assert _files(served) == before


def test_names_that_look_like_paths_are_only_names(served: Served, kim: HttpClient) -> None:
    names = ["%2Fetc%2Fpasswd", "..%2F..%2Fx", "C%3A%5Cx", "CON", "a" * 2000, "%F0%9F%90%8D", "~"]
    for part in names:
        put = kim.put(f"/hatrac/ns/{part}", part.encode())
        assert put.status == 201, part
        assert kim.get(put.headers["location"]).body == part.encode()
    assert {path.parts[0] for path in _files(served)} <= {"sha256", "uploads", "incoming"}


def test_a_raw_colon_addresses_a_version(kim: HttpClient, name: str) -> None:
    assert kim.put(f"{name}:abc", b"1").status == 405
    assert kim.get(f"{name}:abc").status == 404
    assert kim.put(f"{name}%3Aabc", b"1").status == 201
    assert kim.get(f"{name}%3Aabc").body == b"1"


def test_a_number_of_a_job_is_no_path(kim: HttpClient, name: str) -> None:
    job = kim.post(f"{name};upload", {"chunk-length": 1, "content-length": 1}).text.strip()
    for number in ("..", "%2e%2e", "0%2F..", "-1", "1e3", "0x1", "%D9%A1"):
        assert kim.put(f"{job}/{number}", b"1").status in (400, 404), number
    for wrong in ("..", "%2e%2e%2Fx", "A" * 3000):
        assert kim.get(f"{name};upload/{wrong}").status in (400, 404), wrong
        assert kim.put(f"{name};upload/{wrong}/0", b"1").status in (400, 404), wrong


def _files(served: Served) -> set[Path]:
    content: ContentStore = served.service.objects.content
    assert content.directory is not None
    return {p.relative_to(content.directory) for p in content.directory.rglob("*") if p.is_file()}
